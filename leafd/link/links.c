#include "config.h"

#include "leafd/link/links.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/tlslink.h"
#include "leafd/link/link_priv.h"

/* All links, and what opsd says of them. */

/* One LINK_UP; link is NULL when its answer is not wanted any more. */
struct link_question {
	struct links *ls;
	struct peerlink *link;
	uint8_t id[NODE_ID_LEN];
};

int
links_up(const struct links *ls)
{
	return (ls->told && ls->spec != NULL && ls->spec->on && chan_is_up(ls->opsd));
}

void
links_changed(struct links *ls)
{
	ls->changed(ls->arg);
}

static struct peerlink *
find_in(const struct links *ls, enum link_state state, const uint8_t id[NODE_ID_LEN],
    const struct peerlink *but)
{
	struct peerlink *k;

	DL_FOREACH(ls->all, k)
		if (k != but && k->state == state && memcmp(k->hello.id, id, NODE_ID_LEN) == 0)
			return (k);
	return (NULL);
}

struct peerlink *
links_find(const struct links *ls, const uint8_t id[NODE_ID_LEN])
{
	struct peerlink *k = find_in(ls, LINK_ADMITTED, id, NULL);

	return (k != NULL ? k : find_in(ls, LINK_ASKING, id, NULL));
}

uint32_t
links_share(const struct links *ls)
{
	uint64_t share = ls->spec->in_flight / (ls->admitted > 0 ? ls->admitted : 1);

	if (share > LINK_CREDIT)
		return (LINK_CREDIT);
	return (share > LINK_SHARE_MIN ? (uint32_t)share : LINK_SHARE_MIN);
}

int
links_known_by_another(const struct peerlink *k)
{
	const struct peerlink *other;

	DL_FOREACH(k->ls->all, other)
		if (other != k && other->up_asked &&
		    memcmp(other->hello.id, k->hello.id, NODE_ID_LEN) == 0)
			return (1);
	return (0);
}

int
links_has_hostname(const struct links *ls, const char *hostname)
{
	struct peerlink *k;

	DL_FOREACH(ls->all, k)
		if ((k->state == LINK_ASKING || k->state == LINK_ADMITTED) &&
		    strcasecmp(k->hello.hostname, hostname) == 0)
			return (1);
	return (0);
}

int
links_revoked(const struct links *ls, const struct peercert *cert)
{
	const json_t *serial;
	size_t i;

	if (ls->spec == NULL)
		return (0);
	json_array_foreach(ls->spec->revoked, i, serial)
		if (json_is_string(serial) && peercert_is(cert, json_string_value(serial)))
			return (1);
	return (0);
}

/* May it be? */

void
links_drop_question(struct peerlink *k)
{
	if (k->question != NULL)
		k->question->link = NULL; /* on_link_up frees it */
	k->question = NULL;
}

/* opsd has let in what is gone; what of that node came after it was asked for in its turn. */
static void
undo_link_up(const struct link_question *q)
{
	struct buf b = { 0 };

	if (links_find(q->ls, q->id) != NULL)
		return;
	buf_add(&b, q->id, NODE_ID_LEN);
	buf_str(&b, "it ended before it was admitted");
	chan_send(q->ls->opsd, MSG_LINK_DOWN, &b);
}

static void
let_in(struct peerlink *k)
{
	struct peerlink *other = find_in(k->ls, LINK_ADMITTED, k->hello.id, k);

	if (other != NULL)
		link_end(other, WS_NORMAL, "another link of these nodes stays");
	if (k->state == LINK_ASKING)
		link_admit(k);
}

static void
on_link_up(struct rd *body, void *arg)
{
	struct link_question *q = arg;
	struct peerlink *k = q->link;
	uint16_t status = body != NULL ? rd_u16(body) : 0;
	char *why = body != NULL ? rd_str(body) : NULL;
	uint64_t incarnation = body != NULL ? rd_u64(body) : 0;
	uint64_t after = body != NULL ? rd_u64(body) : 0;

	if (k != NULL)
		k->question = NULL;
	else if (status == 200)
		undo_link_up(q);
	free(q);
	if (k == NULL || (body == NULL && k->state == LINK_ADMITTED))
		;
	else if (body == NULL || !rd_done(body))
		link_end(k, WS_GOING_AWAY, "this node's opsd is away");
	else if (status != 200)
		link_end(k, WS_REFUSED, why[0] != '\0' ? why : "refused");
	else {
		let_in(k);
		link_in_want(k, incarnation, after);
		link_out_more(k);
	}
	free(why);
}

