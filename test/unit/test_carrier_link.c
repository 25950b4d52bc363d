#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/formats.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/carrier_link_priv.h"
#include "opsd/cluster/catchup.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/warnings_priv.h"
#include "opsd/pki/signer.h"
#include "test/unit/holding.h"
#include "test/unit/openrep.h"
#include "test/unit/until.h"

/* What leafd says of links, and is told and asked: the test is leafd, on opsd's socket. */

struct leaf {
	struct chan *ch;
	unsigned nlinks; /* how often it was told LINKS */
	json_t *links;
	uint8_t asked[NODE_ID_LEN]; /* who was asked, or is to be closed */
	char text[100];             /* what, or why */
	unsigned closed;
	unsigned nlogs, nentries, nends; /* of the log, and its ends */
	uint32_t turn;                   /* that the last of them was for */
	uint64_t bytes;
};

static struct event_base *base;
static struct openrep *r;
static struct leaf leaf;

/* ---- leafd ---- */

static int
on_other(struct chan *c, struct msg *m, void *arg)
{
	return (0);
}

static json_t *
read_text(struct rd *body)
{
	size_t n;
	const uint8_t *p = rd_blob(body, &n);

	return (json_loadb((const char *)p, n, 0, NULL));
}

static int
on_links(struct chan *c, struct msg *m, void *arg)
{
	json_decref(leaf.links);
	leaf.links = read_text(&m->body);
	leaf.nlinks++;
	return (0);
}

/* What the core asks of its own is not answered: the test asks with a verb of its own. */
static int
on_ask(struct chan *c, struct msg *m, void *arg)
{
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN);
	char *verb = rd_str(&m->body);
	struct buf b = { 0 };
	int is_ours = strcmp(verb, "test") == 0;

	free(verb);
	(void)rd_u32(&m->body);
	if (is_ours) {
		json_t *o = read_text(&m->body);

		memcpy(leaf.asked, id, NODE_ID_LEN);
		snprintf(leaf.text, sizeof(leaf.text), "%s",
		    json_string_value(json_object_get(o, "x")));
		json_decref(o);
	}
	buf_u16(&b, is_ours ? 207 : 503);
	buf_u32(&b, 7);
	buf_blob(&b, "null", 4);
	chan_reply(c, m->id, &b);
	return (0);
}

static int
on_pull(struct chan *c, struct msg *m, void *arg)
{
	size_t n;
	struct buf b = { 0 };
	const uint8_t *p;

	memcpy(leaf.asked, rd_bytes(&m->body, NODE_ID_LEN), NODE_ID_LEN);
	(void)rd_u32(&m->body);
	p = rd_blob(&m->body, &n);
	snprintf(leaf.text, sizeof(leaf.text), "%.*s", (int)n, (const char *)p);
	buf_u16(&b, 200);
	buf_blob(&b, "rows", 4);
	chan_reply(c, m->id, &b);
	return (0);
}

static int
on_close(struct chan *c, struct msg *m, void *arg)
{
	char *why;

	memcpy(leaf.asked, rd_bytes(&m->body, NODE_ID_LEN), NODE_ID_LEN);
	why = rd_str(&m->body);
	snprintf(leaf.text, sizeof(leaf.text), "%s", why);
	free(why);
	leaf.closed++;
	return (0);
}

static int
on_log(struct chan *c, struct msg *m, void *arg)
{
	struct rd data = m->body;
	size_t n = rd_left(&m->body), len;

	leaf.bytes += n - 4;
	(void)rd_bytes(&m->body, n - 4);
	leaf.turn = rd_u32(&m->body);
	if (n == 4) {
		leaf.nends++;
		return (0);
	}
	leaf.nlogs++;
	assert_int_equal(rd_u64(&data), r->o.data.log.incarnation);
	assert_int_equal(rd_u16(&data), 1);
	rd_u32(&data);
	rd_strn(&data, &len);
	rd_strn(&data, &len);
	leaf.nentries += rd_u32(&data);
	return (0);
}

static const struct chan_handler handlers[] = {
	{ MSG_SETTINGS, on_other },
	{ MSG_RESTART, on_other },
	{ MSG_CONSUME, on_other },
	{ MSG_CATCHUP, on_other },
	{ MSG_STREAM_PURGE, on_other },
	{ MSG_LINKS, on_links },
	{ MSG_LINK_ASK, on_ask },
	{ MSG_LINK_PULL, on_pull },
	{ MSG_LINK_CLOSE, on_close },
	{ MSG_LINK_LOG, on_log },
	{ 0, NULL },
};
static const struct chan_ops leaf_ops = { handlers, NULL, NULL };

