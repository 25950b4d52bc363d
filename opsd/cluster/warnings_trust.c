#include "config.h"

#include "opsd/cluster/warnings_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/conf/settings.h"
#include "common/conf/tlsconf.h"
#include "common/tls/authority.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/roster.h"

/* ---- what the configuration allows ---- */

static const char insecure_text[] =
    "clustering.tls.insecure is true: nodes do not verify each other, and this node sends the "
    "cluster user's password to whoever answers at the address of one of its routes. Unset it on "
    "all nodes, or use it only in a network that you trust";

/* Why the cluster user's password is too weak for what is made of it; NULL: it is not, or nothing is. */
static char *
weak_text(struct replication *rep, const struct conf *conf)
{
	const char *user = conf_str(conf, CL_USER), *why = NULL;
	char *password = NULL, *text = NULL;

	if (natsconf_is_external(conf) || tlsconf_trust(conf) != TLSCONF_SECRET)
		return (NULL);
	(void)user_cluster_secret(rep->data, user, &password);
	if (password != NULL)
		why = authority_weakness(user, password);
	if (why != NULL)
		text = xasprintf(
		    "The password of user '%s' (clustering.user) %s: whoever reaches a "
		    "port of this node can try passwords, and with the right one join the "
		    "cluster. Set a longer one with alter_user on all nodes",
		    user, why);
	mem_wipe(password);
	return (text);
}

void
warnings_trust(struct replication *rep, json_t *list)
{
	struct conf *conf = data_conf(rep->data);
	char *weak = weak_text(rep, conf), *fault = daemons_linkcert_fault(rep->daemons);

	if (natsconf_is_bundled(conf) && conf_bool(conf, CL_TLS_INSECURE))
		warnings_add(list, "insecure_routes", json_string(insecure_text));
	if (weak != NULL)
		warnings_add(list, "weak_secret", json_string(weak));
	if (fault != NULL)
		warnings_add(list, "links_certificate",
		    json_sprintf("The node cannot make the certificate of its links: %s", fault));
	free(fault);
	free(weak);
	conf_free(conf);
}

void
warnings_log_trust(struct replication *rep, const struct conf *conf)
{
	char *weak = natsconf_is_bundled(conf) ? weak_text(rep, conf) : NULL, *open;
	int port;

	if (natsconf_is_bundled(conf) && conf_bool(conf, CL_TLS_INSECURE))
		log_warnx("%s", insecure_text);
	if (weak != NULL)
		log_warnx("%s", weak);
	if ((open = warnings_open_port(conf, &port)) != NULL)
		log_warnx("%s", open);
	free(open);
	free(weak);
}

/* ---- handshakes ---- */

static int
reason_has(const char *reason, const char *text)
{
	return (strstr(reason, text) != NULL);
}

/* What to do about it, where the certificates are made of the secret; "": nobody knows. */
static const char *
handshake_cure(const char *reason)
{
	if (reason_has(reason, "certificate is valid for ") ||
	    reason_has(reason, "cannot validate certificate for "))
		return (
		    ". The node there does not know that others reach it by that name or address: "
		    "set clustering.hubServer.cluster.network.advertise on it to exactly that one");
	if (reason_has(reason, "signed by unknown authority") ||
	    reason_has(reason, "unknown certificate authority"))
		return (". The cluster user's name or password there differs from the one here, or "
			"one of the two nodes has certificates of its own or "
			"clustering.tls.insecure");
	if (reason_has(reason, "expired or is not yet valid") ||
	    reason_has(reason, "expired certificate"))
		return (". The clock of one of the two nodes is wrong");
	return ("");
}

static const char pinned_cure[] =
    ". clustering.tls.pinned of this node does not have its key: add it, "
    "if that node is to be linked";

/* The node in `authentication error - User "node-ID.hubleaf"`; -1: it is no such reason. */
static int
refused_node(const char *reason, uint8_t id[NODE_ID_LEN], char hex[NODE_HEX_LEN])
{
	const char *at = strchr(reason, '"'), *end = at != NULL ? strchr(at + 1, '"') : NULL;
	char *name = end != NULL ? xstrndup(at + 1, (size_t)(end - at - 1)) : NULL;
	int rc = name != NULL ? settings_cert_id(name, id) : -1;

	if (rc == 0)
		node_id_hex(id, hex);
	free(name);
	return (rc);
}

/* A leaf link that has come through its handshake and is refused all the same; NULL: it has not. */
static char *
refusal_text(struct replication *rep, const char *reason, const char *address)
{
	uint8_t id[NODE_ID_LEN];
	char hex[NODE_HEX_LEN], *name, *why, *text;

	if (reason_has(reason, "Authorization Violation"))
		return (xasprintf("A leaf link to %s is refused there: this node was removed from "
				  "the cluster, or the cluster user's name or password there "
				  "differs from the one here",
		    address));
	if (refused_node(reason, id, hex) == -1)
		return (NULL);
	name = nodes_name(rep->nodes, id);
	why = roster_locked(rep->roster, id, NULL, name != NULL ? name : hex);
	text = xasprintf("A leaf link from %s is refused: %s", address,
	    why != NULL ? why : "its node was removed from the cluster a moment ago");
	free(why);
	free(name);
	return (text);
}

static char *
handshake_text(const struct conf *conf, const char *link, const char *reason, const char *address)
{
	int secret = tlsconf_trust(conf) == TLSCONF_SECRET;

	return (xasprintf("The TLS handshake of a %s with %s fails: %s%s%s",
	    strcmp(link, "leaf") == 0 ? "leaf link" : link, address, reason,
	    strncmp(reason, "remote error: ", 14) == 0 ?
		" (the other end refuses this node's certificate)" :
		"",
	    reason_has(reason, "not pinned") ? pinned_cure :
		secret                       ? handshake_cure(reason) :
					       ""));
}

char *
warnings_handshake_text(struct replication *rep, const json_t *failure)
{
	const char *reason = json_string_value(json_object_get(failure, "reason"));
	const char *link = json_string_value(json_object_get(failure, "link"));
	const char *address = json_string_value(json_object_get(failure, "address"));
	struct conf *conf;
	char *text;

	if (reason == NULL || link == NULL || address == NULL)
		return (NULL);
	text = refusal_text(rep, reason, address);
	if (text != NULL)
		return (text);
	conf = data_conf(rep->data);
	text = handshake_text(conf, link, reason, address);
	conf_free(conf);
	return (text);
}

void
warnings_handshakes(struct replication *rep, const char *name, const json_t *state, json_t *list)
{
	json_t *failure, *o;
	char *text;
	size_t i;

	json_array_foreach(json_object_get(state, "handshakes"), i, failure)
		if ((text = warnings_handshake_text(rep, failure)) != NULL) {
			o = warnings_add(list, "handshake", json_string(text));
			json_object_update_missing(o, failure);
			json_object_set_new(o, "server", json_string(name));
			free(text);
		}
}
