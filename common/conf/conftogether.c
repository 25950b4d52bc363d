#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/base/address.h"
#include "common/base/nodename.h"
#include "common/conf/conf_priv.h"
#include "common/conf/natsconf.h"
#include "common/conf/repaddress.h"
#include "common/conf/repconf.h"

#define PIN_LEN 64

/* Keys against each other. */

/* ---- each server listens on a port of its own ---- */

static const struct {
	enum conf_key port, host;
} listens[] = {
	{ API_PORT, API_HOST },
	{ API_SECURE_PORT, API_HOST },
	{ HUB_PORT, HUB_HOST },
	{ HUB_LEAF_PORT, HUB_LEAF_HOST },
	{ HUB_LEAF_WEBSOCKET_PORT, HUB_LEAF_HOST },
	{ HUB_CLUSTER_PORT, HUB_CLUSTER_HOST },
	{ LEAF_PORT, LEAF_HOST },
};

/* Whether one of the addresses, which commas part, is that one; or either is all of them. */
static int
meets_address(const char *hosts, const char *host)
{
	size_t n;

	if (address_is_any(host, strlen(host)))
		return (1);
	for (; *(hosts += strspn(hosts, ", ")) != '\0'; hosts += n) {
		n = strcspn(hosts, ", ");
		if (address_is_any(hosts, n) || (strlen(host) == n && memcmp(hosts, host, n) == 0))
			return (1);
	}
	return (0);
}

/* Of them, how many do; without servers of its own only the API's two. */
static size_t
count_listens(const struct conf *c)
{
	return (natsconf_is_bundled(c) ? sizeof(listens) / sizeof(listens[0]) : 2);
}

/* Of the leaf, nats.bind_address may say it. */
static int64_t
listen_port(const struct conf *c, size_t i)
{
	return (listens[i].port == LEAF_PORT ? natsconf_leaf(c).port :
					       conf_int(c, listens[i].port));
}

static int
listens_at(const struct conf *c, size_t i, const char *host)
{
	struct repaddress leaf;

	if (listens[i].port != LEAF_PORT)
		return (meets_address(conf_str(c, listens[i].host), host));
	leaf = natsconf_leaf(c);
	return (meets_address(leaf.host, host));
}

static void
same_port(enum conf_key a, enum conf_key b, struct buf *errs)
{
	conf_fault(errs, "%s and %s cannot be the same value", conf_name(a), conf_name(b));
}

static void
conf_check_ports(const struct conf *c, struct buf *errs)
{
	size_t n = count_listens(c);

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (listen_port(c, i) != 0 && listen_port(c, i) == listen_port(c, k))
				same_port(listens[i].port, listens[k].port, errs);
}

/* Links may have an address of their own, and on that one a port that is another's elsewhere. */
static void
check_link_port(const struct conf *c, enum conf_key key, const struct repaddress *at,
    struct buf *errs)
{
	for (size_t i = 0; i < count_listens(c); i++)
		if (listen_port(c, i) == at->port && listens_at(c, i, at->host))
			same_port(listens[i].port, key, errs);
}

static void
conf_check_link_ports(const struct conf *c, struct buf *errs)
{
	struct repaddress secure, plain;
	int has_secure = repconf_listen(c, 1, &secure), has_plain = repconf_listen(c, 0, &plain);

	if (has_secure)
		check_link_port(c, REP_SECURE_PORT, &secure, errs);
	if (has_plain)
		check_link_port(c, REP_PORT, &plain, errs);
	if (has_secure && has_plain && secure.port == plain.port &&
	    (address_is_any(plain.host, strlen(plain.host)) ||
		meets_address(plain.host, secure.host)))
		same_port(REP_PORT, REP_SECURE_PORT, errs);
}

static void
conf_check_rotation(const struct conf *c, struct buf *errs)
{
	if (conf_bool(c, LOG_ROTATE) && conf_int(c, LOG_ROTATE_SIZE) == 0 &&
	    conf_int(c, LOG_ROTATE_INTERVAL) == 0)
		conf_fault(errs, "'%s' or '%s' is required when '%s' is true",
		    conf_name(LOG_ROTATE_INTERVAL), conf_name(LOG_ROTATE_SIZE),
		    conf_name(LOG_ROTATE));
	if (conf_bool(c, LOG_ROTATE_COMPRESS))
		conf_fault(errs, "'%s' must be false: read_log reads the files as they are",
		    conf_name(LOG_ROTATE_COMPRESS));
}

