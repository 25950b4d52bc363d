#include "config.h"

#include "leafd/objects.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "common/ipc/chan.h"
#include "common/tls/crypto.h"
#include "leafd/jsapi.h"

#define ERR_NO_MESSAGE 10037
#define ERR_OTHERWISE  10058 /* the stream is there, made by somebody else */
#define LIST_MAX       1000
#define MESSAGE_MAX    (64u << 20) /* characters of one in base64 */
#define NAME_MAX_LEN   255

struct object_call {
	struct objects *o;
	struct chan_deferred *reply;
	struct jsapi_call *call;
	char *node, *bucket, *name, *nuid;
	struct buf bytes; /* what is put, and how much of it was */
	size_t put;
	json_t *subjects, *chunks, *found; /* what is listed: of names, and what they say */
	size_t at;
	struct object_call *prev, *next;
};

struct objects {
	struct chan *opsd;
	struct jsapi *a; /* NULL: stopped */
	struct object_call *calls;
};

/* ---- answers ---- */

static void
answer_object(struct chan_deferred *reply, uint16_t status, const void *p, size_t n)
{
	struct buf b = { 0 };

	buf_u16(&b, status);
	buf_blob(&b, p, n);
	chan_deferred_reply(reply, &b);
}

static void
object_free(struct object_call *c)
{
	json_decref(c->subjects);
	json_decref(c->chunks);
	json_decref(c->found);
	buf_free(&c->bytes);
	free(c->node);
	free(c->bucket);
	free(c->name);
	free(c->nuid);
	free(c);
}

/* Answers, and is gone. */
static void
object_end(struct object_call *c, uint16_t status, const void *p, size_t n)
{
	answer_object(c->reply, status, p, n);
	jsapi_cancel(&c->call);
	DL_DELETE(c->o->calls, c);
	object_free(c);
}

static void
object_fail(struct object_call *c, uint16_t status, const char *why)
{
	object_end(c, status, why, strlen(why));
}

static void
on_ended(const struct jsapi_answer *ans, void *arg)
{
	struct object_call *c = arg;

	if (ans->why != NULL)
		object_fail(c, 500, ans->why);
	else
		object_end(c, 200, NULL, 0);
}

/* ---- names ---- */

