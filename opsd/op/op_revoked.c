#include "config.h"

#include "opsd/op/op_revoked.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/linkconf.h"
#include "opsd/pki/pki.h"

struct revoked_line {
	const char *serial; /* borrowed, as the next */
	const json_t *record;
	json_int_t at;
};

/* What was revoked at one moment comes by its serial number. */
static int
by_time(const void *a, const void *b)
{
	const struct revoked_line *x = a, *y = b;

	if (x->at != y->at)
		return (x->at > y->at ? -1 : 1);
	return (strcmp(x->serial, y->serial));
}

static void
add_of_calls(json_t *list, json_t *revoked)
{
	struct revoked_line *lines = xcalloc(json_object_size(revoked) + 1, sizeof(*lines));
	const char *serial;
	json_t *record;
	size_t n = 0;

	json_object_foreach(revoked, serial, record)
		if (!pki_is_over(record))
			lines[n++] = (struct revoked_line){ serial, record,
				json_integer_value(json_object_get(record, "at")) };
	qsort(lines, n, sizeof(*lines), by_time);
	for (size_t i = 0; i < n && json_array_size(list) < OP_REVOKED_MOST; i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:O?, s:I}", "serial_number", lines[i].serial, "by",
			json_object_get(lines[i].record, "by"), "time", lines[i].at));
	free(lines);
}

/* As the configuration has them now: nobody knows since when. */
static void
add_of_routes(json_t *list, struct ops *ops)
{
	struct conf *conf = data_conf(&ops->data);
	json_t *serials = linkconf_revoked(conf), *v;
	const char *serial;

	json_object_foreach(serials, serial, v)
		if (json_array_size(list) < OP_REVOKED_MOST)
			json_array_append_new(list,
			    json_pack("{s:s, s:s, s:n}", "serial_number", serial, "by",
				"replication.routes", "time"));
	json_decref(serials);
	conf_free(conf);
}

json_t *
op_revoked_list(struct ops *ops)
{
	json_t *list = json_array(), *revoked = pki_revoked(ops->pki);

	add_of_routes(list, ops);
	add_of_calls(list, revoked);
	json_decref(revoked);
	return (list);
}