/* ---- the node ---- */

static int
setup(void **state)
{
	char *path;

	r = openrep_begin(state, "dog", NULL);
	base = r->o.svc.base;
	node_id_hex(r->o.data.node_id, r->o.data.node_hex);
	r->o.data.live.replicates = 1;
	memset(&leaf, 0, sizeof(leaf));
	path = conf_run_path(r->o.svc.conf, "ops.sock");
	leaf.ch = chan_dial(base, path, ROLE_LEAFD, ROLE_OPSD, &leaf_ops, NULL);
	free(path);
	until(chan_is_up(leaf.ch) && daemons_leaf_ready(r->rep.daemons));
	return (0);
}

static int
teardown(void **state)
{
	chan_free(leaf.ch);
	json_decref(leaf.links);
	return (openrep_end(state));
}

static void
enter(int publish, int removed, uint64_t time)
{
	struct entering e = { boston, "boston", "*", publish, !removed, removed, time };

	assert_int_equal(openrep_call(r, entering_run, &e), 200);
}

static void
set_conf(enum conf_key key, json_t *v)
{
	char *err = NULL;

	pthread_rwlock_wrlock(&r->o.data.conf_lock);
	if (conf_set(r->o.svc.conf, key, v, &err) == -1)
		fail_msg("%s", err);
	data_conf_changed(&r->o.data);
	pthread_rwlock_unlock(&r->o.data.conf_lock);
	r->o.data.live.replicates = 1;
	json_decref(v);
}

/* ---- what leafd says ---- */

struct reply {
	int times;
	struct buf body;
};

static void
on_reply(struct rd *body, void *arg)
{
	struct reply *a = arg;

	a->times++;
	if (body != NULL)
		buf_add(&a->body, body->p, rd_left(body));
}

static void
begin(struct reply *a, enum msg_type type, struct buf *b)
{
	memset(a, 0, sizeof(*a));
	chan_call(leaf.ch, type, b, 0, on_reply, a);
}

static struct rd
answer(struct reply *a)
{
	until(a->times == 1);
	return (rd_init(a->body.data, a->body.len));
}

static struct reply
call(enum msg_type type, struct buf *b)
{
	struct reply a;

	begin(&a, type, b);
	answer(&a);
	return (a);
}

static json_t *
claim_of(const uint8_t *id)
{
	char hex[NODE_HEX_LEN];

	node_id_hex(id, hex);
	return (json_pack("{s:s, s:s, s:s, s:s, s:[i,i], s:s, s:s, s:[s], s:s, s:b, s:n}", "id",
	    hex, "hostname", "boston.example", "nodeName", "boston", "version", "1", "format",
	    formats.wire_oldest, formats.wire, "serial", "77", "spki", "11aa", "names",
	    "boston.example", "address", "10.0.0.1:9", "secure", 1, "dialled"));
}

static void
begin_up(struct reply *a, json_t *o)
{
	char *text = json_dumps(o, 0);
	struct buf b = { 0 };

	buf_blob(&b, text, strlen(text));
	begin(a, MSG_LINK_UP, &b);
	free(text);
	json_decref(o);
}

/* May it be linked?  A refusal says so; where to go on is that position. */
static void
assert_up(json_t *o, int status, const char *words, uint64_t incarnation, uint64_t after)
{
	struct reply a;
	struct rd body;
	char *why;

	begin_up(&a, o);
	body = answer(&a);
	assert_int_equal(rd_u16(&body), status);
	why = rd_str(&body);
	if (words == NULL ? why[0] != '\0' : strstr(why, words) == NULL)
		fail_msg("%s", why);
	assert_int_equal(rd_u64(&body), incarnation);
	assert_int_equal(rd_u64(&body), after);
	assert_true(rd_done(&body));
	free(why);
	buf_free(&a.body);
}

static void
known_run(struct group *g, void *arg)
{
	static char hostname[] = "boston.example", spki[] = "11aa";
	struct member m = { .hostname = hostname, .spki = spki };

	memcpy(m.id, boston, NODE_ID_LEN);
	members_store(g, &m);
}

/* As one that has been linked before. */
static void
enter_known(void)
{
	enter(1, 0, 5);
	assert_int_equal(openrep_call(r, known_run, NULL), 200);
}