/* For "-" and "_" base64 of URLs has these two. */
static char *
name_token(const char *name)
{
	char *text = crypto_base64(name, strlen(name));

	for (char *p = text; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	return (text);
}

static char *
chunk_subject(const struct object_call *c)
{
	return (xasprintf("$O.%s.C.%s", c->bucket, c->nuid));
}

static char *
name_subject(const struct object_call *c)
{
	char *token = name_token(c->name), *subject;

	subject = xasprintf("$O.%s.M.%s", c->bucket, token);
	free(token);
	return (subject);
}

static void
ask_store(struct object_call *c, const char *verb, json_t *body,
    void (*cb)(const struct jsapi_answer *, void *))
{
	const char *node = c->node == NULL || c->node[0] == '\0' ? NULL : c->node;
	char *store = xasprintf("OBJ_%s", c->bucket), *full = xasprintf("STREAM.%s", verb),
	     *subject;

	subject = jsapi_subject(c->o->a, node, full, store);
	jsapi_ask(c->o->a, &c->call, subject, body, cb, c);
	free(store);
	free(full);
	free(subject);
}

/* ---- a bucket ---- */

static void
on_bucket_made(const struct jsapi_answer *ans, void *arg)
{
	struct object_call *c = arg;

	if (ans->why != NULL && ans->err_code != ERR_OTHERWISE)
		object_fail(c, 500, ans->why);
	else
		object_end(c, 200, NULL, 0);
}

static void
make_bucket(struct object_call *c, unsigned replicas)
{
	char *name = xasprintf("OBJ_%s", c->bucket), *chunks, *names;

	chunks = xasprintf("$O.%s.C.>", c->bucket);
	names = xasprintf("$O.%s.M.>", c->bucket);
	ask_store(c, "CREATE",
	    json_pack("{s:s, s:[s,s], s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:i, s:b, s:b}", "name",
		name, "subjects", chunks, names, "retention", "limits", "storage", "file",
		"discard", "new", "max_age", (json_int_t)0, "max_bytes", -1, "max_msgs", -1,
		"max_msgs_per_subject", -1, "num_replicas", (int)replicas, "allow_rollup_hdrs", 1,
		"allow_direct", 1),
	    on_bucket_made);
	free(name);
	free(chunks);
	free(names);
}

/* ---- what is in it ---- */

static void list_next(struct object_call *c);

/* What a message of the stream has; the caller frees it.  NULL: it is none. */
static uint8_t *
message_data(const json_t *root, size_t *n)
{
	const char *text = json_string_value(json_object_get(json_object_get(root, "message"),
	    "data"));

	return (text != NULL ? crypto_base64_read(text, strlen(text), MESSAGE_MAX, n) : NULL);
}

static void
on_named(const struct jsapi_answer *ans, void *arg)
{
	struct object_call *c = arg;
	uint8_t *data;
	json_t *info;
	size_t n = 0;

	if (ans->why != NULL && ans->err_code != ERR_NO_MESSAGE) {
		object_fail(c, 500, ans->why);
		return;
	}
	data = ans->why == NULL ? message_data(ans->root, &n) : NULL;
	info = data != NULL ? json_loadb((const char *)data, n, 0, NULL) : NULL;
	if (json_is_object(info) && !json_is_true(json_object_get(info, "deleted")))
		json_array_append(c->found, info);
	json_decref(info);
	free(data);
	list_next(c);
}

static void
list_next(struct object_call *c)
{
	json_t *all;
	char *text;

	if (c->at < json_array_size(c->subjects)) {
		ask_store(c, "MSG.GET",
		    json_pack("{s:O}", "last_by_subj", json_array_get(c->subjects, c->at++)),
		    on_named);
		return;
	}
	all = json_pack("{s:O, s:O}", "objects", c->found, "chunks", c->chunks);
	text = json_dumps(all, JSON_COMPACT);
	object_end(c, 200, text, strlen(text));
	json_decref(all);
	free(text);
}

/* Of "$O.<bucket>.M.<name>", or ".C.<nuid>". */
static void
sort_subject(struct object_call *c, const char *subject)
{
	const char *rest = subject + strlen("$O.") + strlen(c->bucket);
	json_t *list = strncmp(rest, ".M.", 3) == 0 ? c->subjects : c->chunks;

	if (json_array_size(list) < LIST_MAX)
		json_array_append_new(list,
		    json_string(list == c->subjects ? subject : rest + strlen(".C.")));
}

static void
on_subjects(const struct jsapi_answer *ans, void *arg)
{
	struct object_call *c = arg;
	const char *subject;
	json_t *count;

	if (ans->why != NULL) {
		object_fail(c, ans->err_code == JSAPI_NOT_FOUND ? 404 : 500, ans->why);
		return;
	}
	c->subjects = json_array();
	c->chunks = json_array();
	c->found = json_array();
	json_object_foreach(json_object_get(json_object_get(ans->root, "state"), "subjects"),
	    subject, count)
		sort_subject(c, subject);
	list_next(c);
}

static void
list_bucket(struct object_call *c)
{
	char *all = xasprintf("$O.%s.>", c->bucket);

	ask_store(c, "INFO", json_pack("{s:s}", "subjects_filter", all), on_subjects);
	free(all);
}

/* ---- an object in ---- */

static void put_next(struct object_call *c);

static void
on_put(const struct jsapi_answer *ans, void *arg)
{
	struct object_call *c = arg;

	if (ans->why != NULL)
		object_fail(c, 500, ans->why);
	else
		put_next(c);
}

static void
put_next(struct object_call *c)
{
	size_t n = c->bytes.len - c->put;
	char *subject;

	if (n == 0) {
		object_end(c, 200, NULL, 0);
		return;
	}
	n = n < OBJECTS_CHUNK ? n : OBJECTS_CHUNK;
	subject = chunk_subject(c);
	c->put += n;
	jsapi_publish(c->o->a, &c->call, subject, NULL, NULL, c->bytes.data + c->put - n, n, on_put,
	    c);
	free(subject);
}

static void
put_name(struct object_call *c)
{
	char *subject = name_subject(c);

	jsapi_publish(c->o->a, &c->call, subject, "Nats-Rollup", "sub", c->bytes.data, c->bytes.len,
	    on_ended, c);
	free(subject);
}

/* ---- and out ---- */

static void
on_chunk(const struct jsapi_answer *ans, void *arg)
{
	struct object_call *c = arg;
	const json_t *m = json_object_get(ans->root, "message");
	struct buf b = { 0 };
	uint8_t *data;
	size_t n = 0;

	if (ans->why != NULL) {
		object_fail(c,
		    ans->err_code == ERR_NO_MESSAGE || ans->err_code == JSAPI_NOT_FOUND ? 404 : 500,
		    ans->why);
		return;
	}
	if ((data = message_data(ans->root, &n)) == NULL) {
		object_fail(c, 500, "a chunk that cannot be read");
		return;
	}
	buf_u64(&b, (uint64_t)json_integer_value(json_object_get(m, "seq")));
	buf_add(&b, data, n);
	free(data);
	object_end(c, 200, b.data, b.len);
	buf_free(&b);
}

static void
get_chunk(struct object_call *c, uint64_t after)
{
	char *subject = chunk_subject(c);

	ask_store(c, "MSG.GET",
	    json_pack("{s:I, s:s}", "seq", (json_int_t)(after + 1), "next_by_subj", subject),
	    on_chunk);
	free(subject);
}

static void
on_unnamed(const struct jsapi_answer *ans, void *arg)
{
	struct object_call *c = arg;
	char *subject;

	if (ans->why != NULL) {
		object_fail(c, 500, ans->why);
		return;
	}
	subject = chunk_subject(c);
	ask_store(c, "PURGE", json_pack("{s:s}", "filter", subject), on_ended);
	free(subject);
}

/* First its name, so that nobody finds one without bytes; "": it has none. */
static void
drop_object(struct object_call *c)
{
	const struct jsapi_answer named = { 0 };
	char *subject;

	if (c->name[0] == '\0') {
		on_unnamed(&named, c);
		return;
	}
	subject = name_subject(c);
	ask_store(c, "PURGE", json_pack("{s:s}", "filter", subject), on_unnamed);
	free(subject);
}

/* ---- questions ---- */

/* What goes into a subject is one token. */
static int
is_token(const char *s)
{
	return (s != NULL && s[0] != '\0' && strlen(s) <= NAME_MAX_LEN &&
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_%") ==
		strlen(s));
}

struct question {
	unsigned replicas;
	uint64_t after;
};

/* -1: not in its form. */
static int
read_question(struct object_call *c, struct msg *m, struct question *q)
{
	struct rd *r = &m->body;
	const uint8_t *p;
	size_t n = 0;

	if (m->type == MSG_OBJECT_LIST || m->type == MSG_OBJECT_GET)
		c->node = rd_str(r);
	c->bucket = rd_str(r);
	if (m->type == MSG_OBJECT_MAKE)
		q->replicas = rd_u8(r);
	if (m->type == MSG_OBJECT_NAME || m->type == MSG_OBJECT_DROP)
		c->name = rd_str(r);
	if (m->type == MSG_OBJECT_PUT || m->type == MSG_OBJECT_GET || m->type == MSG_OBJECT_DROP)
		c->nuid = rd_str(r);
	if (m->type == MSG_OBJECT_GET)
		q->after = rd_u64(r);
	if (m->type == MSG_OBJECT_PUT || m->type == MSG_OBJECT_NAME) {
		p = rd_blob(r, &n);
		if (rd_ok(r))
			buf_add(&c->bytes, p, n);
	}
	return (rd_done(r) && is_token(c->bucket) && (c->nuid == NULL || is_token(c->nuid)) &&
		    (c->node == NULL || c->node[0] == '\0' || is_token(c->node)) &&
		    (c->name == NULL || strlen(c->name) <= NAME_MAX_LEN) ?
		0 :
		-1);
}

static void
run_question(struct object_call *c, enum msg_type type, const struct question *q)
{
	if (type == MSG_OBJECT_MAKE)
		make_bucket(c, q->replicas);
	else if (type == MSG_OBJECT_LIST)
		list_bucket(c);
	else if (type == MSG_OBJECT_PUT)
		put_next(c);
	else if (type == MSG_OBJECT_NAME)
		put_name(c);
	else if (type == MSG_OBJECT_GET)
		get_chunk(c, q->after);
	else
		drop_object(c);
}

int
objects_ask(struct objects *o, struct msg *m)
{
	struct object_call *c = xcalloc(1, sizeof(*c));
	struct question q = { 0 };
	enum msg_type type = (enum msg_type)m->type;

	if (read_question(c, m, &q) == -1) {
		object_free(c);
		return (-1);
	}
	c->o = o;
	DL_APPEND(o->calls, c);
	c->reply = chan_defer(o->opsd, m);
	if (o->a == NULL)
		object_fail(c, 503, "the leaf server is not there");
	else
		run_question(c, type, &q);
	return (0);
}

struct objects *
objects_new(struct chan *opsd)
{
	struct objects *o = xcalloc(1, sizeof(*o));

	o->opsd = opsd;
	return (o);
}

void
objects_free(struct objects *o)
{
	if (o == NULL)
		return;
	objects_stop(o);
	free(o);
}

void
objects_start(struct objects *o, struct jsapi *a)
{
	o->a = a;
}

void
objects_stop(struct objects *o)
{
	struct object_call *c, *tmp;

	DL_FOREACH_SAFE(o->calls, c, tmp)
		object_fail(c, 503, "the leaf server went away");
	o->a = NULL;
}
