#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/group_priv.h"
#include "opsd/store/record.h"

static void ddl_run(struct group *g, struct commit_job *j);

struct ddl *
ddl_new(enum ddl_kind kind, const char *database, const char *table)
{
	struct ddl *d = xcalloc(1, sizeof(*d));

	d->job.run = ddl_run;
	d->kind = kind;
	d->database = xstrdup(database);
	d->table = xstrdup(table);
	d->audit = 1;
	return (d);
}

void
ddl_free(struct ddl *d)
{
	if (d == NULL)
		return;
	free(d->database);
	free(d->table);
	free(d->attribute);
	free(d->primary_key);
	free(d->user);
	free(d->sqlite);
	free(d->job.error);
	json_decref(d->attributes);
	json_decref(d->residence);
	free(d);
}

/* Its rows would go from the application's file as well. */
static int
refuse_attached(struct ddl *d, const struct table *t)
{
	if (t->stat->file == 0)
		return (0);
	commit_fail(&d->job, 409, "Table '%s.%s' is in a SQLite file: detach_sqlite it first",
	    t->database, t->name);
	return (1);
}

static void
run_create_database(struct group *g, struct ddl *d)
{
	if (catalog_has_database(group_data(g)->catalog, d->database)) {
		commit_fail(&d->job, 400, "database '%s' already exists", d->database);
		return;
	}
	group_put_database(g, d->database);
}

static void
run_drop_database(struct group *g, struct ddl *d)
{
	struct catalog *c = group_data(g)->catalog;
	struct table **list;
	size_t n;

	if (!catalog_has_database(c, d->database)) {
		commit_fail(&d->job, 404, "database '%s' does not exist", d->database);
		return;
	}
	list = catalog_tables(c, d->database, &n);
	for (size_t i = 0; i < n && d->job.status == 200; i++)
		refuse_attached(d, list[i]);
	for (size_t i = 0; i < n; i++) {
		if (d->job.status == 200)
			group_drop_table(g, group_table(g, list[i]->id));
		table_unref(list[i]);
	}
	free(list);
	if (d->job.status == 200)
		group_drop_database(g, d->database);
}

static void
run_create_table(struct group *g, struct ddl *d)
{
	const char *why = NULL;
	json_t *definition = json_pack("{s:O*, s:b, s:b, s:I, s:O*, s:s*}", "attributes",
	    d->attributes, "declared", json_array_size(d->attributes) > 0, "audit", d->audit,
	    "expiration", (json_int_t)d->expiration, "residence", d->residence, "sqlite",
	    d->sqlite);

	table_replicate_write(d->replicate, definition);
	if (group_create_table(g, d->database, d->table, d->primary_key, definition, d->user,
		&why) == NULL)
		commit_fail(&d->job, 400, "Table '%s' already exists in '%s'", d->table,
		    d->database);
	json_decref(definition);
}

/* The table, or NULL with 404 (400 for status 400). */
static struct table *
need_table(struct group *g, struct ddl *d, int status)
{
	struct table *t;

	if (!catalog_has_database(group_data(g)->catalog, d->database)) {
		commit_fail(&d->job, status, "database '%s' does not exist", d->database);
		return (NULL);
	}
	t = group_table_named(g, d->database, strlen(d->database), d->table, strlen(d->table));
	if (t == NULL)
		commit_fail(&d->job, status, "Table '%s.%s' does not exist", d->database, d->table);
	return (t);
}

static void
run_drop_table(struct group *g, struct ddl *d)
{
	struct table *t = need_table(g, d, 404);

	if (t != NULL && !refuse_attached(d, t))
		group_drop_table(g, t);
}

static void
run_alter_table(struct group *g, struct ddl *d)
{
	struct table *t = need_table(g, d, 404);

	if (t == NULL || t->replicate == d->replicate)
		return;
	t = group_edit(g, t);
	t->replicate = d->replicate;
	t->changed = 1;
}

static void
run_create_attribute(struct group *g, struct ddl *d)
{
	struct table *t = need_table(g, d, 404);
	const struct attribute *a;
	struct attribute *na;

	if (t == NULL)
		return;
	a = table_attr(t, d->attribute, strlen(d->attribute));
	if (a != NULL && !a->hidden) {
		commit_fail(&d->job, 400, "attribute '%s' already exists in %s.%s", d->attribute,
		    d->database, d->table);
		return;
	}
	if (a == NULL && t->nattrs >= group_data(g)->live.max_attributes) {
		commit_fail(&d->job, 400, TABLE_WOULD_HAVE, d->database, d->table,
		    (unsigned long long)group_data(g)->live.max_attributes);
		return;
	}
	t = group_edit(g, t);
	na = table_edit_attr(t, d->attribute, strlen(d->attribute));
	na->hidden = 0;
	na->indexed = na->whole = t->stat->count == 0;
	group_log_attribute(g, t, na, d->user);
}

static void
run_drop_attribute(struct group *g, struct ddl *d)
{
	struct table *t = need_table(g, d, 404);
	const struct attribute *a;
	struct attribute *na;

	if (t == NULL)
		return;
	a = table_attr(t, d->attribute, strlen(d->attribute));
	if (a == NULL || a->hidden) {
		commit_fail(&d->job, 404, "Attribute '%s' does not exist on '%s.%s'", d->attribute,
		    d->database, d->table);
		return;
	}
	na = table_edit_attr(group_edit(g, t), d->attribute, strlen(d->attribute));
	na->dropped = group_stamp(g);
	na->hidden = 1;
	na->indexed = na->whole = 0;
}

static void (*const runs[])(struct group *, struct ddl *) = {
	[DDL_CREATE_DATABASE] = run_create_database,
	[DDL_DROP_DATABASE] = run_drop_database,
	[DDL_CREATE_TABLE] = run_create_table,
	[DDL_ALTER_TABLE] = run_alter_table,
	[DDL_DROP_TABLE] = run_drop_table,
	[DDL_CREATE_ATTRIBUTE] = run_create_attribute,
	[DDL_DROP_ATTRIBUTE] = run_drop_attribute,
};

static void
ddl_run(struct group *g, struct commit_job *j)
{
	struct ddl *d = (struct ddl *)j;

	runs[d->kind](g, d);
}
