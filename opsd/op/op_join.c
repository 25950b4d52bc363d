#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "common/tls/pem.h"
#include "opsd/auth/auth.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/invited.h"
#include "opsd/cluster/members.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"
#include "opsd/op/op_cert.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/issue.h"
#include "opsd/pki/joins.h"
#include "opsd/pki/pki.h"

/* A node joins: a member makes a token, and signs the certificate of whoever comes with it. */

#define TOKEN_MS     3600000 /* by default */
#define TOKEN_MS_MAX 86400000
#define TOO_MANY     "Too many wrong join tokens came from this address, please try again later"

/* ---- create_join_token ---- */

static int64_t
field_expires(struct faults *f, const json_t *body)
{
	const json_t *in = json_object_get(body, "expires_in");
	int64_t ms = in != NULL ? conf_ms(in) : TOKEN_MS;

	if (ms < 1 || ms > TOKEN_MS_MAX)
		fault(f,
		    "'expires_in' must be a number of milliseconds, or such as 10m, of at "
		    "most a day");
	return (ms);
}

static const char *
field_join_hostname(struct faults *f, const json_t *body)
{
	const char *hostname = field_string(f, body, "hostname", 0);

	if (hostname != NULL && !csr_hostname_ok(hostname))
		fault(f, "'hostname' must be a host name or an address");
	return (hostname);
}

/* The hash of the key that the API shows over TLS; -1 with the request answered. */
static int
find_pin(struct request *r, char pin[JOINS_PIN + 1])
{
	struct conf *c = data_conf(&r->ops->data);
	char *path = conf_file(c, TLS_CERT, "keys/certificate.pem");
	int rc = -1;

	if (!conf_is_set(c, API_SECURE_PORT))
		reply_error(r, 409,
		    "operationsApi.network.securePort is not set, or not in force before a restart: a node "
		    "joins over TLS");
	else if ((rc = keyfiles_pin(path, pin)) == -1)
		reply_error(r, 500, "%s: no certificate can be read from it", path);
	free(path);
	conf_free(c);
	return (rc);
}

static void
create_join_token(struct request *r)
{
	struct faults f = { 0 };
	struct join_terms terms = { .by = r->user->name };
	char pin[JOINS_PIN + 1], until[ISO_TEXT], *token, *err = NULL;
	int64_t ms = field_expires(&f, r->body);
	int status;

	terms.hostname = field_join_hostname(&f, r->body);
	if (faults_answer(r, &f) || find_pin(r, pin) == -1)
		return;
	terms.until = wall_ms() + (uint64_t)ms;
	if ((token = pki_join_token(r->ops->pki, pin, &terms, &status, &err)) == NULL) {
		reply_failed(r, status, err);
		return;
	}
	iso_text((int64_t)terms.until, until);
	log_info("'%s' has made a join token for %s, good until %s", r->user->name,
	    terms.hostname != NULL ? terms.hostname : "any node", until);
	reply_json(r, 200, json_pack("{s:s, s:s}", "token", token, "valid_to", until));
	mem_wipe(token);
}

/* ---- sign_certificate ---- */

/* NULL: it comes with credentials. */
static const char *
join_token_of(const struct request *r)
{
	const char *header = r->user == NULL ? request_header(r, "Authorization") : NULL;

	if (header == NULL || strncasecmp(header, JOINS_SCHEME, strlen(JOINS_SCHEME)) != 0)
		return (NULL);
	return (header + strlen(JOINS_SCHEME));
}

/* A secret that is guessed, or sent for all to read; 1 with the request answered. */
static int
token_refused(struct request *r)
{
	unsigned wait = auth_retry_after(r->ops->auth, r->from);
	char seconds[16];

	if (!r->secure && !r->local) {
		reply_error(r, 403, "A join token is taken over TLS alone");
		return (1);
	}
	if (wait == 0)
		return (0);
	snprintf(seconds, sizeof(seconds), "%u", wait);
	reply_header(r, "Retry-After", seconds);
	reply_error(r, 429, TOO_MANY);
	return (1);
}