/* What names this node, and what it dials through. */
static void
conf_check_links(const struct conf *c, struct buf *errs)
{
	const char *hostname = conf_str(c, REP_HOSTNAME), *url = conf_str(c, REP_URL);
	const char *proxy = conf_str(c, REP_PROXY);
	struct repaddress a;

	if (hostname != NULL && !node_host_ok(hostname, strlen(hostname)))
		conf_fault(errs, "'%s' must be a host name or an address", conf_name(REP_HOSTNAME));
	if (url != NULL && (repaddress_read(&a, url) == -1 || a.scheme == REPADDRESS_BARE))
		conf_fault(errs, "'%s' must be a URL such as wss://server-one:9933",
		    conf_name(REP_URL));
	/* Who dials it verifies its host. */
	else if (url != NULL && hostname != NULL && strcasecmp(a.host, hostname) != 0)
		conf_fault(errs, "'%s' must have the host of '%s', '%s'", conf_name(REP_URL),
		    conf_name(REP_HOSTNAME), hostname);
	if (conf_str(c, REP_TLS_KEY) != NULL && conf_str(c, REP_TLS_CERT) == NULL)
		conf_fault(errs, "'%s' is required when '%s' is set", conf_name(REP_TLS_CERT),
		    conf_name(REP_TLS_KEY));
	if (proxy != NULL &&
	    (repaddress_read(&a, proxy) == -1 || a.scheme != REPADDRESS_BARE || a.port == 0 ||
		a.host[0] == '\0'))
		conf_fault(errs, "'%s' must be host:port", conf_name(REP_PROXY));
}

/* What nats-server would not check is not to be thought so. */
static void
conf_check_pins(const struct conf *c, struct buf *errs)
{
	const json_t *pins = conf_list(c, CL_TLS_PINNED), *pin;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)pins, i, pin)
		if (json_string_length(pin) != PIN_LEN ||
		    strspn(json_string_value(pin), "0123456789abcdefABCDEF") != PIN_LEN)
			conf_fault(errs,
			    "'%s[%zu]' must be the SHA-256 of a public key, in 64 hexadecimal "
			    "digits",
			    conf_name(CL_TLS_PINNED), i);
	if (json_array_size(pins) == 0)
		return;
	if (conf_bool(c, CL_TLS_INSECURE))
		conf_fault(errs, "'%s' and '%s' do not go together", conf_name(CL_TLS_PINNED),
		    conf_name(CL_TLS_INSECURE));
	if (conf_int(c, HUB_LEAF_WEBSOCKET_PORT) != 0)
		conf_fault(errs,
		    "'%s' and '%s' do not go together: nats-server does not check keys there",
		    conf_name(CL_TLS_PINNED), conf_name(HUB_LEAF_WEBSOCKET_PORT));
}

#define BUCKET_MAX 64

/* A name of a stream and of subjects, and servers that have it. */
static void
conf_check_snapshots(const struct conf *c, struct buf *errs)
{
	const char *bucket = conf_str(c, SNAPSHOT_BUCKET);
	size_t n = bucket != NULL ? strlen(bucket) : 0;

	if (n == 0 || n > BUCKET_MAX ||
	    strspn(bucket, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != n)
		conf_fault(errs, "'%s' must have letters, digits, - and _, at most %d",
		    conf_name(SNAPSHOT_BUCKET), BUCKET_MAX);
	if (conf_bool(c, SNAPSHOT_ENABLED) && !conf_bool(c, CL_ENABLED) &&
	    strcmp(conf_str(c, SNAPSHOT_STORE), "nats") == 0)
		conf_fault(errs,
		    "'%s' must be file when '%s' is not set: without that there is no nats-server",
		    conf_name(SNAPSHOT_STORE), conf_name(CL_ENABLED));
	if (conf_int(c, SNAPSHOT_REPLICAS) > 1 && !natsconf_is_external(c))
		conf_fault(errs,
		    "'%s' must be 1 without '%s': a node's own server has its snapshots alone",
		    conf_name(SNAPSHOT_REPLICAS), conf_name(NATS_URLS));
}

void
conf_check_together(const struct conf *c, struct buf *errs)
{
	if (conf_bool(c, CL_ENABLED) && conf_str(c, CL_NODENAME) == NULL)
		conf_fault(errs, "'%s' is required when clustering is enabled",
		    conf_name(CL_NODENAME));
	if (natsconf_is_bundled(c) && conf_str(c, CL_USER) == NULL)
		conf_fault(errs, "'%s' is required when clustering is enabled", conf_name(CL_USER));
	if ((conf_str(c, TLS_CERT) == NULL) != (conf_str(c, TLS_KEY) == NULL))
		conf_fault(errs, "'%s' and '%s' go together", conf_name(TLS_CERT),
		    conf_name(TLS_KEY));
	natsconf_check(c, errs);
	conf_check_pins(c, errs);
	conf_check_links(c, errs);
	conf_check_clients(c, errs);
	conf_check_ports(c, errs);
	conf_check_link_ports(c, errs);
	conf_check_rotation(c, errs);
	conf_check_snapshots(c, errs);
}

int
conf_check(const struct conf *c, char **err)
{
	struct buf errs = { 0 };

	conf_check_together(c, &errs);
	return (conf_faults(&errs, err));
}
