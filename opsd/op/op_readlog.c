#include "config.h"

#include "opsd/op/op.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/op/node.h"
#include "opsd/store/value.h"
#include "opsd/watch/logread.h"

/* read_log: the lines of the three daemons, merged by time. */
#define LIMIT          1000
#define LIMIT_MAX      10000
#define STAMP_LEN_TEXT 24
#define LAST_MS        253402300799999.0 /* of a year with four digits */

static const char *const daemons[] = { "opsd", "hubd", "leafd" };
#define DAEMONS 3

struct asked {
	int64_t start, limit;
	int level;                /* and those above; -1: all */
	char from[32], until[32]; /* as lines have it, or "" */
	int backwards;
	unsigned which; /* bits of daemons */
};

static int64_t
field_lines(struct faults *f, const json_t *body, const char *name, int64_t min, int64_t max,
    int64_t absent)
{
	const json_t *v = json_object_get(body, name);

	if (v == NULL)
		return (absent);
	if (!json_is_number(v))
		fault(f, "'%s' must be a number", name);
	else if (!json_is_integer(v))
		fault(f, "'%s' must be an integer", name);
	else if (json_integer_value(v) < min)
		fault(f, "'%s' must be greater than or equal to %lld", name, (long long)min);
	else if (json_integer_value(v) > max)
		fault(f, "'%s' must be less than or equal to %lld", name, (long long)max);
	return (json_integer_value(v));
}

/* A date, or milliseconds, in the form of a line's time. */
static void
field_time(struct faults *f, const json_t *body, const char *name, char out[32])
{
	const json_t *v = json_object_get(body, name);
	double given = json_is_number(v) ? json_number_value(v) : -1;
	int64_t ms;
	time_t s;
	struct tm tm;

	out[0] = '\0';
	if (v == NULL)
		return;
	if (json_is_string(v))
		given = (double)iso_ms(json_string_value(v), NULL);
	if (!(given >= 0 && given <= LAST_MS)) {
		fault(f, "'%s' must be a date in ISO-8601 format, or milliseconds", name);
		return;
	}
	ms = (int64_t)given;
	s = (time_t)(ms / 1000);
	gmtime_r(&s, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + 19, 13, ".%03dZ", (int)(ms % 1000));
}

/* The daemon's, with or without ".log"; the name that peers give their one log is all of them. */
static unsigned
field_log(struct faults *f, const json_t *body)
{
	const char *name = field_string(f, body, "log_name", 0);
	size_t n = name != NULL ? strlen(name) : 0;

	if (n > 4 && strcmp(name + n - 4, ".log") == 0)
		n -= 4;
	if (name == NULL || (n == 3 && strncmp(name, "hdb", n) == 0))
		return ((1u << DAEMONS) - 1);
	for (int i = 0; i < DAEMONS; i++)
		if (strlen(daemons[i]) == n && strncmp(name, daemons[i], n) == 0)
			return (1u << i);
	fault(f, "'log_name' must be one of [hdb.log, opsd.log, hubd.log, leafd.log]");
	return (0);
}

/* A lower number is more serious; as lines have it, so "notify" is below "warn". */
static int
line_level(const char *word)
{
	return (strcmp(word, "notify") == 0 ? LOG_NOTICE : log_level_of(word));
}

