#include "config.h"

#include "opsd/snapshot/snapfile.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

void
snapfile_table_clear(struct snapfile_table *t)
{
	free(t->database);
	free(t->name);
	free(t->primary_key);
	json_decref(t->definition);
	free(t->positions);
	*t = (struct snapfile_table){ 0 };
}
