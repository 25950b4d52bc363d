#include "config.h"

#include "test/sim/reader.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/base/shard.h"
#include "common/conf/settings.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/net.h"
#include "test/sim/world.h"

#define CREDIT       6 /* messages with opsd */
#define BACK_MIN     4 /* leafd's is 1000: streams are short here */
#define BACK_GROWTH  4
#define RETRY_MIN_US 200000
#define RETRY_MAX_US 5000000
#define SILENCE_US   3000000
#define INFO_US      10000000 /* a loss is seen by the next message, or then */

struct reader_mark {
	uint64_t incarnation, window, last, entry;
	uint32_t table;
};

/* With opsd, or done and behind one that is not. */
struct handing {
	struct reader *r; /* NULL: what opsd answers is of no matter */
	uint64_t seq;
	struct reader_mark mark;
	int done;
	struct handing *prev, *next;
};

struct reader {
	struct machine *m;
	char *name;
	uint8_t id[NODE_ID_LEN];
	json_t *tables;   /* [[database, table or "*"]] */
	uint64_t session; /* which consumer */
	int flowing, fresh, pumping, lost, silent;
	unsigned epoch;      /* of the stream that it reads */
	uint64_t next;       /* the server's: of the stream */
	uint64_t arrives_us; /* the last that is on its way */
	unsigned credit;
	uint64_t processed, back, retry_us;
	struct reader_mark mark;
	struct handing *handings;
	struct reader *prev, *following;
};

/* Readers come and go: an event finds its own by these. */
struct reader_event {
	struct machine *m;
	uint64_t session, seq;
	struct buf bytes;
};

static uint64_t sessions;

static void begin(struct reader *r, uint64_t delay_us);
static void pump(struct reader *r);

static struct reader *
find(const struct machine *m, uint64_t session)
{
	struct reader *r;

	DL_FOREACH2(m->readers, r, following)
	if (r->session == session)
		break;
	return (r);
}

static void
later(struct reader *r, uint64_t delay_us, void (*fn)(void *arg))
{
	struct reader_event *e = xcalloc(1, sizeof(*e));

	e->m = r->m;
	e->session = r->session;
	world_at(delay_us, NULL, fn, e, NULL);
}

/* Takes the event; NULL: the consumer is another one. */
static struct reader *
reader_of(struct reader_event *e)
{
	struct reader *r = find(e->m, e->session);

	buf_free(&e->bytes);
	free(e);
	return (r);
}

/* ---- handing over: leafd/inflight.c ---- */

static void
drop_handings(struct reader *r)
{
	struct handing *h, *tmp;

	DL_FOREACH_SAFE(r->handings, h, tmp) {
		DL_DELETE(r->handings, h);
		if (h->done)
			free(h);
		else
			h->r = NULL;
	}
}

static void
rewind_to(struct reader *r, uint64_t seq)
{
	drop_handings(r);
	r->processed = seq;
	r->back = 0;
	memset(&r->mark, 0, sizeof(r->mark));
}

static void
take_done(struct reader *r)
{
	struct handing *h;

	while ((h = r->handings) != NULL && h->done) {
		if (h->seq > r->processed) {
			r->processed = h->seq;
			r->mark = h->mark;
		}
		DL_DELETE(r->handings, h);
		free(h);
	}
}

static unsigned
unfinished(const struct reader *r)
{
	const struct handing *h;
	unsigned n = 0;

	DL_FOREACH(r->handings, h)
		n += !h->done;
	return (n);
}

static void
handed_cb(struct rd *body, void *arg)
{
	struct handing *h = arg;
	struct reader *r = h->r;

	if (r == NULL) {
		free(h);
		return;
	}
	if (body == NULL) {
		DL_DELETE(r->handings, h);
		free(h);
		return;
	}
	h->done = 1;
	take_done(r);
	pump(r);
}

static struct reader_mark
mark_of(const struct buf *bytes)
{
	struct rd rd = rd_init(bytes->data, bytes->len);
	struct reader_mark mark = { 0 };
	struct frame f;

	if (frame_read(&rd, &f) == 0)
		mark = (struct reader_mark){ f.incarnation, f.window, f.last, f.mark, f.table };
	return (mark);
}