static void
ask_for_link(struct peerlink *k)
{
	json_t *o = json_copy(k->hello.said);
	struct buf b = { 0 };
	char *text;

	json_object_update_new(o,
	    json_pack("{s:s?, s:s?, s:s?, s:O?, s:s, s:b, s:s?}", "serial",
		k->cert.serial[0] != '\0' ? k->cert.serial : NULL, "spki",
		k->cert.cert != NULL ? k->cert.spki : NULL, "issuer", k->cert.issuer, "names",
		k->cert.names, "address", k->address, "secure", k->ssl != NULL, "dialled",
		k->target != NULL ? target_key(k->target) : NULL));
	if (k->cert.names == NULL)
		json_object_set_new(o, "names", json_array());
	text = json_dumps(o, JSON_COMPACT);
	buf_blob(&b, text, strlen(text));
	free(text);
	json_decref(o);
	links_drop_question(k);
	k->question = xcalloc(1, sizeof(*k->question));
	k->question->ls = k->ls;
	k->question->link = k;
	memcpy(k->question->id, k->hello.id, NODE_ID_LEN);
	k->up_asked = 1;
	chan_call(k->ls->opsd, MSG_LINK_UP, &b, 0, on_link_up, k->question);
}

/* Of two links of one pair both nodes keep the same one. */
static int
is_better(const struct peerlink *k, const struct peerlink *than)
{
	int ours_first = memcmp(k->ls->spec->id, k->hello.id, NODE_ID_LEN) < 0;

	/* What began anew knows nothing of the other link. */
	if (strcmp(k->hello.boot, than->hello.boot) != 0 || k->dialled == than->dialled)
		return (1);
	return (k->dialled == ours_first);
}

/* What is wrong with who it says it is; NULL: nothing; the caller frees. */
static char *
hello_fault(const struct peerlink *k)
{
	if (memcmp(k->hello.id, k->ls->spec->id, NODE_ID_LEN) == 0)
		return (xstrdup("it is this node itself"));
	if (k->ssl != NULL && !peercert_covers(&k->cert, k->hello.hostname))
		return (xasprintf("its certificate is not one of '%s'", k->hello.hostname));
	return (NULL);
}

/* Who only says that it is that node does not end the node's link: what opsd lets in does. */
void
links_hello(struct peerlink *k)
{
	struct peerlink *asking, *stands;
	char *why;

	if (!links_up(k->ls)) {
		link_end(k, WS_GOING_AWAY, "this node's opsd is away");
		return;
	}
	if ((why = hello_fault(k)) != NULL) {
		link_end(k, WS_REFUSED, why);
		free(why);
		return;
	}
	if (k->target != NULL)
		target_known(k->target, k->hello.id);
	asking = find_in(k->ls, LINK_ASKING, k->hello.id, k);
	stands = find_in(k->ls, LINK_ADMITTED, k->hello.id, k);
	if ((asking != NULL && !is_better(k, asking)) ||
	    (stands != NULL && !is_better(k, stands))) {
		link_end(k, WS_NORMAL, "another link of these nodes stays");
		return;
	}
	if (asking != NULL)
		link_end(asking, WS_NORMAL, "another link of these nodes stays");
	ask_for_link(k);
}

void
links_ended(struct links *ls)
{
	target_look(ls);
	links_changed(ls);
}

/* What opsd says */

static void
end_all(struct links *ls, const char *why)
{
	struct peerlink *k, *tmp;

	DL_FOREACH_SAFE(ls->all, k, tmp)
		link_end(k, WS_GOING_AWAY, why);
}

static void
set_tls(struct links *ls, const json_t *was)
{
	const json_t *tls = ls->spec->tls;
	struct tlslink_opts o = {
		.certificate = json_string_value(json_object_get(tls, "certificate")),
		.key = json_string_value(json_object_get(tls, "key")),
		.authorities = json_string_value(json_object_get(tls, "authorities")),
		.system_roots = json_is_true(json_object_get(tls, "system_roots")),
	};

	if (tls == NULL ? was == NULL : was != NULL && json_equal(tls, was))
		return;
	tlslink_free(ls->tls);
	free(ls->tls_fault);
	ls->tls = NULL;
	ls->tls_fault = NULL;
	if (tls != NULL && (ls->tls = tlslink_new(&o, &ls->tls_fault)) == NULL)
		log_errorx("link: %s", ls->tls_fault);
}

static void
look_at_links(struct links *ls)
{
	struct peerlink *k, *tmp;

	DL_FOREACH_SAFE(ls->all, k, tmp) {
		if (k->state == LINK_ENDED)
			continue;
		if (links_revoked(ls, &k->cert))
			link_end_revoked(k);
		else if (k->state == LINK_ADMITTED && !k->up_asked)
			ask_for_link(k);
		else
			link_out_more(k); /* its share may be another one */
	}
}

static void
take_spec(struct links *ls, struct linkspec *now)
{
	struct linkspec *was = ls->spec;

	ls->spec = now;
	ls->told = 1;
	set_tls(ls, was != NULL ? was->tls : NULL);
	if (!now->on)
		end_all(ls, "this node no longer links with others");
	else if (was != NULL && was->on && !json_equal(was->hello, now->hello))
		end_all(ls, "this node has another name now");
	linkspec_free(was);
	listen_set(ls);
	target_set(ls);
	look_at_links(ls);
	target_look(ls);
	links_changed(ls);
}

int
links_set(struct links *ls, struct msg *m)
{
	size_t n = 0;
	const uint8_t *text = rd_blob(&m->body, &n);
	struct linkspec *spec;
	char *err = NULL;

	if (!rd_done(&m->body))
		return (-1);
	if ((spec = linkspec_read(text, n, &err)) != NULL)
		take_spec(ls, spec);
	else
		log_errorx("link: LINKS: %s", err);
	free(err);
	return (0);
}