static void
link_boston(void)
{
	enter_known();
	assert_up(claim_of(boston), 200, NULL, 0, 0);
}

static struct buf
node_body(void)
{
	struct buf b = { 0 };

	buf_add(&b, boston, NODE_ID_LEN);
	return (b);
}

static void
say_down(void)
{
	struct buf b = node_body();

	buf_str(&b, "over");
	chan_send(leaf.ch, MSG_LINK_DOWN, &b);
}

static void
begin_read(struct reply *a, uint32_t turn, uint64_t granted)
{
	struct buf b = node_body();

	buf_u32(&b, turn);
	buf_u64(&b, granted);
	buf_u64(&b, 0);
	buf_u64(&b, 0);
	buf_u32(&b, 200);
	begin(a, MSG_LINK_READ, &b);
}

/* Whether it begins. */
static int
reads(uint32_t turn, uint64_t granted)
{
	struct reply a;
	struct rd body;
	int yes;

	begin_read(&a, turn, granted);
	body = answer(&a);
	yes = rd_u8(&body);
	assert_true(rd_done(&body));
	buf_free(&a.body);
	return (yes);
}

static void
say_more(uint32_t turn, uint64_t granted)
{
	struct buf b = node_body();

	buf_u32(&b, turn);
	buf_u64(&b, granted);
	chan_send(leaf.ch, MSG_LINK_MORE, &b);
}

/* The status of a question that boston asks, in which it says that it is that one. */
static int
asked_by(const uint8_t *says)
{
	char hex[NODE_HEX_LEN], *text;
	struct buf b = node_body();
	struct reply a;
	struct rd body;
	json_t *o;
	int status;

	node_id_hex(says, hex);
	o = json_pack("{s:s, s:s, s:i, s:b, s:[], s:I, s:i, s:[]}", "id", hex, "name", "boston",
	    "incarnation", 1, "strict", 0, "subscriptions", "now", (json_int_t)wall_ms(), "digest",
	    0, "cursors");
	compat_say(o);
	text = json_dumps(o, 0);
	buf_str(&b, "status");
	buf_blob(&b, text, strlen(text));
	a = call(MSG_LINK_REQ, &b);
	body = answer(&a);
	status = rd_u16(&body);
	free(text);
	json_decref(o);
	buf_free(&a.body);
	return (status);
}

/* The status of rows that boston asks for, in the name of that one; 0: no answer at all. */
static int
served_to(const uint8_t *says)
{
	struct catchup_question q = { .kind = CATCHUP_ROWS, .database = "dev", .name = "dog" };
	struct catchup_answer an;
	struct buf b = node_body(), question = { 0 };
	struct reply a;
	struct rd body;
	const uint8_t *p;
	size_t n;
	int status = 0;

	memcpy(q.asker, says, NODE_ID_LEN);
	q.dblen = q.nlen = 3;
	q.max = 1 << 20;
	catchup_question_write(&question, &q);
	buf_blob(&b, question.data, question.len);
	a = call(MSG_LINK_SERVE, &b);
	body = answer(&a);
	p = rd_blob(&body, &n);
	if (n > 0 && catchup_answer_read(&an, q.kind, p, n) == 0)
		status = an.status;
	buf_free(&question);
	buf_free(&a.body);
	return (status);
}

static int
reaches(const char *name, const uint8_t *id)
{
	return (carrier_link_ops.reaches(r->rep.link,
	    &(struct carrier_node){ .name = name, .id = id }));
}

static size_t
refused(const char *words)
{
	json_t *list = carrier_link_refused(r->rep.link), *last;
	size_t n = json_array_size(list);

	last = json_array_get(list, n - 1);
	if (words != NULL)
		assert_non_null(strstr(json_string_value(json_object_get(last, "error")), words));
	json_decref(list);
	return (n);
}

/* ---- tests ---- */

static void
test_stranger(void **state)
{
	uint64_t before = carrier_link_changes(r->rep.link);
	json_t *o;

	assert_up(claim_of(boston), 403, "no member of this cluster", 0, 0);
	assert_int_equal(refused("no member of this cluster"), 1);
	assert_up(claim_of(r->o.data.node_id), 409, "own id", 0, 0);
	assert_int_equal(refused("own id"), 1); /* the same host, again */
	o = claim_of(boston);
	json_object_set_new(o, "format", json_pack("[i,i]", 1, formats.wire_oldest - 1));
	assert_up(o, 409, "speaks format", 0, 0);
	o = claim_of(boston);
	json_object_del(o, "hostname");
	assert_up(o, 400, "'hostname' is required", 0, 0);
	assert_int_equal(refused("'hostname' is required"), 2);
	assert_false(carrier_link_has(r->rep.link, boston) || reaches("boston", NULL));
	assert_int_equal(carrier_link_changes(r->rep.link), before);
	/* Whatever it asks. */
	assert_int_equal(asked_by(boston), 403);
	assert_int_equal(served_to(boston), 0);
	assert_false(reads(1, 1000));
}

