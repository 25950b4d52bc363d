#include "config.h"

#include <string.h>

#include "common/base/nodename.h"
#include "common/conf/conf_priv.h"
#include "common/conf/repaddress.h"

#define PIN_LEN 64

/* Keys against each other. */

/* Each of a node's servers listens on a port of its own. */
static void
conf_check_ports(const struct conf *c, struct buf *errs)
{
	static const enum conf_key ports[] = { API_PORT, API_SECURE_PORT, HUB_PORT, HUB_LEAF_PORT,
		HUB_CLUSTER_PORT, LEAF_PORT };
	size_t i, k, n = sizeof ports / sizeof ports[0];

	/* Without clustering only the API's two listen. */
	if (!conf_bool(c, CL_ENABLED))
		n = 2;
	for (i = 0; i < n; i++)
		for (k = i + 1; k < n; k++)
			if (conf_int(c, ports[i]) == conf_int(c, ports[k]))
				conf_fault(errs, "%s and %s cannot be the same value",
				    conf_name(ports[i]), conf_name(ports[k]));
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

void
conf_check_together(const struct conf *c, struct buf *errs)
{
	if (conf_bool(c, CL_ENABLED) && conf_str(c, CL_NODENAME) == NULL)
		conf_fault(errs, "'%s' is required when clustering is enabled",
		    conf_name(CL_NODENAME));
	if (conf_bool(c, CL_ENABLED) && conf_str(c, CL_USER) == NULL)
		conf_fault(errs, "'%s' is required when clustering is enabled", conf_name(CL_USER));
	if ((conf_str(c, TLS_CERT) == NULL) != (conf_str(c, TLS_KEY) == NULL))
		conf_fault(errs, "'%s' and '%s' go together", conf_name(TLS_CERT),
		    conf_name(TLS_KEY));
	if (conf_bool(c, REP_MTLS_VERIFICATION))
		conf_fault(errs,
		    "'%s' must be false: list what is revoked in revokedCertificates of a route",
		    conf_name(REP_MTLS_VERIFICATION));
	conf_check_pins(c, errs);
	conf_check_links(c, errs);
	conf_check_clients(c, errs);
	conf_check_ports(c, errs);
	conf_check_rotation(c, errs);
}

int
conf_check(const struct conf *c, char **err)
{
	struct buf errs = { 0 };

	conf_check_together(c, &errs);
	return (conf_faults(&errs, err));
}
