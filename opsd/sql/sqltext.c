#include "config.h"

#include "opsd/sql/sqltext.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "opsd/sql/sqltoken.h"

struct reader {
	struct sqltext *to;
	const char *sql;
	struct sqltoken *all; /* a TOKEN_END behind the last */
	size_t n, at;
	const char **instead; /* of each token: other text for it, or NULL */
};

static const char *const allowed = "SELECT, INSERT, REPLACE, UPDATE, DELETE and EXPLAIN";

static struct sqltoken *
token_at(struct reader *r, size_t i)
{
	return (&r->all[i < r->n ? i : r->n]);
}

static int
token_is(struct reader *r, size_t i, const char *word)
{
	return (sqltoken_is(token_at(r, i), word));
}

static int
token_mark(struct reader *r, size_t i, char c)
{
	return (sqltoken_mark(token_at(r, i), c));
}

/* How many brackets are open behind the token, when `depth` were before it. */
static int
depth_after(struct reader *r, size_t i, int depth)
{
	return (depth + token_mark(r, i, '(') - token_mark(r, i, ')'));
}

/* The word stands outside of brackets, at `from` or later; n when it does not. */
static size_t
find_word(struct reader *r, size_t from, const char *word)
{
	int depth = 0;

	for (size_t i = from; i < r->n; i++) {
		if (depth == 0 && token_is(r, i, word))
			return (i);
		depth = depth_after(r, i, depth);
	}
	return (r->n);
}

/* ---- names ---- */

static void
add_name(struct reader *r, char *db, char *table)
{
	struct sqltext *t = r->to;

	t->names = xrealloc(t->names, (t->nnames + 1) * sizeof(*t->names));
	t->names[t->nnames++] = (struct sqlname){ db, table };
}

/* a.b, and each word that stands alone: which of them are tables, the catalog knows. */
static void
read_table_names(struct reader *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!sqltoken_is_name(token_at(r, i)))
			continue;
		if (token_mark(r, i + 1, '.') && sqltoken_is_name(token_at(r, i + 2)))
			add_name(r, sqltoken_name(token_at(r, i)),
			    sqltoken_name(token_at(r, i + 2)));
		else if (i == 0 || !token_mark(r, i - 1, '.'))
			add_name(r, NULL, sqltoken_name(token_at(r, i)));
	}
}

/* SELECT *, a.*, not count(*) and not a product. */
static void
read_stars(struct reader *r)
{
	static const char *const before[] = { "SELECT", "DISTINCT", "ALL" };

	for (size_t i = 1; i < r->n; i++) {
		if (!token_mark(r, i, '*'))
			continue;
		r->to->all |= token_mark(r, i - 1, '.') || token_mark(r, i - 1, ',');
		for (size_t k = 0; k < sizeof(before) / sizeof(before[0]); k++)
			r->to->all |= token_is(r, i - 1, before[k]);
	}
}

/* The table that is written, at r->at, which goes behind it and another name for it. */
static void
read_target(struct reader *r)
{
	struct sqlname *target = &r->to->target;

	if (!sqltoken_is_name(token_at(r, r->at)))
		return;
	target->table = sqltoken_name(token_at(r, r->at++));
	if (token_mark(r, r->at, '.') && sqltoken_is_name(token_at(r, r->at + 1))) {
		target->db = target->table;
		target->table = sqltoken_name(token_at(r, r->at + 1));
		r->at += 2;
	}
	if (token_is(r, r->at, "AS"))
		r->at += 2;
}

static void
add_written(struct reader *r, const struct sqltoken *name)
{
	struct sqltext *t = r->to;

	t->written = xrealloc(t->written, (t->nwritten + 1) * sizeof(*t->written));
	t->written[t->nwritten++] = sqltoken_name(name);
}

/* (a, b, c) at `at`, of attributes that are written; behind it. */
static size_t
read_list(struct reader *r, size_t at)
{
	for (at++; at < r->n && !token_mark(r, at, ')'); at++)
		if (sqltoken_is_name(token_at(r, at)))
			add_written(r, token_at(r, at));
	return (at + 1);
}

/* ---- booleans ---- */