static void
test_admitted(void **state)
{
	struct entering other = { austin, "austin", "*", 1, 1, 0, 5 };
	struct carrier_link *l = r->rep.link;
	uint64_t before = carrier_link_changes(l);
	uint8_t id[NODE_ID_LEN];

	assert_up(claim_of(boston), 403, "no member", 0, 0);
	link_boston();
	assert_int_equal(refused(NULL), 0);
	assert_true(carrier_link_changes(l) > before);
	assert_true(carrier_link_has(l, boston) && !carrier_link_has(l, austin));
	assert_true(reaches("boston", NULL) && reaches("Boston.Example", NULL));
	assert_true(reaches("other", boston) && !reaches("boston", austin));
	assert_false(reaches("austin", NULL) || reaches("Boston", NULL));
	assert_true(carrier_link_id(l, "BOSTON.example", id));
	assert_memory_equal(id, boston, NODE_ID_LEN);
	assert_false(carrier_link_id(l, "boston", id));
	assert_int_equal(asked_by(boston), 200);
	assert_int_equal(served_to(boston), 200);
	/* It speaks for itself alone, whatever another one may have. */
	assert_int_equal(openrep_call(r, entering_run, &other), 200);
	assert_int_equal(asked_by(austin), 403);
	assert_int_equal(served_to(austin), 403);
	before = carrier_link_changes(l);
	say_down();
	until(!carrier_link_has(l, boston));
	assert_true(carrier_link_changes(l) > before);
	assert_int_equal(asked_by(boston), 403);
}

static json_t *
claim_of_start(const char *boot)
{
	json_t *o = claim_of(boston);

	json_object_set_new(o, "boot", json_string(boot));
	return (o);
}

/* Two nodes with one id and one key: the link that stands ends, and both are refused. */
static void
test_copies(void **state)
{
	unsigned before = leaf.closed;

	for (int i = 0; i < 5; i++) /* who may not be linked shuts nobody out */
		assert_up(claim_of_start(i % 2 == 0 ? "x" : "y"), 403, "no member", 0, 0);
	enter_known();
	assert_up(claim_of_start("x"), 200, NULL, 0, 0);
	assert_up(claim_of_start("y"), 200, NULL, 0, 0);
	assert_up(claim_of_start("x"), 200, NULL, 0, 0);
	assert_int_equal(leaf.closed, before);
	assert_up(claim_of_start("y"), 409, "one is a copy of the other", 0, 0);
	until(leaf.closed == before + 1);
	assert_memory_equal(leaf.asked, boston, NODE_ID_LEN);
	assert_non_null(strstr(leaf.text, "two nodes run"));
	assert_up(claim_of_start("x"), 409, "one is a copy of the other", 0, 0);
	assert_int_equal(refused("one is a copy of the other"), 1);
}

/* It goes on after what came, whatever brought that. */
static void
test_hint(void **state)
{
	struct buf b = { 0 };

	enter_known();
	sent_frame(&b, 1000, 70, "dog", &(struct sent){ 9, 0, 1000, 1, 10 });
	frame_end(&b, 0, b.len, FRAME_WINDOW_END);
	openrep_frame_as_is(r, boston, 0, &b);
	buf_free(&b);
	assert_up(claim_of(boston), 200, NULL, 1000, 9);
}

static int
flows(const char *database, const char *table)
{
	struct peer *p = nodes_by_id(r->rep.nodes, boston);
	const struct subscription *s = p != NULL ? peer_effective(p, database, table) : NULL;
	int yes = s != NULL && s->publish && s->subscribe;

	peer_free(p);
	return (yes);
}

/* One of the routes: with it everything flows, unless there is or was something else. */
static void
test_route(void **state)
{
	set_conf(REP_ROUTES, json_pack("[s]", "boston.example"));
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_true(flows("dev", "dog") && flows("other", "cat"));
}

