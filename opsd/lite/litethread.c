#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/lite/litedb.h"
#include "opsd/lite/litelog.h"
#include "opsd/store/key.h"

/*
 * The thread of a file.  What others ask is taken under the lock; all else is here: it looks whether the
 * application wrote, takes that, writes what came, compares when it must, and says how it stands.
 */
#define PAUSE_PACE_MS   4 /* after some work: what comes meanwhile goes together */
#define PAUSE_ACTIVE_MS 4 /* where the kernel does not tell of writes */
#define PAUSE_IDLE_MS   25
#define PAUSE_TOLD_MS   250 /* where it does, */
#define PAUSE_PRUNE_MS  100 /* and what was taken is still in the log */
#define PAUSE_CLOSED_MS 100
#define ACTIVE_US       2000000
#define LOOK_US         1000000 /* how often the file itself, and figures that cost, are looked at */
#define HELD_OFF_US     10000000 /* others having the file is said then */
#define WINDOWS         16       /* of the log, before all else has its turn */
#define REFUSED_SHOWN   20
#define STOP_US         3000000 /* what is left of the log then is taken by the next start */

/* ---- how it stands ---- */

static int64_t
file_bytes(const struct litefile *f, const char *end)
{
	char *path = xasprintf("%s%s", f->path, end);
	struct stat st;
	int64_t n = lstat(path, &st) == 0 ? (int64_t)st.st_size : 0;

	free(path);
	return (n);
}

static int64_t
show_refused(const struct litefile *f, const struct litetable *t, json_t *list)
{
	struct literefused *r, *tmp;
	int64_t n = 0;

	HASH_ITER(hh, f->refused, r, tmp) {
		struct rd key = rd_init(r->key + 4, r->klen - 4);
		struct rd number = rd_init(r->key, 4);
		json_t *shown;

		if (rd_be32(&number) != t->number)
			continue;
		if (n++ >= REFUSED_SHOWN)
			continue;
		shown = r->klen > 4 ? key_to_json(&key) : NULL;
		json_array_append_new(list,
		    json_pack("{s:o, s:s}", "id", shown != NULL ? shown : json_null(), "reason",
			r->why));
	}
	return (n);
}

static json_t *
show_tables(struct litefile *f)
{
	json_t *list = json_array();

	f->figures.queued = f->figures.refused = 0;
	for (size_t i = 0; i < f->ntables; i++) {
		const struct litetable *t = &f->tables[i];
		struct table *node = catalog_by_id(f->data->catalog, t->id);
		json_t *refused = json_array();
		int64_t n = show_refused(f, t, refused);
		int64_t queued = node != NULL ? node->stat->file_pending : 0;

		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:I, s:I, s:o}", "table", t->name, "primary_key",
			t->key_name, "pending", (json_int_t)queued, "refused", (json_int_t)n,
			"refused_rows", refused));
		f->figures.queued += queued;
		f->figures.refused += n;
		table_unref(node);
	}
	return (list);
}

static void
show_file(struct litefile *f)
{
	int64_t first = litedb_int(f->db, 0, "SELECT at FROM " LITE_LOG " ORDER BY id LIMIT 1");
	uint64_t now = wall_ms();
	json_t *tables = show_tables(f);

	f->figures.log = litedrain_pending(f);
	f->figures.oldest_ms = first > 0 && (uint64_t)first < now && f->figures.log > 0 ?
	    now - (uint64_t)first :
	    0;
	f->figures.wal_bytes = file_bytes(f, "-wal");
	f->figures.file_bytes = file_bytes(f, "");
	f->figures.busy = f->busy;
	pthread_mutex_lock(&f->lock_shared);
	json_decref(f->shown);
	f->shown = tables;
	f->shown_figures = f->figures;
	pthread_mutex_unlock(&f->lock_shared);
}

/* ---- what became of its tables ---- */

/* Far fewer rows than were there are not a rebuilt table, and nobody meant to remove the others everywhere. */
static int
was_emptied(struct litefile *f, const struct litetable *t)
{
	struct table *node = catalog_by_id(f->data->catalog, t->id);
	int64_t has = litedb_int(f->db, 0, "SELECT count(*) FROM main.\"%w\"", t->name);
	int64_t had = node != NULL ? node->stat->count : 0;

	table_unref(node);
	return (had - has > 100 && has < had / 2);
}