static void
write_boolean(struct reader *r, size_t i)
{
	if (token_is(r, i, "TRUE"))
		r->instead[i] = SQLTEXT_TRUE;
	else if (token_is(r, i, "FALSE"))
		r->instead[i] = SQLTEXT_FALSE;
}

/* VALUES (true, ...), (...) */
static void
read_value_lists(struct reader *r, size_t i)
{
	int depth = 0;

	for (; i < r->n; i++) {
		if (depth == 1 && (token_mark(r, i - 1, '(') || token_mark(r, i - 1, ',')) &&
		    (token_mark(r, i + 1, ')') || token_mark(r, i + 1, ',')))
			write_boolean(r, i);
		depth = depth_after(r, i, depth);
	}
}

/* a = true, (b, c) = ..., until what says of which rows. */
static void
read_set(struct reader *r, size_t i)
{
	int depth = 0;

	for (; i < r->n; i++) {
		if (depth == 0 && (token_is(r, i, "WHERE") || token_is(r, i, "FROM")))
			return;
		if (depth == 0 && (token_is(r, i - 1, "SET") || token_mark(r, i - 1, ','))) {
			if (token_mark(r, i, '('))
				read_list(r, i);
			else if (sqltoken_is_name(token_at(r, i)))
				add_written(r, token_at(r, i));
		}
		if (depth == 0 && token_mark(r, i - 1, '=') &&
		    (i + 1 >= r->n || token_mark(r, i + 1, ',') || token_is(r, i + 1, "WHERE") ||
			token_is(r, i + 1, "FROM")))
			write_boolean(r, i);
		depth = depth_after(r, i, depth);
	}
}

/* ---- what it does ---- */

static void
read_insert(struct reader *r)
{
	r->to->verb = SQL_INSERT;
	if (token_is(r, r->at, "REPLACE"))
		r->to->verb = SQL_UPSERT;
	r->at++;
	if (token_is(r, r->at, "OR")) {
		if (token_is(r, r->at + 1, "REPLACE"))
			r->to->verb = SQL_UPSERT;
		r->at += 2;
	}
	r->at += (size_t)token_is(r, r->at, "INTO");
	read_target(r);
	if (token_mark(r, r->at, '(') && !token_is(r, r->at + 1, "SELECT")) {
		r->to->listed = 1;
		r->at = read_list(r, r->at);
	}
	if (token_is(r, r->at, "VALUE") && token_mark(r, r->at + 1, '('))
		r->instead[r->at] = "VALUES";
	if (token_is(r, r->at, "VALUE") || token_is(r, r->at, "VALUES"))
		read_value_lists(r, r->at + 1);
}

static void
read_update(struct reader *r)
{
	r->to->verb = SQL_UPDATE;
	r->at++;
	if (token_is(r, r->at, "OR"))
		r->at += 2;
	read_target(r);
	read_set(r, find_word(r, r->at, "SET") + 1);
}

static void
read_delete(struct reader *r)
{
	r->to->verb = SQL_DELETE;
	r->at++;
	r->at += (size_t)token_is(r, r->at, "FROM");
	read_target(r);
}

/* Behind WITH and its queries: the first of these outside of brackets. */
static void
pass_with(struct reader *r)
{
	static const char *const verbs[] = { "SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE",
		"DELETE" };
	size_t first = r->n, i;

	for (size_t v = 0; v < sizeof(verbs) / sizeof(verbs[0]); v++)
		if ((i = find_word(r, r->at, verbs[v])) < first)
			first = i;
	r->at = first;
}

static char *
read_verb(struct reader *r)
{
	const struct sqltoken *t;

	if (token_is(r, r->at, "WITH"))
		pass_with(r);
	t = token_at(r, r->at);
	if (sqltoken_is(t, "SELECT") || sqltoken_is(t, "VALUES"))
		r->to->verb = SQL_SELECT;
	else if (sqltoken_is(t, "INSERT") || sqltoken_is(t, "REPLACE"))
		read_insert(r);
	else if (sqltoken_is(t, "UPDATE"))
		read_update(r);
	else if (sqltoken_is(t, "DELETE"))
		read_delete(r);
	else if (t->kind == TOKEN_END)
		return (xasprintf("'sql' must be a statement: %s are allowed", allowed));
	else
		return (xasprintf("'%.*s' is not allowed in 'sql': only %s are",
		    t->n < 40 ? (int)t->n : 40, t->s, allowed));
	return (NULL);
}

