#include "config.h"

#include "common/conf/repconf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/iso.h"
#include "common/base/mem.h"

#define PORT_DEFAULT 9933
#define PORT_WSS     443
#define PORT_WS      80

int
repconf_on(const struct conf *c)
{
	if (conf_is_set(c, REP_ENABLED))
		return (conf_bool(c, REP_ENABLED));
	return (conf_is_set(c, REP_HOSTNAME) || conf_is_set(c, REP_URL) ||
	    conf_is_set(c, REP_PORT) || conf_is_set(c, REP_SECURE_PORT) ||
	    json_array_size(conf_list(c, REP_ROUTES)) > 0);
}

/* ---- this node: where to listen, and its name ---- */

/* What is set: a number, or text; 0: nothing. */
static int
listen_value(const struct conf *c, enum conf_key key, struct repaddress *at)
{
	json_t *v = conf_value(c, key);
	int read = json_is_string(v) && repaddress_read(at, json_string_value(v)) == 0;

	if (json_is_integer(v)) {
		*at = (struct repaddress){ .port = (int)json_integer_value(v) };
		read = 1;
	}
	json_decref(v);
	return (read);
}

/* Those who set the port without TLS alone want no other. */
static int
is_insecure(const struct conf *c)
{
	return (conf_is_set(c, REP_PORT) && !conf_is_set(c, REP_SECURE_PORT));
}

/*
 * The address that others have in their routes then: the one with the port, but not of all, and
 * 127.0.0.1 with a port alone, which is not to be open to others by itself.  0: there is none.
 */
static int
insecure_host(const struct conf *c, char *host)
{
	struct repaddress at;

	if (!is_insecure(c) || !listen_value(c, REP_PORT, &at))
		return (0);
	if (at.host[0] == '\0')
		strcpy(at.host, "127.0.0.1");
	strcpy(host, at.host);
	return (!address_is_any(host, strlen(host)));
}

char *
repconf_hostname(const struct conf *c)
{
	const char *name = conf_str(c, REP_HOSTNAME), *url = conf_str(c, REP_URL);
	char machine[REPADDRESS_HOST_MAX + 1] = "";
	struct repaddress a;

	if (name != NULL)
		return (xstrdup(name));
	if (url != NULL && repaddress_read(&a, url) == 0)
		return (xstrdup(a.host));
	if (insecure_host(c, a.host))
		return (xstrdup(a.host));
	if (gethostname(machine, sizeof(machine) - 1) == -1 || machine[0] == '\0')
		return (xstrdup("localhost"));
	return (xstrdup(machine));
}

static int
is_literal(const char *host)
{
	return (strchr(host, ':') != NULL || strspn(host, "0123456789.") == strlen(host));
}

/* Whoever connects is believed there: alone, a port is open to others only when that is said. */
static void
listen_at_home(const struct conf *c, struct repaddress *at)
{
	char *own = repconf_hostname(c);

	strcpy(at->host, is_literal(own) ? own : "127.0.0.1");
	free(own);
}

int
repconf_listen(const struct conf *c, int secure, struct repaddress *at)
{
	if (!repconf_on(c) || (secure && is_insecure(c)) ||
	    !listen_value(c, secure ? REP_SECURE_PORT : REP_PORT, at))
		return (0);
	if (at->host[0] == '\0' && !secure)
		listen_at_home(c, at);
	return (1);
}

/* ---- routes ---- */

static int
default_port(const struct conf *c, const struct repaddress *a, int secure)
{
	struct repaddress own;

	if (a->scheme != REPADDRESS_BARE)
		return (secure ? PORT_WSS : PORT_WS);
	return (listen_value(c, secure ? REP_SECURE_PORT : REP_PORT, &own) ? own.port :
									     PORT_DEFAULT);
}

/* By its own word, else by "replicates", which is one for both or has one for each. */
static int
route_flows(const json_t *route, const char *word)
{
	const json_t *said = json_object_get(route, word),
		     *both = json_object_get(route, "replicates");

	if (said == NULL)
		said = json_is_object(both) ? json_object_get(both, word) : both;
	return (!json_is_false(said));
}

static uint64_t
route_start(const json_t *route)
{
	const char *text = json_string_value(json_object_get(route, "startTime"));
	int64_t ms = text != NULL ? iso_ms(text, NULL) : 0;

	return (ms > 0 ? (uint64_t)ms : 0);
}

int
repconf_route(const struct conf *c, const json_t *route, struct repconf_route *r)
{
	const json_t *url = json_object_get(route, "url"), *port = json_object_get(route, "port");
	const json_t *where = json_is_string(route) ? route :
	    url != NULL                             ? url :
						      json_object_get(route, "hostname");
	struct repaddress a;

	if (!json_is_string(where) || repaddress_read(&a, json_string_value(where)) == -1)
		return (-1);
	*r = (struct repconf_route){
		.secure = a.scheme == REPADDRESS_BARE ? !is_insecure(c) :
							a.scheme == REPADDRESS_WSS,
		.sends = route_flows(route, "sends"),
		.receives = route_flows(route, "receives"),
		.start_ms = route_start(route),
		.revoked = json_object_get(route, "revokedCertificates"),
	};
	r->port = port != NULL ? (int)json_integer_value(port) :
	    a.port != 0        ? a.port :
				 default_port(c, &a, r->secure);
	strcpy(r->host, a.host);
	strcpy(r->path, a.path[0] == '\0' || strcmp(a.path, "/") == 0 ? REPADDRESS_PATH : a.path);
	return (0);
}

char *
repconf_url(const struct repconf_route *r)
{
	char *at = address_join(r->host, (unsigned)r->port);
	char *url = xasprintf("%s://%s", r->secure ? "wss" : "ws", at);

	free(at);
	return (url);
}

int
repconf_route_to(const struct conf *c, const char *hostname, struct repconf_route *r)
{
	const json_t *route;
	size_t i;

	json_array_foreach(conf_list(c, REP_ROUTES), i, route)
		if (repconf_route(c, route, r) == 0 && strcasecmp(r->host, hostname) == 0)
			return (1);
	return (0);
}
