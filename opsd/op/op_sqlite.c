#include "config.h"

#include <string.h>

#include "opsd/auth/user.h"
#include "opsd/lite/lite.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"
#include "opsd/op/op_table.h"

/* SQLite files of applications: each operation asks the thread of the file, which answers. */

static void
on_lite_done(void *arg, int status, json_t *answer)
{
	reply_json(arg, status, answer);
}

/* "database" and "path" of all three. */
static const char *
field_file(struct request *r, struct faults *f, const char **path)
{
	const char *database = field_database(f, r->body);

	*path = field_string(f, r->body, "path", 1);
	if (*path != NULL && (*path)[0] != '/')
		fault(f, "'path' must be an absolute path");
	if (database != NULL)
		fault_name(f, "database", database);
	return (database);
}

/* Position of the text in a list of words; -1 with a fault. */
static int
field_word(struct faults *f, const json_t *body, const char *name, const char *const *words)
{
	const char *text = field_string(f, body, name, 0);

	if (text == NULL)
		return (0);
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], text) == 0)
			return (i);
	fault(f, "'%s' must be one of [%s, %s, %s]", name, words[0], words[1], words[2]);
	return (-1);
}

/* Names of tables, or NULL for all of them. */
static json_t *
field_tables(struct faults *f, const json_t *body)
{
	json_t *list = json_object_get(body, "tables"), *e;
	size_t i;

	if (list == NULL || (json_is_string(list) && strcmp(json_string_value(list), "*") == 0))
		return (NULL);
	if (!json_is_array(list) || json_array_size(list) == 0) {
		fault(f, "'tables' must be a list of names, or \"*\"");
		return (NULL);
	}
	json_array_foreach(list, i, e)
		if (!json_is_string(e) || strlen(json_string_value(e)) != json_string_length(e) ||
		    json_string_length(e) == 0)
			fault(f, "'tables[%zu]' must be a name", i);
	return (list);
}

/* Why the file was not even asked. */
static void
answer_unasked(struct request *r, int status, char *why)
{
	if (why != NULL)
		reply_failed(r, status, why);
}

static void
attach_file(struct request *r)
{
	static const char *const seeds[] = { "refuse", "local", "cluster", NULL };
	struct faults f = { 0 };
	struct lite_attach a = { .done = on_lite_done, .arg = r };
	const char *path, *database = field_file(r, &f, &path);
	int status = 200;
	char *why;

	a.tables = field_tables(&f, r->body);
	a.seed = (enum lite_seed)field_word(&f, r->body, "seed", seeds);
	a.check = field_bool(&f, r->body, "check", 0) == 1;
	a.create = field_bool(&f, r->body, "create", 0) == 1;
	a.wal = field_bool(&f, r->body, "wal", 0) == 1;
	if (faults_answer(r, &f) || op_is_system(r, database))
		return;
	a.database = (char *)(uintptr_t)database;
	a.path = (char *)(uintptr_t)path;
	why = lite_attach(r->ops->lite, &a, &status);
	answer_unasked(r, status, why);
}

static void
detach_file(struct request *r)
{
	struct faults f = { 0 };
	const char *path, *database = field_file(r, &f, &path);
	int status = 200;
	char *why;

	if (faults_answer(r, &f))
		return;
	why = lite_detach(r->ops->lite, database, path, on_lite_done, r, &status);
	answer_unasked(r, status, why);
}

static void
verify_file(struct request *r)
{
	static const char *const repairs[] = { "none", "file", "database", NULL };
	struct faults f = { 0 };
	const char *path, *database = field_file(r, &f, &path);
	int repair = field_word(&f, r->body, "repair", repairs), status = 200;
	char *why;

	if (faults_answer(r, &f))
		return;
	why = lite_verify(r->ops->lite, database, path, (enum lite_repair)repair, on_lite_done, r,
	    &status);
	answer_unasked(r, status, why);
}

const struct op ops_sqlite[] = {
	{ "attach_sqlite", "attachSqlite", RIGHT_SUPER, ON_ANY, attach_file },
	{ "detach_sqlite", "detachSqlite", RIGHT_SUPER, ON_ANY, detach_file },
	{ "verify_sqlite", "verifySqlite", RIGHT_SUPER, ON_ANY, verify_file },
	{ NULL },
};
