#include "config.h"

#include "test/sim/links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "opsd/cluster/carrier_link.h"
#include "test/sim/grants.h"
#include "test/sim/keys.h"
#include "test/sim/links_priv.h"
#include "test/sim/membership.h"
#include "test/sim/mesh.h"
#include "test/sim/net.h"
#include "test/sim/reader.h"
#include "test/sim/trouble.h"
#include "test/sim/world.h"

#define PAUSE_MIN_US 50000    /* between two tries to link a pair */
#define PAUSE_MAX_US 60000000 /* of those that are refused again and again */
#define BREAK_MAX_US 15000000 /* until both ends know of it */
#define TICK_US      5000000

/* How a pair is connected. */
enum pair_kind { PAIR_NATS, PAIR_LINK, PAIR_BOTH };

static struct pair {
	struct machine *a, *b;
	enum pair_kind kind;
	int refused; /* when they tried last: they have to go on over NATS */
	uint64_t pause_us;
} pairs[MACHINES_MAX * MACHINES_MAX];
static int npairs;

/* leafd of a machine. */
static struct side {
	struct links ls;
	struct lane *lanes;
	unsigned boot; /* which start of it */
} sides[MACHINES_MAX];

static int on;
static uint64_t serials;

int
links_on(void)
{
	return (on);
}

/* ---- lanes ---- */

struct lane *
lane_find(uint64_t serial)
{
	struct lane *l;

	for (int i = 0; i < nmachines; i++)
		DL_FOREACH(sides[i].lanes, l)
			if (l->serial == serial)
				return (l);
	return (NULL);
}

struct lane *
lane_other(const struct lane *l)
{
	struct lane *other;

	DL_FOREACH(sides[l->peer->index].lanes, other)
		if (other->connection == l->connection)
			break;
	return (other);
}

struct later {
	uint64_t serial;
	void (*fn)(struct lane *l);
};

static void
later_cb(void *arg)
{
	struct later *t = arg;
	struct lane *l = lane_find(t->serial);
	struct machine *was;

	if (l != NULL) {
		was = machine_enter(l->m);
		t->fn(l);
		machine_enter(was);
	}
	free(t);
}

void
lane_later(const struct lane *l, uint64_t us, void (*fn)(struct lane *l))
{
	struct later *t = xmalloc(sizeof(*t));

	*t = (struct later){ l->serial, fn };
	world_at(us, NULL, later_cb, t, NULL);
}

static struct lane *
lane_in(const struct machine *m, enum link_state state, const uint8_t *id, const struct lane *but)
{
	struct lane *l;

	DL_FOREACH(sides[m->index].lanes, l)
		if (l != but && l->k.state == state && memcmp(l->k.hello.id, id, NODE_ID_LEN) == 0)
			break;
	return (l);
}

static struct lane *
lane_to(const struct machine *m, const struct machine *peer)
{
	struct lane *l;

	DL_FOREACH(sides[m->index].lanes, l)
		if (l->peer == peer)
			break;
	return (l);
}

static struct pair *
pair_of(const struct machine *a, const struct machine *b)
{
	for (int i = 0; i < npairs; i++)
		if ((pairs[i].a == a && pairs[i].b == b) || (pairs[i].a == b && pairs[i].b == a))
			return (&pairs[i]);
	return (NULL);
}

static void
lane_free(struct lane *l)
{
	lane_let_go(l);
	DL_DELETE(sides[l->m->index].lanes, l);
	linkspec_hello_free(&l->k.hello);
	free(l);
}

/* As leafd/link/link.c says it. */
static void
tell_end(struct lane *l, const char *why)
{
	struct lane *other;
	struct buf b = { 0 };

	if (!l->k.up_asked)
		return;
	l->k.up_asked = 0;
	DL_FOREACH(sides[l->m->index].lanes, other)
		if (other != l && other->k.up_asked &&
		    memcmp(other->k.hello.id, l->k.hello.id, NODE_ID_LEN) == 0)
			return;
	buf_add(&b, l->k.hello.id, NODE_ID_LEN);
	buf_str(&b, why);
	chan_send(&l->m->leaf_end, MSG_LINK_DOWN, &b);
}

static void
other_has_ended(struct lane *l)
{
	lane_end(l, 0, "the other has ended it");
}