/* The id that begins a message; a link with that node that is admitted, or NULL. */
static struct peerlink *
read_node(struct links *ls, struct rd *r)
{
	const uint8_t *id = rd_bytes(r, NODE_ID_LEN);

	return (id != NULL && links_up(ls) ? find_in(ls, LINK_ADMITTED, id, NULL) : NULL);
}

int
links_ask(struct links *ls, struct msg *m)
{
	struct peerlink *k = read_node(ls, &m->body);
	char *verb = rd_str(&m->body);
	uint32_t timeout_ms = rd_u32(&m->body);
	size_t n = 0;
	const uint8_t *p = rd_blob(&m->body, &n);
	int result = rd_done(&m->body) ? 0 : -1;

	if (result == 0 && k != NULL)
		link_ask_call(k, m, LINK_ASK, timeout_ms, verb, p, n);
	else if (result == 0)
		link_ask_refuse(ls->opsd, m, LINK_ASK, 503);
	free(verb);
	return (result);
}

int
links_pull(struct links *ls, struct msg *m)
{
	struct peerlink *k = read_node(ls, &m->body);
	uint32_t timeout_ms = rd_u32(&m->body);
	size_t n = 0;
	const uint8_t *p = rd_blob(&m->body, &n);

	if (!rd_done(&m->body))
		return (-1);
	if (k != NULL)
		link_ask_call(k, m, LINK_PULL, timeout_ms, "", p, n);
	else
		link_ask_refuse(ls->opsd, m, LINK_PULL, 503);
	return (0);
}

int
links_log(struct links *ls, struct msg *m)
{
	size_t n = rd_left(&m->body);
	const uint8_t *data = n >= sizeof(uint32_t) ? rd_bytes(&m->body, n - sizeof(uint32_t)) :
						      NULL;
	uint32_t turn = rd_u32(&m->body);
	struct peerlink *k;

	if (data == NULL || !rd_done(&m->body))
		return (-1);
	DL_FOREACH(ls->all, k)
		if (turn != 0 && k->out.turn == turn) {
			link_out_log(k, data, n - sizeof(uint32_t));
			break;
		}
	return (0);
}

int
links_close(struct links *ls, struct msg *m)
{
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN);
	char *why = rd_str(&m->body);
	struct peerlink *k;
	int result = rd_done(&m->body) ? 0 : -1;

	while (result == 0 && (k = links_find(ls, id)) != NULL)
		link_end(k, WS_REFUSED, why);
	free(why);
	return (result);
}

void
links_forget(struct links *ls)
{
	struct peerlink *k;

	ls->told = 0;
	DL_FOREACH(ls->all, k) {
		k->up_asked = 0;
		link_out_forget(k);
	}
}

/* The whole */

struct links *
links_new(struct event_base *base, struct chan *opsd, const char *instance,
    void (*changed)(void *arg), void *arg)
{
	struct links *ls = xcalloc(1, sizeof(*ls));

	ls->base = base;
	ls->opsd = opsd;
	ls->instance = xstrdup(instance);
	ls->refused = json_array();
	ls->changed = changed;
	ls->arg = arg;
	return (ls);
}

void
links_free(struct links *ls)
{
	if (ls == NULL)
		return;
	while (ls->all != NULL)
		link_part(ls->all, "this node has stopped");
	target_free_all(ls);
	listen_free_all(ls);
	tlslink_free(ls->tls);
	linkspec_free(ls->spec);
	json_decref(ls->refused);
	free(ls->tls_fault);
	free(ls->instance);
	free(ls);
}

static json_t *
link_json(const struct peerlink *k)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:b, s:b, s:I, s:I}", "id", k->hello.hex,
	    "hostname", k->hello.hostname, "address", k->address, "since_ms",
	    (json_int_t)k->since_ms, "dialled", k->dialled, "secure", k->ssl != NULL, "sent_ms",
	    (json_int_t)k->out.sent_ms, "confirmed_ms", (json_int_t)k->out.confirmed_ms);

	json_object_set_new(o, "rtt_ms",
	    k->rtt_us == 0 ? json_null() : json_real((double)(k->rtt_us / 10) / 100.0));
	if (k->out.sending_ms != 0)
		json_object_set_new(o, "sending_ms", json_integer((json_int_t)k->out.sending_ms));
	return (o);
}

json_t *
links_state(const struct links *ls)
{
	json_t *list = json_array();
	struct peerlink *k;

	DL_FOREACH(ls->all, k)
		if (k->state == LINK_ADMITTED && k->other_ready)
			json_array_append_new(list, link_json(k));
	return (list);
}

json_t *
links_dialling(const struct links *ls)
{
	return (target_json(ls));
}

json_t *
links_refused(const struct links *ls)
{
	return (json_deep_copy(ls->refused));
}

json_t *
links_listening(const struct links *ls)
{
	return (listen_json(ls));
}
