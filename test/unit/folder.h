#ifndef HL_FOLDER_H
#define HL_FOLDER_H

/* For tests: a folder of their own, made before the first and gone after the last. */

#include <stdlib.h>

#include "common/base/mem.h"

static char folder[] = "/tmp/hl-test.XXXXXX";

static inline char *
in_folder(const char *name)
{
	return (xasprintf("%s/%s", folder, name));
}

/* One in it, in place of what was there; 0, or it could not be. */
static inline int
copy_in_folder(const char *from, const char *to)
{
	char *a = in_folder(from), *b = in_folder(to);
	char *command = xasprintf("rm -rf %s && cp -a %s %s", b, a, b);
	int rc = system(command);

	free(command);
	free(a);
	free(b);
	return (rc);
}

static inline int
make_folder(void **state)
{
	(void)state;
	return (mkdtemp(folder) != NULL ? 0 : -1);
}

static inline int
remove_folder(void **state)
{
	char *command = xasprintf("rm -rf %s", folder);
	int rc = system(command);

	(void)state;
	free(command);
	return (rc);
}

#endif
