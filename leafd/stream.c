#include "config.h"

#include "leafd/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/seal.h"
#include "common/conf/settings.h"
#include "common/nats/subject.h"
#include "leafd/jsapi.h"

#define ERR_ACCOUNT    10002 /* more than the account may have */
#define ERR_NO_PEERS   10005
#define ERR_NO_ROOM    10023
#define ERR_STORAGE    10047
#define ERR_NO_CLUSTER 10074 /* more than one copy on a server that is alone */
#define GET_TIMEOUT_MS 3000
#define LISTS          4 /* that are asked for, while they are short */
#define SECOND_NS      1000000000LL
#define AGE_MAX        (INT64_MAX / SECOND_NS)
#define DUPLICATES_NS  100000000LL /* the least that it takes: message ids are not used */

struct stream {
	struct jsapi *a;
	struct jsapi_call *call;
	struct stream_opts o;
	char *node;
	char *name;
	char *mark;    /* its description, by which streams of the node are known */
	size_t listed; /* of all streams */
	int in_list;   /* this one is among them */
	int lists;     /* that were without it */
	struct stream_tail tail;
	json_t *have;   /* its configuration; NULL: it is new */
	int64_t had;    /* copies of that */
	uint64_t first; /* of the stream */
	uint64_t at;    /* sequence that is being read */
	int jumped;     /* over what was purged at the end */
	char *fault;    /* it cannot be made, or not yet; NULL: it is there */
	void (*cb)(const struct stream_tail *t, const char *why, void *arg);
	void *arg;
};

static void ask_info(struct stream *, void (*)(const struct jsapi_answer *, void *));
static void read_back(struct stream *);
static void list_streams(struct stream *);
static void set_config(struct stream *);
static void ask_config(struct stream *, const char *, json_t *,
    void (*)(const struct jsapi_answer *, void *));

static void
stream_fail(struct stream *s, const char *why)
{
	s->cb(NULL, why, s->arg);
}

static void
stream_done(struct stream *s)
{
	s->cb(&s->tail, NULL, s->arg);
}

/* The stream itself */

static json_t *
make_config(const struct stream *s)
{
	char *subjects = subject_txns(jsapi_names(s->a), s->node, s->o.shard);
	int64_t max_age = s->o.max_age < AGE_MAX ? s->o.max_age : AGE_MAX;
	json_t *config =
	    json_pack("{s:s, s:s, s:[s], s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "name",
		s->name, "description", s->mark, "subjects", subjects, "retention", "limits",
		"storage", "file", "discard", "old", "max_age", (json_int_t)(max_age * SECOND_NS),
		"max_bytes", (json_int_t)(s->o.max_bytes > 0 ? s->o.max_bytes / s->o.shard.n : -1),
		"max_msgs_per_subject", (json_int_t)(s->o.max_msgs > 0 ? s->o.max_msgs : -1),
		"duplicate_window", (json_int_t)DUPLICATES_NS, "max_msgs",
		(json_int_t)(s->o.max_entries > 0 ? s->o.max_entries : -1), "num_replicas",
		(json_int_t)s->tail.copies, "allow_direct", 1);

	free(subjects);
	return (config);
}

/* What we ask for; the server adds more. */
static int
is_as_wanted(const json_t *have, const json_t *want)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)want, key, value)
		if (!json_equal(json_object_get(have, key), value))
			return (0);
	return (1);
}

/*
 * Fewer servers are there, or have room, than are to keep it.  What it holds is in the log as well, so
 * fewer copies are better than none.
 */
static int
has_no_place(const struct jsapi_answer *ans)
{
	static const int codes[] = { ERR_NO_PEERS, ERR_NO_ROOM, ERR_NO_CLUSTER };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (ans->why != NULL && ans->err_code == codes[i])
			return (1);
	return (0);
}

/* Of an even number one more may be away than of the odd one below. */
static int
fewer_copies(struct stream *s)
{
	int64_t n = s->tail.copies;

	if (n <= 1)
		return (0);
	s->tail.copies = n % 2 == 0 ? n - 1 : n - 2;
	return (1);
}

/* ---- the node had another name once, or other streams: what is left of them is in the log as well ---- */

static void
on_dropped(const struct jsapi_answer *ans, void *arg)
{
}

/* One of those that there are, of which this is one. */
static int
is_current(const struct stream *s, const char *name)
{
	const struct natsconf_names *names = jsapi_names(s->a);

	return (strcmp(name, s->name) == 0 ||
	    (s->o.shard.n > 1 && subject_stream_shard(names, s->node, name).n == s->o.shard.n));
}

static void
drop_former(struct stream *s, const json_t *config)
{
	const char *name = json_string_value(json_object_get(config, "name"));
	const char *mark = json_string_value(json_object_get(config, "description"));
	char *subject;

	if (name == NULL || mark == NULL || strcmp(mark, s->mark) != 0 || is_current(s, name))
		return;
	log_info("stream %s: it is of this node, and none that it has now: deleted", name);
	subject = jsapi_subject(s->a, NULL, "STREAM.DELETE", name);
	jsapi_ask(s->a, NULL, subject, NULL, on_dropped, NULL);
	free(subject);
}

