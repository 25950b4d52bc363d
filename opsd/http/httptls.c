#include "config.h"

#include "opsd/http/httptls.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/conf/confmtls.h"
#include "common/tls/tls.h"

static struct ssl_ctx_st *
read_certificate(const struct conf *conf, char **err)
{
	char *cert = conf_file(conf, TLS_CERT, "keys/certificate.pem");
	char *key = conf_file(conf, TLS_KEY, "keys/privateKey.pem");
	struct ssl_ctx_st *ctx = tls_server(cert, key, conf_str(conf, TLS_CA), err);

	free(cert);
	free(key);
	return (ctx);
}

struct httptls *
httptls_read(const struct conf *conf, char **err)
{
	struct confmtls m = confmtls(conf);
	struct ssl_ctx_st *ctx = read_certificate(conf, err);
	struct httptls *t;

	if (ctx == NULL)
		return (NULL);
	if (m.asks && tls_ask_clients(ctx, conf_str(conf, TLS_CA), m.required, err) == -1) {
		tls_free(ctx);
		return (NULL);
	}
	t = xcalloc(1, sizeof(*t));
	*t = (struct httptls){ 1, ctx, m.asks, m.required, m.maps, xstrdup(m.user) };
	return (t);
}

struct httptls *
httptls_ref(struct httptls *t)
{
	if (t != NULL)
		t->refs++;
	return (t);
}

void
httptls_unref(struct httptls *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	tls_free(t->ctx);
	free(t->user);
	free(t);
}