static void
hand_over(struct reader *r, uint64_t seq, const struct buf *bytes)
{
	struct handing *h = xcalloc(1, sizeof(*h));
	struct buf b = { 0 };

	h->r = r;
	h->seq = seq;
	h->mark = mark_of(bytes);
	DL_APPEND(r->handings, h);
	buf_add(&b, r->id, NODE_ID_LEN);
	shard_write(&b, (struct shard){ 0, 1 });
	buf_u64(&b, seq);
	buf_blob(&b, bytes->data, bytes->len);
	wire_ask(&r->m->leaf, MSG_APPLY, &b, handed_cb, h);
}

static int
is_where_we_were(const struct reader *r, uint64_t seq, const struct reader_mark *m)
{
	const struct reader_mark *was = &r->mark;

	if (was->incarnation == 0)
		return (1);
	if (r->back == 0)
		return (seq != r->processed ||
		    (m->incarnation == was->incarnation && m->window == was->window &&
			m->last == was->last && m->entry == was->entry && m->table == was->table));
	return (r->processed <= r->back ||
	    (m->incarnation == was->incarnation && m->window <= was->window));
}

static int
check_first(struct reader *r, uint64_t seq, const struct buf *bytes)
{
	struct reader_mark mark = mark_of(bytes);

	r->fresh = 0;
	if (!is_where_we_were(r, seq, &mark)) {
		r->back = r->back == 0 ? BACK_MIN : r->back * BACK_GROWTH;
		return (-1);
	}
	if (r->back != 0)
		rewind_to(r, seq - 1);
	return (0);
}

/* ---- a consumer: leafd/consumer.c, consumer_pull.c ---- */

static void
end(struct reader *r)
{
	r->session = ++sessions;
	r->flowing = r->pumping = r->lost = r->silent = 0;
}

static void
fail(struct reader *r, const char *why)
{
	world_note(r->m, "reading %s: %s", r->name, why);
	end(r);
	begin(r, r->retry_us);
	r->retry_us = r->retry_us * 2 > RETRY_MAX_US ? RETRY_MAX_US : r->retry_us * 2;
}

static void
silence_cb(void *arg)
{
	struct reader *r = reader_of(arg);

	if (r != NULL)
		fail(r, r->lost ? "messages were lost" : "silence");
}

/* Whether messages of the peer come through at all. */
static int
is_through(const struct reader *r, const struct machine *peer)
{
	return (peer != NULL && net_meshed(peer, r->m) && !net_pair(peer, r->m)->stalled);
}

static void
arrive_cb(void *arg)
{
	struct reader_event *e = arg;
	struct reader *r = find(e->m, e->session);
	struct machine *peer = r != NULL ? machine_named(r->name) : NULL;

	if (r != NULL && !is_through(r, peer)) {
		r->lost = 1;
		later(r, SILENCE_US, silence_cb);
	} else if (r != NULL && r->fresh && check_first(r, e->seq, &e->bytes) == -1)
		fail(r, "its stream was written anew");
	else if (r != NULL) {
		r->credit++;
		r->retry_us = RETRY_MIN_US;
		hand_over(r, e->seq, &e->bytes);
	}
	buf_free(&e->bytes);
	free(e);
}

static int
is_wanted(const struct reader *r, const struct jet_msg *msg)
{
	json_t *t;
	size_t i;

	json_array_foreach(r->tables, i, t) {
		const char *table = json_string_value(json_array_get(t, 1));

		if (strcmp(json_string_value(json_array_get(t, 0)), msg->database) == 0 &&
		    (strcmp(table, "*") == 0 || strcmp(table, msg->table) == 0))
			return (1);
	}
	return (0);
}

