#include "config.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/conf.h"
#include "common/tls/crypto.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/lite/litecreate.h"
#include "opsd/lite/litedb.h"
#include "opsd/lite/litelog.h"
#include "opsd/store/queue.h"
#include "opsd/store/value.h"

/* How a file begins to be replicated, and how it ends. */

/* What is wrong, one after the other, and a status. */
struct refusal {
	struct buf text;
	int status;
};

static void __attribute__((format(printf, 3, 4)))
refuse_attach(struct refusal *r, int status, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		text = NULL;
	va_end(ap);
	buf_addf(&r->text, "%s%s", r->text.len > 0 ? ". " : "", text != NULL ? text : "");
	if (r->status == 0)
		r->status = status;
	free(text);
}

/* The folder as it is, and the file in it, which may not be a link (liteopen.c). */
static char *
real_path(const char *path)
{
	char *copy = xstrdup(path), *copy2 = xstrdup(path), *folder = realpath(dirname(copy), NULL);
	char *real = folder == NULL ?
	    NULL :
	    xasprintf("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, basename(copy2));

	free(folder);
	free(copy);
	free(copy2);
	return (real);
}

/* sqlite.paths names it, or a folder that it is in. */
static int
is_path_listed(struct data *data, const char *path)
{
	struct conf *c = data_conf(data);
	const json_t *list = conf_list(c, SQLITE_PATHS), *e;
	int listed = 0;
	size_t i;

	json_array_foreach((json_t *)list, i, e) {
		char *real = realpath(json_string_value(e), NULL);
		size_t n;

		if (real == NULL) /* a file that is yet to be made */
			real = real_path(json_string_value(e));
		n = real != NULL ? strlen(real) : 0;
		if (n > 0 && strncmp(path, real, n) == 0 &&
		    (path[n] == '/' || path[n] == '\0' || real[n - 1] == '/'))
			listed = 1;
		free(real);
	}
	conf_free(c);
	return (listed);
}

static int
check_path(struct litefile *f, struct refusal *no)
{
	char *real = real_path(f->path);

	if (real == NULL) {
		refuse_attach(no, 400, "'path' %s: %s", f->path, strerror(errno));
		return (-1);
	}
	free(f->path);
	f->path = real;
	if (!value_utf8(real, strlen(real)))
		refuse_attach(no, 400, "'path' leads to a name that is not UTF-8");
	else if (!is_path_listed(f->data, f->path))
		refuse_attach(no, 403,
		    "'path' %s is in none of the folders of sqlite.paths, which says what may be "
		    "attached",
		    f->path);
	return (no->status == 0 ? 0 : -1);
}

/* Somebody has it for himself, or it cannot be written. */
static void
check_writable(struct litefile *f, struct refusal *no)
{
	char *why;

	if (litedb_exec(f->db, "BEGIN IMMEDIATE") == SQLITE_OK) {
		litedb_exec(f->db, "ROLLBACK");
		return;
	}
	why = litedb_fault(f->db, f->path);
	refuse_attach(no, 409, "%s", why);
	free(why);
}

static int
has_rows(struct litefile *f, const struct litetable *t)
{
	return (litedb_int(f->db, 0, "SELECT EXISTS (SELECT 1 FROM main.\"%w\")", t->name) == 1);
}

static void
check_node_table(struct litefile *f, const struct litetable *t, struct refusal *no)
{
	struct table *node = liteopen_node_table(f, t);

	if (node == NULL)
		return;
	if (strcmp(node->primary_key, t->key_name) != 0)
		refuse_attach(no, 409,
		    "table '%s' has the primary key '%s' in the file and '%s' in '%s'", t->name,
		    t->key_name, node->primary_key, f->database);
	else if (node->stat->file != 0)
		refuse_attach(no, 409, "table '%s.%s' is in another SQLite file already",
		    f->database, t->name);
	else if (f->attach->seed == LITE_SEED_REFUSE && node->stat->count > 0 && has_rows(f, t))
		refuse_attach(no, 409,
		    "table '%s' has rows in the file and in '%s': say with 'seed' whose count, "
		    "\"local\" (the file's) or \"cluster\" (the node's)",
		    t->name, f->database);
	table_unref(node);
}

/* Nobody means to empty the file: the database does not have the others' rows yet. */
static void
check_has_rows(struct litefile *f, struct refusal *no)
{
	int in_file = 0;

	if (f->attach->seed != LITE_SEED_CLUSTER)
		return;
	for (size_t i = 0; i < f->ntables; i++) {
		struct table *node = liteopen_node_table(f, &f->tables[i]);
		int in_node = node != NULL && node->stat->count > 0;

		table_unref(node);
		if (in_node)
			return;
		in_file |= has_rows(f, &f->tables[i]);
	}
	if (in_file)
		refuse_attach(no, 409,
		    "'%s' has no rows of these tables, so with \"seed\": \"cluster\" all would "
		    "leave the file: first subscribe them with another node, with a start_time, or "
		    "say \"local\"",
		    f->database);
}

/* What cannot be of those that "*" stands for is left out. */
static json_t *
left_out(struct litefile *f)
{
	char *why = NULL;
	json_t *names = f->all ? litetable_names(f->db, &why) : NULL, *list = json_array(), *name;
	size_t i;

	json_array_foreach(names, i, name) {
		struct litetable t;

		if (litetable_read(&t, f->db, json_string_value(name), &why) == 0)
			litetable_free(&t);
		else
			json_array_append_new(list, json_string(litedb_utf8(why)));
		free(why);
		why = NULL;
	}
	json_decref(names);
	free(why);
	return (list);
}

/* Its key is the rowid. */
static int
gives_numbers(struct litefile *f, const struct litetable *t)
{
	return (t->nkeys == 1 &&
	    litedb_int(f->db, 0,
		"SELECT count(*) FROM pragma_table_info(%Q) WHERE pk = 1 AND "
		"type = 'INTEGER' COLLATE NOCASE",
		t->name) == 1 &&
	    litedb_int(f->db, 0,
		"SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = %Q",
		t->name) == 0);
}

static json_t *
describe_lite_table(struct litefile *f, const struct litetable *t)
{
	json_t *columns = json_array();
	struct table *node = liteopen_node_table(f, t);
	json_t *o;

	for (int i = 0; i < t->ncols; i++)
		json_array_append_new(columns, json_string(t->cols[i].name));
	o = json_pack("{s:s, s:s, s:o, s:I, s:I, s:o}", "table", t->name, "primary_key",
	    t->key_name, "columns", columns, "rows_in_file",
	    (json_int_t)litedb_int(f->db, 0, "SELECT count(*) FROM main.\"%w\"", t->name),
	    "rows_in_database", (json_int_t)(node != NULL ? node->stat->count : 0), "triggers",
	    litelog_trigger_names(t));
	if (t->unseen > 0)
		json_object_set_new(o, "note",
		    json_string(
			"a UNIQUE index is of expressions: what a REPLACE removes because of "
			"it is found by verify_sqlite alone"));
	else if (gives_numbers(f, t))
		json_object_set_new(o, "note",
		    json_string("SQLite gives rows without a key the next number: where two nodes "
				"insert such rows, one replaces the other, unless each begins at "
				"numbers of its own"));
	table_unref(node);
	return (o);
}

static json_t *
describe_file(struct litefile *f)
{
	json_t *tables = json_array();
	char *mode = litedb_text(f->db, "PRAGMA journal_mode");
	json_t *o;

	for (size_t i = 0; i < f->ntables; i++)
		json_array_append_new(tables, describe_lite_table(f, &f->tables[i]));
	o = json_pack("{s:s, s:s, s:s*, s:I, s:o, s:o}", "database", f->database, "path", f->path,
	    "journal_mode", mode, "bytes",
	    (json_int_t)(litedb_int(f->db, 0, "PRAGMA page_count") *
		litedb_int(f->db, 0, "PRAGMA page_size")),
	    "tables", tables, "refused", left_out(f));
	if (mode != NULL && strcmp(mode, "wal") != 0)
		json_object_set_new(o, "note",
		    json_string("outside WAL mode readers and writers of the file wait for each "
				"other, the node among them: \"wal\": true changes that for good"));
	free(mode);
	return (o);
}

/* ---- what it makes ---- */

json_t *
liteattach_known(struct litefile *f, unsigned number)
{
	json_t *o;
	size_t i;

	json_array_foreach(f->known, i, o)
		if ((unsigned)json_integer_value(json_object_get(o, "number")) == number)
			return (o);
	return (NULL);
}

struct following {
	struct commit_job job; /* first */
	struct litefile *f;
	size_t from, to;
};

/* The node has the statements that make the table, for those who are to make it. */
static void
set_statements(struct group *g, struct table *t, const struct litetable *lt)
{
	json_t *text = json_string(lt->create);

	if (group_set_sqlite(g, t, text))
		group_log_sqlite(g, group_table(g, t->id), "sqlite");
	json_decref(text);
}

/* The tables are in the file from this batch on. */
static void
follow_run(struct group *g, struct commit_job *j)
{
	struct following *w = (struct following *)j;
	struct litefile *f = w->f;

	for (size_t i = w->from; i < w->to; i++) {
		struct litetable *lt = &f->tables[i];
		struct table *t = lt->id != 0 ? group_table(g, lt->id) : NULL;

		if (t == NULL)
			continue;
		queue_follow(g, t, f->number);
		set_statements(g, t, lt);
	}
	lite_save(g, f, NULL);
}

static void
tell_schema_run(struct group *g, struct commit_job *j)
{
	struct litefile *f = ((struct following *)j)->f;

	for (size_t i = 0; i < f->ntables; i++) {
		struct table *t = f->tables[i].id != 0 ? group_table(g, f->tables[i].id) : NULL;

		if (t != NULL)
			set_statements(g, t, &f->tables[i]);
	}
}

void
liteattach_tell_schema(struct litefile *f)
{
	struct following w = { .f = f };
	int news = 0;

	for (size_t i = 0; i < f->ntables; i++) {
		struct table *t = catalog_by_id(f->data->catalog, f->tables[i].id);

		news |= t != NULL && f->tables[i].create != NULL &&
		    (t->sqlite == NULL || strcmp(t->sqlite, f->tables[i].create) != 0);
		table_unref(t);
	}
	if (!news)
		return;
	w.job.run = tell_schema_run;
	if (commit_wait(f->data->commit, &w.job) != 200)
		log_warn("sqlite %s: what its tables are now is not kept: %s", f->path,
		    w.job.error);
	free(w.job.error);
}

/* The node's table; made where there is none. */
static uint32_t
make_node_table(struct litefile *f, struct litetable *t, char **why)
{
	struct table *node = liteopen_node_table(f, t);
	uint32_t id = 0;
	struct ddl *d;

	if (node == NULL) {
		d = ddl_new(DDL_CREATE_TABLE, f->database, t->name);
		d->primary_key = xstrdup(t->key_name);
		d->user = xstrdup("sqlite");
		d->sqlite = xstrdup(t->create);
		d->attributes = json_array();
		for (int i = 0; i < t->nattrs; i++)
			json_array_append_new(d->attributes,
			    json_pack("{s:s}", "name", t->cols[t->attrs[i]].name));
		if (commit_wait(f->data->commit, &d->job) != 200)
			*why = xstrdup(d->job.error);
		ddl_free(d);
		node = liteopen_node_table(f, t);
	}
	if (node != NULL && *why == NULL)
		id = node->id;
	table_unref(node);
	return (id);
}

static void
know_table(struct litefile *f, struct litetable *t, enum lite_look look)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:i}", "table", t->name, "number",
	    (json_int_t)t->number, "id", (json_int_t)t->id, "look", (int)look);

	t->look = look;
	litetable_tell(t, o);
	json_array_append_new(f->known, o);
}