static void
test_route_with_something(void **state)
{
	set_conf(REP_ROUTES, json_pack("[s]", "boston.example"));
	enter(1, 1, 5);
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_false(flows("dev", "dog") || flows("other", "cat"));
}

static void
ended_run(struct group *g, void *arg)
{
	struct peer *p = nodes_edit(g, boston, "boston");
	const struct stamp *at = arg;

	subscriptions_take(&p->subs,
	    &(struct subscription){ (char *)"dev", (char *)"*", 1, 1, 1, *at, 0 });
	nodes_store(g, p);
}

/* It was ended by somebody; or as it was removed, by a clock that was ahead. */
static void
test_route_with_removed(void **state)
{
	struct stamp at = { (wall_ms() + 3000) << 16, 7 };

	set_conf(REP_ROUTES, json_pack("[s]", "boston.example"));
	assert_int_equal(openrep_call(r, ended_run, &at), 200);
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_false(flows("dev", "dog"));
	at = (struct stamp){ at.time + 1, SUBSCRIPTION_BY_REMOVAL };
	assert_int_equal(openrep_call(r, ended_run, &at), 200);
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_true(flows("other", "cat"));
}

/* What there is for all databases with boston: "-" none, "x" ended; "s" it sends, "r" it receives. */
static const char *
all_flows(void)
{
	static const char *const words[] = { "none", "s", "r", "sr" };
	struct peer *p = nodes_by_id(r->rep.nodes, boston);
	const struct subscription *s = p != NULL ? subscriptions_find(&p->subs, "*", "*") : NULL;
	const char *word = s == NULL ? "-" :
	    s->removed               ? "x" :
				       words[s->publish + 2 * s->subscribe];

	peer_free(p);
	return (word);
}

static void
set_route(const char *special)
{
	char *text = xasprintf("[{\"hostname\":\"boston.example\"%s}]", special);

	set_conf(REP_ROUTES, json_loads(text, 0, NULL));
	free(text);
}

static void
test_route_one_way(void **state)
{
	set_route(",\"sends\":false");
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_string_equal(all_flows(), "r");
}

static void
test_route_without_flow(void **state)
{
	set_route(",\"replicates\":false");
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_string_equal(all_flows(), "-");
}

/* What the other side asks for gets no wider than the route. */
static void
test_route_is_a_limit(void **state)
{
	struct offer *o;

	set_route(",\"replicates\":{\"receives\":false}");
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_string_equal(all_flows(), "s");
	o = offering_new(boston, "boston", 1000);
	offering_all(o, wall_ms() * 2 << 16);
	offering_table_in(o, "dev", "dog", 70, 3, "id");
	assert_int_equal(openrep_take(r, o), 200);
	assert_string_equal(all_flows(), "s");
	assert_null(cursors_find(r->rep.cursors, boston, 70));
	/* Narrowed later, it counts from the next link on. */
	set_route(",\"sends\":false,\"receives\":false");
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_string_equal(all_flows(), "x");
}

/* Of a table that all databases bring, the cursor begins when the call said, else the route, else the node. */
#define NEW_HEAD UINT64_C(1800000000000) /* also its time */

static void
begins(const char *name, uint32_t table, uint64_t called, uint64_t from)
{
	struct offer *o = offering_new(boston, "boston", 1000);

	offering_all(o, wall_ms() << 16)->sub.start_ms = called;
	offering_table_in(o, "dev", name, table, NEW_HEAD, "id");
	assert_int_equal(openrep_take(r, o), 200);
	assert_int_equal(cursor_view(cursors_find(r->rep.cursors, boston, table))->from_ms, from);
}

static void
test_start_times(void **state)
{
	const uint64_t node = 1000000, route = 1767225600000, call = 1767225601000;

	set_route("");
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	r->rep.start_ms = node;
	begins("dog", 70, 0, node);
	set_route(",\"startTime\":\"2026-01-01T00:00:00Z\"");
	begins("cat", 71, 0, route);
	begins("bird", 72, call, call);
}

/* A call that adds a node says itself what flows; the key that it shows is its own from now on. */
static void
test_expected(void **state)
{
	struct member m;
	json_t *o;

	members_expect(r->rep.members, "boston.example", "wss://boston.example:9");
	set_conf(REP_ROUTES, json_pack("[s]", "boston.example"));
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	members_expect_end(r->rep.members, "boston.example");
	assert_false(flows("dev", "dog"));
	assert_true(members_by_hostname(r->rep.members, "boston.example", &m));
	assert_string_equal(m.spki, "11aa");
	member_clear(&m);
	o = claim_of(boston);
	json_object_set_new(o, "spki", json_string("22bb"));
	assert_up(o, 409, "another key", 0, 0);
	assert_up(claim_of(austin), 409, "another node id", 0, 0);
}