static void
set_look(struct litefile *f, struct litetable *t, enum lite_look look)
{
	json_t *o = liteattach_known(f, t->number);

	t->look = look;
	if (o != NULL)
		json_object_set_new(o, "look", json_integer(look));
	lite_save_wait(f, NULL);
}

/* Its triggers were gone, with the table as it was before: what was written since is found by comparing. */
static void
rebuilt_table(struct litefile *f, size_t i)
{
	struct litetable *t = &f->tables[i];

	json_object_del(liteattach_known(f, t->number), "absent");
	if (was_emptied(f, t)) {
		free(f->held);
		f->held =
		    xasprintf("table '%s' was made anew and has less than half of its rows: "
			      "verify_sqlite with \"repair\": \"file\" brings them back, with "
			      "\"database\" removes them everywhere",
			t->name);
		lite_say(f, xstrdup(f->held));
		lite_save_wait(f, NULL);
		return;
	}
	log_info("sqlite %s: table '%s' was made anew: its rows are compared", f->path, t->name);
	set_look(f, t, LOOK_TAKE);
}

/* It was not there for a while, or could not be replicated: what its log had then was passed over. */
static int
came_back(struct litefile *f, const struct litetable *t)
{
	return (json_is_true(json_object_get(liteattach_known(f, t->number), "absent")));
}

/* Those that are known and are not there are marked, before anything of them is passed over. */
static void
mark_absent(struct litefile *f)
{
	json_t *o;
	size_t i;
	int marked = 0;

	json_array_foreach(f->known, i, o) {
		unsigned number = (unsigned)json_integer_value(json_object_get(o, "number"));

		if (liteopen_table(f, number) != NULL || json_is_true(json_object_get(o, "absent")))
			continue;
		json_object_set_new(o, "absent", json_true());
		marked = 1;
	}
	if (marked)
		lite_save_wait(f, NULL);
}

static int
watch_table(struct litefile *f, size_t i)
{
	struct litetable *t = &f->tables[i];
	int watches = litelog_watches(f->db, t), back = t->id != 0 && came_back(f, t);
	int rc;

	if (t->id != 0 && watches == 1 && back)
		rebuilt_table(f, i);
	if (t->id == 0 || watches == 1)
		return (0);
	rc = liteopen_watch(f, t);
	if (rc != SQLITE_OK) {
		if (rc != SQLITE_ABORT)
			lite_say(f, liteopen_fault(f));
		f->schema = -1;
		return (-1);
	}
	if (watches == -1 || back)
		rebuilt_table(f, i);
	return (0);
}

/* Its tables are others now. */
static void
restart_compare(struct litefile *f)
{
	struct litecompare *c = &f->compare;
	struct litecommand *command = c->command;
	enum lite_compare_mode mode = c->mode;

	f->recover |= c->whole;
	if (mode == COMPARE_NONE)
		return;
	litecompare_begin(f, command != NULL ? mode : COMPARE_NONE, 0, f->ntables);
	f->compare.command = command;
}

/* sqlite.verifyInterval since all rows were compared. */
static int
is_verify_due(const struct litefile *f)
{
	uint64_t now = wall_ms(), last = f->figures.verified_ms;

	return (f->held == NULL && now > last &&
	    now - last > (uint64_t)data_conf_int(f->data, SQLITE_VERIFY) * 1000);
}

/* What is to be compared next. */
static void
choose_compare(struct litefile *f)
{
	for (size_t i = 0; i < f->ntables; i++) {
		enum lite_look look = f->tables[i].look;

		if (f->tables[i].id == 0 ||
		    (look == LOOK_NOT && !litetable_has_fresh(&f->tables[i])))
			continue;
		litecompare_begin(f,
		    look == LOOK_LOCAL || look == LOOK_TAKE ? COMPARE_TAKE : COMPARE_FOLLOW, i,
		    i + 1);
		f->compare.keep = look == LOOK_LOCAL;
		return;
	}
	if (f->recover) {
		f->recover = 0;
		litecompare_begin(f, COMPARE_FOLLOW, 0, f->ntables);
		f->compare.whole = 1;
	} else if (is_verify_due(f))
		litecompare_begin(f, COMPARE_REPORT, 0, f->ntables);
}

