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

/* Another scheme, or none, would be sent, and be taken for nothing. */
static int
has_scheme(const char *text)
{
	static const char *const schemes[] = { "Basic ", "Bearer ", JOINS_SCHEME };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
			return (1);
	return (0);
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
	if (has_scheme(text))
		return (xstrdup(text));
	*err = xstrdup(joins_is(text) ?
		"is no whole join token: give it as create_join_token has answered it, "
		"hlj1.PIN.SECRET" :
		"must be a join token (hlj1.PIN.SECRET), or the value of an Authorization header, "
		"of Basic or Bearer");
	return (NULL);
}

int
enrol_is_token(const char *authorization)
{
	return (strncasecmp(authorization, JOINS_SCHEME, strlen(JOINS_SCHEME)) == 0);
}

/* ---- the question ---- */

/* 1: it is a token, whose pin is in *token; 0: it is none; -1 with *err: a broken one. */
static int
token_in(const char *authorization, struct join_token *token, char **err)
{
	memset(token, 0, sizeof(*token));
	if (!enrol_is_token(authorization))
		return (0);
	if (joins_read(authorization + strlen(JOINS_SCHEME), token) == 0)
		return (1);
	*err = xstrdup("'authorization' is no join token: it is \"hlj1.\", 64 digits, a dot, and "
		       "32 digits");
	return (-1);
}

/* One of the two is NULL. */
static char *
question_text(const struct enrol *e, const char *csr, const char *certificate)
{
	json_t *o = json_pack("{s:s, s:s*, s:s*, s:s*, s:s*}", "operation", "sign_certificate",
	    "csr", csr, "certificate", certificate, "authority", e->authority, "member", e->member);
	char *text;

	if (certificate != NULL) {
		json_object_set_new(o, "hostname", json_string(e->hostname));
		json_object_set_new(o, "node_id", json_string(e->node));
	}
	text = json_dumps(o, JSON_COMPACT);

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

/* 200, and *answer, a new reference; or a status with *err. */
static int
read_reply(const struct enrol *e, const struct enrol_reply *reply, json_t **answer, char **err)
{
	const char *why;

	*answer = json_loadb((const char *)reply->body.data, reply->body.len,
	    JSON_REJECT_DUPLICATES, NULL);
	if (reply->status == 200)
		return (200);
	why = json_string_value(json_object_get(*answer, "error"));
	*err = xasprintf("'%s' refuses to sign a certificate for this node, with %ld: %.500s",
	    e->host, reply->status, why != NULL ? why : "it does not say why");
	json_decref(*answer);
	*answer = NULL;
	return (refused_status(reply->status));
}

/* As read_reply; `pin` is of who has answered. */
static int
ask_signed(const struct enrol *e, const char *csr, const char *certificate, json_t **answer,
    char pin[PEM_HASH], char **err)
{
	struct enrol_post post = { .enrol = e, .pin = e->pin };
	struct enrol_reply reply = { 0 };
	struct join_token token;
	int status, pinned;

	*answer = NULL;
	if ((pinned = token_in(e->authorization, &token, err)) == -1)
		return (400);
	post.body = question_text(e, csr, certificate);
	if (pinned)
		post.pin = token.pin;
	status = enrol_http_post(&post, &reply, err);
	if (status == 200)
		status = read_reply(e, &reply, answer, err);
	memcpy(pin, reply.pin, PEM_HASH);
	explicit_bzero(&token, sizeof(token));
	buf_free(&reply.body);
	free(post.body);
	return (status);
}

int
enrol_run(const struct enrol *e, struct enrolled *out, char **err)
{
	char *csr = NULL, pin[PEM_HASH];
	json_t *answer;
	int status;

	*out = (struct enrolled){ 0 };
	if (csr_make(e->hostname, e->node, &out->pair.key, &csr, err) == -1)
		return (400);
	status = ask_signed(e, csr, NULL, &answer, pin, err);
	if (status == 200 && take_signed(e, answer, out, err) == -1)
		status = 502;
	if (status == 200)
		out->pin = xstrdup(pin);
	else
		enrol_clear(out);
	json_decref(answer);
	free(csr);
	return (status);
}

int
enrol_shown(const struct enrol *e, const char *certificate, struct enrolled *out, char **err)
{
	char pin[PEM_HASH];
	json_t *answer, *authorities;
	int status;

	*out = (struct enrolled){ 0 };
	status = ask_signed(e, NULL, certificate, &answer, pin, err);
	authorities = json_object_get(answer, "authorities");
	if (status == 200 && !json_is_array(authorities)) {
		*err = xasprintf("'%s' answers without its authorities", e->host);
		status = 502;
	}
	if (status == 200) {
		out->authorities = json_incref(authorities);
		out->node = xstrdup(json_string_value(json_object_get(answer, "node_id")));
		out->pin = xstrdup(pin);
	}
	json_decref(answer);
	return (status);
}

int
enrol_again(const struct enrol *e, const char *csr, char **certificate, char **err)
{
	char pin[PEM_HASH];
	json_t *answer;
	int status = ask_signed(e, csr, NULL, &answer, pin, err);

	*certificate = xstrdup(json_string_value(json_object_get(answer, "certificate")));
	if (status == 200 && *certificate == NULL) {
		*err = xasprintf("'%s' answers without a certificate", e->host);
		status = 502;
	}
	json_decref(answer);
	return (status);
}

void
enrol_clear(struct enrolled *e)
{
	keyfiles_clear(&e->pair);
	json_decref(e->authorities);
	free(e->node);
	free(e->pin);
	*e = (struct enrolled){ 0 };
}
