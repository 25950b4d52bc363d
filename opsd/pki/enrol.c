#include "config.h"

#include "opsd/pki/enrol.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "common/tls/pem.h"
#include "opsd/pki/chain.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/enrol_http.h"
#include "opsd/pki/joins.h"

#define HEADER_LONGEST 8192

/* ---- credentials ---- */

static char *
basic_header(const json_t *given, char **err)
{
	const char *name = json_string_value(json_object_get(given, "username"));
	const char *password = json_string_value(json_object_get(given, "password"));
	char *plain, *encoded, *header;

	if (name == NULL || password == NULL || strchr(name, ':') != NULL ||
	    strlen(name) + strlen(password) > HEADER_LONGEST / 2) {
		*err = xstrdup("must have a username, without ':', and a password");
		return (NULL);
	}
	plain = xasprintf("%s:%s", name, password);
	encoded = crypto_base64(plain, strlen(plain));
	header = xasprintf("Basic %s", encoded);
	mem_wipe(plain);
	mem_wipe(encoded);
	return (header);
}

static int
is_header_value(const char *text, size_t n)
{
	if (n == 0 || n > HEADER_LONGEST || strlen(text) != n)
		return (0);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] >= 0x7f)
			return (0);
	return (1);
}

char *
enrol_authorization(const json_t *given, char **err)
{
	const char *text = json_string_value(given);
	struct join_token token;

	if (json_is_object(given))
		return (basic_header(given, err));
	if (text == NULL || !is_header_value(text, json_string_length(given))) {
		*err = xstrdup("must be an object with username and password, a join token, or "
			       "the value of an Authorization header");
		return (NULL);
	}
	if (joins_read(text, &token) == 0) {
		explicit_bzero(&token, sizeof(token));
		return (xasprintf(JOINS_SCHEME "%s", text));
	}
	/* A scheme and what it is with: without, it would be sent, and be taken for nothing. */
	if (strchr(text, ' ') != NULL)
		return (xstrdup(text));
	*err = xstrdup(joins_is(text) ?
		"is no whole join token: give it as create_join_token has answered it, "
		"hlj1.PIN.SECRET" :
		"must be a join token (hlj1.PIN.SECRET), or the value of an Authorization header, "
		"such as Bearer TOKEN");
	return (NULL);
}

/* ---- the question ---- */

/* 1: it is a token, whose pin is in *token; 0: it is none; -1 with *err: a broken one. */
static int
token_in(const char *authorization, struct join_token *token, char **err)
{
	size_t n = strlen(JOINS_SCHEME);

	memset(token, 0, sizeof(*token));
	if (strncasecmp(authorization, JOINS_SCHEME, n) != 0)
		return (0);
	if (joins_read(authorization + n, token) == 0)
		return (1);
	*err = xstrdup("'authorization' is no join token: it is \"hlj1.\", 64 digits, a dot, and "
		       "32 digits");
	return (-1);
}

static char *
question_text(const struct enrol *e, const char *csr)
{
	json_t *o = json_pack("{s:s, s:s, s:s*}", "operation", "sign_certificate", "csr", csr,
	    "authority", e->authority);
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return (text);
}

/* ---- the answer ---- */

static int
is_of_key(const char *certificate, const char *key)
{
	X509 *cert = pem_cert(certificate);
	EVP_PKEY *pair = pem_key(key);
	int is = cert != NULL && pair != NULL && X509_check_private_key(cert, pair) == 1;

	ERR_clear_error();
	X509_free(cert);
	EVP_PKEY_free(pair);
	return (is);
}

/* What the other has signed is what we asked for, and leads to what it says. */
static int
check_answer(const struct enrol *e, const struct enrolled *out, char **err)
{
	char *authorities = chain_authorities(out->authorities);
	struct chain_rules rules = {
		.authorities = authorities,
		.hostname = e->hostname,
		.node = e->node,
		.now = (int64_t)time(NULL),
	};
	int rc = chain_check(out->pair.certificate, &rules, err);

	if (rc == 0 && !is_of_key(out->pair.certificate, out->pair.key)) {
		*err = xstrdup("the certificate is of another key than was asked for");
		rc = -1;
	}
	free(authorities);
	return (rc);
}

static int
take_signed(const struct enrol *e, const json_t *answer, struct enrolled *out, char **err)
{
	const char *certificate = json_string_value(json_object_get(answer, "certificate"));
	const char *node = json_string_value(json_object_get(answer, "node_id"));
	json_t *authorities = json_object_get(answer, "authorities");
	char *why = NULL;
	int rc = -1;

	if (certificate != NULL && node != NULL && json_is_array(authorities)) {
		out->pair.certificate = xstrdup(certificate);
		out->authorities = json_incref(authorities);
		out->node = xstrdup(node);
		rc = check_answer(e, out, &why);
	}
	if (rc == -1)
		*err = xasprintf("'%s' answers with what is no certificate for this node: %s",
		    e->host, why != NULL ? why : "a field of it is missing");
	free(why);
	return (rc);
}

/* What it means to whoever asked this node. */
static int
refused_status(long status)
{
	switch (status) {
	case 400:
	case 409:
		return ((int)status);
	case 401:
	case 403:
		return (403);
	case 429:
	case 503:
		return (503);
	}
	return (502);
}

static int
take_reply(const struct enrol *e, const struct enrol_reply *reply, struct enrolled *out, char **err)
{
	json_t *answer = json_loadb((const char *)reply->body.data, reply->body.len,
	    JSON_REJECT_DUPLICATES, NULL);
	const char *why = json_string_value(json_object_get(answer, "error"));
	int status = 200;

	if (reply->status != 200) {
		status = refused_status(reply->status);
		*err =
		    xasprintf("'%s' refuses to sign a certificate for this node, with %ld: %.500s",
			e->host, reply->status, why != NULL ? why : "it does not say why");
	} else if (take_signed(e, answer, out, err) == -1)
		status = 502;
	json_decref(answer);
	return (status);
}

int
enrol_run(const struct enrol *e, struct enrolled *out, char **err)
{
	struct enrol_post post = { .enrol = e };
	struct enrol_reply reply = { 0 };
	struct join_token token;
	char *csr = NULL;
	int status = 400, pinned;

	*out = (struct enrolled){ 0 };
	if ((pinned = token_in(e->authorization, &token, err)) == -1 ||
	    csr_make(e->hostname, e->node, &out->pair.key, &csr, err) == -1)
		return (400);
	post.body = question_text(e, csr);
	post.pin = pinned ? token.pin : NULL;
	status = enrol_http_post(&post, &reply, err);
	if (status == 200)
		status = take_reply(e, &reply, out, err);
	if (status != 200)
		enrol_clear(out);
	explicit_bzero(&token, sizeof(token));
	buf_free(&reply.body);
	free(post.body);
	free(csr);
	return (status);
}

void
enrol_clear(struct enrolled *e)
{
	keyfiles_clear(&e->pair);
	json_decref(e->authorities);
	free(e->node);
	*e = (struct enrolled){ 0 };
}