/* -1 with *why. */
static int
follow_tables(struct litefile *f, size_t from, size_t to, enum lite_look look, char **why)
{
	struct following w = { .f = f, .from = from, .to = to };

	for (size_t i = from; i < to; i++) {
		f->tables[i].id = make_node_table(f, &f->tables[i], why);
		if (*why != NULL)
			return (-1);
		know_table(f, &f->tables[i], look);
	}
	w.job.run = follow_run;
	if (commit_wait(f->data->commit, &w.job) != 200)
		*why = w.job.error;
	return (*why == NULL ? 0 : -1);
}

void
liteattach_table(struct litefile *f, size_t i)
{
	struct litetable *t = &f->tables[i];
	struct table *node = liteopen_node_table(f, t);
	char *why = NULL;
	int rc;

	if (node != NULL && (strcmp(node->primary_key, t->key_name) != 0 || node->stat->file != 0))
		why = xasprintf("table '%s' is new in the file, and another one in '%s'", t->name,
		    f->database);
	table_unref(node);
	if (why == NULL) {
		t->number = ++f->last_number;
		rc = liteopen_watch(f, t);
		if (rc == SQLITE_ABORT || litedb_is_busy(rc)) {
			f->schema = -1; /* it has its turn again */
			return;
		}
		if (rc != SQLITE_OK)
			why = liteopen_fault(f);
		else
			follow_tables(f, i, i + 1, LOOK_LOCAL, &why);
	}
	if (why != NULL)
		lite_say(f, why);
	f->faulty |= why != NULL;
}

