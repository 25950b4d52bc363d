#include "config.h"

#include "opsd/pki/enrol_http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"
#include "common/base/hex.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/pki/enrol.h"

#define CONNECT_SECONDS 10L
#define TOTAL_SECONDS   40L
#define REPLY_MAX       (4 << 20)

static size_t
enrol_write_cb(char *p, size_t size, size_t n, void *arg)
{
	struct enrol_reply *reply = arg;

	n *= size;
	if (reply->body.len + n > REPLY_MAX)
		return (CURL_WRITEFUNC_ERROR);
	buf_add(&reply->body, p, n);
	return (n);
}

/* "sha256//BASE64", as libcurl wants it; the caller frees. */
static char *
pin_option(const char *hex)
{
	unsigned char bytes[32] = { 0 };
	char *text, *option;

	(void)hex_read(hex, bytes, sizeof(bytes)); /* joins_read has looked at it */
	text = crypto_base64(bytes, sizeof(bytes));
	option = xasprintf("sha256//%s", text);
	free(text);
	return (option);
}

static struct curl_slist *
post_headers(const struct enrol *e)
{
	char *authorization = xasprintf("Authorization: %s", e->authorization);
	struct curl_slist *list = curl_slist_append(NULL, authorization);

	list = curl_slist_append(list, "Content-Type: application/json");
	list = curl_slist_append(list, "Accept: application/json");
	list = curl_slist_append(list, "Expect:");
	mem_wipe(authorization);
	return (list);
}

static void
wipe_headers(struct curl_slist *list)
{
	for (struct curl_slist *h = list; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(list);
}

static char *
post_url(const struct enrol *e)
{
	char *at = address_join(e->host, (unsigned)e->port), *url = xasprintf("https://%s/", at);

	free(at);
	return (url);
}

/* A key that is pinned is all that counts; names and times of its certificate say no more. */
static int
set_trust(CURL *c, const struct enrol_post *p)
{
	long verify = p->pin == NULL && p->enrol->verify_tls;
	char *pin = p->pin != NULL ? pin_option(p->pin) : NULL;
	int ok = curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, verify) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CERTINFO, 1L) == CURLE_OK &&
	    (pin == NULL || curl_easy_setopt(c, CURLOPT_PINNEDPUBLICKEY, pin) == CURLE_OK);

	free(pin);
	return (ok);
}

static int
set_post(CURL *c, const struct enrol_post *p, struct curl_slist *headers, struct enrol_reply *reply,
    char *error)
{
	const char *proxy = p->enrol->proxy != NULL ? p->enrol->proxy : "";
	char *url = post_url(p->enrol);
	int ok = curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROXY, proxy) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NOPROXY, "") == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_TIMEOUT, TOTAL_SECONDS) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_POSTFIELDS, p->body) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, enrol_write_cb) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEDATA, reply) == CURLE_OK && set_trust(c, p);

	free(url);
	return (ok);
}

/* The status of what went wrong, and *err. */
static int
post_failed(const struct enrol *e, CURLcode code, const char *error, char **err)
{
	const char *why = error[0] != '\0' ? error : curl_easy_strerror(code);

	switch (code) {
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		*err = xasprintf("'%s' shows another key than the one that %s: "
				 "either somebody else answers at port %d, or the key was changed "
				 "since, and %s; nothing was sent",
		    e->host,
		    e->pin != NULL ? "it had when the credentials were retained" :
				     "the join token names",
		    e->port,
		    e->pin != NULL ? "they have to be given again" : "a new token is needed");
		return (502);
	case CURLE_PEER_FAILED_VERIFICATION:
		*err = xasprintf("the certificate of '%s' cannot be verified: %s: use a join "
				 "token, which needs no authority, or set verify_tls to false; "
				 "nothing was sent",
		    e->host, why);
		return (502);
	case CURLE_OPERATION_TIMEDOUT:
		*err = xasprintf("'%s' does not answer at port %d: %s: is that its "
				 "operationsApi.network.securePort?",
		    e->host, e->port, why);
		return (504);
	case CURLE_COULDNT_CONNECT:
		*err = xasprintf(
		    "'%s' cannot be asked at port %d: %s: is that its "
		    "operationsApi.network.securePort, in force since a restart, and does a "
		    "firewall let it in?",
		    e->host, e->port, why);
		return (503);
	default:
		*err = xasprintf("'%s' cannot be asked at port %d: %s", e->host, e->port, why);
		return (code == CURLE_WRITE_ERROR ? 502 : 503);
	}
}

/* That of its own certificate, which is the first. */
static void
note_shown_key(CURL *c, char pin[PEM_HASH])
{
	struct curl_certinfo *info = NULL;
	X509 *cert = NULL;

	if (curl_easy_getinfo(c, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
	    info->num_of_certs < 1)
		return;
	for (struct curl_slist *l = info->certinfo[0]; l != NULL && cert == NULL; l = l->next)
		if (strncmp(l->data, "Cert:", strlen("Cert:")) == 0)
			cert = pem_cert(l->data + strlen("Cert:"));
	if (cert == NULL || pem_spki(X509_get0_pubkey(cert), pin) == -1)
		pin[0] = '\0';
	X509_free(cert);
}

int
enrol_http_post(const struct enrol_post *p, struct enrol_reply *reply, char **err)
{
	char error[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = post_headers(p->enrol);
	CURL *c = curl_easy_init();
	CURLcode code = CURLE_FAILED_INIT;

	if (c != NULL && set_post(c, p, headers, reply, error))
		code = curl_easy_perform(c);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &reply->status);
	if (code == CURLE_OK)
		note_shown_key(c, reply->pin);
	curl_easy_cleanup(c);
	wipe_headers(headers);
	return (code == CURLE_OK ? 200 : post_failed(p->enrol, code, error, err));
}