/* What is only explained writes nothing: booleans stay as they are. */
static char *
read_explain(struct reader *r)
{
	size_t words = token_is(r, 1, "QUERY") && token_is(r, 2, "PLAN") ? 3 : 1;
	char *why;

	r->instead[0] = words == 1 ? "EXPLAIN QUERY PLAN" : NULL;
	r->at = words;
	why = read_verb(r);
	r->to->verb = SQL_EXPLAIN;
	return (why);
}

/* ---- all of it ---- */

/* The statement with what is put instead of its words. */
static void
write_text(struct reader *r)
{
	struct buf *out = &r->to->text;
	const char *from = r->sql;

	for (size_t i = 0; i < r->n; i++) {
		if (r->instead[i] == NULL)
			continue;
		buf_add(out, from, (size_t)(r->all[i].s - from));
		buf_add(out, r->instead[i], strlen(r->instead[i]));
		from = r->all[i].s + r->all[i].n;
	}
	buf_add(out, from, (size_t)(r->all[r->n].s - from));
	buf_u8(out, '\0');
}

static char *
read_whole(struct reader *r)
{
	while (r->n > 0 && token_mark(r, r->n - 1, ';'))
		r->n--;
	r->all[r->n].kind = TOKEN_END;
	for (size_t i = 0; i < r->n; i++)
		if (token_mark(r, i, ';'))
			return (xasprintf("'sql' must be one statement"));
	if (token_is(r, 0, "EXPLAIN"))
		return (read_explain(r));
	return (read_verb(r));
}

static char *
check_write(struct reader *r)
{
	if (r->to->verb == SQL_SELECT || r->to->verb == SQL_EXPLAIN)
		return (NULL);
	if (find_word(r, 0, "RETURNING") < r->n)
		return (xasprintf("'RETURNING' is not allowed in 'sql': the answer has the keys"));
	if ((r->to->verb == SQL_INSERT || r->to->verb == SQL_UPSERT) &&
	    r->to->target.table != NULL && !r->to->listed)
		return (xasprintf("INSERT must name the attributes of its values: "
				  "INSERT INTO database.table (id, name) VALUES (...)"));
	return (NULL);
}

int
sqltext_read(struct sqltext *t, const char *sql, char **err)
{
	struct reader r = { .to = t, .sql = sql };

	*t = (struct sqltext){ 0 };
	r.all = sqltoken_all(sql, &r.n);
	r.instead = xcalloc(r.n + 1, sizeof(*r.instead));
	*err = read_whole(&r);
	if (*err == NULL)
		*err = check_write(&r);
	if (*err == NULL) {
		read_table_names(&r);
		read_stars(&r);
		write_text(&r);
	}
	free(r.instead);
	free(r.all);
	if (*err == NULL)
		return (0);
	sqltext_free(t);
	return (-1);
}

int
sqltext_names(const struct sqltext *t, const char *word)
{
	for (size_t i = 0; i < t->nnames; i++)
		if (strcasecmp(t->names[i].table, word) == 0)
			return (1);
	return (0);
}

static void
sqlname_free(struct sqlname *n)
{
	free(n->db);
	free(n->table);
}

void
sqltext_free(struct sqltext *t)
{
	buf_free(&t->text);
	for (size_t i = 0; i < t->nnames; i++)
		sqlname_free(&t->names[i]);
	free(t->names);
	sqlname_free(&t->target);
	for (size_t i = 0; i < t->nwritten; i++)
		free(t->written[i]);
	free(t->written);
	*t = (struct sqltext){ 0 };
}

void
sqltext_quote(struct buf *out, const char *name)
{
	buf_u8(out, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"')
			buf_u8(out, '"');
		buf_u8(out, (uint8_t)*name);
	}
	buf_u8(out, '"');
}