/* -1: not now. */
static int
follow_schema(struct litefile *f)
{
	char *why;
	int rc = liteopen_refresh(f, &why);

	if (rc == 1)
		return (0);
	f->faulty = why != NULL;
	if (why != NULL)
		lite_say(f, why);
	if (rc == -1)
		return (-1);
	mark_absent(f);
	for (size_t i = 0; i < f->ntables; i++)
		if (f->tables[i].id == 0 && f->all)
			liteattach_table(f, i);
	for (size_t i = 0; i < f->ntables; i++)
		if (watch_table(f, i) == -1)
			return (-1);
	liteattach_tell_schema(f);
	restart_compare(f);
	litefill_clear(f);
	f->fill_more = 1;
	return (0);
}

/* ---- comparing ---- */

static void
answer_verify(struct litefile *f, struct litecommand *c)
{
	struct litecompare *m = &f->compare;
	char *quick = litedb_text(f->db, "SELECT * FROM temp.pragma_quick_check(1)");
	int64_t foreign = litedb_int(f->db, -1,
	    "SELECT count(*) FROM temp.pragma_foreign_key_check");
	int64_t refused = (int64_t)HASH_COUNT(f->refused);

	c->done(c->arg, 200,
	    json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "database", f->database,
		"path", f->path, "rows", (json_int_t)m->rows, "missing_in_file",
		(json_int_t)m->missing, "only_in_file", (json_int_t)m->extra, "different",
		(json_int_t)m->different, "refused", (json_int_t)refused, "not_compared",
		(json_int_t)m->skipped, "quick_check",
		quick != NULL ? litedb_utf8(quick) : "failed", "foreign_key_violations",
		(json_int_t)foreign));
	free(quick);
	free(c);
}

/* They were compared: that is kept, with the columns that they had. */
static void
keep_compared(struct litefile *f, size_t from, size_t to)
{
	for (size_t i = from; i < to && i < f->ntables; i++) {
		struct litetable *t = &f->tables[i];
		json_t *o = liteattach_known(f, t->number);

		for (int k = 0; k < t->ncols; k++)
			t->cols[k].fresh = 0;
		t->look = LOOK_NOT;
		if (o != NULL) {
			litetable_tell(t, o);
			json_object_set_new(o, "look", json_integer(LOOK_NOT));
		}
	}
	lite_save_wait(f, NULL);
}

/* All rows were compared: when, and how many of them differ still. */
static void
note_verified(struct litefile *f)
{
	struct litecompare *c = &f->compare;
	uint64_t n = c->mode == COMPARE_REPORT ? c->missing + c->extra + c->different : 0;

	if (n > 0 && c->command == NULL)
		log_warnx("sqlite %s: %llu rows are missing in the file, %llu there alone, %llu "
			  "different: verify_sqlite with \"repair\" mends that",
		    f->path, (unsigned long long)c->missing, (unsigned long long)c->extra,
		    (unsigned long long)c->different);
	f->figures.verified_ms = wall_ms();
	f->figures.differing = n;
}

static void
end_compare(struct litefile *f)
{
	struct litecompare *c = &f->compare;
	int kept = c->mode != COMPARE_REPORT;

	if (c->from == 0 && c->to >= f->ntables)
		note_verified(f);
	if (kept && c->missing + c->extra + c->different > 0)
		log_info("sqlite %s: %llu rows were missing in the file, %llu there alone, %llu "
			 "different",
		    f->path, (unsigned long long)c->missing, (unsigned long long)c->extra,
		    (unsigned long long)c->different);
	if (c->command != NULL)
		answer_verify(f, c->command);
	if (kept)
		keep_compared(f, c->from, c->to);
	else
		lite_save_wait(f, NULL);
	litecompare_begin(f, COMPARE_NONE, 0, 0);
	f->fill_more = 1;
}

