#include "config.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/worker.h"
#include "opsd/op/node.h"
#include "opsd/op/op_cert.h"
#include "opsd/pki/pki.h"
#include "opsd/store/sysrow.h"

/* system.hdb_certificate: what list_certificates answers, as rows that can be searched. */

static const char *const columns[] = { "uses", "certificate", "is_authority", "private_key_name",
	"details", "is_self_signed" };

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Two who bring it up to date at once would undo each other's work. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static json_t *
column_of(const json_t *row, const char *name)
{
	json_t *v = json_object_get(row, name);

	return (v != NULL ? v : json_null());
}

static int
is_same_row(const json_t *a, const json_t *b)
{
	int same = a != NULL;

	for (size_t i = 0; i < COLUMNS && same; i++)
		same = json_equal(column_of(a, columns[i]), column_of(b, columns[i]));
	return (same);
}

/* {name: row}, of an array of them; new reference. */
static json_t *
rows_by_name(json_t *list)
{
	json_t *all = json_object(), *row;
	size_t i;

	json_array_foreach(list, i, row)
		json_object_set(all, json_string_value(json_object_get(row, "name")), row);
	json_decref(list);
	return (all);
}

static void
put_cert_row(struct ops *o, const char *name, const json_t *now)
{
	json_t *row = json_pack("{s:s}", "name", name);
	char *err = NULL;

	for (size_t i = 0; i < COLUMNS; i++)
		json_object_set(row, columns[i], column_of(now, columns[i]));
	if (sysrow_put(&o->data, SYS_CERTIFICATE, row, &err) != 200)
		log_warnx("hdb_certificate: %s: %s", name, err);
	free(err);
	json_decref(row);
}

static void
remove_cert_row(struct ops *o, const char *name)
{
	char *err = NULL;

	if (sysrow_remove(&o->data, SYS_CERTIFICATE, name, &err) != 200)
		log_warnx("hdb_certificate: %s: %s", name, err);
	free(err);
}

void
op_cert_table(struct ops *o)
{
	json_t *want, *have, *row;
	const char *name;

	if (store_read_only(o->data.store))
		return;
	pthread_mutex_lock(&table_lock);
	want = rows_by_name(op_cert_list(o));
	have = rows_by_name(sysrow_all(&o->data, SYS_CERTIFICATE));
	json_object_foreach(want, name, row)
		if (!is_same_row(json_object_get(have, name), row))
			put_cert_row(o, name, row);
	json_object_foreach(have, name, row)
		if (json_object_get(want, name) == NULL)
			remove_cert_row(o, name);
	json_decref(want);
	json_decref(have);
	pthread_mutex_unlock(&table_lock);
}

static void
cert_table_work(void *arg)
{
	op_cert_table(arg);
}

void
op_cert_table_soon(struct ops *o)
{
	workers_run(o->data.workers, cert_table_work, o);
}

/* ---- what nobody here has asked for: other nodes sign, introduce and renew ---- */

static void
cert_watch_cb(evutil_socket_t fd, short what, void *arg)
{
	struct ops *o = arg;
	uint64_t now = pki_changes(o->pki);

	if (now != o->certs_seen)
		op_cert_table_soon(o);
	o->certs_seen = now;
}

struct event *
op_cert_table_watch(struct ops *o)
{
	struct timeval every = { 1, 0 };
	struct event *ev = event_new(o->data.svc->base, -1, EV_PERSIST, cert_watch_cb, o);

	cert_watch_cb(-1, 0, o);
	event_add(ev, &every);
	return (ev);
}