void
lane_end(struct lane *l, int broken, const char *why)
{
	struct lane *other = lane_other(l);

	if (l->k.state == LINK_ENDED)
		return;
	world_note(l->m, "the link with %s has ended: %s", l->peer->name, why);
	if (other != NULL)
		lane_later(other,
		    broken ? world_between(1000, BREAK_MAX_US) : net_delay(l->m, l->peer),
		    other_has_ended);
	l->k.state = LINK_ENDED;
	tell_end(l, why);
	lane_free(l);
}

static void
ticks(struct lane *l)
{
	l->k.out.idle = 0;
	link_out_more(&l->k);
	lane_later(l, TICK_US, ticks);
}

/* ---- may it be: leafd/link/links.c ---- */

struct up_asked {
	uint64_t serial;
	struct machine *m;
	uint8_t id[NODE_ID_LEN];
};

/* opsd has let in what is gone. */
static void
undo_up(const struct up_asked *q)
{
	struct buf b = { 0 };

	if (lane_in(q->m, LINK_ADMITTED, q->id, NULL) != NULL ||
	    lane_in(q->m, LINK_ASKING, q->id, NULL) != NULL)
		return;
	buf_add(&b, q->id, NODE_ID_LEN);
	buf_str(&b, "it ended before it was admitted");
	chan_send(&q->m->leaf_end, MSG_LINK_DOWN, &b);
}

void
lane_judge(const struct lane *l, int refused)
{
	struct pair *p = pair_of(l->m, l->peer);

	if (!refused)
		p->pause_us = PAUSE_MIN_US;
	if (p->refused == refused)
		return;
	p->refused = refused;
	mesh_changed(p->a);
	mesh_changed(p->b);
}

static void
let_in(struct lane *l)
{
	struct lane *other = lane_in(l->m, LINK_ADMITTED, l->k.hello.id, l);
	static const uint8_t ready = LINK_READY;
	const struct buf head = { .data = (uint8_t *)(uintptr_t)&ready, .len = 1 };

	if (other != NULL)
		lane_end(other, 0, "another link of these nodes stays");
	if (l->k.state == LINK_ADMITTED)
		return;
	l->k.state = LINK_ADMITTED;
	link_send(&l->k, &head, NULL, 0);
}

static void
on_up(struct rd *body, void *arg)
{
	struct up_asked *q = arg;
	struct lane *l = lane_find(q->serial);
	uint16_t status = body != NULL ? rd_u16(body) : 0;
	char *why = body != NULL ? rd_str(body) : NULL;
	uint64_t incarnation = body != NULL ? rd_u64(body) : 0;
	uint64_t after = body != NULL ? rd_u64(body) : 0;

	if (l == NULL && status == 200)
		undo_up(q);
	free(q);
	if (l == NULL || (body == NULL && l->k.state == LINK_ADMITTED))
		;
	else if (body == NULL)
		lane_end(l, 0, "this node's opsd is away");
	else if (status != 200) {
		lane_judge(l, 1);
		lane_end(l, 0, why);
	} else {
		world_note(l->m, "linked with %s, has %llu of %llu", l->peer->name,
		    (unsigned long long)after, (unsigned long long)incarnation);
		let_in(l);
		link_in_want(&l->k, incarnation, after);
		link_out_more(&l->k);
	}
	free(why);
}

/* What its certificate says; names are those that they are. */
static json_t *
shown_by(const struct lane *l)
{
	int secure = membership_on();

	return (json_pack("{s:s?, s:s?, s:n, s:[s], s:s, s:b, s:n}", "serial",
	    secure ? l->k.cert.serial : NULL, "spki", secure ? l->k.cert.spki : NULL, "issuer",
	    "names", l->peer->name, "address", l->peer->name, "secure", secure, "dialled"));
}

static void
ask_for(struct lane *l)
{
	json_t *o = json_copy(l->k.hello.said);
	struct up_asked *q = xcalloc(1, sizeof(*q));
	struct buf b = { 0 };
	char *text;

	json_object_update_new(o, shown_by(l));
	text = json_dumps(o, JSON_COMPACT);
	buf_blob(&b, text, strlen(text));
	free(text);
	json_decref(o);
	q->serial = l->serial;
	q->m = l->m;
	memcpy(q->id, l->k.hello.id, NODE_ID_LEN);
	l->k.up_asked = 1;
	chan_call(&l->m->leaf_end, MSG_LINK_UP, &b, 0, on_up, q);
}