static void
begin_verify(struct litefile *f, struct litecommand *c)
{
	static const enum lite_compare_mode modes[] = {
		[LITE_REPAIR_NONE] = COMPARE_REPORT,
		[LITE_REPAIR_FILE] = COMPARE_FOLLOW,
		[LITE_REPAIR_DATABASE] = COMPARE_TAKE,
	};

	litecompare_begin(f, modes[c->repair], 0, f->ntables);
	f->compare.command = c;
	if (c->repair != LITE_REPAIR_NONE) {
		free(f->held);
		f->held = NULL;
	}
}

/* ---- what it is asked ---- */

/* While it compares, one that ends that, or none. */
static struct litecommand *
next_command(struct litefile *f, int compares)
{
	struct litecommand *c;

	pthread_mutex_lock(&f->lock_shared);
	if ((c = f->commands) != NULL && compares && c->kind != LITE_DETACH)
		c = NULL;
	if (c != NULL)
		f->commands = c->next;
	pthread_mutex_unlock(&f->lock_shared);
	return (c);
}

static void
refuse_command(struct litecommand *c, int status, char *why)
{
	c->done(c->arg, status, json_pack("{s:s}", "error", litedb_utf8(why)));
	free(why);
	free(c);
}

static void
run_detach(struct litefile *f, struct litecommand *c)
{
	char *why = NULL, *note;
	int rc;

	if (f->db != NULL && !f->gone && f->schema == -1)
		follow_schema(f);
	rc = liteattach_undo(f, &why);

	if (rc == -1) {
		refuse_command(c, 503, why);
		return;
	}
	if (f->compare.command != NULL)
		refuse_command(f->compare.command, 409, xstrdup("the file is detached"));
	litecompare_begin(f, COMPARE_NONE, 0, 0);
	note = why == NULL ?
	    xasprintf("detached %s", f->path) :
	    xasprintf("detached %s, in which what was put into it is still: %s", f->path, why);
	liteopen_close(f);
	lite_leave(f);
	c->done(c->arg, 200, json_pack("{s:s}", "message", note));
	free(note);
	free(why);
	free(c);
}

static void
run_commands(struct litefile *f)
{
	struct litecommand *c;

	while (!f->left && (c = next_command(f, f->compare.mode != COMPARE_NONE)) != NULL)
		if (c->kind == LITE_DETACH)
			run_detach(f, c);
		else if (f->db == NULL || f->gone)
			refuse_command(c, 503, xasprintf("%s cannot be reached now", f->path));
		else
			begin_verify(f, c);
}

/* ---- in turn ---- */

static void
hold_file(struct litefile *f, char *why)
{
	free(f->held);
	f->held = why;
	lite_say(f, xstrdup(why));
	lite_save_wait(f, NULL);
}

/* Damage is found before anything is taken.  -1: not now. */
static int
is_sound(struct litefile *f)
{
	char *quick = litedb_text(f->db, "SELECT * FROM temp.pragma_quick_check(1)");
	int sound = quick != NULL && strcmp(quick, "ok") == 0;

	if (quick == NULL && litedb_is_passing(sqlite3_errcode(f->db)))
		return (-1);
	if (!sound)
		lite_say(f,
		    xasprintf("%s is damaged: %s", f->path,
			quick != NULL ? quick : sqlite3_errmsg(f->db)));
	free(quick);
	return (sound);
}

/*
 * File and record both say which start they last saw, and how that one ended: "5 run", or "5" and a
 * random text.  Alike and ended, all is as it was left.  Otherwise the stop was none, or one of the two is
 * from before: the file is made as the store, unless the store is the older one.  -1: not now.
 */
