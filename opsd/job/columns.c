#include "config.h"

#include "opsd/job/columns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/store/attrtype.h"
#include "opsd/store/catalog.h"
#include "opsd/store/record.h"

#define PIECE 4096

static int
is_time_column(const char *name)
{
	return (strcmp(name, "__createdtime__") == 0 || strcmp(name, "__updatedtime__") == 0);
}

static int
column_order(const void *a, const void *b)
{
	return (strcmp(((const struct column *)a)->name, ((const struct column *)b)->name));
}

/* The header's cell as a name, without blanks around it unless they are in quotes; NULL with *why. */
static char *
column_name(const struct columns *c, const struct csv_cell *cell, size_t i, char **why)
{
	const char *p = cell->p;
	size_t n = cell->n;
	char *name;

	for (; n > 0 && !cell->quoted && (*p == ' ' || *p == '\t'); p++)
		n--;
	while (n > 0 && !cell->quoted && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	name = xstrndup(p, n);
	if (n == 0)
		*why = xasprintf("column %zu of the header has no name", i + 1);
	else if (json_object_get(c->names, name) != NULL)
		*why = xasprintf("the header names '%s' twice", name);
	else
		*why = record_name_fault(name);
	if (*why == NULL)
		return (name);
	free(name);
	return (NULL);
}

static char *
read_names(struct columns *c, const struct table *t, uint64_t most, const struct csv_cell *cells,
    size_t n)
{
	size_t fresh = 0;
	char *why = NULL, *name;

	for (size_t i = 0; i < n; i++) {
		if ((name = column_name(c, &cells[i], i, &why)) == NULL)
			return (why);
		json_object_set_new(c->names, name, json_integer((json_int_t)i));
		fresh += table_attr(t, name, strlen(name)) == NULL;
		free(name);
	}
	if (t->nattrs + fresh > most)
		return (xasprintf(TABLE_WOULD_HAVE, t->database, t->name,
		    (unsigned long long)most));
	return (NULL);
}

/* Whether the text, but for blanks around it, is the name in other letters. */
static int
is_nearly(const char *text, size_t n, const char *name)
{
	for (; n > 0 && (*text == ' ' || *text == '\t'); text++)
		n--;
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	return (n == strlen(name) && strncasecmp(text, name, n) == 0);
}

/* What parts the only column, if the key is among the parts; '\0': nothing. */
static char
other_delimiter(const char *column, const char *key)
{
	for (const char *d = ";\t|,:"; *d != '\0'; d++)
		for (const char *p = column; strchr(column, *d) != NULL; p++) {
			size_t n = strcspn(p, (char[]){ *d, '\0' });

			if (is_nearly(p, n, key))
				return (*d);
			if (*(p += n) == '\0')
				break;
		}
	return ('\0');
}

/* A header that was meant to have another delimiter; NULL: it was not. */
static char *
delimiter_hint(const struct csv_cell *cell, const char *key)
{
	char *column = xstrndup(cell->p, cell->n), d = other_delimiter(column, key);

	free(column);
	return (d == '\0' ? NULL :
			    xasprintf("the header is one column: give "
				      "\"delimiter\": \"%s\"",
				d == '\t' ? "\\t" : (char[]){ d, '\0' }));
}

/* A header without the key that was meant to have it; NULL: it was not. */
static char *
key_hint(const struct columns *c, const char *key)
{
	const char *name;
	json_t *cell;

	json_object_foreach(c->names, name, cell)
		if (is_nearly(name, strlen(name), key))
			return (xasprintf("the header has '%s', the table's primary key is '%s'",
			    name, key));
	return (NULL);
}

static const char *
declared_type(const struct table *t, const char *name)
{
	const struct attribute *a = table_attr(t, name, strlen(name));

	return (a != NULL && !a->hidden ? a->type : NULL);
}

char *
columns_read(struct columns *c, const struct table *t, uint64_t most, enum txn_op op,
    const struct csv_cell *cells, size_t n)
{
	const char *name;
	json_t *cell;
	char *why;

	*c = (struct columns){
		.names = json_object(),
		.list = xcalloc(n, sizeof(*c->list)),
		.width = n,
		.key_cell = -1,
		.key_type = declared_type(t, t->primary_key),
	};
	if ((n == 1 && (why = delimiter_hint(&cells[0], t->primary_key)) != NULL) ||
	    (why = read_names(c, t, most, cells, n)) != NULL)
		return (why);
	json_object_foreach(c->names, name, cell) {
		size_t i = (size_t)json_integer_value(cell);

		if (strcmp(name, t->primary_key) == 0)
			c->key_cell = (int)i;
		else if (!is_time_column(name))
			c->list[c->n++] = (struct column){ name, declared_type(t, name), i };
	}
	qsort(c->list, c->n, sizeof(*c->list), column_order);
	if (c->key_cell == -1 && (why = key_hint(c, t->primary_key)) != NULL)
		return (why);
	if (op == TXN_UPDATE && c->key_cell == -1)
		return (xasprintf("a valid hash attribute must be provided with update record: "
				  "there is no column '%s'",
		    t->primary_key));
	return (NULL);
}

void
columns_free(struct columns *c)
{
	json_decref(c->names);
	free(c->list);
	memset(c, 0, sizeof(*c));
}

json_t *
columns_refusal(const struct columns *c, const struct table *t, enum txn_op op,
    const struct user *u)
{
	static const unsigned rights[] = {
		[TXN_INSERT] = MAY_INSERT,
		[TXN_UPDATE] = MAY_UPDATE,
		[TXN_UPSERT] = MAY_INSERT | MAY_UPDATE,
	};

	json_t *why;

	if (u->super_user)
		return (NULL);
	why = permission_times_refusal(c->names);
	return (why != NULL ? why : permission_refusal(u, t, rights[op], c->names));
}

json_t *
columns_value(const struct csv_cell *cell, const char *type)
{
	json_t *v = csv_value(cell), *as = NULL;

	if (json_is_null(v) || type == NULL)
		return (v);
	if (attrtype_is_text(type) && !json_is_string(v))
		as = json_stringn(cell->p, cell->n);
	else if (attrtype_is_boolean(type) && json_is_string(v)) {
		if (strcasecmp(json_string_value(v), "true") == 0)
			as = json_true();
		else if (strcasecmp(json_string_value(v), "false") == 0)
			as = json_false();
	}
	if (as == NULL)
		return (v);
	json_decref(v);
	return (as);
}

/* ---- before there is a job ---- */

struct column_look {
	const struct table *table;
	const struct user *user;
	uint64_t most;
	enum txn_op op;
	int status;
	char *wrong;
	json_t *why;
};

static int
header_cb(const struct csv_cell *cells, size_t n, uint64_t line, void *arg)
{
	struct column_look *l = arg;
	struct columns c;
	char *wrong = columns_read(&c, l->table, l->most, l->op, cells, n);

	if (wrong != NULL) {
		l->wrong = xasprintf("line %llu: %s", (unsigned long long)line, wrong);
		free(wrong);
	} else {
		if ((l->why = columns_refusal(&c, l->table, l->op, l->user)) != NULL)
			l->status = 403;
	}
	columns_free(&c);
	return (1);
}

/*
 * Up to the end of the header, unless it does not end within `most` bytes: the job will say
 * so.  What the parser or the file says is in *l, too.
 */
static void
look_header(int fd, struct csv *csv, off_t most, struct column_look *l)
{
	char piece[PIECE];
	off_t at = 0;
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = pread(fd, piece, sizeof(piece), at)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			l->wrong = xasprintf("the file cannot be read: %s", strerror(errno));
			return;
		}
		rc = csv_feed(csv, piece, (size_t)n);
		if ((at += n) > most && rc == 0)
			return;
	}
	if (rc == 0)
		rc = csv_end(csv);
	if (rc == -1)
		l->wrong = xasprintf("line %llu: %s", (unsigned long long)csv_line(csv),
		    csv_error(csv));
	else if (rc == 0)
		l->wrong = xstrdup("line 1: there is no header");
}

int
columns_check(int fd, const struct csv_options *o, const struct table *t, uint64_t most,
    enum txn_op op, const struct user *u, size_t row_max, json_t **why)
{
	struct column_look l = { .table = t, .most = most, .user = u, .op = op, .status = 200 };
	struct csv *csv = csv_new(o, row_max, header_cb, &l);

	look_header(fd, csv, (off_t)row_max, &l);
	csv_free(csv);
	if (l.wrong != NULL) {
		l.status = 400;
		l.why = json_pack("{s:s}", "error", l.wrong);
		free(l.wrong);
	}
	*why = l.why;
	return (l.status);
}