/* Of two links of one pair both nodes keep the same one. */
static int
is_better(const struct lane *l, const struct lane *than)
{
	int ours_first = memcmp(l->k.ls->spec->id, l->k.hello.id, NODE_ID_LEN) < 0;

	if (strcmp(l->k.hello.boot, than->k.hello.boot) != 0 || l->k.dialled == than->k.dialled)
		return (1);
	return (l->k.dialled == ours_first);
}

static void
take_hello(struct lane *l)
{
	struct lane *asking, *stands;

	if (!links_up(l->k.ls)) {
		lane_end(l, 0, "this node's opsd is away");
		return;
	}
	if (memcmp(l->k.hello.id, l->k.ls->spec->id, NODE_ID_LEN) == 0) {
		lane_end(l, 0, "it is this node itself");
		return;
	}
	asking = lane_in(l->m, LINK_ASKING, l->k.hello.id, l);
	stands = lane_in(l->m, LINK_ADMITTED, l->k.hello.id, l);
	if ((asking != NULL && !is_better(l, asking)) ||
	    (stands != NULL && !is_better(l, stands))) {
		lane_end(l, 0, "another link of these nodes stays");
		return;
	}
	if (asking != NULL)
		lane_end(asking, 0, "another link of these nodes stays");
	l->k.state = LINK_ASKING;
	ask_for(l);
}

/* ---- connections ---- */

static void
read_hello(struct lane *l)
{
	struct side *of = &sides[l->peer->index];
	json_t *o = json_deep_copy(of->ls.spec->hello);
	char boot[40], *text, *err = NULL;

	snprintf(boot, sizeof(boot), "%s-%u", l->peer->name, of->boot);
	json_object_set_new(o, "now", json_integer((json_int_t)(world_now() / 1000)));
	json_object_set_new(o, "boot", json_string(boot));
	json_object_set_new(o, "max", json_integer((json_int_t)of->ls.spec->max_payload));
	if (of->ls.spec->introduced != NULL)
		json_object_set(o, "introduced", of->ls.spec->introduced);
	text = json_dumps(o, JSON_COMPACT);
	if (linkspec_hello_read(&l->k.hello, text, strlen(text), &err) == -1)
		world_fail("%s: %s", l->peer->name, err);
	free(text);
	json_decref(o);
}

static void
connect_end(struct machine *m, struct machine *peer, int dialled, uint64_t connection)
{
	struct lane *l = xcalloc(1, sizeof(*l));

	l->m = m;
	l->peer = peer;
	l->serial = ++serials;
	l->connection = connection;
	l->k.ls = &sides[m->index].ls;
	l->k.ws = (struct ws *)(void *)l;
	l->k.dialled = dialled;
	l->k.state = LINK_OPENING;
	/* Logs are short here, too. */
	l->k.out.share = (uint32_t)world_between(2000, 20000);
	l->k.in.share = LINK_CREDIT;
	snprintf(l->k.cert.spki, sizeof(l->k.cert.spki), "%s", keys_spki(peer));
	snprintf(l->k.cert.serial, sizeof(l->k.cert.serial), "%s", keys_serial(peer));
	read_hello(l);
	DL_APPEND(sides[m->index].lanes, l);
	lane_later(l, net_delay(peer, m), take_hello);
	lane_later(l, TICK_US, ticks);
}

/* Members dial whom they know; else who is to be linked with whom is known (pairs). */
static int
dials(const struct machine *from, const struct machine *to)
{
	const struct linkspec *s = sides[from->index].ls.spec;
	size_t i = 0;

	if (!membership_on())
		return (1);
	while (s != NULL && i < s->ndial && strcmp(s->dial[i].host, to->name) != 0)
		i++;
	return (s != NULL && i < s->ndial);
}

/* Either, where both do. */
static struct machine *
who_dials(const struct pair *p)
{
	int first = world_chance(50);

	if (!dials(p->a, p->b))
		return (p->b);
	return (first || !dials(p->b, p->a) ? p->a : p->b);
}

