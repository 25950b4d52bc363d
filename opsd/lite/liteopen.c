#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/lite/litedb.h"
#include "opsd/lite/litelog.h"

/*
 * An abstract socket by the file's own number: whoever has it is the one process of this machine that
 * replicates the file, and it is free when that process is gone.
 */
int
liteopen_lock(struct litefile *f, char **why)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	int n, fd;

	if (f->lock != -1)
		return (0);
	if (lstat(f->path, &st) == -1) {
		*why = xasprintf("%s: %s", f->path, strerror(errno));
		return (-1);
	}
	n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "hubleaf-sqlite-%llx-%llx",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 &&
	    bind(fd, (struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0) {
		f->lock = fd;
		return (0);
	}
	*why = xasprintf("%s: %s", f->path,
	    errno == EADDRINUSE ? "another node of this machine, or another attach_sqlite, has it" :
				  strerror(errno));
	if (fd != -1)
		close(fd);
	return (-1);
}

/* A file of its own name, not what a link leads to; -1 with *why. */
static int
check_file_kind(const struct litefile *f, struct stat *st, char **why)
{
	if (lstat(f->path, st) == -1)
		*why = xasprintf("%s: %s", f->path, strerror(errno));
	else if (!S_ISREG(st->st_mode))
		*why = xasprintf("%s: is %s", f->path,
		    S_ISLNK(st->st_mode) ? "a symbolic link: name what it leads to" :
					   "no regular file");
	return (*why == NULL ? 0 : -1);
}

/*
 * An empty file, which is an empty database.  Who may read and write its folder may do so with it, as it
 * is for an application: SQLite gives the files beside it the same rights.  Nobody here has it open yet, so
 * closing it ends no locks (litedb.h).  -1 with *why.
 */
static int
make_file(struct litefile *f, char **why)
{
	char *copy = xstrdup(f->path);
	struct stat folder;
	int fd = -1;

	if (stat(dirname(copy), &folder) == 0)
		fd = open(f->path, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600);
	free(copy);
	if (fd == -1) {
		*why = xasprintf("%s: %s" LITEDB_NEEDED, f->path, strerror(errno));
		return (-1);
	}
	/* It is another's where this may be done. */
	if (fchown(fd, geteuid() == 0 ? folder.st_uid : (uid_t)-1, folder.st_gid) == -1)
		log_debug("sqlite %s: %s", f->path, strerror(errno));
	if (fchmod(fd, folder.st_mode & 0666) == -1)
		log_warn("sqlite %s: %s", f->path, strerror(errno));
	close(fd);
	f->made = 1;
	return (0);
}

int
liteopen_open(struct litefile *f, int create, char **why)
{
	struct stat st;

	*why = NULL;
	if (create && lstat(f->path, &st) == -1 && errno == ENOENT && make_file(f, why) == -1)
		return (-1);
	if (check_file_kind(f, &st, why) == -1)
		return (-1);
	if ((f->db = litedb_open(f->path, create, why)) == NULL)
		return (-1);
	if (create && litedb_exec(f->db, "PRAGMA journal_mode=WAL") != SQLITE_OK)
		*why = litedb_fault(f->db, f->path);
	if (*why != NULL || check_file_kind(f, &st, why) == -1 || liteopen_lock(f, why) == -1) {
		liteopen_close(f);
		return (-1);
	}
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->schema = f->seen = -1;
	f->gone = 0;
	f->drained = 0;
	f->drained_rows = 0;
	/* In WAL a power cut may take the last transactions; a start after one compares all rows. */
	litedb_exec(f->db,
	    litedb_int(f->db, 0, "SELECT journal_mode = 'wal' FROM temp.pragma_journal_mode") ?
		"PRAGMA synchronous=NORMAL" :
		"PRAGMA synchronous=FULL");
	return (0);
}

