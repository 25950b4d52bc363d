#include "config.h"

#include "opsd/auth/certends.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/words.h"
#include "common/conf/natsconf.h"
#include "common/conf/tlsconf.h"
#include "common/tls/certinfo.h"
#include "opsd/store/data.h"

#define DAY_S 86400

static void
add_certificate(json_t *list, const char *path, const char *uses, int renewed)
{
	int64_t ends = certinfo_ends(path);

	if (ends != -1)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:I, s:o*}", "certificate", path, "uses", uses, "ends",
			(json_int_t)ends, "renewed", renewed ? json_true() : NULL));
}

json_t *
certends(struct data *data)
{
	struct conf *c = data_conf(data);
	struct tlsconf_links links = tlsconf_links(c);
	char *web = conf_file(c, TLS_CERT, "keys/certificate.pem");
	int clustering = natsconf_is_bundled(c), made = tlsconf_trust(c) == TLSCONF_SECRET;
	int https = conf_is_set(c, API_SECURE_PORT);
	int both = clustering && https && strcmp(links.cert, web) == 0;
	const char *shown = conf_str(c, REP_TLS_CERT);
	json_t *list = json_array();

	if (clustering)
		add_certificate(list, links.cert, both ? "clustering, https" : "clustering", made);
	if (https && !both)
		add_certificate(list, web, "https", 0);
	if (clustering && !made && links.ca != NULL)
		add_certificate(list, links.ca, "clustering", 0);
	if (shown != NULL && !(clustering && strcmp(links.cert, shown) == 0) &&
	    !(https && strcmp(web, shown) == 0))
		add_certificate(list, shown, "replication", 0);
	tlsconf_links_clear(&links);
	free(web);
	conf_free(c);
	return (list);
}

char *
certends_warning(struct data *data, const json_t *end)
{
	struct conf *c = data_conf(data);
	int64_t ends = json_integer_value(json_object_get(end, "ends")), now = (int64_t)time(NULL);
	int64_t within = conf_int(c, TLS_EXPIRY_WARNING);
	char day[16], *in = words_duration(ends > now ? (uint64_t)(ends - now) * 1000 : 0);
	char *text = NULL, *left = ends > now ? xasprintf("ends in %s", in) : xstrdup("has ended");
	struct tm tm;
	time_t at = (time_t)ends;

	strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&at, &tm));
	if (ends - now <= within && json_object_get(end, "renewed") == NULL)
		text = xasprintf("The certificate %s (%s) %s, on %s: replace it, then restart",
		    json_string_value(json_object_get(end, "certificate")),
		    json_string_value(json_object_get(end, "uses")), left, day);
	free(left);
	free(in);
	conf_free(c);
	return (text);
}

static void
certends_look_cb(evutil_socket_t fd, short what, void *arg)
{
	struct data *data = arg;
	json_t *list = certends(data), *end;
	char *text;
	size_t i;

	json_array_foreach(list, i, end) {
		text = certends_warning(data, end);
		if (text != NULL)
			log_warnx("%s", text);
		free(text);
	}
	json_decref(list);
}

struct event *
certends_watch(struct data *data)
{
	struct timeval every = { DAY_S, 0 };
	struct event *ev = event_new(data->svc->base, -1, EV_PERSIST, certends_look_cb, data);

	certends_look_cb(-1, 0, data);
	event_add(ev, &every);
	return (ev);
}