static void
look_at_listed(struct stream *s, const json_t *config)
{
	const char *name = json_string_value(json_object_get(config, "name"));

	if (name != NULL && strcmp(name, s->name) == 0)
		s->in_list = 1;
	else
		drop_former(s, config);
}

/*
 * Servers of a cluster give what they hear of each other within seconds, which may be nothing, or not
 * in time: a list without the stream that was just made lacks others as well.  Then it begins anew.
 */
static int
is_list_short(struct stream *s)
{
	if (s->in_list || s->fault != NULL || ++s->lists >= LISTS)
		return (0);
	s->listed = 0;
	return (1);
}

static void
on_streams(const struct jsapi_answer *ans, void *arg)
{
	struct stream *s = arg;
	const json_t *list = json_object_get(ans->root, "streams"), *one;
	json_int_t total = json_integer_value(json_object_get(ans->root, "total"));
	size_t i;

	s->tail.alone = ans->why == NULL;
	json_array_foreach((json_t *)(uintptr_t)list, i, one)
		look_at_listed(s, json_object_get(one, "config"));
	s->listed += json_array_size(list);
	if (json_array_size(list) > 0 && (json_int_t)s->listed < total)
		list_streams(s);
	else if (is_list_short(s))
		list_streams(s);
	else if (s->fault != NULL)
		stream_fail(s, s->fault);
	else
		read_back(s);
}

/* All that there are, as its names may have been other ones.  They come in pages. */
static void
list_streams(struct stream *s)
{
	char *subject = jsapi_subject(s->a, NULL, "STREAM.LIST", NULL);

	jsapi_ask(s->a, &s->call, subject, json_pack("{s:I}", "offset", (json_int_t)s->listed),
	    on_streams, s);
	free(subject);
}

static int
is_about_room(const struct jsapi_answer *ans)
{
	static const int codes[] = { ERR_ACCOUNT, ERR_NO_ROOM, ERR_STORAGE };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (ans->err_code == codes[i])
			return (1);
	return (0);
}

/* What it would set aside is most of what limits are about. */
static char *
why_not_made(const struct stream *s, const struct jsapi_answer *ans)
{
	if (is_about_room(ans) && s->o.max_bytes > 0)
		return (xasprintf("%s: the stream sets %" PRId64 " bytes aside "
				  "(clustering.leafServer.streams.maxBytes)",
		    ans->why, s->o.max_bytes / s->o.shard.n));
	return (xstrdup(ans->why));
}

static void
look_at_others(struct stream *s)
{
	if (s->o.alone)
		list_streams(s);
	else
		read_back(s);
}

/* Those of before may have its room: they go first then. */
static void
cannot_make(struct stream *s, const struct jsapi_answer *ans, const char *why)
{
	if (s->o.alone && is_about_room(ans)) {
		s->fault = xstrdup(why);
		list_streams(s);
	} else
		stream_fail(s, why);
}

static void
on_made(const struct jsapi_answer *ans, void *arg)
{
	static struct log_brake brake = { .most = 10 };
	struct stream *s = arg;
	char *why;

	if (has_no_place(ans) && fewer_copies(s)) {
		ask_config(s, "STREAM.CREATE", make_config(s), on_made);
		return;
	}
	if (ans->why != NULL) {
		why = why_not_made(s, ans);
		log_braked(&brake, LOG_ERROR, "stream %s: cannot be made: %s", s->name, why);
		cannot_make(s, ans, why);
		free(why);
		return;
	}
	log_info("stream %s: made", s->name);
	look_at_others(s);
}

/* A refused change of limits is no reason not to publish. */
static void
on_updated(const struct jsapi_answer *ans, void *arg)
{
	static struct log_brake brake = { .most = 10 };
	struct stream *s = arg;

	if (ans->root == NULL) {
		stream_fail(s, ans->why);
		return;
	}
	/* The rest is to be as it should, all the same. */
	if (has_no_place(ans) && s->tail.copies > s->had) {
		s->tail.copies = s->had;
		set_config(s);
		return;
	}
	s->tail.refused = ans->why != NULL;
	if (ans->why != NULL)
		log_braked(&brake, LOG_WARN, "stream %s: limits cannot be changed: %s", s->name,
		    ans->why);
	else
		log_info("stream %s: limits changed", s->name);
	look_at_others(s);
}

static void
ask_config(struct stream *s, const char *verb, json_t *config,
    void (*cb)(const struct jsapi_answer *, void *))
{
	char *subject = jsapi_subject(s->a, NULL, verb, s->name);

	jsapi_ask(s->a, &s->call, subject, config, cb, s);
	free(subject);
}

/* As it should be, then read on. */
static void
set_config(struct stream *s)
{
	json_t *config = make_config(s);

	if (is_as_wanted(s->have, config)) {
		json_decref(config);
		look_at_others(s);
	} else
		ask_config(s, "STREAM.UPDATE", config, on_updated);
}