static void
tables_free(struct litetable *tables, size_t n)
{
	for (size_t i = 0; i < n; i++)
		litetable_free(&tables[i]);
	free(tables);
}

void
liteopen_close(struct litefile *f)
{
	tables_free(f->tables, f->ntables);
	f->tables = NULL;
	f->ntables = 0;
	litedb_close(f->db);
	f->db = NULL;
	if (f->lock != -1)
		close(f->lock);
	f->lock = -1;
}

int
liteopen_same_file(const struct litefile *f, char **why)
{
	struct stat st;
	char *id;
	int same;

	if (lstat(f->path, &st) == -1)
		*why = xasprintf("%s: %s", f->path, strerror(errno));
	else if (st.st_dev != f->dev || st.st_ino != f->ino)
		*why = xasprintf(
		    "%s: is not the file that was attached: detach_sqlite and attach_sqlite it",
		    f->path);
	if (*why != NULL)
		return (-1);
	if (f->attach != NULL)
		return (0);
	id = litelog_state(f->db, "id");
	same = id != NULL && strcmp(id, f->id) == 0;
	if (!same && !litedb_is_passing(sqlite3_errcode(f->db)))
		*why = xasprintf(
		    "%s: is not the file that was attached: detach_sqlite and attach_sqlite it",
		    f->path);
	free(id);
	return (*why == NULL ? 0 : -1);
}

int
liteopen_is_current(struct litefile *f)
{
	if (f->schema != -1 && litedb_int(f->db, -1, "PRAGMA schema_version") == f->schema)
		return (1);
	f->schema = -1;
	return (0);
}

int
liteopen_begin(struct litefile *f)
{
	free(f->fault);
	f->fault = NULL;
	return (litedb_exec(f->db, "BEGIN IMMEDIATE"));
}

void
liteopen_undo(struct litefile *f)
{
	free(f->fault);
	f->fault = litedb_fault(f->db, f->path);
	if (!sqlite3_get_autocommit(f->db))
		litedb_exec(f->db, "ROLLBACK");
}

char *
liteopen_fault(struct litefile *f)
{
	char *fault = f->fault;

	f->fault = NULL;
	return (fault != NULL ? fault : litedb_fault(f->db, f->path));
}

int
liteopen_watch(struct litefile *f, const struct litetable *t)
{
	int rc = liteopen_begin(f);
	int64_t schema;

	if (rc == SQLITE_OK && !liteopen_is_current(f))
		rc = SQLITE_ABORT;
	if (rc == SQLITE_OK)
		rc = litelog_watch(f->db, t);
	/* The triggers are a change of it, too. */
	schema = litedb_int(f->db, -1, "PRAGMA schema_version");
	if (rc == SQLITE_OK)
		rc = litedb_exec(f->db, "COMMIT");
	if (rc == SQLITE_OK)
		f->schema = schema;
	else
		liteopen_undo(f);
	return (rc);
}

struct litetable *
liteopen_table(struct litefile *f, unsigned number)
{
	for (size_t i = 0; i < f->ntables; i++)
		if (f->tables[i].number == number)
			return (&f->tables[i]);
	return (NULL);
}

struct table *
liteopen_node_table(struct litefile *f, const struct litetable *t)
{
	return (catalog_get(f->data->catalog, f->database, t->name));
}

/* What is kept of a table of that name; NULL: it is not replicated yet. */
static json_t *
find_known(struct litefile *f, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach(f->known, i, o)
		if (strcmp(json_string_value(json_object_get(o, "table")), name) == 0)
			return (o);
	return (NULL);
}

