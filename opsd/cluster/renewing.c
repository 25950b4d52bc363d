#include "config.h"

#include "opsd/cluster/renewing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/members.h"
#include "opsd/pki/due.h"
#include "opsd/pki/enrol.h"
#include "opsd/pki/issue.h"
#include "opsd/pki/retained.h"

#define LOOK_MS 60000
#define ASK_MS  10000

struct renewing {
	struct replication *rep;
	int busy;
	uint64_t looked_ms; /* when it was looked last whether it is due; 0: never */
	char *fault;        /* why that came to nothing, as it was logged */
};

/* ---- asking, on a worker ---- */

/* 0: it is kept; -1 with *err. */
static int
ask_one(struct replication *rep, const struct due_cert *d, const char *hostname, const char *peer,
    char **err)
{
	json_t *q = json_pack("{s:s, s:s}", "id", rep->data->node_hex, "csr", d->csr), *answer;
	int status = cluster_ask(rep->cluster, peer, "sign", q, ASK_MS, &answer), rc = -1;
	const char *cert = json_string_value(json_object_get(answer, "certificate"));
	const char *why = json_string_value(json_object_get(answer, "error"));
	char *fault = NULL;

	if (status == 200 && cert != NULL)
		rc = due_done(rep->pki, hostname, cert, &fault);
	if (rc == -1)
		*err = fault != NULL ?
		    xasprintf("what '%s' has signed is of no use: %s", peer, fault) :
		    why != NULL ? xasprintf("'%s' does not sign it: %s", peer, why) :
				  xasprintf("'%s' does not answer", peer);
	free(fault);
	json_decref(answer);
	json_decref(q);
	return (rc);
}

/* Who has signed it is asked first, as what leads to that one is known to work. */
static int
may_ask(const struct due_cert *d, const char *host)
{
	return (d->late || d->issuer == NULL || strcasecmp(host, d->issuer) == 0);
}

/* 0: somebody has signed it; -1 with *err, of the last one. */
static int
ask_linked(struct replication *rep, const struct due_cert *d, const char *hostname, char **err)
{
	json_t *linked = carrier_link_hostnames(rep->link), *one;
	int rc = -1;
	size_t i;

	*err = NULL;
	json_array_foreach(linked, i, one) {
		const char *peer = json_string_value(one);

		if (rc == 0 || !may_ask(d, peer))
			continue;
		free(*err);
		*err = NULL;
		rc = ask_one(rep, d, hostname, peer, err);
	}
	if (rc == -1 && *err == NULL)
		*err = d->late || d->issuer == NULL ?
		    xstrdup("this node is linked with nobody who could sign it") :
		    xasprintf("it is not linked with '%s', which has signed it", d->issuer);
	json_decref(linked);
	return (rc);
}

/* ---- the same over HTTPS, with credentials that add_node has retained ---- */

static int
ask_api(struct replication *rep, const struct due_cert *d, const char *hostname, const char *host,
    const struct retained *with, char **err)
{
	struct conf *c = data_conf(rep->data);
	struct enrol e = {
		.host = host,
		.port = with->port,
		.authorization = with->authorization,
		.verify_tls = with->verify_tls,
		.pin = with->pin,
		.proxy = conf_str(c, REP_PROXY),
		.hostname = hostname,
		.node = rep->data->node_hex,
	};
	char *certificate = NULL, *fault = NULL;
	int rc = enrol_again(&e, d->csr, &certificate, err) == 200 ? 0 : -1;

	if (rc == 0 && (rc = due_done(rep->pki, hostname, certificate, &fault)) == -1)
		*err = xasprintf("what '%s' has signed is of no use: %s", host, fault);
	free(fault);
	free(certificate);
	conf_free(c);
	return (rc);
}

/* Those of nodes that are members no longer are forgotten. */
static void
sweep_retained(struct replication *rep, const char *host)
{
	struct member m = { 0 };
	char *err = NULL;

	if (!members_by_hostname(rep->members, host, &m) &&
	    retained_drop(rep->pki, host, &err) == -1)
		log_warnx("the retained credentials for '%s' are not forgotten: %s", host, err);
	member_clear(&m);
	free(err);
}

/* 0: one has signed it; -1, and *err is of the last one, or as it was: there are none. */
static int
ask_retained(struct replication *rep, const struct due_cert *d, const char *hostname, char **err)
{
	json_t *hosts = retained_hosts(rep->pki), *one;
	struct retained with;
	int rc = -1;
	size_t i;

	json_array_foreach(hosts, i, one) {
		const char *host = json_string_value(one);

		if (rc == 0 || !may_ask(d, host) || !retained_get(rep->pki, host, &with))
			continue;
		free(*err);
		*err = NULL;
		rc = ask_api(rep, d, hostname, host, &with, err);
		retained_clear(&with);
	}
	json_decref(hosts);
	return (rc);
}

/* ---- looking ---- */

