#include "config.h"

#include "opsd/snapshot/snaptold.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/snapshot/snapstore.h"

struct snaptold {
	pthread_mutex_t lock;
	char newest[SNAPSTORE_NAME]; /* "": none */
	uint64_t bytes;              /* of it */
	struct snaptaken taken;      /* by this node; ms 0: none since the start */
	uint64_t count, failed;
	uint64_t restored_ms, tables, rows; /* the last time; 0: never */
	uint64_t all_tables, all_rows;
	char *fault; /* what went wrong last */
	uint64_t fault_ms;
	int is_taking; /* the fault is why none could be taken */
};

struct snaptold *
snaptold_new(void)
{
	struct snaptold *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	return (t);
}

void
snaptold_free(struct snaptold *t)
{
	pthread_mutex_destroy(&t->lock);
	free(t->fault);
	free(t);
}

/* ---- what happens ---- */

void
snaptold_newest(struct snaptold *t, const char *name, uint64_t bytes)
{
	pthread_mutex_lock(&t->lock);
	snprintf(t->newest, sizeof(t->newest), "%s", name);
	t->bytes = bytes;
	pthread_mutex_unlock(&t->lock);
}

/* With the lock held; takes the text. */
static void
set_text(struct snaptold *t, char *text, int is_taking)
{
	free(t->fault);
	t->fault = text;
	t->fault_ms = wall_ms();
	t->is_taking = text != NULL && is_taking;
}

void
snaptold_taken(struct snaptold *t, const struct snaptaken *taken)
{
	pthread_mutex_lock(&t->lock);
	t->taken = *taken;
	t->count++;
	set_text(t, NULL, 0);
	pthread_mutex_unlock(&t->lock);
}

void
snaptold_restored(struct snaptold *t, uint64_t tables, uint64_t rows)
{
	if (tables == 0)
		return;
	pthread_mutex_lock(&t->lock);
	t->restored_ms = wall_ms();
	t->tables = tables;
	t->rows = rows;
	t->all_tables += tables;
	t->all_rows += rows;
	pthread_mutex_unlock(&t->lock);
}

void
snaptold_taking_failed(struct snaptold *t, char *text)
{
	log_warnx("snapshots: none is taken: %s", text);
	pthread_mutex_lock(&t->lock);
	set_text(t, text, 1);
	t->failed++;
	pthread_mutex_unlock(&t->lock);
}

void
snaptold_fault(struct snaptold *t, char *text)
{
	log_warnx("snapshots: %s", text);
	pthread_mutex_lock(&t->lock);
	set_text(t, text, 0);
	pthread_mutex_unlock(&t->lock);
}

/* ---- what is told ---- */

char *
snaptold_taking_fault(struct snaptold *t)
{
	char *text;

	pthread_mutex_lock(&t->lock);
	text = t->is_taking ? xstrdup(t->fault) : NULL;
	pthread_mutex_unlock(&t->lock);
	return (text);
}

static json_t *
time_json(uint64_t ms)
{
	char when[ISO_TEXT];

	return (ms != 0 ? json_string(iso_text((int64_t)ms, when)) : json_null());
}

/* A peer may know of one that is newer than those that are listed here. */
static void
put_newest(const struct snaptold *t, uint64_t newest_ms, json_t *o)
{
	uint64_t now = wall_ms();
	int is_listed = t->newest[0] != '\0';

	json_object_set_new(o, "newest", is_listed ? json_string(t->newest) : json_null());
	json_object_set_new(o, "newest_time", time_json(newest_ms));
	if (newest_ms != 0)
		json_object_set_new(o, "age_ms",
		    json_integer((json_int_t)(now > newest_ms ? now - newest_ms : 0)));
	if (is_listed && snapstore_taken_ms(t->newest) == newest_ms)
		json_object_set_new(o, "newest_bytes", json_integer((json_int_t)t->bytes));
}

void
snaptold_put(struct snaptold *t, uint64_t newest_ms, json_t *o)
{
	pthread_mutex_lock(&t->lock);
	put_newest(t, newest_ms, o);
	if (t->taken.ms != 0)
		json_object_set_new(o, "taken_here",
		    json_pack("{s:o, s:I, s:I, s:I}", "time", time_json(t->taken.ms), "tables",
			(json_int_t)t->taken.tables, "records", (json_int_t)t->taken.rows, "bytes",
			(json_int_t)t->taken.bytes));
	if (t->restored_ms != 0)
		json_object_set_new(o, "restored_here",
		    json_pack("{s:o, s:I, s:I}", "time", time_json(t->restored_ms), "tables",
			(json_int_t)t->tables, "records", (json_int_t)t->rows));
	if (t->fault != NULL) {
		json_object_set_new(o, "error", json_string(t->fault));
		json_object_set_new(o, "error_time", time_json(t->fault_ms));
	}
	pthread_mutex_unlock(&t->lock);
}

void
snaptold_count(struct snaptold *t, struct snapshots_view *v)
{
	pthread_mutex_lock(&t->lock);
	v->taken = t->count;
	v->failed = t->failed;
	v->restored_tables = t->all_tables;
	v->restored_rows = t->all_rows;
	v->newest_bytes = t->newest[0] != '\0' && snapstore_taken_ms(t->newest) == v->newest_ms ?
	    t->bytes :
	    0;
	pthread_mutex_unlock(&t->lock);
}
