#include "config.h"

#include <ctype.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/conf/tlsconf.h"
#include "common/tls/pem.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/daemons_priv.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/warnings.h"
#include "opsd/pki/keyfiles.h"

/* The keys of all that may link, our own as well: our leaf does, with our hub.  NULL: any. */
static json_t *
pins_json(const struct conf *conf, const char *cert)
{
	const json_t *others = conf_list(conf, CL_TLS_PINNED), *one;
	char own[PEM_HASH], *small;
	json_t *pins;
	size_t i;

	if (json_array_size(others) == 0)
		return (NULL);
	pins = json_array();
	if (keyfiles_pin(cert, own) == 0)
		json_array_append_new(pins, json_string(own));
	json_array_foreach((json_t *)(uintptr_t)others, i, one) {
		small = xstrdup(json_string_value(one));
		for (char *c = small; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
		json_array_append_new(pins, json_string(small));
		free(small);
	}
	return (pins);
}

/* Paths and what goes with them; `made` is NULL where they are not of the cluster's secret. */
static json_t *
tls_json(const struct conf *conf, const struct linkcert *made)
{
	struct tlsconf_links l = tlsconf_links(conf);
	json_t *o = json_pack("{s:s, s:s, s:s?, s:b, s:b, s:s?, s:o*}", "certificate", l.cert,
	    "privateKey", l.key, "certificateAuthority", l.ca, "insecure",
	    conf_bool(conf, CL_TLS_INSECURE), "verify", conf_bool(conf, CL_TLS_VERIFY), "made",
	    made != NULL ? linkcert_made(made) : NULL, "pins", pins_json(conf, l.cert));

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

int
daemons_removed_changed(struct daemons *d)
{
	uint64_t changes = roster_changes(d->rep->roster, STATEMENT_MEMBER);
	json_t *now;
	int other;

	if (d->removed != NULL && changes == d->roster_seen)
		return (0);
	d->roster_seen = changes;
	now = roster_removed_ids(d->rep->roster);
	other = !json_equal(now, d->removed);
	json_decref(d->removed);
	d->removed = now;
	return (other);
}

/* The daemons do not know what was set and what is only so by default. */
static json_t *
config_json(const struct conf *conf)
{
	json_t *tree = conf_tree(conf);

	json_object_set_new(json_object_get(tree, "clustering"), "maxTransaction",
	    json_integer(natsconf_max_transaction(conf)));
	return (tree);
}

json_t *
daemons_settings_json(struct daemons *d)
{
	struct replication *rep = d->rep;
	struct conf *conf = data_conf(rep->data);
	const char *user = conf_str(conf, CL_USER), *node = conf_str(conf, CL_NODENAME);
	char *password;
	int enabled = conf_bool(conf, CL_ENABLED), external = natsconf_is_external(conf), secret;
	json_t *o = NULL;

	user_cluster_secret(rep->data, user, &password);
	if (enabled && !external && password == NULL) {
		if (d->listener != NULL)
			log_off(rep);
		enabled = 0;
	}
	secret = enabled && !external && tlsconf_trust(conf) == TLSCONF_SECRET;
	if ((enabled || rep->data->live.links) && !d->said_trust) {
		d->said_trust = 1;
		warnings_log_trust(rep, conf);
	}
	(void)daemons_removed_changed(d);
	if (!secret || linkcert_ready(d->linkcert, conf, user, password))
		o = json_pack("{s:b, s:s, s:s?, s:s?, s:s?, s:o, s:o*, s:O, s:o}", "enabled",
		    enabled, "node", node, "node_id", rep->data->node_hex, "user", user, "password",
		    password, "tls", tls_json(conf, secret ? d->linkcert : NULL), "link_users",
		    secret ? linkcert_users(d->linkcert) : NULL, "removed", d->removed, "config",
		    config_json(conf));
	mem_wipe(password);
	conf_free(conf);
	return (o);
}