static int
is_served(const struct machine *m)
{
	return (links_up(&sides[m->index].ls));
}

static void
try_cb(void *arg)
{
	struct pair *p = arg;
	struct machine *from = who_dials(p), *to = from == p->a ? p->b : p->a;
	uint64_t connection;

	if (p->kind != PAIR_NATS && lane_to(from, to) == NULL && is_served(from) && is_served(to) &&
	    dials(from, to) && net_open(from, to)) {
		connection = ++serials;
		connect_end(from, to, 1, connection);
		connect_end(to, from, 0, connection);
	}
	p->pause_us = !p->refused || membership_on() ? PAUSE_MIN_US :
	    p->pause_us * 2 < PAUSE_MAX_US           ? p->pause_us * 2 :
						       PAUSE_MAX_US;
	world_at(p->pause_us + world_below(1000000), NULL, try_cb, p, NULL);
}

/* ---- pairs ---- */

void
links_begin(void)
{
	on = 1;
}

static void
add_pair(struct machine *a, struct machine *b)
{
	struct pair *p = &pairs[npairs++];

	*p = (struct pair){ a, b,
		grants_between(a, b) || membership_on() ? PAIR_LINK :
							  (enum pair_kind)world_below(3),
		0, PAUSE_MIN_US };
	world_at(world_below(1000000), NULL, try_cb, p, NULL);
}

void
links_joined(const struct machine *m)
{
	struct side *s = &sides[m->index];

	if (!on)
		return;
	s->ls.opsd = &machines[m->index].leaf_end;
	for (int i = 0; i < nmachines; i++)
		if (&machines[i] != m)
			add_pair(&machines[i], &machines[m->index]);
}

/* Before anything is subscribed they have to talk over NATS. */
int
links_leave_nats(const struct machine *a, const struct machine *b)
{
	const struct pair *p = on ? pair_of(a, b) : NULL;

	return (p != NULL && p->kind == PAIR_LINK &&
	    (!p->refused || grants_between(a, b) || membership_on()));
}

static const char *const kind_names[] = { "NATS", "a link", "both" };

static void
change_over(struct pair *p)
{
	struct lane *l;

	p->kind = (enum pair_kind)world_below(3);
	world_note(p->a, "with %s it is %s from now on", p->b->name, kind_names[p->kind]);
	while (p->kind == PAIR_NATS && (l = lane_to(p->a, p->b)) != NULL)
		lane_end(l, 0, "it is NATS from now on");
	mesh_changed(p->a);
	mesh_changed(p->b);
}

void
links_trouble(void)
{
	struct pair *p = &pairs[world_below((uint64_t)npairs)];
	struct machine *m = world_chance(50) ? p->a : p->b;
	struct machine *was = machine_enter(m);
	struct lane *l = lane_to(m, m == p->a ? p->b : p->a);

	if (world_chance(40) && !grants_between(p->a, p->b) && !membership_on())
		change_over(p);
	else if (l != NULL)
		lane_end(l, world_chance(50), "it breaks");
	machine_enter(was);
}

/* ---- what opsd says ---- */

static void
end_all(struct machine *m, const char *why)
{
	while (sides[m->index].lanes != NULL)
		lane_end(sides[m->index].lanes, 0, why);
}

static void
take_links(struct machine *m, struct rd *r)
{
	struct side *s = &sides[m->index];
	struct linkspec *was = s->ls.spec, *now;
	struct lane *l, *tmp;
	size_t n;
	const uint8_t *p = rd_blob(r, &n);
	char *err = NULL;

	if (!on && n == strlen("{}")) /* there are to be none */
		return;
	if ((now = linkspec_read(p, n, &err)) == NULL)
		world_fail("%s: LINKS: %s", m->name, err);
	s->ls.spec = now;
	s->ls.told = 1;
	if (!now->on)
		end_all(m, "this node no longer links with others");
	else if (was != NULL && was->on && !json_equal(was->hello, now->hello))
		end_all(m, "this node has another name now");
	linkspec_free(was);
	DL_FOREACH_SAFE(s->lanes, l, tmp)
		if (l->k.state == LINK_ADMITTED && !l->k.up_asked)
			ask_for(l);
}

