#ifndef HL_OPENDATA_H
#define HL_OPENDATA_H

/*
 * For tests: what a node has (data.h) without the node: a real store in a folder, its log, its catalog,
 * its commit thread and two workers.  It can be closed and opened again, as by a restart.  Nobody
 * is told what is logged; everything is.
 */

#include <jansson.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/worker.h"
#include "opsd/store/data.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"
#include "opsd/store/value.h"
#include "test/unit/folder.h"

struct opendata {
	struct data data;
	struct svc svc;
};

static inline void
opendata_logged(void *arg)
{
	(void)arg;
}

static inline void
opendata_measured(void *arg, size_t jobs, size_t bytes, uint64_t us)
{
	(void)arg;
	(void)jobs;
	(void)bytes;
	(void)us;
}

static inline int
opendata_logs(void *arg)
{
	(void)arg;
	return (1);
}

static inline int
opendata_shares(void *arg, const struct table *t)
{
	(void)arg;
	(void)t;
	return (0);
}

static inline struct conf *
opendata_conf(const char *name)
{
	char *err = NULL, *path = in_folder(name);
	char *flags[] = { xstrdup("opsd"), xasprintf("--ROOTPATH=%s", path),
		xasprintf("--RUNPATH=%s/run", path), xasprintf("--STORAGE_PATH=%s/database", path),
		xstrdup("--LOGGING_LEVEL=fatal"), xstrdup("--LOGGING_FILE=false"),
		xstrdup("--STORAGE_RESERVE=0"),
		xstrdup("--CLUSTERING_LEAFSERVER_STREAMS_MAXAGE=1000"),
		xstrdup("--STORAGE_TOMBSTONERETENTION=1000"),
		xstrdup("--CLUSTERING_NODENAME=here") };
	struct conf *conf;

	conf = conf_load(NULL, (int)(sizeof(flags) / sizeof(flags[0])), flags, &err);
	if (conf == NULL)
		fatalx("%s", err);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		free(flags[i]);
	free(path);
	return (conf);
}

static inline void
opendata_open(struct opendata *o, const char *name)
{
	struct data *d = &o->data;
	char *err = NULL;

	memset(o, 0, sizeof(*o));
	o->svc.name = "test";
	o->svc.conf = opendata_conf(name);
	data_init(d, &o->svc);
	d->hooks = (struct data_hooks){ opendata_logged, opendata_logs, opendata_shares, NULL };
	d->measured = opendata_measured;
	d->store = store_open(conf_str(o->svc.conf, STORAGE_PATH), 1 << 20, &err);
	if (d->store == NULL || txlog_open(&d->log, d->store, &err) == -1)
		fatalx("%s", err);
	memcpy(d->node_id, d->log.node, NODE_ID_LEN);
	d->catalog = catalog_load(d->store, &err);
	d->commit = commit_start(d, &err);
	d->workers = workers_start(2, &err);
	if (err != NULL)
		fatalx("%s", err);
}

static inline void
opendata_close(struct opendata *o)
{
	struct data *d = &o->data;

	if (d->workers != NULL)
		workers_stop(d->workers);
	commit_stop(d->commit);
	catalog_free(d->catalog);
	txlog_close(&d->log);
	store_close(d->store);
	data_clear(d);
	conf_free(o->svc.conf);
}

/* A change of definitions; its status.  expiration in seconds, or 0. */
static inline int
opendata_define(struct opendata *o, enum ddl_kind kind, const char *table, const char *attribute,
    uint32_t expiration)
{
	struct ddl *d = ddl_new(kind, "dev", table);
	int status;

	d->primary_key = xstrdup("id");
	d->attribute = xstrdup(attribute);
	d->expiration = expiration;
	status = commit_wait(o->data.commit, &d->job);
	ddl_free(d);
	return (status);
}

/* Whether an entry of the log is of the table: for reading it. */
static inline int
opendata_is_of(const struct log_entry *e, void *arg)
{
	const struct table *t = arg;

	return (e->table == t->id);
}

/* A write of a JSON array of records (of keys, for a delete); its status. */
static inline int
opendata_write(struct opendata *o, const char *table, enum txn_op op, const char *records)
{
	struct table *t = catalog_get(o->data.catalog, "dev", table);
	struct write *w = write_new(t, op, "tester");
	json_t *list = json_loads(records, 0, NULL), *record;
	size_t i;
	int status;

	json_array_foreach(list, i, record)
		if (write_add(w, record, 1 << 20) == -1)
			fatalx("%s", records);
	status = commit_wait(o->data.commit, &w->job);
	write_free(w);
	table_unref(t);
	json_decref(list);
	return (status);
}

/* The row's bytes with that key (JSON); 0: there are none. */
static inline int
opendata_stored(struct opendata *o, const char *table, const char *key, struct buf *bytes)
{
	struct table *t = catalog_get(o->data.catalog, "dev", table);
	json_t *json = json_loads(key, JSON_DECODE_ANY, NULL);
	struct buf k = { 0 }, rkey = { 0 };
	int rc;

	key_from_json(&k, json);
	key_row(&rkey, t->id, k.data, k.len);
	rc = store_get(o->data.store, NULL, CF_ROWS, rkey.data, rkey.len, bytes);
	buf_free(&k);
	buf_free(&rkey);
	table_unref(t);
	json_decref(json);
	return (rc);
}

/* A value of the row with that key as it would be shown; NULL: no such row or value. */
static inline json_t *
opendata_value(struct opendata *o, const char *table, const char *key, const char *name)
{
	struct buf bytes = { 0 };
	struct row row = { 0 };
	const struct attr *a = NULL;
	json_t *value = NULL;

	if (opendata_stored(o, table, key, &bytes) == 1 &&
	    row_load(&row, bytes.data, bytes.len) == 0 && row_visible(&row))
		a = row_attr(&row, name, strlen(name));
	if (a != NULL && row_counts(&row, a))
		value = value_to_json(a->value, a->vlen);
	row_free(&row);
	buf_free(&bytes);
	return (value);
}

#endif