/* What was left there by another attach goes first: the file may be a copy. */
static int
put_log(struct litefile *f)
{
	int rc = liteopen_begin(f);

	if (rc == SQLITE_OK)
		rc = litelog_remove(f->db);
	if (rc == SQLITE_OK)
		rc = litelog_make(f->db);
	for (size_t i = 0; i < f->ntables && rc == SQLITE_OK; i++)
		rc = litelog_watch(f->db, &f->tables[i]);
	if (rc == SQLITE_OK)
		rc = litelog_set_state(f->db, "id", f->id);
	if (rc == SQLITE_OK)
		rc = litelog_set_state(f->db, "node", f->data->node_hex);
	if (rc == SQLITE_OK)
		rc = litedb_exec(f->db, "COMMIT");
	if (rc != SQLITE_OK)
		liteopen_undo(f);
	f->schema = -1;
	return (rc);
}

static void
unput_log(struct litefile *f)
{
	if (litedb_exec(f->db, "BEGIN IMMEDIATE") == SQLITE_OK)
		litedb_exec(f->db, litelog_remove(f->db) == SQLITE_OK ? "COMMIT" : "ROLLBACK");
}

/* Tables that are asked for and that the file has not, with "create". */
static void
make_tables(struct litefile *f, struct refusal *no)
{
	json_t *names = f->names != NULL ? json_incref(f->names) : json_array(), *name;
	struct table **all;
	size_t i, n;

	if (f->all) {
		all = catalog_tables(f->data->catalog, f->database, &n);
		for (i = 0; i < n; i++) {
			json_array_append_new(names, json_string(all[i]->name));
			table_unref(all[i]);
		}
		free(all);
	}
	json_array_foreach(names, i, name) {
		struct table *t = catalog_get(f->data->catalog, f->database,
		    json_string_value(name));
		char *why = NULL;

		if (t != NULL && litecreate_table(f->db, t, &why) == -1)
			refuse_attach(no, 409, "table '%s' cannot be made in the file: %s",
			    json_string_value(name), why);
		free(why);
		table_unref(t);
	}
	json_decref(names);
}

