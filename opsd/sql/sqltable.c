#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/sql/sql_priv.h"

/* ---- columns ---- */

struct sqlcolumn *
sqltable_column(struct sqltable *t, const char *name)
{
	for (size_t i = 0; i < t->ncols; i++)
		if (sqlite3_stricmp(t->cols[i].name, name) == 0)
			return (&t->cols[i]);
	return (NULL);
}

/* Names that differ in case alone are one to SQLite: the later one gets a number. */
static char *
unused_name(struct sqltable *t, const char *name)
{
	char *with = xstrdup(name);

	for (unsigned n = 2; sqltable_column(t, with) != NULL; n++) {
		free(with);
		with = xasprintf("%s:%u", name, n);
	}
	return (with);
}

static void
add_column(struct sqltable *t, const char *name, struct field f, int shown)
{
	char *with = unused_name(t, name);

	t->cols = xrealloc(t->cols, (t->ncols + 1) * sizeof(*t->cols));
	t->cols[t->ncols++] = (struct sqlcolumn){ .field = f, .name = with, .shown = shown };
}

/* Those of the table; of what is written also those that it has not yet. */
static void
add_columns(struct sqltable *t, int target)
{
	const struct sqltext *text = &t->sql->text;
	const struct table *of = t->t;
	int many = of->nattrs > SQLTABLE_COLUMNS_MAX;
	struct field f;

	for (size_t i = 0; i < of->nattrs; i++) {
		const char *name = of->attrs[i]->name;

		if (field_find(&f, of, name) == -1 ||
		    user_hidden_attribute(of->id, name, strlen(name)))
			continue;
		if (f.kind == FIELD_KEY)
			t->key = t->ncols;
		else if (many && !sqltext_names(text, name))
			continue; /* of more columns than SQLite can have, those that it names */
		add_column(t, name, f, permission_attribute(t->sql->user, of, name, MAY_READ));
	}
	for (size_t i = 0; target && i < text->nwritten; i++)
		if (sqltable_column(t, text->written[i]) == NULL)
			add_column(t, text->written[i], (struct field){ .kind = FIELD_ATTR }, 0);
}

/* ---- to SQLite ---- */

static void
declare_text(struct sqltable *t, struct buf *b)
{
	buf_addf(b, "CREATE TABLE t(");
	for (size_t i = 0; i < t->ncols; i++) {
		if (i > 0)
			buf_u8(b, ',');
		sqltext_quote(b, t->cols[i].name);
		if (!t->cols[i].shown)
			buf_addf(b, " HIDDEN");
		if (i == t->key)
			buf_addf(b, " PRIMARY KEY");
	}
	buf_addf(b, ") WITHOUT ROWID");
	buf_u8(b, '\0');
}

static int
sqltable_create(sqlite3 *db, void *arg, int argc, const char *const *argv, sqlite3_vtab **vtab,
    char **err)
{
	struct sql *s = arg;
	struct buf text = { 0 };
	struct sqlvtab *v;
	int rc;

	(void)argc;
	(void)err;
	v = xcalloc(1, sizeof(*v));
	v->t = s->tables[strtoul(argv[3], NULL, 10)];
	declare_text(v->t, &text);
	rc = sqlite3_declare_vtab(db, (const char *)text.data);
	buf_free(&text);
	if (rc != SQLITE_OK)
		free(v);
	else
		*vtab = &v->base;
	return (rc);
}

static int
sqltable_destroy(sqlite3_vtab *vtab)
{
	sqlite3_free(vtab->zErrMsg);
	free(vtab);
	return (SQLITE_OK);
}

/* There is nothing to begin or end: what is written is gathered. */
static int
sqltable_begin(sqlite3_vtab *vtab)
{
	(void)vtab;
	return (SQLITE_OK);
}

const sqlite3_module sqltable_module = {
	.iVersion = 1,
	.xCreate = sqltable_create,
	.xConnect = sqltable_create,
	.xBestIndex = sqlindex_best,
	.xDisconnect = sqltable_destroy,
	.xDestroy = sqltable_destroy,
	.xOpen = sqlcursor_open,
	.xClose = sqlcursor_close,
	.xFilter = sqlcursor_filter,
	.xNext = sqlcursor_next,
	.xEof = sqlcursor_eof,
	.xColumn = sqlcursor_column,
	.xRowid = sqlcursor_rowid,
	.xUpdate = sqlwrite_update,
	.xBegin = sqltable_begin,
};

/* A table without a database is one of `data`, which is what SQLite calls main. */
static int
is_target(const struct sql *s, const struct table *t, const char *schema)
{
	const struct sqlname *n = &s->text.target;

	return (n->table != NULL && strcmp(n->table, t->name) == 0 &&
	    strcmp(n->db != NULL ? n->db : "main", schema) == 0);
}

/* Another of that name in the schema, to SQLite: they differ in case. */
static int
name_is_taken(struct sql *s, const char *schema, const char *name)
{
	if (sqltable_find(s, schema, name) == NULL)
		return (0);
	sql_fail(s, 400, "'sql' names two tables that differ in case alone: %s.%s", schema, name);
	return (1);
}

static int
has_too_many(struct sql *s, const struct table *t)
{
	if (t->nattrs <= SQLTABLE_COLUMNS_MAX || !s->text.all)
		return (0);
	sql_fail(s, 400,
	    "%s.%s has more than %d attributes: name those that you want, instead of '*'",
	    t->database, t->name, SQLTABLE_COLUMNS_MAX);
	return (1);
}

int
sqltable_add(struct sql *s, struct table *t, const char *schema)
{
	struct sqltable *new;
	struct buf text = { 0 };
	int rc;

	if (name_is_taken(s, schema, t->name) || has_too_many(s, t)) {
		table_unref(t);
		return (-1);
	}
	new = xcalloc(1, sizeof(*new));
	*new = (struct sqltable){ .sql = s, .t = t, .schema = xstrdup(schema) };
	add_columns(new, is_target(s, t, schema));
	s->tables = xrealloc(s->tables, (s->ntables + 1) * sizeof(*s->tables));
	s->tables[s->ntables++] = new;
	if (is_target(s, t, schema))
		s->target = new;
	buf_addf(&text, "CREATE VIRTUAL TABLE ");
	sqltext_quote(&text, schema);
	buf_u8(&text, '.');
	sqltext_quote(&text, t->name);
	buf_addf(&text, " USING hl(%zu)", s->ntables - 1);
	buf_u8(&text, '\0');
	rc = sqlite3_exec(s->db, (const char *)text.data, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		sql_fail(s, 400, "%s.%s: %s", t->database, t->name, sqlite3_errmsg(s->db));
	buf_free(&text);
	return (rc == SQLITE_OK ? 0 : -1);
}

struct sqltable *
sqltable_find(struct sql *s, const char *schema, const char *name)
{
	for (size_t i = 0; i < s->ntables; i++)
		if (sqlite3_stricmp(s->tables[i]->schema, schema) == 0 &&
		    sqlite3_stricmp(s->tables[i]->t->name, name) == 0)
			return (s->tables[i]);
	return (NULL);
}

void
sqltable_free(struct sqltable *t)
{
	for (size_t i = 0; i < t->ncols; i++)
		free(t->cols[i].name);
	free(t->cols);
	free(t->schema);
	json_decref(t->asked);
	table_unref(t->t);
	free(t);
}
