#include "config.h"

#include "opsd/cluster/trustsync.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "common/tls/pem.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/gossip_take.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/roster.h"
#include "opsd/pki/ca.h"
#include "opsd/pki/pki.h"

#define SAY_MOST 100 /* revoked certificates at a time */
#define SWEEP_US UINT64_C(3600000000)

struct trustsync {
	struct replication *rep;
	int busy;
	uint64_t seen; /* what both were when it was done last; 0: all is to be done */
	uint64_t swept_us;
};

struct trustsync_look {
	struct trustsync *t;
	int sweeps;
	int more; /* out: there is more to be said */
};

static void
log_sync_fault(const char *what, char *err)
{
	static struct log_brake brake = { .most = 5 };

	log_braked(&brake, LOG_WARN, "%s: %s", what, err);
	free(err);
}

/* Who said it, as a host name; caller frees. */
static char *
sayer_of(struct replication *rep, const json_t *body)
{
	const char *by = json_string_value(json_object_get(body, "by"));
	struct roster_member m = { 0 };
	uint8_t id[NODE_ID_LEN];
	char *name;

	if (by != NULL && node_id_read(by, id) == 0)
		roster_member(rep->roster, id, &m);
	name = xstrdup(m.hostname != NULL ? m.hostname : by != NULL ? by : "?");
	roster_member_clear(&m);
	return (name);
}

/* ---- what others have revoked ---- */

/* {sayer: {serial: the end of its time}} of those that are not known here. */
static json_t *
told_revoked(struct replication *rep)
{
	json_t *told = roster_all(rep->roster, STATEMENT_REVOKED), *by_sayer = json_object();
	json_t *body, *untils;
	const char *serial;
	char *by;

	json_object_foreach(told, serial, body) {
		if (pki_is_revoked(rep->pki, serial) || pki_is_over(body))
			continue;
		by = sayer_of(rep, body);
		untils = json_object_get(by_sayer, by);
		if (untils == NULL) {
			untils = json_object();
			json_object_set_new(by_sayer, by, untils);
		}
		json_object_set(untils, serial, json_object_get(body, "until"));
		log_info("the certificate %s was revoked by '%s'", serial, by);
		free(by);
	}
	json_decref(told);
	return (by_sayer);
}

static void
take_revoked(struct replication *rep)
{
	json_t *by_sayer = told_revoked(rep), *untils;
	const char *by;
	char *err;

	json_object_foreach(by_sayer, by, untils) {
		err = NULL;
		if (pki_revoke_each(rep->pki, untils, by, &err) != 200)
			log_sync_fault("what other members have revoked", err);
	}
	json_decref(by_sayer);
}

/* ---- authorities of others ---- */

static void
believe_told(struct replication *rep, const char *hash, const json_t *body)
{
	const char *pem = json_string_value(json_object_get(body, "certificate"));
	char is[PEM_HASH], *cert = pem != NULL ? ca_read(pem, is) : NULL, *from, *err = NULL;
	json_t *certs;

	if (cert != NULL && strcmp(is, hash) == 0) {
		certs = json_pack("[s]", cert);
		from = sayer_of(rep, body);
		if (pki_trust(rep->pki, certs, from, NULL, &err) != 200)
			log_sync_fault("the authority of another member", err);
		free(from);
		json_decref(certs);
	}
	free(cert);
}

/* What is said of an authority, also that it is removed; NULL: nothing.  New reference. */
static json_t *
authority_told(struct replication *rep, const char *hash)
{
	json_t *entry = roster_entry(rep->roster, STATEMENT_AUTHORITY, hash), *body = NULL;
	const char *text = json_string_value(json_object_get(json_object_get(entry, "said"),
	    "text"));

	if (text != NULL)
		body = json_loads(text, 0, NULL);
	json_decref(entry);
	return (body);
}

/* A member has taken it back since it came here; what an operator has added by name stays. */
static int
is_taken_back(struct replication *rep, const char *hash, const json_t *record)
{
	json_t *body = json_object_get(record, "name") == NULL ? authority_told(rep, hash) : NULL;
	int yes = json_is_true(json_object_get(body, "removed")) &&
	    json_integer_value(json_array_get(json_object_get(body, "stamp"), 0)) >
		json_integer_value(json_object_get(record, "at"));

	json_decref(body);
	return (yes);
}

static void
take_authorities(struct replication *rep)
{
	json_t *told = roster_all(rep->roster, STATEMENT_AUTHORITY), *known = pki_known(rep->pki);
	json_t *gone = json_object(), *one;
	const char *hash, *by;

	json_object_foreach(told, hash, one) {
		by = json_string_value(json_object_get(one, "by"));
		if (json_object_get(known, hash) == NULL && by != NULL &&
		    strcmp(by, rep->data->node_hex) != 0)
			believe_told(rep, hash, one);
	}
	json_object_foreach(known, hash, one)
		if (is_taken_back(rep, hash, one))
			json_object_set(gone, hash, one);
	if (json_object_size(gone) > 0)
		pki_distrust(rep->pki, gone);
	json_decref(gone);
	json_decref(known);
	json_decref(told);
}

/* ---- what this node says ---- */

