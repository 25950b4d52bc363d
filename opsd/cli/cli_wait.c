#include "config.h"

#include "opsd/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cli/cli_progress.h"

/* What goes on after its answer: jobs, and tables that catch up. */

#define LOOK_US    250000   /* between two questions */
#define CURRENT_MS 1000     /* behind by less is up to date: writes go on */
#define AWAY_US    60000000 /* a node that restarts answers again within */

/* The answer, or NULL with *err when there is none; an error is one, too, with *status. */
static json_t *
ask_status(const struct cli_target *t, const json_t *body, int *status, char **err)
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct answer a;
	json_t *v = NULL;

	*status = 0;
	if (cli_request(t, "POST", "/", text, &a, err) == 0) {
		v = json_loadb(a.body, a.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		*status = a.status;
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
seen_number(const json_t *o, const char *name)
{
	return ((uint64_t)json_integer_value(json_object_get(o, name)));
}

/* ---- jobs ---- */

/* Bytes where the job knows how many there are, else what it did. */
static void
show_job(struct cli_progress *p, const json_t *row)
{
	static const char *const did[] = { "loaded", "exported", "deleted" };
	const json_t *counts = json_object_get(row, "progress");
	const char *type = json_string_value(json_object_get(row, "type"));

	type = type != NULL ? type : "job";
	if (seen_number(counts, "total_bytes") > 0) {
		progress_show(p, type, seen_number(counts, "bytes"),
		    seen_number(counts, "total_bytes"), UNIT_BYTES);
		return;
	}
	for (size_t i = 0; i < sizeof(did) / sizeof(did[0]); i++)
		if (json_object_get(counts, did[i]) != NULL) {
			char *what = xasprintf("%s: %s", type, did[i]);

			progress_show(p, what, seen_number(counts, did[i]), 0, UNIT_COUNT);
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
job_row(const struct cli_target *t, const char *id, uint64_t *heard, char **err)
{
	json_t *body = json_pack("{s:s, s:s}", "operation", "get_job", "id", id);
	int status;
	json_t *list = ask_status(t, body, &status, err), *row = NULL;

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
cli_wait_job(const struct cli_target *t, const char *id, char **err)
{
	struct cli_progress p = progress_begin();
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

/*
 * A node that has just been started says at once that all is live: peers that it has not
 * met yet, and what only they know, such as a later life of it, come with their next status.
 */
#define YOUNG_MS  60000   /* then they have met */
#define GATHER_MS 20000   /* who is not there until then is away */
#define MARGIN_US 1000000 /* beyond the interval of statuses */

/* What is worst of those that are not up to date, and how many there are. */
struct behind {
	char *what; /* NULL: nothing is behind */
	uint64_t done, total;
	unsigned n;
};

/* What a node says of itself. */
struct seen {
	json_t *status, *info;
	uint64_t uptime_ms;
	int answered; /* with this status of HTTP; 0: not */
};

static const char *
seen_text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return (s != NULL ? s : "");
}

static int
catches_up(const json_t *sub)
{
	const char *state = seen_text(sub, "state");

	return (strcmp(state, "copy") == 0 || strcmp(state, "fetch") == 0 ||
	    (seen_number(sub, "lag") > 0 &&
		(json_is_null(json_object_get(sub, "lag_ms")) ||
		    seen_number(sub, "lag_ms") > CURRENT_MS)));
}

/* Takes what. */
static void
add_behind(struct behind *b, char *what, uint64_t done, uint64_t total)
{
	if (b->n++ > 0) {
		free(what);
		return;
	}
	b->what = what;
	b->done = done;
	b->total = total;
}

static void
add_sub(struct behind *b, const json_t *connection, const json_t *sub)
{
	int copies = json_object_get(sub, "rows_copied") != NULL;
	char *what = xasprintf("%s.%s from %s: %s", seen_text(sub, "database"),
	    seen_text(sub, "table"), seen_text(connection, "node_name"),
	    copies ? "rows" : "transactions to come, at most");

	add_behind(b, what, seen_number(sub, copies ? "rows_copied" : "lag"),
	    copies ? seen_number(sub, "rows_total") : 0);
}

/* Nothing comes from there, for now. */
static int
is_away(const json_t *connection)
{
	return (strcmp(seen_text(connection, "status"), "closed") == 0 ||
	    strcmp(seen_text(connection, "status"), "refused") == 0);
}

static int
is_closed(const json_t *connection)
{
	return (is_away(connection) || json_is_null(json_object_get(connection, "latency_ms")));
}

static struct behind
how_far(const struct seen *s)
{
	struct behind b = { 0 };
	const json_t *c, *sub, *f;
	size_t i, k;

	json_array_foreach(json_object_get(json_object_get(s->info, "replication"), "cursors"), i,
	    f)
		if (strcmp(seen_text(f, "state"), "recover") == 0)
			add_behind(&b,
			    xasprintf("%s.%s from %s: own lost rows", seen_text(f, "database"),
				seen_text(f, "table"), seen_text(f, "node_name")),
			    seen_number(f, "rows_copied"), seen_number(f, "rows_total"));
	json_array_foreach(json_object_get(s->status, "connections"), i, c) {
		if (is_away(c))
			continue;
		json_array_foreach(json_object_get(c, "subscriptions"), k, sub)
			if (catches_up(sub))
				add_sub(&b, c, sub);
	}
	return (b);
}

/* What a young node waits for to be there; NULL: all are, or are taken to be away. */
static char *
still_missing(const struct seen *s)
{
	const json_t *c;
	size_t i;

	if (s->uptime_ms > GATHER_MS || !json_is_true(json_object_get(s->status, "is_enabled")))
		return (NULL);
	json_array_foreach(json_object_get(s->status, "connections"), i, c)
		if (is_closed(c))
			return (xasprintf("waits for node %s", seen_text(c, "node_name")));
	return (NULL);
}

static void
seen_free(struct seen *s)
{
	json_decref(s->status);
	json_decref(s->info);
}

/* 0, or -1 with *err. */
static int
see_status(const struct cli_target *t, struct seen *s, char **err)
{
	json_t *status = json_pack("{s:s}", "operation", "cluster_status");
	json_t *info = json_pack("{s:s, s:[s,s]}", "operation", "system_information", "attributes",
	    "hubleaf", "replication");

	s->status = ask_status(t, status, &s->answered, err);
	s->info = s->status != NULL ? ask_status(t, info, &s->answered, err) : NULL;
	s->uptime_ms = seen_number(json_object_get(s->info, "hubleaf"), "uptime_ms");
	json_decref(status);
	json_decref(info);
	if (s->info != NULL)
		return (0);
	seen_free(s);
	return (-1);
}

/* In microseconds, of the node's clustering.statusInterval. */
static uint64_t
status_interval(const struct cli_target *t)
{
	json_t *body = json_pack("{s:s}", "operation", "get_configuration");
	char *err = NULL;
	int status;
	json_t *conf = ask_status(t, body, &status, &err);
	uint64_t us = seen_number(json_object_get(conf, "clustering"), "statusInterval") * 1000;

	free(err);
	json_decref(conf);
	json_decref(body);
	return (us);
}

/* Whether there is nothing more to wait for; *quiet: since when it looks so, 0: it does not. */
static int
is_done(const struct cli_target *t, const struct seen *s, struct cli_progress *p, uint64_t *quiet)
{
	struct behind b = how_far(s);
	char *wait = b.n > 0 ? NULL : still_missing(s);
	int done = b.n == 0 && wait == NULL;

	if (b.n > 0)
		progress_show(p, b.what, b.done, b.total, UNIT_COUNT);
	else if (wait != NULL)
		progress_show(p, wait, 0, 0, UNIT_COUNT);
	if (!done)
		*quiet = 0;
	else if (*quiet == 0)
		*quiet = mono_us();
	free(b.what);
	free(wait);
	return (done &&
	    (s->uptime_ms > YOUNG_MS ||
		json_array_size(json_object_get(s->status, "connections")) == 0 ||
		mono_us() - *quiet > status_interval(t) + MARGIN_US));
}

int
cli_wait_tables(const struct cli_target *t, char **err)
{
	struct cli_progress p = progress_begin();
	uint64_t heard = mono_us(), quiet = 0;
	int done = 0;

	for (*err = NULL; !done && *err == NULL; usleep(done ? 0 : LOOK_US)) {
		struct seen s;

		if (see_status(t, &s, err) == 0) {
			heard = mono_us();
			done = is_done(t, &s, &p, &quiet);
			seen_free(&s);
		} else if (mono_us() - heard < AWAY_US && (s.answered == 0 || s.answered >= 500)) {
			progress_show(&p, "waits for the node to answer", 0, 0, UNIT_COUNT);
			free(*err);
			*err = NULL;
		}
	}
	progress_end(&p);
	return (*err == NULL ? 0 : -1);
}