static void
take_state(struct stream *s, const json_t *root)
{
	const json_t *state = json_object_get(root, "state");

	s->tail.seq = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));
	s->first = (uint64_t)json_integer_value(json_object_get(state, "first_seq"));
	s->at = s->tail.seq;
	if (json_integer_value(json_object_get(state, "messages")) == 0)
		s->at = 0;
}

static void
on_info(const struct jsapi_answer *ans, void *arg)
{
	struct stream *s = arg;

	if (ans->why != NULL && ans->err_code != JSAPI_NOT_FOUND) {
		stream_fail(s, ans->why);
		return;
	}
	if (ans->why != NULL) {
		ask_config(s, "STREAM.CREATE", make_config(s), on_made);
		return;
	}
	take_state(s, ans->root);
	s->have = json_incref(json_object_get(ans->root, "config"));
	s->had = json_integer_value(json_object_get(s->have, "num_replicas"));
	set_config(s);
}

static void
ask_info(struct stream *s, void (*cb)(const struct jsapi_answer *, void *))
{
	char *subject = jsapi_subject(s->a, NULL, "STREAM.INFO", s->name);

	jsapi_ask(s->a, &s->call, subject, NULL, cb, s);
	free(subject);
}

/* Its end */

/* 1: look further back. */
static int
take_frame(struct stream *s, const void *data, size_t len)
{
	struct rd r = rd_init(data, len);
	struct frame f;
	char *why;

	if (frame_read(&r, &f) == -1) {
		why = seal_fault(data, len);
		log_warnx("stream %s: message %" PRIu64 " is no frame: %s", s->name, s->at, why);
		free(why);
		return (1);
	}
	/* Of another node of this name, or of an older incarnation: nothing of ours follows it. */
	if (memcmp(f.node, s->o.node_id, NODE_ID_LEN) != 0)
		return (0);
	if (s->tail.incarnation != 0 && f.incarnation != s->tail.incarnation)
		return (0);
	if (s->tail.incarnation == 0) {
		s->tail.newest = f.last;
		s->tail.mark = f.mark;
	}
	s->tail.incarnation = f.incarnation;
	if (f.last > s->tail.last)
		s->tail.last = f.last;
	if ((f.flags & FRAME_WINDOW_END) == 0)
		return (1);
	s->tail.window = f.window;
	if (f.window > s->tail.last)
		s->tail.last = f.window;
	return (0);
}

/* The newest message that is left; a purge may have taken very many after it. */
static void
on_newest(const struct jsapi_answer *ans, void *arg)
{
	struct stream *s = arg;
	json_int_t seq = json_integer_value(json_object_get(json_object_get(ans->root, "message"),
	    "seq"));

	if (ans->root == NULL) {
		stream_fail(s, ans->why);
		return;
	}
	s->at = seq > 0 && (uint64_t)seq < s->at ? (uint64_t)seq : s->at - 1;
	read_back(s);
}

static void
jump_back(struct stream *s)
{
	char *all = subject_txns(jsapi_names(s->a), s->node, s->o.shard);

	s->jumped = 1;
	ask_config(s, "STREAM.MSG.GET", json_pack("{s:s}", "last_by_subj", all), on_newest);
	free(all);
}

static void
on_message(const struct nats_msg *m, void *arg)
{
	struct stream *s = arg;

	if (m == NULL || (m->status != NULL && strcmp(m->status, "404") != 0)) {
		stream_fail(s, "no answer from the stream");
		return;
	}
	/* 404: a limit or a purge took it out. */
	if (m->status != NULL && !s->jumped) {
		jump_back(s);
		return;
	}
	if (m->status == NULL && !take_frame(s, m->data, m->len)) {
		stream_done(s);
		return;
	}
	s->at--;
	read_back(s);
}

static void
read_back(struct stream *s)
{
	char *subject, question[48];

	if (s->at == 0 || s->at < s->first) {
		stream_done(s);
		return;
	}
	subject = jsapi_subject(s->a, NULL, "DIRECT.GET", s->name);
	snprintf(question, sizeof(question), "{\"seq\":%" PRIu64 "}", s->at);
	jsapi_ask_raw(s->a, &s->call, subject, question, strlen(question), GET_TIMEOUT_MS,
	    on_message, s);
	free(subject);
}

struct stream *
stream_find_tail(struct jsapi *a, const struct stream_opts *o,
    void (*cb)(const struct stream_tail *t, const char *why, void *arg), void *arg)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	char hex[NODE_HEX_LEN];

	s->a = a;
	s->o = *o;
	s->node = xstrdup(o->node);
	s->o.node = s->node;
	s->name = subject_stream(jsapi_names(a), o->node, o->shard);
	node_id_hex(o->node_id, hex);
	s->tail.copies = o->copies > 0 ? o->copies : 1;
	s->mark = xasprintf("hubleaf node %s", hex);
	s->cb = cb;
	s->arg = arg;
	ask_info(s, on_info);
	return (s);
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	jsapi_cancel(&s->call);
	free(s->name);
	free(s->mark);
	json_decref(s->have);
	free(s->fault);
	free(s->node);
	free(s);
}
