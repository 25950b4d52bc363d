#include "config.h"

#include "opsd/cluster/warnings_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/tlsconf.h"
#include "common/tls/authority.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/daemons.h"

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

	if (tlsconf_trust(conf) != TLSCONF_SECRET)
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

	if (conf_bool(conf, CL_TLS_INSECURE))
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
	char *weak = conf_bool(conf, CL_ENABLED) ? weak_text(rep, conf) : NULL, *open;
	int port;

	if (conf_bool(conf, CL_ENABLED) && conf_bool(conf, CL_TLS_INSECURE))
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

char *
warnings_handshake_text(const struct conf *conf, const json_t *failure)
{
	const char *reason = json_string_value(json_object_get(failure, "reason"));
	const char *link = json_string_value(json_object_get(failure, "link"));
	int secret = tlsconf_trust(conf) == TLSCONF_SECRET;

	if (reason == NULL || link == NULL)
		return (NULL);
	return (xasprintf("The TLS handshake of a %s with %s fails: %s%s%s",
	    strcmp(link, "leaf") == 0 ? "leaf link" : link,
	    json_string_value(json_object_get(failure, "address")), reason,
	    strncmp(reason, "remote error: ", 14) == 0 ?
		" (the other end refuses this node's certificate)" :
		"",
	    reason_has(reason, "not pinned") ? pinned_cure :
		secret                       ? handshake_cure(reason) :
					       ""));
}

void
warnings_handshakes(struct replication *rep, const char *name, const json_t *state, json_t *list)
{
	struct conf *conf = data_conf(rep->data);
	json_t *failure, *o;
	char *text;
	size_t i;

	json_array_foreach(json_object_get(state, "handshakes"), i, failure)
		if ((text = warnings_handshake_text(conf, failure)) != NULL) {
			o = warnings_add(list, "handshake", json_string(text));
			json_object_update_missing(o, failure);
			json_object_set_new(o, "server", json_string(name));
			free(text);
		}
	conf_free(conf);
}