static int
look_after_start(struct litefile *f)
{
	char *token = litelog_state(f->db, "token");
	uint64_t seen = token != NULL ? strtoull(token, NULL, 10) : 0;
	int runs = token == NULL || strstr(token, " run") != NULL;
	int clean = token != NULL && f->token != NULL && strcmp(token, f->token) == 0;
	int sound = f->held != NULL || clean ? 1 : is_sound(f);

	if (sound == -1) {
		free(token);
		return (-1);
	}
	litefill_recall(f);
	if (f->held != NULL)
		lite_say(f, xstrdup(f->held));
	else if (!sound)
		f->gone = 1;
	else if (clean)
		;
	else if (seen > f->generation || (seen == f->generation && !runs && f->token == NULL))
		hold_file(f,
		    xasprintf(
			"%s has more than the store, which is from before, as after a restore: "
			"verify_sqlite with \"repair\": \"database\" takes what the file has, "
			"with \"file\" the file is made as the store",
			f->path));
	else
		f->recover = 1;
	free(token);
	free(f->token);
	f->token = NULL;
	f->generation = (seen > f->generation ? seen : f->generation) + 1;
	token = xasprintf("%llu run", (unsigned long long)f->generation);
	lite_save_wait(f, NULL);
	if (!f->gone)
		litelog_set_state(f->db, "token", token);
	free(token);
	return (0);
}

/* -1: not now. */
static int
open_again(struct litefile *f)
{
	char *why;

	if (mono_us() < f->retry_us)
		return (-1);
	f->retry_us = mono_us() + LITE_TRY_AGAIN_MS * 1000;
	if (liteopen_open(f, 0, &why) == -1) {
		lite_say(f, why);
		return (-1);
	}
	why = NULL;
	if (liteopen_same_file(f, &why) == -1) {
		lite_say(f, why);
		liteopen_close(f);
		return (-1);
	}
	if (follow_schema(f) == -1) {
		liteopen_close(f);
		return (-1);
	}
	if (look_after_start(f) == -1) {
		liteopen_close(f);
		return (-1);
	}
	return (0);
}

static void
look_at_file(struct litefile *f)
{
	uint64_t now = mono_us();
	char *why = NULL;

	/* Also when what was under way has come to rest. */
	if (now - f->looked_us < LOOK_US && !(f->moved && !f->moving))
		return;
	f->looked_us = now;
	f->moved = f->moving;
	litewait_watch(&f->wait, f->path);
	show_file(f);
	if (liteopen_same_file(f, &why) == -1) {
		lite_say(f, why);
		restart_compare(f);
		liteopen_close(f);
	} else if (f->held_off_us != 0 && now - f->held_off_us > HELD_OFF_US)
		lite_say(f,
		    xasprintf(
			"%s: another process holds it for itself: changes wait for that to end",
			f->path));
	else if (f->held == NULL && !f->faulty && !f->gone && !f->unfilled)
		lite_say(f, xstrdup("ok"));
}

/* 1: there is more of the log; -1: not now. */
static int
take_log(struct litefile *f)
{
	int64_t seen = litedb_int(f->db, -1, "PRAGMA data_version");
	int rc = 1;

	if (seen == -1)
		return (-1);
	if (seen != f->seen || f->schema == -1) {
		f->active_us = mono_us();
		f->log_more = 1;
		if (follow_schema(f) == -1)
			return (-1);
		f->seen = seen;
	}
	for (int i = 0; f->log_more && i < WINDOWS && rc == 1; i++)
		rc = litedrain_window(f);
	if (rc == 0)
		f->log_more = 0;
	if (litedrain_prune(f, 0) == -1 || rc == -1)
		return (-1);
	return (f->log_more);
}

/* A file that cannot be read any more is opened anew, with all that is looked at then. */
static void
leave_broken(struct litefile *f)
{
	int rc = sqlite3_errcode(f->db);

	if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW || litedb_is_passing(rc))
		return;
	lite_say(f, litedb_fault(f->db, f->path));
	restart_compare(f);
	liteopen_close(f);
}

/* Rows of both sides are compared, rows of the store are written: 1, or 0 for nothing. */
static int
compare_and_fill(struct litefile *f, unsigned *pause)
{
	uint64_t began;
	int rc = 0;

	if (f->compare.mode == COMPARE_NONE)
		choose_compare(f);
	if (f->compare.mode != COMPARE_NONE && (rc = litecompare_some(f)) == 0)
		end_compare(f);
	began = mono_us();
	if (litefill_some(f) == 1) {
		rc = 1;
		/* The application has the file for as long as this had it. */
		if (began - f->active_us < ACTIVE_US)
			*pause = (unsigned)((mono_us() - began) / 1000) + 1;
	}
	return (rc == 1);
}

