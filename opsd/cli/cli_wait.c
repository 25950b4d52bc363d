#include "config.h"

#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cli_progress.h"
#include "mem.h"

/* What goes on after its answer: jobs, and tables that catch up. */

#define LOOK_US		250000		/* between two questions */
#define CURRENT_MS	1000		/* behind by less is up to date: writes go on */
#define AWAY_US		60000000	/* a node that restarts answers again within */

/* The answer, or NULL with *err when there is none; an error is one, too. */
static json_t *
ask(const struct target *t, const json_t *body, char **err)
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct answer a;
	json_t *v = NULL;

	if (cli_request(t, "POST", "/", text, &a, err) == 0) {
		v = json_loadb(a.body, a.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		if (a.status != 200 || v == NULL) {
			*err = xasprintf("status %d: %s", a.status, a.body);
			json_decref(v);
			v = NULL;
		}
	}
	free(a.body);
	free(text);
	return (v);
}

static uint64_t
number(const json_t *o, const char *name)
{
	return ((uint64_t)json_integer_value(json_object_get(o, name)));
}

/* ---- jobs ---- */

/* Bytes where the job knows how many there are, else what it did. */
static void
show_job(struct progress *p, const json_t *row)
{
	static const char *const did[] = { "loaded", "exported", "deleted" };
	const json_t *counts = json_object_get(row, "progress");
	const char *type = json_string_value(json_object_get(row, "type"));

	type = type != NULL ? type : "job";
	if (number(counts, "total_bytes") > 0) {
		progress_show(p, type, number(counts, "bytes"), number(counts, "total_bytes"),
		    UNIT_BYTES);
		return;
	}
	for (size_t i = 0; i < sizeof(did) / sizeof(did[0]); i++)
		if (json_object_get(counts, did[i]) != NULL) {
			char *what = xasprintf("%s: %s", type, did[i]);

			progress_show(p, what, number(counts, did[i]), 0, UNIT_COUNT);
			free(what);
			return;
		}
	progress_show(p, type, 0, 0, UNIT_COUNT);
}

static int
has_ended(const json_t *row)
{
	const char *status = json_string_value(json_object_get(row, "status"));

	return (status != NULL &&
	    (strcmp(status, "COMPLETE") == 0 || strcmp(status, "ERROR") == 0));
}

/* The job's row; NULL with *err, or without it: ask again. */
static json_t *
job_row(const struct target *t, const char *id, uint64_t *heard, char **err)
{
	json_t *body = json_pack("{s:s, s:s}", "operation", "get_job", "id", id);
	json_t *list = ask(t, body, err), *row = NULL;

	json_decref(body);
	if (list != NULL) {
		*heard = mono_us();
		row = json_incref(json_array_get(list, 0));
		json_decref(list);
		if (row == NULL)
			*err = xasprintf("there is no job %s", id);
	} else if (mono_us() - *heard < AWAY_US) {
		free(*err);
		*err = NULL;
	}
	return (row);
}

json_t *
cli_wait_job(const struct target *t, const char *id, char **err)
{
	struct progress p = progress_begin();
	uint64_t heard = mono_us();
	json_t *row = NULL;

	for (*err = NULL; *err == NULL; usleep(LOOK_US)) {
		row = job_row(t, id, &heard, err);
		if (row == NULL)
			continue;
		show_job(&p, row);
		if (has_ended(row))
			break;
		json_decref(row);
	}
	progress_end(&p);
	return (row);
}

/* ---- tables ---- */

/* What is worst of those that are not up to date, and how many there are. */
struct behind {
	const json_t	*connection, *sub;
	unsigned	 n;
};

static int
catches_up(const json_t *sub)
{
	const char *state = json_string_value(json_object_get(sub, "state"));

	return (state != NULL && (strcmp(state, "copy") == 0 || strcmp(state, "fetch") == 0 ||
	    (number(sub, "lag") > 0 && (json_is_null(json_object_get(sub, "lag_ms")) ||
	    number(sub, "lag_ms") > CURRENT_MS))));
}

static struct behind
look(const json_t *status)
{
	struct behind b = { 0 };
	const json_t *c, *sub;
	size_t i, k;

	json_array_foreach(json_object_get(status, "connections"), i, c) {
		const char *word = json_string_value(json_object_get(c, "status"));

		/* Nothing comes from there, for now. */
		if (word != NULL && strcmp(word, "closed") == 0)
			continue;
		json_array_foreach(json_object_get(c, "subscriptions"), k, sub)
			if (catches_up(sub) && b.n++ == 0) {
				b.connection = c;
				b.sub = sub;
			}
	}
	return (b);
}

static void
show_behind(struct progress *p, const struct behind *b)
{
	int copies = json_object_get(b->sub, "rows_copied") != NULL;
	char *what = xasprintf("%s.%s from %s%s: %s",
	    json_string_value(json_object_get(b->sub, "database")),
	    json_string_value(json_object_get(b->sub, "table")),
	    json_string_value(json_object_get(b->connection, "node_name")),
	    b->n > 1 ? " and others" : "", copies ? "rows" : "transactions to come");

	if (copies)
		progress_show(p, what, number(b->sub, "rows_copied"), number(b->sub, "rows_total"),
		    UNIT_COUNT);
	else
		progress_show(p, what, number(b->sub, "lag"), 0, UNIT_COUNT);
	free(what);
}

int
cli_wait_tables(const struct target *t, char **err)
{
	json_t *body = json_pack("{s:s}", "operation", "cluster_status"), *status;
	struct progress p = progress_begin();
	struct behind b = { .n = 1 };

	for (;;) {
		*err = NULL;
		if ((status = ask(t, body, err)) == NULL)
			break;
		b = look(status);
		if (b.n > 0)
			show_behind(&p, &b);
		json_decref(status);
		if (b.n == 0)
			break;
		usleep(LOOK_US);
	}
	progress_end(&p);
	json_decref(body);
	return (*err == NULL ? 0 : -1);
}