/* Its number, its table, and which columns are new since it was compared; -1 with *why: it is another. */
static int
recognise_table(struct litefile *f, struct litetable *t, char **why)
{
	json_t *o = find_known(f, t->name), *columns = json_object_get(o, "columns"), *c;
	size_t i;

	if (o == NULL)
		return (0);
	if (litetable_has_other_key(t, o)) {
		*why = xasprintf("table '%s' has another primary key now, '%s': its rows are not "
				 "those of the database any more",
		    t->name, t->key_name);
		return (-1);
	}
	t->number = (unsigned)json_integer_value(json_object_get(o, "number"));
	t->id = (uint32_t)json_integer_value(json_object_get(o, "id"));
	t->look = (enum lite_look)json_integer_value(json_object_get(o, "look"));
	for (int k = 0; k < t->ncols; k++) {
		t->cols[k].fresh = 1;
		json_array_foreach(columns, i, c)
			if (strcmp(json_string_value(c), t->cols[k].name) == 0)
				t->cols[k].fresh = 0;
	}
	return (0);
}

static int
is_read(const struct litefile *f, const char *name)
{
	for (size_t i = 0; i < f->ntables; i++)
		if (strcmp(f->tables[i].name, name) == 0)
			return (1);
	return (0);
}

/* Of those that are asked for, what can be; the rest is said in `faults`.  -1: not now. */
static int
read_lite_tables(struct litefile *f, const json_t *names, struct buf *faults)
{
	json_t *name;
	size_t i;

	f->tables = xcalloc(json_array_size(names) + 1, sizeof(*f->tables));
	f->ntables = 0;
	json_array_foreach((json_t *)names, i, name) {
		struct litetable *t = &f->tables[f->ntables];
		char *why = NULL;
		int rc = litetable_read(t, f->db, json_string_value(name), &why);

		if (rc == 0 && is_read(f, t->name))
			litetable_free(t); /* named twice */
		else if (rc == 0 && recognise_table(f, t, &why) == 0)
			f->ntables++;
		else if (rc == 0) {
			buf_addf(faults, "%s%s", faults->len > 0 ? "; " : "", why);
			litetable_free(t);
		} else if (rc == -2) {
			free(why);
			return (-1);
		} else if (!f->all || find_known(f, json_string_value(name)) != NULL)
			buf_addf(faults, "%s%s", faults->len > 0 ? "; " : "", why);
		free(why);
	}
	return (0);
}

/* Names that are known and that "*" does not bring any more. */
static void
add_missing(struct litefile *f, json_t *names)
{
	json_t *o, *name;
	size_t i, k;

	json_array_foreach(f->known, i, o) {
		int there = 0;

		json_array_foreach(names, k, name)
			there |= json_equal(name, json_object_get(o, "table"));
		if (!there)
			json_array_append(names, json_object_get(o, "table"));
	}
}

static int
refresh_tables(struct litefile *f, char **why)
{
	int64_t schema = litedb_int(f->db, -1, "PRAGMA schema_version");
	struct buf faults = { 0 };
	json_t *names;
	int rc;

	*why = NULL;
	if (schema == -1) {
		*why = litedb_fault(f->db, f->path);
		return (-1);
	}
	if (schema == f->schema && f->tables != NULL)
		return (1);
	names = f->all ? litetable_names(f->db, why) : json_incref(f->names);
	if (names == NULL)
		return (-1);
	if (f->all)
		add_missing(f, names);
	tables_free(f->tables, f->ntables);
	rc = read_lite_tables(f, names, &faults);
	json_decref(names);
	if (rc == -1) {
		buf_free(&faults);
		f->schema = -1;
		*why = litedb_fault(f->db, f->path);
		return (-1);
	}
	f->schema = schema;
	if (faults.len > 0) {
		buf_u8(&faults, '\0');
		*why = (char *)buf_take(&faults, &(size_t){ 0 });
	}
	return (0);
}

int
liteopen_refresh(struct litefile *f, char **why)
{
	int rc = litedb_exec(f->db, "BEGIN");

	if (rc != SQLITE_OK) {
		*why = litedb_fault(f->db, f->path);
		return (-1);
	}
	rc = refresh_tables(f, why);
	litedb_exec(f->db, "COMMIT");
	return (rc);
}
