#include "config.h"

#include "opsd/snapshot/snaprestore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/firstcopy.h"
#include "opsd/cluster/merge.h"
#include "opsd/snapshot/snapfile.h"
#include "opsd/store/group.h"

/* ---- the file ---- */

static ssize_t
read_snapshot(void *arg, void *p, size_t n)
{
	ssize_t got;

	do
		got = read(*(int *)arg, p, n);
	while (got == -1 && errno == EINTR);
	return (got);
}

struct opened {
	int fd;
	struct snapreader *r;
};

static int
open_file(struct opened *o, const char *path, char **err)
{
	o->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (o->fd == -1) {
		*err = xasprintf("it cannot be read: %s", strerror(errno));
		return (-1);
	}
	posix_fadvise(o->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	o->r = snapreader_new(read_snapshot, &o->fd);
	return (0);
}

static void
close_file(struct opened *o)
{
	snapreader_free(o->r);
	close(o->fd);
}

/*
 * What was deleted since is remembered for that long: a row that was removed must not come back where no
 * log says so any more.
 */
static char *
age_fault(struct replication *rep, uint64_t taken_ms)
{
	uint64_t most = (uint64_t)data_conf_int(rep->data, STORAGE_TOMBSTONES) * 500;
	uint64_t now = wall_ms();

	if (now <= taken_ms || now - taken_ms <= most)
		return (NULL);
	return (xasprintf("it is %" PRIu64 " seconds old, more than half of "
			  "storage.tombstoneRetention: what was deleted since may be forgotten",
	    (now - taken_ms) / 1000));
}

/* This node took it, out of what is still here: it brings nothing. */
static int
is_of_this_life(struct replication *rep, struct snapreader *r)
{
	const struct given_position *own = &snapreader_table(r)->positions[0];

	return (memcmp(own->node, rep->data->node_id, NODE_ID_LEN) == 0 &&
	    own->incarnation == rep->data->log.incarnation);
}

int
snaprestore_check(struct replication *rep, const char *path, char **err)
{
	struct opened o;
	enum snapfile_piece piece;
	int own = 0;

	if (open_file(&o, path, err) == -1)
		return (-1);
	while ((piece = snapreader_next(o.r)) != SNAPFILE_BAD && piece != SNAPFILE_END)
		if (piece == SNAPFILE_HEAD)
			*err = age_fault(rep, snapreader_head(o.r)->taken_ms);
		else if (piece == SNAPFILE_TABLE)
			own = is_of_this_life(rep, o.r);
	if (piece == SNAPFILE_BAD) {
		free(*err);
		*err = xstrdup(snapreader_fault(o.r));
	}
	close_file(&o);
	return (*err != NULL ? -1 : own);
}

/* ---- the table that is being restored ---- */

struct restoring {
	struct replication *rep;
	struct snapwanted *wanted;
	struct snaprestored *done;
	const struct snapfile_head *head;
	struct snapfile_table table;
	int takes; /* it is wanted, and its cursors wait */
	uint64_t from_ms;
};

struct restore_step {
	struct commit_job job; /* first */
	struct restoring *re;
	struct rd rows;
	uint32_t n;
	int fits;
	const char *why; /* its rows are of no use */
};

static struct table *
table_here(struct group *g, const struct snapfile_table *t)
{
	return (group_table_named(g, t->database, strlen(t->database), t->name, strlen(t->name)));
}

static void
begin_restored_run(struct group *g, struct commit_job *j)
{
	struct restore_step *s = (struct restore_step *)j;
	const struct snapfile_table *st = &s->re->table;
	struct table *t = table_here(g, st);

	s->fits = t != NULL && strcmp(t->primary_key, st->primary_key) == 0 &&
	    firstcopy_waits(g, st->database, st->name, &s->re->from_ms);
}

static void
rows_restored_run(struct group *g, struct commit_job *j)
{
	struct restore_step *s = (struct restore_step *)j;
	struct merge_how how = { s->re->head->node, s->re->from_ms, 0 };
	struct merged sum = { 0 };
	struct table *t = table_here(g, &s->re->table);
	struct rd rows = s->rows;
	int rc = t != NULL ? merge_rows(g, t, &rows, s->n, &how, &sum) : 0;

	if (rc == 1)
		s->why = "it has rows of times that are ahead of this node's clock";
	else if (rc == -1)
		s->why = "a row of it cannot be read";
	s->fits = t != NULL;
}

static void
end_restored_run(struct group *g, struct commit_job *j)
{
	struct restore_step *s = (struct restore_step *)j;
	const struct snapfile_table *st = &s->re->table;
	struct table *t = table_here(g, st);

	if (t != NULL)
		firstcopy_restored(g, t, s->re->head->node, st->positions, st->n, s->re->from_ms);
}

/* 0: done; *fits as the step says.  -1 with *err. */
static int
do_step(struct restoring *re, void (*run)(struct group *, struct commit_job *),
    struct restore_step *s, char **err)
{
	int status;

	if (re->rep->data->stopping) {
		*err = xstrdup("the node is stopping");
		return (-1);
	}
	s->job.run = run;
	s->job.remote = 1;
	s->re = re;
	status = commit_wait(re->rep->data->commit, &s->job);
	snapwanted_moved(re->wanted, mono_us());
	if (status == 200 && s->why == NULL)
		return (0);
	*err = s->job.error != NULL ? s->job.error : xstrdup(s->why != NULL ? s->why : "not now");
	return (-1);
}

static int
begin_restored(struct restoring *re, char **err)
{
	struct restore_step s = { 0 };

	re->takes = 0;
	if (!snapwanted_has(re->wanted, re->table.database, re->table.name))
		return (0);
	if (do_step(re, begin_restored_run, &s, err) == -1)
		return (-1);
	re->takes = s.fits;
	if (re->takes)
		re->done->total += re->table.rows;
	return (0);
}

static int
restore_rows(struct restoring *re, struct snapreader *r, char **err)
{
	struct restore_step s = { 0 };

	if (!re->takes)
		return (0);
	s.rows = snapreader_rows(r, &s.n);
	s.job.cost = rd_left(&s.rows);
	if (do_step(re, rows_restored_run, &s, err) == -1)
		return (-1);
	re->takes = s.fits; /* it may have been dropped */
	re->done->rows += s.n;
	return (0);
}

static int
end_restored(struct restoring *re, char **err)
{
	struct restore_step s = { 0 };

	if (!re->takes)
		return (0);
	re->takes = 0;
	if (do_step(re, end_restored_run, &s, err) == -1)
		return (-1);
	re->done->tables++;
	snaprestore_turn(re->rep, re->wanted, re->table.database, re->table.name);
	return (0);
}

static int
restore_piece(struct restoring *re, struct snapreader *r, enum snapfile_piece piece, char **err)
{
	switch (piece) {
	case SNAPFILE_BAD:
		*err = xstrdup(snapreader_fault(r));
		return (-1);
	case SNAPFILE_TABLE:
		if (end_restored(re, err) == -1)
			return (-1);
		snapfile_table_clear(&re->table);
		re->table = snapreader_take_table(r);
		return (begin_restored(re, err));
	case SNAPFILE_ROWS:
		return (restore_rows(re, r, err));
	case SNAPFILE_END:
		return (end_restored(re, err));
	case SNAPFILE_HEAD:
		break;
	}
	return (0);
}

int
snaprestore_file(struct replication *rep, const char *path, struct snapwanted *wanted,
    struct snaprestored *done, char **err)
{
	struct restoring re = { .rep = rep, .wanted = wanted, .done = done };
	enum snapfile_piece piece;
	struct opened o;
	int rc;

	if (open_file(&o, path, err) == -1)
		return (-1);
	re.head = snapreader_head(o.r);
	do
		piece = snapreader_next(o.r);
	while ((rc = restore_piece(&re, o.r, piece, err)) == 0 && piece != SNAPFILE_END);
	snapfile_table_clear(&re.table);
	close_file(&o);
	return (rc);
}

/* ---- whose turn it is ---- */

struct turn {
	struct commit_job job; /* first */
	const char *database, *table;
};

static void
turn_run(struct group *g, struct commit_job *j)
{
	struct turn *t = (struct turn *)j;

	firstcopy_turn(g, t->database, t->table);
}

void
snaprestore_turn(struct replication *rep, struct snapwanted *wanted, const char *database,
    const char *table)
{
	struct turn t = { .job.run = turn_run, .database = database, .table = table };

	snapwanted_tried(wanted, database, table, mono_us());
	t.job.remote = 1;
	if (!rep->data->stopping)
		commit_wait(rep->data->commit, &t.job);
	free(t.job.error);
}
