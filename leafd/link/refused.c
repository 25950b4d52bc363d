#include "config.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/repaddress.h"
#include "leafd/link/link_priv.h"

/* Who came in and got no link, before opsd was asked: for status, where nobody else says it. */

#define REFUSED_MOST 50

static char *
address_of(const struct peerlink *k)
{
	struct repaddress at;

	return (xstrdup(repaddress_read(&at, k->address) == 0 ? at.host : k->address));
}

/* What it calls itself, or its certificate does; NULL: it has shown nothing that is good. */
static const char *
name_of_peer(const struct peerlink *k)
{
	return (k->hello.hostname != NULL ? k->hello.hostname :
					    json_string_value(json_array_get(k->cert.names, 0)));
}

/* By that name; and without one, from that address. */
static void
drop_refused(json_t *list, const char *name, const char *address)
{
	const char *is, *from;
	size_t i = 0;

	while (i < json_array_size(list)) {
		const json_t *o = json_array_get(list, i);

		is = json_string_value(json_object_get(o, "hostname"));
		from = json_string_value(json_object_get(o, "address"));
		if (is != NULL ? name != NULL && strcmp(is, name) == 0 : strcmp(from, address) == 0)
			json_array_remove(list, i);
		else
			i++;
	}
}

/* Whoever only knocks, or speaks no TLS, is none that somebody waits for; opsd knows whom it refuses. */
static int
is_told(const struct peerlink *k)
{
	return (!k->up_asked &&
	    (k->cert.cert != NULL ||
		(k->ssl != NULL && SSL_get_verify_result(k->ssl) != X509_V_OK)));
}

void
refused_note(struct peerlink *k, const char *why)
{
	json_t *list = k->ls->refused;
	char *address = address_of(k);

	if (is_told(k)) {
		drop_refused(list, name_of_peer(k), address);
		json_array_append_new(list,
		    json_pack("{s:s?, s:s, s:s, s:b, s:I}", "hostname", name_of_peer(k), "address",
			address, "error", why, "there", k->by_other, "time",
			(json_int_t)wall_ms()));
		if (json_array_size(list) > REFUSED_MOST)
			json_array_remove(list, 0);
	}
	free(address);
}

void
refused_forget(struct peerlink *k)
{
	char *address = address_of(k);

	drop_refused(k->ls->refused, name_of_peer(k), address);
	free(address);
}
