#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/cluster/admission.h"
#include "opsd/cluster/carrier_link_priv.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/gossip_take.h"

/* A node that wants a link (LINK_UP). */

#define REFUSED_MAX 50 /* that are kept to be shown */

static void
answer_up(struct chan_deferred *d, int status, const char *why, const struct cursors_hint *hint)
{
	struct buf b = { 0 };

	buf_u16(&b, (uint16_t)status);
	buf_str(&b, why != NULL ? why : "");
	buf_u64(&b, hint != NULL ? hint->incarnation : 0);
	buf_u64(&b, hint != NULL ? hint->window : 0);
	chan_deferred_reply(d, &b);
}

static size_t
refused_of(const json_t *list, const char *hostname)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(json_string_value(json_object_get(o, "hostname")), hostname) == 0)
			break;
	return (i);
}

/* why NULL: it is in. */
static void
note_refused(struct carrier_link *l, const struct member_claim *c, const char *why)
{
	pthread_mutex_lock(&l->lock);
	json_array_remove(l->refused, refused_of(l->refused, c->is.hostname));
	if (why != NULL)
		json_array_append_new(l->refused,
		    json_pack("{s:s, s:s?, s:s, s:I}", "hostname", c->is.hostname, "address",
			c->address, "error", why, "time", (json_int_t)wall_ms()));
	if (json_array_size(l->refused) > REFUSED_MAX)
		json_array_remove(l->refused, 0);
	pthread_mutex_unlock(&l->lock);
}

static void
refuse_up(struct carrier_link *l, struct chan_deferred *d, const struct member_claim *c, int status,
    const char *why)
{
	static struct log_brake brake = { .most = 10 };

	log_braked(&brake, LOG_WARN, "a link is refused to %s: %s",
	    c->address != NULL ? c->address : "?", why);
	note_refused(l, c, why);
	answer_up(d, status, why, NULL);
}

/* What compat.h says of it, from what it says of itself. */
static char *
format_fault(struct replication *rep, const struct member_claim *c, const json_t *o)
{
	json_t *m = json_pack("{s:s, s:O?, s:O?}", "name", c->is.hostname, "formats",
	    json_object_get(o, "format"), "version", json_object_get(o, "version"));
	char *fault = compat_fault(rep, m);

	json_decref(m);
	return (fault);
}

struct asking_up {
	struct carrier_link *l;
	struct chan_deferred *reply;
	struct admission *a;
};

static void
add_link(struct carrier_link *l, const struct member *m)
{
	struct link *k = carrier_link_find(l, m->id);

	/* One that stands yet, if this one ends first, asks again. */
	if (k != NULL && k->turn != 0)
		carrier_link_send_log(l, k->turn, NULL);
	pthread_mutex_lock(&l->lock);
	if (k != NULL)
		carrier_link_forget(l, k);
	k = xcalloc(1, sizeof(*k));
	memcpy(k->id, m->id, NODE_ID_LEN);
	k->hostname = xstrdup(m->hostname);
	k->node_name = xstrdup(m->node_name);
	k->feed = linkfeed_new(l->rep, m->id);
	HASH_ADD(hh, l->links, id, NODE_ID_LEN, k);
	l->changes++;
	pthread_mutex_unlock(&l->lock);
}

static void
admitted_run(void *arg)
{
	struct asking_up *u = arg;
	struct carrier_link *l = u->l;
	const struct member_claim *c = &u->a->claim;

	if (!chan_deferred_wanted(u->reply)) {
		chan_deferred_drop(u->reply);
	} else if (u->a->job.status != 200) {
		refuse_up(l, u->reply, c, u->a->job.status,
		    u->a->job.error != NULL ? u->a->job.error : "not written");
	} else {
		log_info("linked with %s at %s", c->is.hostname,
		    c->address != NULL ? c->address : "?");
		note_refused(l, c, NULL);
		add_link(l, &c->is);
		answer_up(u->reply, 200, NULL, &u->a->hint);
		cluster_met(l->c, c->is.id);
	}
	admission_free(u->a);
	free(u);
}

static void
admission_done(struct commit_job *j)
{
	struct asking_up *u = j->arg;

	post(u->l->rep->data->svc->post, admitted_run, u);
}

/* One that we have signed has to be used soon: it is, from now on. */
static void
confirm_certificate(void *arg)
{
	struct asking_up *u = arg;
	struct replication *rep = u->l->rep;
	char *err = NULL;

	if (admission_confirm(rep, &u->a->claim.is, &err) == 0) {
		commit_submit(rep->data->commit, &u->a->job);
		return;
	}
	commit_fail(&u->a->job, 403, "%s", err);
	free(err);
	post(rep->data->svc->post, admitted_run, u);
}