static void
read_asked(struct request *r, struct faults *f, struct asked *a)
{
	const char *order = field_string(f, r->body, "order", 0);
	const char *level = field_string(f, r->body, "level", 0);

	a->start = field_lines(f, r->body, "start", 0, INT64_MAX, 0);
	a->limit = field_lines(f, r->body, "limit", 1, LIMIT_MAX, LIMIT);
	a->level = level != NULL ? line_level(level) : -1;
	if (level != NULL && a->level == -1)
		fault(f, "'level' must be one of [notify, fatal, error, warn, info, debug, trace]");
	field_time(f, r->body, "from", a->from);
	field_time(f, r->body, "until", a->until);
	if (order != NULL && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
		fault(f, "'order' must be one of [asc, desc]");
	a->backwards = order != NULL && strcmp(order, "desc") == 0;
	a->which = field_log(f, r->body);
}

/* ---- the merge ---- */

struct log_source {
	struct logread *log;
	struct log_entry_text e;
	int there;
};

static int
time_cmp(const struct log_entry_text *e, const char *time)
{
	return (memcmp(e->time, time, STAMP_LEN_TEXT));
}

/* Of the lines that come next the oldest, or the newest; NULL: no more. */
static struct log_source *
next_source(struct log_source *s, int backwards)
{
	struct log_source *best = NULL;

	for (int i = 0; i < DAEMONS; i++) {
		int cmp;

		if (!s[i].there)
			continue;
		cmp = best != NULL ? memcmp(s[i].e.time, best->e.time, STAMP_LEN_TEXT) : 0;
		if (best == NULL || (backwards ? cmp > 0 : cmp < 0))
			best = &s[i];
	}
	return (best);
}

static int
level_is(const struct asked *a, const struct log_entry_text *e)
{
	char word[16];
	int level;

	if (a->level == -1)
		return (1);
	snprintf(word, sizeof(word), "%.*s", (int)e->level_len, e->level);
	level = line_level(word);
	return (level != -1 && level <= a->level);
}

static int
line_wanted(const struct asked *a, const struct log_entry_text *e)
{
	return (level_is(a, e) && (a->from[0] == '\0' || time_cmp(e, a->from) >= 0) &&
	    (a->until[0] == '\0' || time_cmp(e, a->until) <= 0));
}

/* Nothing that comes after this line can be wanted. */
static int
is_over(const struct asked *a, const struct log_entry_text *e)
{
	return (a->backwards ? a->from[0] != '\0' && time_cmp(e, a->from) < 0 :
			       a->until[0] != '\0' && time_cmp(e, a->until) > 0);
}

/* What others wrote may be no text: then the bytes that are not stand as '?'. */
static void
text_field(struct buf *out, const char *name, const char *s, size_t n)
{
	json_t *v = json_stringn(s, n);
	char *copy;

	if (v == NULL) {
		copy = xstrndup(s, n);
		for (char *p = copy; *p != '\0'; p++)
			*p = (unsigned char)*p >= 0x80 ? '?' : *p;
		v = json_string(copy);
		free(copy);
	}
	buf_addf(out, "\"%s\":", name);
	value_text_json(out, v);
	json_decref(v);
}

static void
text_line(struct buf *out, const struct log_entry_text *e)
{
	buf_u8(out, '{');
	text_field(out, "timestamp", e->time, STAMP_LEN_TEXT);
	buf_u8(out, ',');
	text_field(out, "thread", e->thread, e->thread_len);
	buf_u8(out, ',');
	text_field(out, "level", e->level, e->level_len);
	buf_addf(out, ",\"tags\":[");
	if (e->tag_len > 0)
		value_text_string(out, e->tag, e->tag_len);
	buf_addf(out, "],");
	text_field(out, "message", e->message, e->message_len);
	buf_u8(out, '}');
}

static void
merge_sources(const struct asked *a, struct log_source *sources, struct buf *out)
{
	int64_t seen = 0, shown = 0;
	struct log_source *s;

	while (shown < a->limit && (s = next_source(sources, a->backwards)) != NULL) {
		if (is_over(a, &s->e)) {
			s->there = 0;
			continue;
		}
		if (line_wanted(a, &s->e) && seen++ >= a->start) {
			if (shown++ > 0)
				buf_u8(out, ',');
			text_line(out, &s->e);
		}
		s->there = logread_next(s->log, &s->e);
	}
}

static void
read_log(struct request *r)
{
	struct log_source sources[DAEMONS] = { 0 };
	struct faults f = { 0 };
	struct buf out = { 0 };
	struct asked a;
	struct conf *conf;
	const char *dir, *old;

	read_asked(r, &f, &a);
	if (faults_answer(r, &f))
		return;
	conf = data_conf(&r->ops->data);
	dir = conf_str(conf, LOG_ROOT);
	old = conf_str(conf, LOG_ROTATE_PATH);
	for (int i = 0; i < DAEMONS; i++)
		if ((a.which & 1u << i) != 0) {
			sources[i].log = logread_open(dir, old != NULL ? old : dir, daemons[i],
			    a.backwards);
			sources[i].there = logread_next(sources[i].log, &sources[i].e);
		}
	buf_u8(&out, '[');
	merge_sources(&a, sources, &out);
	buf_u8(&out, ']');
	for (int i = 0; i < DAEMONS; i++)
		if (sources[i].log != NULL)
			logread_close(sources[i].log);
	conf_free(conf);
	reply_text(r, 200, &out);
}

const struct op ops_readlog[] = {
	{ "read_log", "readLog", RIGHT_SUPER, ON_WORKER, read_log },
	{ NULL },
};
