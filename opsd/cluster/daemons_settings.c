#include "config.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/tlsconf.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/daemons_priv.h"
#include "opsd/cluster/warnings.h"

/* Paths and what goes with them; `made` is NULL where they are not of the cluster's secret. */
static json_t *
tls_json(const struct conf *conf, const struct linkcert *made)
{
	struct tlsconf_links l = tlsconf_links(conf);
	json_t *o = json_pack("{s:s, s:s, s:s?, s:b, s:b, s:s?}", "certificate", l.cert,
	    "privateKey", l.key, "certificateAuthority", l.ca, "insecure",
	    conf_bool(conf, CL_TLS_INSECURE), "verify", conf_bool(conf, CL_TLS_VERIFY), "made",
	    made != NULL ? linkcert_made(made) : NULL);

	tlsconf_links_clear(&l);
	return (o);
}

static void
log_off(struct replication *rep)
{
	char *why = warnings_why_off(rep);

	if (why != NULL)
		log_errorx("%s", why);
	free(why);
}

json_t *
daemons_settings_json(struct daemons *d)
{
	struct replication *rep = d->rep;
	struct conf *conf = data_conf(rep->data);
	const char *user = conf_str(conf, CL_USER), *node = conf_str(conf, CL_NODENAME);
	char *password;
	int enabled = conf_bool(conf, CL_ENABLED), secret;
	json_t *o = NULL;

	user_cluster_secret(rep->data, user, &password);
	if (enabled && password == NULL) {
		if (d->listener != NULL)
			log_off(rep);
		enabled = 0;
	}
	secret = enabled && tlsconf_trust(conf) == TLSCONF_SECRET;
	if (enabled && !d->said_trust) {
		d->said_trust = 1;
		warnings_log_trust(rep, conf);
	}
	if (!secret || linkcert_ready(d->linkcert, conf, user, password))
		o = json_pack("{s:b, s:s, s:s?, s:s?, s:s?, s:o, s:o*, s:o}", "enabled", enabled,
		    "node", node, "node_id", rep->data->node_hex, "user", user, "password",
		    password, "tls", tls_json(conf, secret ? d->linkcert : NULL), "logins",
		    secret ? linkcert_logins(d->linkcert) : NULL, "config", conf_tree(conf));
	mem_wipe(password);
	conf_free(conf);
	return (o);
}