static void
count_wrong_token(struct request *r, int status)
{
	static struct log_brake brake = { .most = 10 };

	if (status != 401)
		return;
	auth_guessed(r->ops->auth, r->from);
	log_braked(&brake, LOG_WARN, "a join token that is not good came from %s", r->from);
}

/* What the node asks for now is asked for with our word. */
static void
invite_signed(struct request *r, const struct issue_order *o)
{
	char *why = NULL;
	struct csr *csr = o->csr != NULL ? csr_read(o->csr, &why) : NULL;
	const char *node = csr != NULL ? csr->node : o->node;
	uint8_t id[NODE_ID_LEN];

	if (node != NULL && node_id_read(node, id) == 0)
		invited_add(r->ops->rep.invited, id, wall_ms());
	csr_free(csr);
	free(why);
}

/* Whether it is for the key that a member of that id and name is known by. */
static int
renews_member(struct request *r, const struct csr *csr)
{
	char spki[PEM_HASH];
	uint8_t id[NODE_ID_LEN];
	struct member m = { 0 };
	int is = node_id_read(csr->node, id) == 0 && members_by_id(r->ops->rep.members, id, &m) &&
	    m.spki != NULL && csr_same_host(m.hostname, csr->hostname) &&
	    pem_spki(X509_REQ_get0_pubkey(csr->request), spki) == 0 &&
	    strcasecmp(spki, m.spki) == 0;

	member_clear(&m);
	return (is);
}

static int
is_renewal(struct request *r, const char *text)
{
	char *why = NULL;
	struct csr *csr = text != NULL ? csr_read(text, &why) : NULL;
	int is = csr != NULL && r->user != NULL && renews_member(r, csr);

	csr_free(csr);
	free(why);
	return (is);
}

/* One that has a certificate already says so, and who it is; any other asks for one. */
static void
field_order(struct faults *f, const json_t *body, struct issue_order *o)
{
	int has = json_object_get(body, "certificate") != NULL;

	if (has && json_object_get(body, "csr") != NULL)
		fault(f, "'csr' cannot be given together with 'certificate'");
	o->csr = field_string(f, body, "csr", !has);
	o->certificate = field_string(f, body, "certificate", 0);
	o->hostname = field_string(f, body, "hostname", has);
	o->node = field_string(f, body, "node_id", has);
}

/* A link is to the name in a node's certificate, and to no other that leads to its host; 1 with the request answered. */
static int
takes_for_another(struct request *r, const char *member)
{
	struct conf *c = data_conf(&r->ops->data);
	char *own = repconf_hostname(c);
	int is = member != NULL && !csr_same_host(member, own);

	if (is)
		reply_error(r, 409,
		    "This node is '%s' (replication.hostname), not '%.300s': give that name", own,
		    member);
	free(own);
	conf_free(c);
	return (is);
}

static void
sign_certificate(struct request *r)
{
	struct faults f = { 0 };
	struct issue_order order = {
		.authority = field_string(&f, r->body, "authority", 0),
		.join = join_token_of(r),
		.by = r->user != NULL ? r->user->name : NULL,
	};
	const char *member = field_string(&f, r->body, "member", 0);
	json_t *answer = NULL;
	char *err = NULL;
	int status;

	field_order(&f, r->body, &order);
	if (order.join != NULL && token_refused(r)) {
		buf_free(&f.text);
		return;
	}
	if (faults_answer(r, &f) || takes_for_another(r, member))
		return;
	order.renews = is_renewal(r, order.csr);
	status = issue_sign(r->ops->pki, &order, &answer, &err);
	if (order.join != NULL)
		count_wrong_token(r, status);
	if (status != 200) {
		reply_failed(r, status, err);
		return;
	}
	if (!order.renews)
		invite_signed(r, &order);
	op_cert_table(r->ops); /* the authority may have been made for it */
	json_object_set_new(answer, "node_id", json_string(r->ops->data.node_hex));
	reply_json(r, 200, answer);
}

const struct op ops_join[] = {
	{ "create_join_token", "createJoinToken", RIGHT_ADMIN, ON_WORKER, create_join_token },
	{ "sign_certificate", "signCertificate", RIGHT_JOIN, ON_WORKER, sign_certificate },
	{ NULL },
};