/* All that can be said before anything is changed. */
static void
check_all(struct litefile *f, struct refusal *no)
{
	struct lite_attach *a = f->attach;
	int create = a->create && !a->check;
	char *why;

	if (check_path(f, no) == -1)
		return;
	if (a->check && a->create && access(f->path, F_OK) == -1)
		return;
	if (liteopen_open(f, create, &why) == -1) {
		refuse_attach(no, strstr(why, "another") != NULL ? 409 : 400, "'path' %s", why);
		free(why);
		return;
	}
	check_writable(f, no);
	if (no->status == 0 && create)
		make_tables(f, no);
	if (no->status == 0 && a->wal && !a->check &&
	    litedb_exec(f->db, "PRAGMA journal_mode=WAL") != SQLITE_OK)
		refuse_attach(no, 409, "it cannot be put into WAL mode: %s", sqlite3_errmsg(f->db));
	if (no->status != 0)
		return;
	liteopen_refresh(f, &why);
	if (why != NULL)
		refuse_attach(no, 400, "%s", why);
	free(why);
	for (size_t i = 0; i < f->ntables; i++) {
		f->tables[i].number = ++f->last_number;
		check_node_table(f, &f->tables[i], no);
	}
	check_has_rows(f, no);
	if (no->status == 0 && f->ntables == 0)
		refuse_attach(no, 400, "there is no table in %s that can be replicated%s%s%s",
		    f->path, create ? ", and none in '" : "", create ? f->database : "",
		    create ? "' to make it of: subscribe them with another node first" : "");
}