/* Milliseconds until the next turn when there is nothing more. */
static unsigned
choose_pause(struct litefile *f)
{
	f->paced = f->moving;
	if (f->wait.told)
		return (f->moving           ? PAUSE_PACE_MS :
			f->drained_rows > 0 ? PAUSE_PRUNE_MS :
					      PAUSE_TOLD_MS);
	return (mono_us() - f->active_us < ACTIVE_US ? PAUSE_ACTIVE_MS : PAUSE_IDLE_MS);
}

/* Milliseconds until the next turn; 0: there is more. */
static unsigned
file_turn(struct litefile *f)
{
	uint64_t done = f->figures.captured + f->figures.applied;
	unsigned pause = 0;
	int log, more = 0;

	f->paced = 1;
	if (f->db == NULL && open_again(f) == -1)
		return (PAUSE_CLOSED_MS);
	look_at_file(f);
	if (f->db == NULL || f->gone)
		return (PAUSE_CLOSED_MS);
	log = take_log(f);
	if (log == -1) {
		leave_broken(f);
		return (PAUSE_IDLE_MS);
	}
	if (log == 0)
		more = compare_and_fill(f, &pause);
	f->moving = log == 1 || more || f->figures.captured + f->figures.applied != done;
	f->moved |= f->moving;
	if (log == 1 || more)
		return (pause);
	return (choose_pause(f));
}

/* Nothing is left to take, and a start finds that it needs not compare. */
static void
end_clean(struct litefile *f)
{
	uint64_t began = mono_us();
	char end[17], *token, *why = NULL;

	if (f->db == NULL || f->gone || f->recover ||
	    (f->compare.mode != COMPARE_NONE && f->compare.mode != COMPARE_REPORT) ||
	    f->held != NULL || liteopen_same_file(f, &why) == -1) {
		free(why);
		return;
	}
	while (mono_us() - began < STOP_US && litedrain_window(f) == 1)
		;
	/* In the record first: if the file has not got it, all is compared, which does no harm. */
	crypto_random_hex(end, 8);
	token = xasprintf("%llu %s", (unsigned long long)f->generation, end);
	if (litedrain_prune(f, 1) == 0 && lite_save_wait(f, token) == 0)
		litelog_set_state(f->db, "token", token);
	free(token);
}

static void
file_wait(struct litefile *f, unsigned ms)
{
	int asked;

	pthread_mutex_lock(&f->lock_shared);
	asked = f->woken || f->stop || f->commands != NULL;
	pthread_mutex_unlock(&f->lock_shared);
	if (ms > 0 && !asked)
		litewait_for(&f->wait, (int)ms, !f->paced);
	pthread_mutex_lock(&f->lock_shared);
	f->fill_more |= f->woken;
	f->woken = 0;
	pthread_mutex_unlock(&f->lock_shared);
}

static void
refuse_at_end(struct litefile *f, struct litecommand *c)
{
	if (f->stop)
		refuse_command(c, 503, xstrdup("the node is stopping"));
	else
		refuse_command(c, 404, lite_not_attached(f->database, f->asked));
}

void *
litethread_main(void *file)
{
	struct litefile *f = file;
	struct litecommand *c;

	pthread_setname_np(pthread_self(), "sqlite");
	f->fill_more = 1;
	if (f->attach == NULL || liteattach_run(f) == 0) {
		for (;;) {
			file_wait(f, f->pause_ms);
			if (f->stop || f->left)
				break;
			f->pause_ms = file_turn(f);
			run_commands(f);
		}
		if (!f->left)
			end_clean(f);
	}
	lite_leave(f);
	if (f->compare.command != NULL)
		refuse_at_end(f, f->compare.command);
	f->compare.command = NULL;
	while ((c = next_command(f, 0)) != NULL)
		refuse_at_end(f, c);
	liteopen_close(f);
	pthread_mutex_lock(&f->lock_shared);
	f->ended = 1;
	pthread_mutex_unlock(&f->lock_shared);
	return (NULL);
}
