#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/sql/sql_priv.h"

static int
is_taken(const struct rows *r, const char *name)
{
	for (size_t i = 0; i < r->ncols; i++)
		if (strcmp(r->cols[i].given, name) == 0)
			return (1);
	return (0);
}

/* The column's own name; of several that are alike the later ones get a number. */
static void
name_column(struct rows *r, const char *plain)
{
	char *name = xstrdup(plain);

	for (unsigned n = 1; is_taken(r, name); n++) {
		free(name);
		name = xasprintf("%s%u", plain, n);
	}
	rows_named(r, name);
	free(name);
}

/* The column of a table that it shows as it is. */
static const struct sqlcolumn *
column_shown(struct sql *s, int i)
{
	const char *schema = sqlite3_column_database_name(s->stmt, i);
	const char *table = sqlite3_column_table_name(s->stmt, i);
	const char *name = sqlite3_column_origin_name(s->stmt, i);
	struct sqltable *t;

	if (schema == NULL || table == NULL || name == NULL ||
	    (t = sqltable_find(s, schema, table)) == NULL)
		return (NULL);
	return (sqltable_column(t, name));
}

/* row: the struct sql */
static void
put_value(struct rows *r, size_t column, void *row)
{
	struct sql *s = row;
	const struct sqlcolumn *c = s->shows[column];

	if (sqlvalue_format(r->format, &r->out, sqlite3_column_value(s->stmt, (int)column),
		c != NULL ? c->seen : 0) == -1)
		sql_fail(s, 400,
		    "'%s' has bytes, which are no value here: hex() makes text of them",
		    sqlite3_column_name(s->stmt, (int)column));
}

void
sqlanswer_begin(struct sql *s)
{
	int n = sqlite3_column_count(s->stmt);

	s->shows = xcalloc((size_t)n + 1, sizeof(*s->shows));
	for (int i = 0; i < n; i++) {
		name_column(&s->rows, sqlite3_column_name(s->stmt, i));
		s->shows[i] = column_shown(s, i);
	}
	s->rows.put = put_value;
	rows_begin(&s->rows, ROWS_UNKNOWN);
}

int
sqlanswer_row(struct sql *s)
{
	if (s->limits.rows != 0 && s->rows.shown == s->limits.rows) {
		sql_fail(s, 400,
		    "the answer has more than %llu rows (sql.maxRows): use LIMIT and OFFSET",
		    (unsigned long long)s->limits.rows);
		return (-1);
	}
	rows_add(&s->rows, s);
	return (s->error != NULL ? -1 : 0);
}

void
sqlanswer_end(struct sql *s)
{
	rows_end(&s->rows);
}