static void
answer_attach(struct litefile *f, int status, json_t *answer)
{
	struct lite_attach *a = f->attach;

	f->attach = NULL;
	a->done(a->arg, status, answer);
	free(a->database);
	free(a->path);
	json_decref(a->tables);
	free(a);
}

int
liteattach_run(struct litefile *f)
{
	struct refusal no = { 0 };
	enum lite_look look = f->attach->seed == LITE_SEED_CLUSTER ? LOOK_CLUSTER : LOOK_LOCAL;
	json_t *answer = NULL;
	char *why = NULL;
	int check = f->attach->check;

	check_all(f, &no);
	if (no.status == 0)
		answer = f->db != NULL ? describe_file(f) :
					 json_pack("{s:s, s:s, s:s}", "database", f->database,
					     "path", f->path, "note", "the file would be made");
	if (no.status == 0 && !check) {
		if (put_log(f) != SQLITE_OK)
			why = liteopen_fault(f);
		else if (follow_tables(f, 0, f->ntables, look, &why) == -1)
			unput_log(f);
		if (why != NULL)
			refuse_attach(&no, 409, "%s", why);
		free(why);
	}
	if (no.status != 0 || check) {
		liteopen_close(f);
		if (no.status != 0 && f->made)
			unlink(f->path);
		lite_leave(f);
	}
	if (no.status != 0) {
		json_decref(answer);
		buf_u8(&no.text, '\0');
		answer_attach(f, no.status,
		    json_pack("{s:s}", "error", litedb_utf8((char *)no.text.data)));
	} else {
		json_object_set_new(answer, "message",
		    check ?
			json_string("checked, and nothing was changed") :
			json_sprintf("attached %s: its tables are in '%s'", f->path, f->database));
		answer_attach(f, 200, answer);
	}
	buf_free(&no.text);
	if (no.status != 0 || check)
		return (-1);
	lite_say(f, xstrdup("ok"));
	return (0);
}

static void
undo_run(struct group *g, struct commit_job *j)
{
	struct following *w = (struct following *)j;
	json_t *o;
	size_t i;

	json_array_foreach(w->f->known, i, o) {
		struct table *t = group_table(g,
		    (uint32_t)json_integer_value(json_object_get(o, "id")));

		if (t != NULL)
			queue_follow(g, t, 0);
	}
	lite_forget(g, w->f);
}

/* The log is taken once more where nobody can write any more.  -1: not now; SQLite's result code. */
static int
take_out(struct litefile *f)
{
	int more, rc;

	while ((more = litedrain_window(f)) == 1)
		;
	if (more == -1)
		return (-1);
	rc = liteopen_begin(f);
	if (rc != SQLITE_OK)
		return (rc);
	while ((more = litedrain_window(f)) == 1)
		;
	rc = more == -1 ? -1 : litelog_remove(f->db);
	if (rc == SQLITE_OK)
		rc = litedb_exec(f->db, "COMMIT");
	if (rc != SQLITE_OK)
		liteopen_undo(f);
	return (rc);
}

int
liteattach_undo(struct litefile *f, char **why)
{
	struct following w = { .f = f };
	int rc = SQLITE_OK;

	if (f->db != NULL && !f->gone) {
		rc = take_out(f);
		if (rc == -1) {
			*why = xasprintf("%s: what the application wrote cannot be taken now",
			    f->path);
			return (-1);
		}
		if (litedb_is_busy(rc)) {
			*why = liteopen_fault(f);
			return (-1);
		}
		if (rc != SQLITE_OK)
			*why = liteopen_fault(f);
	} else
		*why = xstrdup("it cannot be reached now");
	w.job.run = undo_run;
	if (commit_wait(f->data->commit, &w.job) != 200) {
		free(*why);
		*why = w.job.error;
		return (-1);
	}
	return (0);
}