static void
hold(struct statement *said, struct statement *introduction)
{
	struct roster_offer o = { said, introduction };
	struct roster_facts f = { .now_ms = wall_ms() };
	char *why = NULL;

	assert_int_equal(roster_take(r->rep.roster, &o, &f, &why), ROSTER_TAKEN);
	roster_offer_clear(&o);
}

/* This node and boston, which it introduced long ago; boston's key. */
static struct signer *
hold_boston(void)
{
	EVP_PKEY *keys[] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-256") };
	char *pems[] = { pem_from_key(keys[0]), pem_from_key(keys[1]) }, hex[NODE_HEX_LEN];
	struct signer *its = signer_new(pems[1]);
	json_t *fields = json_pack("{s:s, s:s, s:b}", "hostname", "boston.example", "spki",
	    signer_spki(its), "full", 1);

	node_id_hex(boston, hex);
	roster_sign_with(r->rep.roster, signer_new(pems[0]));
	hold(statement_make(its, STATEMENT_MEMBER, hex, boston, 1000 << 16, fields),
	    roster_introduce(r->rep.roster, boston, signer_spki(its), 1000));
	json_decref(fields);
	for (int i = 0; i < 2; i++) {
		EVP_PKEY_free(keys[i]);
		mem_wipe(pems[i]);
	}
	return (its);
}

static uint64_t
introduced_ms(void)
{
	struct roster_member m;
	uint64_t ms;

	assert_true(roster_member(r->rep.roster, boston, &m));
	ms = m.introduced_ms;
	roster_member_clear(&m);
	return (ms);
}

/* Who is added again may have been removed where we have not heard of it: the call is the newer word. */
static void
test_added_again(void **state)
{
	struct signer *its = hold_boston();
	json_t *o = claim_of(boston);

	enter(1, 0, 5);
	json_object_set_new(o, "spki", json_string(signer_spki(its)));
	assert_up(json_incref(o), 200, NULL, 0, 0);
	assert_int_equal(introduced_ms(), 1000);
	members_expect(r->rep.members, "boston.example", "wss://boston.example:9");
	assert_up(o, 200, NULL, 0, 0);
	assert_true(introduced_ms() > 1000);
	members_expect_end(r->rep.members, "boston.example");
	signer_free(its);
}

/* Nor may we have heard of it at all: it comes with what was said when it was let in the first time. */
static void
test_added_unknown(void **state)
{
	struct signer *its = hold_boston();
	json_t *o = claim_of(boston), *entry;
	struct roster_offer old = { 0 };
	char hex[NODE_HEX_LEN], *fault;

	node_id_hex(boston, hex);
	entry = roster_entry(r->rep.roster, STATEMENT_MEMBER, hex);
	roster_drop(r->rep.roster, STATEMENT_MEMBER, hex);
	enter(1, 0, 5);
	json_object_set_new(o, "spki", json_string(signer_spki(its)));
	members_expect(r->rep.members, "boston.example", "wss://boston.example:9");
	assert_up(o, 200, NULL, 0, 0);
	members_expect_end(r->rep.members, "boston.example");
	assert_int_equal(roster_offer_read(&old, entry, &fault), 0);
	hold(old.said, old.introduction);
	assert_true(introduced_ms() > 1000);
	json_decref(entry);
	signer_free(its);
}

static void
hold_own(void)
{
	char spki[] = "0000111122223333444455556666777788889999aaaabbbbccccddddeeeeffff";
	json_t *fields = json_pack("{s:s, s:s, s:b}", "hostname", "own.example", "spki", spki,
	    "full", 1);
	char hex[NODE_HEX_LEN];

	node_id_hex(r->o.data.node_id, hex);
	hold(roster_say(r->rep.roster, STATEMENT_MEMBER, hex, fields, wall_ms()), NULL);
	json_decref(fields);
}

/* It was let in by a call that failed, and another member let it in since: its link stands. */
static void
test_member_later(void **state)
{
	members_expect(r->rep.members, "boston.example", "wss://boston.example:9");
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_false(flows("dev", "dog"));
	signer_free(hold_boston());
	hold_own();
	members_expect_end(r->rep.members, "boston.example");
	cluster_kick(r->rep.cluster);
	until(flows("dev", "dog") && flows("other", "cat"));
}