static void
closed(struct lane *l)
{
	lane_judge(l, 1);
	lane_end(l, 0, "it is no longer a member");
}

/* Data, then for which turn of which lane. */
static void
take_log(struct machine *m, struct rd *r)
{
	size_t n = rd_left(r) - sizeof(uint32_t);
	const uint8_t *data = rd_bytes(r, n);
	uint32_t turn = rd_u32(r);
	struct lane *l;

	DL_FOREACH(sides[m->index].lanes, l)
		if (turn != 0 && l->k.out.turn == turn) {
			link_out_log(&l->k, data, n);
			break;
		}
}

int
links_take(struct machine *m, uint32_t id, uint16_t type, struct buf *body)
{
	struct rd r = rd_init(body->data, body->len);
	const uint8_t *node;
	struct lane *l;

	if (type == MSG_LINKS) {
		take_links(m, &r);
		return (1);
	}
	if (type == MSG_LINK_LOG) {
		take_log(m, &r);
		return (1);
	}
	if (type != MSG_LINK_ASK && type != MSG_LINK_PULL && type != MSG_LINK_CLOSE)
		return (0);
	node = rd_bytes(&r, NODE_ID_LEN);
	l = node != NULL && links_up(&sides[m->index].ls) ? lane_in(m, LINK_ADMITTED, node, NULL) :
							    NULL;
	if (type != MSG_LINK_CLOSE)
		lane_ask(m, l, id, type, &r);
	else if (l != NULL)
		lane_later(l, world_between(5, 200), closed);
	return (1);
}

static void
outlived(struct lane *l)
{
	lane_end(l, 0, "its certificate counts no more");
}

void
links_end(const struct machine *a, const struct machine *b)
{
	const struct lane *l = lane_to(a, b);

	if (l != NULL)
		lane_later(l, 0, outlived);
}

void
links_opsd_gone(struct machine *m)
{
	struct lane *l;

	sides[m->index].ls.told = 0;
	DL_FOREACH(sides[m->index].lanes, l) {
		l->k.up_asked = 0;
		link_out_forget(&l->k);
	}
}

void
links_leafd_gone(struct machine *m)
{
	struct side *s = &sides[m->index];

	s->ls.told = 0;
	s->boot++;
	while (s->lanes != NULL) {
		struct lane *l = s->lanes, *other = lane_other(l);

		if (other != NULL)
			lane_later(other, net_delay(m, l->peer), other_has_ended);
		l->k.state = LINK_ENDED;
		lane_free(l);
	}
}

/* ---- at rest ---- */

/*
 * Whether opsd knows what leafd has; and leafd reads no stream beside a link.  Two that were removed while
 * they were away have not heard of it, and may stay linked.
 */
static const char *
lane_unrest(const struct machine *m, const struct pair *p)
{
	const struct machine *peer = p->a == m ? p->b : p->a;
	const struct lane *l = lane_to(m, peer);
	uint8_t id[NODE_ID_LEN];

	if (p->kind == PAIR_NATS)
		return (node_id_read(peer->hex, id) == 0 && carrier_link_has(m->rep.link, id) ?
			"has a link for opsd alone" :
			NULL);
	if (membership_on() && !membership_linked(p->a, p->b))
		return ((membership_has(p->a) || membership_has(p->b)) && l != NULL &&
			    l->k.state == LINK_ADMITTED && l->k.other_ready ?
			"is linked with one that is no member" :
			NULL);
	if (p->refused && !membership_on())
		return (NULL);
	if (l == NULL || l->k.state != LINK_ADMITTED || !l->k.other_ready || !l->k.up_asked)
		return ("is not linked with all that it is to be linked with");
	if (!carrier_link_has(m->rep.link, l->k.hello.id))
		return ("has a link that opsd does not know of");
	if (l->k.out.frames != 0)
		return ("has sent frames that are not confirmed");
	if (reader_reads(m, peer->name))
		return ("reads the stream of a node with which it is linked");
	return (NULL);
}

const char *
links_unrest(const struct machine *m)
{
	const char *why = NULL;

	for (int i = 0; i < npairs && why == NULL; i++)
		if (pairs[i].a == m || pairs[i].b == m)
			why = lane_unrest(m, &pairs[i]);
	return (why);
}
