#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/tls/serial.h"
#include "opsd/pki/issue.h"
#include "opsd/pki/ledger.h"
#include "opsd/pki/pki_priv.h"

/* What has been revoked. */

#define REVOKED_MOST 100000
#define KEPT_S       86400 /* clocks may be behind */

json_t *
pki_revoked(struct pki *p)
{
	return (ledger_all(p->ledger, LEDGER_REVOKED));
}

int
pki_is_revoked(struct pki *p, const char *serial)
{
	char normal[SERIAL_MAX];

	return (serial_read(serial, normal) == 0 && ledger_has(p->ledger, LEDGER_REVOKED, normal));
}

/* Their normal form as the names of an object, {serial: until}, or -1 with *err. */
static int
read_serials(const json_t *serials, int64_t until, json_t *out, char **err)
{
	char normal[SERIAL_MAX];
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)serials, i, one) {
		if (!json_is_string(one) || serial_read(json_string_value(one), normal) == -1) {
			*err = xasprintf("'revoked_certificates[%zu]' must be a serial number, in "
					 "hexadecimal digits",
			    i);
			return (-1);
		}
		json_object_set_new(out, normal, json_integer((json_int_t)until));
	}
	return (0);
}

/* What is over for so long needs no record: it is good for nothing any more. */
int
pki_is_over(const json_t *record)
{
	json_int_t until = json_integer_value(json_object_get(record, "until"));

	return (until != 0 && until + KEPT_S < (json_int_t)(wall_ms() / 1000));
}

/* Those that can be forgotten, for a write to take with it; their number. */
static size_t
sweep_ended(json_t *all, struct ledger_change *c)
{
	const char *serial;
	json_t *record;
	size_t n = 0;

	json_object_foreach(all, serial, record)
		if (pki_is_over(record))
			c[n++] = (struct ledger_change){ LEDGER_REVOKED, serial, NULL };
	return (n);
}

/* Whether a call has to write it: it is not there, or nobody else is to be told so far. */
static int
is_news(const json_t *record, int spread)
{
	return (record == NULL || pki_is_over(record) ||
	    (spread && !json_is_true(json_object_get(record, "spread"))));
}

static int
write_revoked(struct pki *p, const json_t *untils, const char *by, int spread, char **err)
{
	json_t *all = pki_revoked(p), *records = json_object(), *until;
	struct ledger_change *c = xcalloc(json_object_size(all) + json_object_size(untils) + 1,
	    sizeof(*c));
	size_t gone = sweep_ended(all, c), n = gone;
	const char *serial;
	int status;

	json_object_foreach((json_t *)(uintptr_t)untils, serial, until) {
		if (!is_news(json_object_get(all, serial), spread))
			continue;
		json_object_set_new(records, serial,
		    json_pack("{s:O, s:I, s:s, s:o*}", "until", until, "at", (json_int_t)wall_ms(),
			"by", by, "spread", spread ? json_true() : NULL));
		c[n++] = (struct ledger_change){ LEDGER_REVOKED, serial,
			json_object_get(records, serial) };
	}
	if (json_object_size(all) + n - 2 * gone > REVOKED_MOST) {
		*err = xasprintf("more than %d certificates would be revoked", REVOKED_MOST);
		status = 409;
	} else
		status = ledger_write(p->ledger, c, n, err);
	free(c);
	json_decref(records);
	json_decref(all);
	return (status);
}

int
pki_revoke_each(struct pki *p, const json_t *untils, const char *by, char **err)
{
	return (write_revoked(p, untils, by, 0, err));
}

/* Those that we have signed ourselves: until when they are good is known. */
static void
fill_untils(struct pki *p, json_t *untils)
{
	json_t *until, *issued;
	const char *serial;
	void *tmp;

	json_object_foreach_safe(untils, tmp, serial, until) {
		if (json_integer_value(until) == 0 &&
		    (issued = ledger_get(p->ledger, LEDGER_ISSUED, serial)) != NULL) {
			json_object_set(untils, serial, json_object_get(issued, "until"));
			json_decref(issued);
		}
	}
}

int
pki_revoke(struct pki *p, const json_t *serials, int64_t until, const char *by, char **err)
{
	json_t *untils = json_object();
	int status = 400;

	if (read_serials(serials, until, untils, err) == 0) {
		fill_untils(p, untils);
		status = write_revoked(p, untils, by, 1, err);
	}
	json_decref(untils);
	return (status);
}