static void
put_rows(int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(opendata_write(&r->o, "dog", TXN_UPSERT, "[{\"id\":1}]"), 200);
}

/* Whoever is asked after it has done all that it was told before. */
static void
settle(void)
{
	assert_int_equal(asked_by(boston), 200);
}

/* It comes as it is written, as much as may be on its way; for what was asked for before, no more. */
static void
test_log(void **state)
{
	uint64_t given;

	link_boston();
	assert_true(reads(5, 300));
	put_rows(20);
	until(leaf.bytes >= 300);
	assert_true(leaf.nentries > 0 && leaf.nentries < 20);
	/* One entry more than may be, at most; and it may be less than was said before. */
	given = leaf.bytes;
	assert_in_range(given, 300, 600);
	say_more(5, given - 1);
	say_more(4, UINT32_MAX);
	settle();
	assert_int_equal(leaf.bytes, given);
	say_more(5, UINT32_MAX);
	until(leaf.nentries == 20);
	assert_int_equal(leaf.turn, 5);
	assert_true(leaf.nlogs > 4);
	/* There it goes on by itself, until it is asked for anew. */
	put_rows(1);
	until(leaf.nentries == 21);
	assert_true(reads(6, UINT32_MAX));
	put_rows(1);
	until(leaf.nentries >= 22 && leaf.turn == 6);
	assert_int_equal(leaf.nends, 0);
	say_down();
	until(!carrier_link_has(r->rep.link, boston));
	put_rows(1);
	assert_false(reads(7, 1000));
	assert_int_equal(leaf.nends, 0);
}

/* Where the node links once more, the older link hears that it has to ask again. */
static void
test_log_ends(void **state)
{
	link_boston();
	assert_true(reads(5, UINT32_MAX));
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	until(leaf.nends == 1);
	assert_int_equal(leaf.turn, 5);
	assert_true(reads(6, UINT32_MAX));
}

struct carried {
	int times;
	uint16_t status;
	uint32_t us;
	int vouched;
};

static void
carried_cb(const struct carrier_answer *a, void *arg)
{
	struct carried *c = arg;

	c->times++;
	c->status = a->status;
	c->us = a->us;
	c->vouched = a->who != NULL && memcmp(a->who, boston, NODE_ID_LEN) == 0;
}

static struct carried
asks(const char *name)
{
	json_t *question = json_pack("{s:s}", "x", "what");
	struct carried c = { 0 };

	carrier_link_ops.ask(r->rep.link, &(struct carrier_node){ .name = name }, "test", question,
	    1000, carried_cb, &c);
	json_decref(question);
	until(c.times == 1);
	return (c);
}

static struct carried
catches_up(const char *name)
{
	struct buf question = { .data = (uint8_t *)(uintptr_t) "which", .len = 5 };
	struct carried c = { 0 };

	carrier_link_ops.catch_up(r->rep.link, &(struct carrier_node){ .name = name }, &question,
	    1000, carried_cb, &c);
	until(c.times == 1);
	return (c);
}

/* Who answers over a link is vouched for. */
static void
test_questions(void **state)
{
	struct carried c;

	assert_false(carrier_link_ops.can_catch_up(r->rep.link));
	assert_int_equal(asks("boston").status, 503);
	assert_int_equal(catches_up("boston").status, 503);
	link_boston();
	assert_true(carrier_link_ops.can_catch_up(r->rep.link));
	c = asks("boston");
	assert_int_equal(c.status, 207);
	assert_int_equal(c.us, 7);
	assert_true(c.vouched);
	assert_memory_equal(leaf.asked, boston, NODE_ID_LEN);
	assert_string_equal(leaf.text, "what");
	c = catches_up("boston");
	assert_int_equal(c.status, 200);
	assert_true(c.vouched);
	assert_string_equal(leaf.text, "which");
	assert_int_equal(asks("austin").status, 503);
}

/* With leafd its links are gone; the next one is told, and asked, all anew. */
static void
test_leafd_goes(void **state)
{
	unsigned told;

	link_boston();
	assert_true(reads(1, 1000));
	until(leaf.nlinks > 0);
	told = leaf.nlinks;
	chan_hang_up(leaf.ch);
	until(!carrier_link_has(r->rep.link, boston));
	assert_int_equal(asks("boston").status, 503);
	until(chan_is_up(leaf.ch) && leaf.nlinks == told + 1);
	assert_false(carrier_link_has(r->rep.link, boston));
	assert_up(claim_of(boston), 200, NULL, 0, 0);
	assert_true(carrier_link_has(r->rep.link, boston));
}