struct renewal_look {
	struct renewing *r;
	char *fault; /* NULL: it is not due, or is renewed */
};

static void renewing_looked(void *arg);

static void
sweep_all_retained(struct replication *rep)
{
	json_t *hosts = retained_hosts(rep->pki), *one;
	size_t i;

	json_array_foreach(hosts, i, one)
		sweep_retained(rep, json_string_value(one));
	json_decref(hosts);
}

static void
renewing_look(void *arg)
{
	struct renewal_look *l = arg;
	struct replication *rep = l->r->rep;
	struct conf *c = data_conf(rep->data);
	char *hostname = repconf_hostname(c), until[ISO_TEXT], *why;
	struct due_cert d;

	sweep_all_retained(rep);
	issue_sweep(rep->pki);
	if (due_now(rep->pki, hostname, (int64_t)(wall_ms() / 1000), &d)) {
		if (ask_linked(rep, &d, hostname, &why) == -1 &&
		    ask_retained(rep, &d, hostname, &why) == -1) {
			l->fault = xasprintf("the certificate for links ends at %s, and is not "
					     "renewed: %s",
			    iso_text(d.until * 1000, until), why);
			free(why);
		}
		due_clear(&d);
	}
	free(hostname);
	conf_free(c);
	post(rep->data->svc->post, renewing_looked, l);
}

/* ---- when ---- */

static void
renewing_looked(void *arg)
{
	struct renewal_look *l = arg;
	struct renewing *r = l->r;

	if (l->fault != NULL && (r->fault == NULL || strcmp(r->fault, l->fault) != 0))
		log_warnx("links: %s", l->fault);
	free(r->fault);
	r->fault = l->fault;
	r->busy = 0;
	free(l);
}

void
renewing_tick(struct renewing *r)
{
	uint64_t now = wall_ms();
	struct renewal_look *l;

	/* Also when the clock was set. */
	if (r->busy || r->rep->pki == NULL || !carrier_link_on(r->rep->link) ||
	    (now >= r->looked_ms && now - r->looked_ms < LOOK_MS))
		return;
	r->busy = 1;
	r->looked_ms = now;
	l = xcalloc(1, sizeof(*l));
	l->r = r;
	workers_run(r->rep->data->workers, renewing_look, l);
}

/* ---- answering ---- */

struct renewal_asked {
	struct replication *rep;
	struct carrier_reply reply;
	char *csr;
	struct member who;
	uint16_t status;
	json_t *answer;
};

static void
give_signed(void *arg)
{
	struct renewal_asked *a = arg;
	char *text;

	json_object_set_new(a->answer, "id", json_string(a->rep->data->node_hex));
	compat_say(a->answer);
	text = json_dumps(a->answer, JSON_COMPACT);
	a->reply.fn(a->reply.arg, a->status, text, strlen(text));
	free(text);
	json_decref(a->answer);
	member_clear(&a->who);
	free(a->csr);
	free(a);
}

static void
sign_asked(void *arg)
{
	struct renewal_asked *a = arg;
	char hex[NODE_HEX_LEN], *err = NULL;
	struct issue_renewal r = { a->csr, a->who.hostname, hex };
	json_t *made = NULL;

	node_id_hex(a->who.id, hex);
	a->status = (uint16_t)issue_renew(a->rep->pki, &r, &made, &err);
	a->answer = a->status == 200 ?
	    json_pack("{s:O}", "certificate", json_object_get(made, "certificate")) :
	    json_pack("{s:s}", "error", err);
	if (a->status != 200)
		log_warnx("'%s' asked for a certificate over its link: %s", a->who.hostname, err);
	json_decref(made);
	free(err);
	post(a->rep->data->svc->post, give_signed, a);
}

void
renewing_asked(struct replication *rep, const uint8_t *who, const json_t *question,
    struct carrier_reply reply)
{
	const char *csr = json_string_value(json_object_get(question, "csr"));
	struct renewal_asked *a = xcalloc(1, sizeof(*a));

	*a = (struct renewal_asked){ .rep = rep, .reply = reply };
	if (who == NULL || rep->pki == NULL || !members_by_id(rep->members, who, &a->who)) {
		a->status = 403;
		a->answer = json_pack("{s:s}", "error",
		    "a certificate is signed over a link alone");
	} else if (csr == NULL) {
		a->status = 400;
		a->answer = json_pack("{s:s}", "error", "'csr' must be a string");
	}
	if (a->answer != NULL) {
		give_signed(a);
		return;
	}
	a->csr = xstrdup(csr);
	workers_run(rep->data->workers, sign_asked, a);
}

/* ---- life ---- */

struct renewing *
renewing_new(struct replication *rep)
{
	struct renewing *r = xcalloc(1, sizeof(*r));

	r->rep = rep;
	return (r);
}

void
renewing_free(struct renewing *r)
{
	if (r != NULL)
		free(r->fault);
	free(r);
}