/* What is said of it lacks something that is known here, or nothing is said. */
static int
is_unsaid(const json_t *record, const json_t *body, const json_t *spki)
{
	if (pki_is_over(record))
		return (0);
	if (body == NULL)
		return (json_is_true(json_object_get(record, "spread")));
	return (spki != NULL && json_object_get(body, "spki") == NULL);
}

static int
say_one_revoked(struct replication *rep, const char *serial, const json_t *record, json_t *spki)
{
	json_t *fields = json_pack("{s:O, s:O*}", "until", json_object_get(record, "until"), "spki",
	    spki);
	char *err = NULL;
	int status = gossip_say(rep, STATEMENT_REVOKED, serial, fields, &err);

	if (status != 200)
		log_sync_fault("what is revoked is not said to all", err);
	json_decref(fields);
	return (status == 200);
}

/* The key with it, if that node has shown no other certificate since.  1: there are more. */
static int
say_revoked(struct replication *rep)
{
	json_t *all = pki_revoked(rep->pki), *told = roster_all(rep->roster, STATEMENT_REVOKED);
	json_t *keys = members_serials(rep->members), *record, *spki;
	const char *serial;
	int n = 0;

	json_object_foreach(all, serial, record) {
		spki = json_object_get(keys, serial);
		if (!is_unsaid(record, json_object_get(told, serial), spki))
			continue;
		if (n++ == SAY_MOST || !say_one_revoked(rep, serial, record, spki))
			break;
	}
	json_decref(keys);
	json_decref(told);
	json_decref(all);
	return (n > SAY_MOST);
}

static void
say_authority(struct replication *rep)
{
	char *cert = pki_authority_made(rep->pki), hash[PEM_HASH], *one, *err = NULL;
	json_t *fields, *body;

	if (cert != NULL && (one = ca_read(cert, hash)) != NULL) {
		fields = json_pack("{s:s}", "certificate", one);
		body = authority_told(rep, hash);
		if (body == NULL && gossip_say(rep, STATEMENT_AUTHORITY, hash, fields, &err) != 200)
			log_sync_fault("this node's authority is not said to all", err);
		json_decref(body);
		json_decref(fields);
		free(one);
	}
	free(cert);
}

/* It is a member, and the others would take it. */
static int
is_heard(struct replication *rep)
{
	struct conf *c = data_conf(rep->data);
	int yes = roster_is_heard(rep->roster, conf_list(c, REP_INTRODUCERS));

	conf_free(c);
	return (yes);
}

void
trustsync_forget(struct replication *rep, const json_t *hashes)
{
	json_t *fields = json_pack("{s:b}", "removed", 1), *v, *body;
	const char *hash;
	char *err = NULL;

	json_object_foreach((json_t *)(uintptr_t)hashes, hash, v) {
		body = authority_told(rep, hash);
		if (body != NULL && is_heard(rep) &&
		    gossip_say(rep, STATEMENT_AUTHORITY, hash, fields, &err) != 200)
			log_sync_fault("an authority is still trusted by other members", err);
		json_decref(body);
	}
	json_decref(fields);
}

/* ---- both ---- */

static void
trustsync_done(void *arg)
{
	struct trustsync_look *l = arg;
	struct replication *rep = l->t->rep;

	l->t->busy = 0;
	if (l->more)
		l->t->seen = 0;
	free(l);
	if (rep->link == NULL)
		return;
	carrier_link_tick(rep->link);
	gossip_tick(rep->gossip);
}

static void
trustsync_work(void *arg)
{
	struct trustsync_look *l = arg;
	struct replication *rep = l->t->rep;

	if (l->sweeps)
		gossip_take_sweep(rep);
	take_revoked(rep);
	take_authorities(rep);
	if (is_heard(rep)) {
		l->more = say_revoked(rep);
		say_authority(rep);
	}
	post(rep->data->svc->post, trustsync_done, l);
}

/* Counts up with each change of either. */
static uint64_t
trust_changes(const struct replication *rep)
{
	return (pki_changes(rep->pki) + roster_changes(rep->roster, STATEMENT_REVOKED) +
	    roster_changes(rep->roster, STATEMENT_AUTHORITY) +
	    roster_changes(rep->roster, STATEMENT_MEMBER) + members_changes(rep->members) +
	    rep->data->conf_changes + (uint64_t)roster_may_sign(rep->roster));
}

void
trustsync_tick(struct trustsync *t)
{
	uint64_t now;
	int sweeps = mono_us() - t->swept_us > SWEEP_US;
	struct trustsync_look *l;

	if (t->busy || t->rep->pki == NULL || !carrier_link_on(t->rep->link))
		return;
	now = trust_changes(t->rep);
	if (now == t->seen && !sweeps)
		return;
	t->seen = now;
	t->busy = 1;
	if (sweeps)
		t->swept_us = mono_us();
	l = xcalloc(1, sizeof(*l));
	*l = (struct trustsync_look){ t, sweeps, 0 };
	workers_run(t->rep->data->workers, trustsync_work, l);
}

struct trustsync *
trustsync_new(struct replication *rep)
{
	struct trustsync *t = xcalloc(1, sizeof(*t));

	t->rep = rep;
	t->swept_us = mono_us();
	return (t);
}

void
trustsync_free(struct trustsync *t)
{
	free(t);
}