/* Who went before the disk had it is not let in: nobody would say its end. */
static void
test_leafd_goes_before(void **state)
{
	struct reply a;
	struct holding h;

	enter(1, 0, 5);
	holding_begin(&h, r->o.data.commit, NULL);
	begin_up(&a, claim_of(boston));
	assert_false(reads(1, 1000));
	chan_hang_up(leaf.ch);
	until(!daemons_up(r->rep.daemons, ROLE_LEAFD));
	until(daemons_up(r->rep.daemons, ROLE_LEAFD) && chan_is_up(leaf.ch));
	holding_end(&h);
	enter(1, 0, 6);
	assert_int_equal(asked_by(boston), 403);
	assert_false(carrier_link_has(r->rep.link, boston));
	buf_free(&a.body);
}

/* Who is no member any more has no link. */
static void
test_removed(void **state)
{
	link_boston();
	enter(0, 1, 6);
	until(leaf.closed == 1);
	assert_memory_equal(leaf.asked, boston, NODE_ID_LEN);
	assert_non_null(strstr(leaf.text, "it is no longer a member of this cluster"));
	assert_true(carrier_link_has(r->rep.link, boston)); /* until leafd says so */
}

static size_t
told(const char *field)
{
	return (json_array_size(json_object_get(leaf.links, field)));
}

/* That there are none is said as well; a change is told when it is one. */
static void
test_told(void **state)
{
	struct carrier_link *l = r->rep.link;
	uint64_t seen;
	unsigned n;

	until(leaf.nlinks == 1);
	assert_int_equal(json_object_size(leaf.links), 0);
	assert_false(carrier_link_on(r->rep.link));
	set_conf(REP_PORT, json_integer(9999));
	until(leaf.nlinks == 2);
	assert_true(carrier_link_on(r->rep.link));
	assert_int_equal(told("listen"), 1);
	assert_int_equal(told("dial"), 0);
	seen = l->conf_seen;
	set_conf(CL_REPUBLISH, json_true());
	until(l->conf_seen != seen && !l->making);
	set_conf(REP_ROUTES, json_pack("[s]", "boston.example"));
	until(told("dial") == 1);
	assert_int_equal(leaf.nlinks, 3);
	n = leaf.nlinks;
	members_expect(r->rep.members, "austin.example", "ws://austin.example");
	until(told("dial") == 2);
	members_expect_end(r->rep.members, "austin.example");
	until(told("dial") == 1);
	assert_int_equal(leaf.nlinks, n + 2);
}

static void
assert_failing(int tries, int refused, int is_warned)
{
	json_t *state = json_pack("{s:[{s:s, s:s, s:i, s:b}]}", "dialling", "key",
	    "wss://boston.example:9", "error", "it is none", "tries", tries, "refused", refused);
	json_t *list = json_array(), *w;
	int n = 0;
	size_t i;

	warnings_links(&r->rep, state, list);
	json_array_foreach(list, i, w)
		n += strcmp(json_string_value(json_object_get(w, "kind")), "link_failing") == 0;
	assert_int_equal(n, is_warned);
	json_decref(list);
	json_decref(state);
}

/* Members that have not heard yet of who has joined refuse it; whatever else is wrong is said at once. */
static void
test_refused_early(void **state)
{
	set_conf(REP_PORT, json_integer(9999));
	until(carrier_link_on(r->rep.link));
	assert_failing(1, 1, 0);
	assert_failing(4, 1, 0);
	assert_failing(5, 1, 1);
	assert_failing(1, 0, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stranger),
		TEST(test_admitted),
		TEST(test_copies),
		TEST(test_hint),
		TEST(test_route),
		TEST(test_route_with_something),
		TEST(test_route_with_removed),
		TEST(test_route_one_way),
		TEST(test_route_without_flow),
		TEST(test_route_is_a_limit),
		TEST(test_start_times),
		TEST(test_expected),
		TEST(test_added_again),
		TEST(test_added_unknown),
		TEST(test_member_later),
		TEST(test_log),
		TEST(test_log_ends),
		TEST(test_questions),
		TEST(test_leafd_goes),
		TEST(test_leafd_goes_before),
		TEST(test_removed),
		TEST(test_told),
		TEST(test_refused_early),
	};

	log_init("test", (enum log_level)0);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