static void
ask_admission(struct carrier_link *l, struct chan_deferred *reply, const struct member_claim *c)
{
	struct asking_up *u = xcalloc(1, sizeof(*u));

	*u = (struct asking_up){ l, reply, admission_new(c) };
	u->a->job.arg = u;
	u->a->job.done = admission_done;
	workers_run(l->rep->data->workers, confirm_certificate, u);
}

/* Of two that run with one id neither is linked.  NULL: there is one; else why, the caller frees. */
static char *
copy_fault(struct carrier_link *l, const struct member_claim *c, const char *boot)
{
	char *why;

	if (boot == NULL || !starts_ask(l->starts, c->is.id, boot, mono_us() / 1000))
		return (NULL);
	why =
	    xasprintf("two nodes run with the id and the key of '%s', as one is a copy of the "
		      "other: both are shut out. Stop the copy, or make it a node of its own: run "
		      "renew_node_id on it, and give it another replication.hostname",
		c->is.hostname);
	carrier_link_close(l, c->is.id, why);
	return (why);
}

/* With what admission_check says of it; `boot` is of its daemon, or NULL. */
static void
settle_up(struct carrier_link *l, struct chan_deferred *reply, const struct member_claim *c,
    const char *boot, int status, const char *why)
{
	char *copied = status == 200 ? copy_fault(l, c, boot) : NULL;

	if (copied != NULL)
		refuse_up(l, reply, c, 409, copied);
	else if (status == 200)
		ask_admission(l, reply, c);
	else
		refuse_up(l, reply, c, status, why);
	free(copied);
}

/* ---- who is unknown, and says who has introduced it ---- */

struct hearing_up {
	struct carrier_link *l;
	struct chan_deferred *reply;
	struct member_claim claim;
	char *boot;
	struct gossip_take *take;
};

static void
heard_run(void *arg)
{
	struct hearing_up *h = arg;
	char *why = NULL;
	int status = chan_deferred_wanted(h->reply) ? admission_check(h->l->rep, &h->claim, &why) :
						      0;

	if (status == 0)
		chan_deferred_drop(h->reply);
	else
		settle_up(h->l, h->reply, &h->claim, h->boot, status, why);
	free(why);
	free(h->boot);
	gossip_take_free(h->take);
	member_claim_clear(&h->claim);
	free(h);
}

static void
heard_done(struct commit_job *j)
{
	struct hearing_up *h = j->arg;

	post(h->l->rep->data->svc->post, heard_run, h);
}

/* Signatures decide: that it comes over its own link counts for nothing yet. */
static void
hear_work(void *arg)
{
	struct hearing_up *h = arg;
	struct replication *rep = h->l->rep;

	h->take = gossip_take_new(rep, h->claim.shown, NULL);
	h->take->job.arg = h;
	h->take->job.done = heard_done;
	commit_submit(rep->data->commit, &h->take->job);
}

static void
hear_introduction(struct carrier_link *l, struct chan_deferred *reply, const struct member_claim *c,
    const char *boot)
{
	struct hearing_up *h = xcalloc(1, sizeof(*h));

	h->l = l;
	h->reply = reply;
	h->boot = xstrdup(boot);
	member_claim_copy(&h->claim, c);
	workers_run(l->rep->data->workers, hear_work, h);
}

int
carrier_link_up(struct chan *ch, struct msg *m, void *arg)
{
	struct replication *rep = daemons_rep(arg);
	struct chan_deferred *reply;
	size_t n;
	const uint8_t *p = rd_blob(&m->body, &n);
	json_t *o = rd_done(&m->body) ? json_loadb((const char *)p, n, 0, NULL) : NULL;
	struct member_claim c;
	const char *boot;
	char *fault = NULL;
	int status = 400, is_read;

	if (o == NULL)
		return (-1);
	reply = chan_defer(ch, m);
	member_claim_read(&c, o, &fault);
	is_read = fault == NULL;
	if (is_read) {
		c.format_fault = format_fault(rep, &c, o);
		status = admission_check(rep, &c, &fault);
	} else if (c.is.hostname == NULL)
		c.is.hostname = xstrdup("?");
	boot = json_string_value(json_object_get(o, "boot"));
	if (status != 200 && is_read && c.format_fault == NULL && admission_is_unheard(rep, &c))
		hear_introduction(rep->link, reply, &c, boot);
	else
		settle_up(rep->link, reply, &c, boot, status, fault);
	free(fault);
	member_claim_clear(&c);
	json_decref(o);
	return (0);
}