/* They come in order; one that is lost ends the consumer, when the next shows it or later. */
static void
send(struct reader *r, const struct machine *peer, const struct jet_msg *msg)
{
	struct reader_event *e;
	uint64_t at = world_now() + net_delay(peer, r->m);

	r->credit--;
	if (net_lost(peer, r->m)) {
		r->lost = 1;
		later(r, world_chance(80) ? world_between(1000, 500000) : INFO_US, silence_cb);
		return;
	}
	e = xcalloc(1, sizeof(*e));
	e->m = r->m;
	e->session = r->session;
	e->seq = msg->seq;
	buf_add(&e->bytes, msg->bytes.data, msg->bytes.len);
	net_damage(peer, r->m, e->bytes.data, e->bytes.len);
	r->arrives_us = at > r->arrives_us ? at : r->arrives_us + 1;
	world_at(r->arrives_us - world_now(), NULL, arrive_cb, e, NULL);
}

static void
pump_cb(void *arg)
{
	struct reader *r = reader_of(arg);

	if (r == NULL)
		return;
	r->pumping = 0;
	pump(r);
}

static void
wait_in_silence(struct reader *r)
{
	if (!r->silent)
		later(r, SILENCE_US, silence_cb);
	r->silent = 1;
}

static void
pump(struct reader *r)
{
	struct machine *peer = machine_named(r->name);
	const struct jet_msg *msg;

	if (!r->flowing || r->lost || r->pumping)
		return;
	if (!is_through(r, peer) || peer->jet.epoch != r->epoch) {
		wait_in_silence(r);
		return;
	}
	while (unfinished(r) + (CREDIT - r->credit) < CREDIT) {
		msg = jet_from(&peer->jet, r->next);
		while (msg != NULL && !is_wanted(r, msg))
			msg = jet_from(&peer->jet, msg->seq + 1);
		if (msg == NULL)
			return;
		r->next = msg->seq + 1;
		send(r, peer, msg);
		if (r->lost)
			return;
	}
}

static void
begin_cb(void *arg)
{
	struct reader *r = reader_of(arg);
	struct machine *peer = r != NULL ? machine_named(r->name) : NULL;
	uint64_t last;

	if (r == NULL || json_array_size(r->tables) == 0)
		return;
	if (!is_through(r, peer)) {
		begin(r, world_between(RETRY_MIN_US, RETRY_MAX_US));
		return;
	}
	jet_from(&peer->jet, 0);
	last = peer->jet.last;
	if (last < r->processed && r->mark.incarnation == 0) {
		world_note(r->m, "reading %s: its stream is another one", r->name);
		rewind_to(r, 0);
	} else if (last < r->processed) {
		world_note(r->m, "reading %s: its stream is shorter than it was", r->name);
		r->back = r->back != 0 ? r->back : BACK_MIN;
		r->processed = last;
	}
	r->fresh = r->flowing = 1;
	r->epoch = peer->jet.epoch;
	r->credit = CREDIT;
	r->next = r->processed > r->back ? r->processed - r->back : 1;
	pump(r);
}

static void
begin(struct reader *r, uint64_t delay_us)
{
	later(r, delay_us + world_between(500, 10000), begin_cb);
}

void
reader_notify(struct machine *publisher)
{
	struct reader *r;

	for (int i = 0; i < nmachines; i++)
		DL_FOREACH2(machines[i].readers, r, following)
	if (r->flowing && !r->pumping && strcmp(r->name, publisher->name) == 0) {
		r->pumping = 1;
		later(r, world_between(20, 2000), pump_cb);
	}
}

int
reader_reads(const struct machine *m, const char *name)
{
	struct reader *r;

	DL_FOREACH2(m->readers, r, following)
	if (strcmp(r->name, name) == 0)
		return (1);
	return (0);
}

int
reader_flowing(const struct machine *m)
{
	struct reader *r;

	DL_FOREACH2(m->readers, r, following)
	if (!r->flowing || r->lost || r->silent)
		return (0);
	return (1);
}

/* ---- CONSUME: leafd/consume.c ---- */

static void
reader_free(struct reader *r)
{
	drop_handings(r);
	DL_DELETE2(r->m->readers, r, prev, following);
	json_decref(r->tables);
	free(r->name);
	free(r);
}

void
reader_forget(struct machine *m)
{
	while (m->readers != NULL)
		reader_free(m->readers);
}

