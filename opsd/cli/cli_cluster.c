#include "config.h"

#include "opsd/cli/cli_command.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/repaddress.h"

/* -cluster-addr and -cluster-peers of run, as others have them: with one hyphen or two, and with = or a space. */

const char *
cli_is_cluster(const char *arg)
{
	static const char *const flags[] = { "-cluster-addr", "-cluster-peers" };

	if (strncmp(arg, "--", 2) == 0)
		arg++;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		size_t n = strlen(flags[i]);

		if (strncmp(arg, flags[i], n) == 0 && (arg[n] == '=' || arg[n] == '\0'))
			return (flags[i]);
	}
	return (NULL);
}

static void
push_flag(struct cli *c, const char *key, char *value)
{
	char *name = xasprintf("--%s", key);

	cli_push(&c->made, &c->nmade, name);
	cli_push(&c->made, &c->nmade, value);
	cli_push(&c->flags, &c->nflags, name);
	cli_push(&c->flags, &c->nflags, value);
}

/* "host:port", or as a URL of NATS; ":port" is on all addresses. */
static struct repaddress
cluster_place(const char *flag, const char *text)
{
	struct repaddress a;
	const char *s = strncmp(text, "nats://", 7) == 0 ? text + 7 : text;
	size_t n = strlen(s);
	char *place = xasprintf("%s%.*s", *s == ':' ? "0.0.0.0" : "",
	    (int)(n > 0 && s[n - 1] == '/' ? n - 1 : n), s);

	if (repaddress_read(&a, place) == -1 || a.scheme != REPADDRESS_BARE || a.host[0] == '\0' ||
	    a.port == 0)
		cli_die("%s takes %s, and '%s' is none", flag,
		    strcmp(flag, "-cluster-addr") == 0 ? "host:port" : "host:port,host:port,...",
		    text);
	free(place);
	return (a);
}

void
cli_take_cluster(struct cli *c, const char *flag, const char *text)
{
	json_t *routes = json_array();
	struct repaddress a;
	char *all, *one, *rest;

	push_flag(c, "CLUSTERING_ENABLED", xstrdup("true"));
	if (strcmp(flag, "-cluster-addr") == 0) {
		a = cluster_place(flag, text);
		push_flag(c, "CLUSTERING_HUBSERVER_CLUSTER_NETWORK_HOST", xstrdup(a.host));
		push_flag(c, "CLUSTERING_HUBSERVER_CLUSTER_NETWORK_PORT", xasprintf("%d", a.port));
	} else {
		all = xstrdup(text);
		for (one = strtok_r(all, ",", &rest); one != NULL;
		     one = strtok_r(NULL, ",", &rest)) {
			a = cluster_place(flag, one);
			json_array_append_new(routes,
			    json_pack("{s:s, s:i}", "host", a.host, "port", a.port));
		}
		free(all);
		push_flag(c, "CLUSTERING_HUBSERVER_CLUSTER_NETWORK_ROUTES",
		    json_dumps(routes, JSON_COMPACT));
	}
	json_decref(routes);
}