static void
take_peer(struct machine *m, const json_t *wanted)
{
	const char *name = json_string_value(json_object_get(wanted, "name"));
	json_t *tables = json_object_get(wanted, "tables");
	uint8_t id[NODE_ID_LEN];
	struct reader *r;

	if (node_id_read(json_string_value(json_object_get(wanted, "id")), id) == -1)
		world_fail("%s: CONSUME cannot be read", m->name);
	DL_FOREACH2(m->readers, r, following)
	if (memcmp(r->id, id, NODE_ID_LEN) == 0)
		break;
	if (r != NULL && strcmp(r->name, name) != 0) {
		reader_free(r);
		r = NULL;
	}
	if (r == NULL) {
		r = xcalloc(1, sizeof(*r));
		r->m = m;
		r->name = xstrdup(name);
		memcpy(r->id, id, NODE_ID_LEN);
		r->session = ++sessions;
		r->processed = (uint64_t)
		    json_integer_value(json_array_get(json_object_get(wanted, "stream_seqs"), 0));
		r->retry_us = RETRY_MIN_US;
		DL_APPEND2(m->readers, r, prev, following);
	}
	if (r->tables != NULL && json_equal(r->tables, tables))
		return;
	json_decref(r->tables);
	r->tables = json_incref(tables);
	end(r);
	begin(r, 0);
}

static int
is_listed(const json_t *list, const uint8_t *id)
{
	uint8_t other[NODE_ID_LEN];
	json_t *f;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, f)
		if (node_id_read(json_string_value(json_object_get(f, "id")), other) == 0 &&
		    memcmp(other, id, NODE_ID_LEN) == 0)
			return (1);
	return (0);
}

static void
take_wanted(struct machine *m, struct rd *body)
{
	size_t n, i;
	const uint8_t *p = rd_blob(body, &n);
	json_t *o = json_loadb((const char *)p, n, 0, NULL), *list = json_object_get(o, "peers"),
	       *f;
	struct reader *r, *tmp;

	DL_FOREACH_SAFE2(m->readers, r, tmp, following)
	if (!is_listed(list, r->id))
		reader_free(r);
	json_array_foreach(list, i, f)
		take_peer(m, f);
	json_decref(o);
}

static void
take_catchup(struct machine *m, uint32_t id, struct rd *body)
{
	char *node = rd_str(body);
	unsigned timeout_ms = rd_u32(body);
	size_t n;
	const uint8_t *p = rd_blob(body, &n);
	struct buf b = { 0 };

	buf_blob(&b, p, n);
	carry(&m->leaf, id, node, MSG_SERVE, &b, timeout_ms);
	free(node);
}

static void
take_purge(struct machine *m, uint32_t id, struct rd *body)
{
	char *database = rd_str(body), *table = rd_str(body);
	uint64_t upto = rd_u64(body);
	struct buf b = { 0 };

	buf_u16(&b, 200);
	buf_u64(&b, jet_purge(&m->jet, database, table, upto));
	wire_answer(&m->leaf, id, &b);
	free(database);
	free(table);
}

static void
take_settings(struct machine *m, struct rd *body)
{
	size_t n;
	const uint8_t *p = rd_blob(body, &n);
	json_t *o = json_loadb((const char *)p, n, 0, NULL);

	if (node_id_read(json_string_value(json_object_get(o, "node_id")), m->leaf_id) == -1)
		world_fail("%s: SETTINGS cannot be read", m->name);
	json_decref(o);
	feed_start(&m->feed);
}

void
reader_take(struct machine *m, uint32_t id, uint16_t type, struct buf *body)
{
	struct rd r = rd_init(body->data, body->len);

	if (type == MSG_CONSUME)
		take_wanted(m, &r);
	else if (type == MSG_CATCHUP)
		take_catchup(m, id, &r);
	else if (type == MSG_STREAM_PURGE)
		take_purge(m, id, &r);
	else if (type == MSG_SETTINGS)
		take_settings(m, &r);
	else if (!links_take(m, id, type, body))
		world_fail("%s: leafd is sent %s", m->name, proto_name(type));
}
