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

/* Their normal form as the names of an object, or -1 with *err. */
static int
read_serials(const json_t *serials, json_t *out, char **err)
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
		json_object_set_new(out, normal, json_null());
	}
	return (0);
}

static int
write_revoked(struct pki *p, json_t *serials, json_t *record, char **err)
{
	struct ledger_change *c = xcalloc(json_object_size(serials) + 1, sizeof(*c));
	size_t n = 0;
	const char *serial;
	json_t *v;
	int status;

	json_object_foreach(serials, serial, v)
		if (!ledger_has(p->ledger, LEDGER_REVOKED, serial))
			c[n++] = (struct ledger_change){ LEDGER_REVOKED, serial, record };
	if (ledger_count(p->ledger, LEDGER_REVOKED) + n > REVOKED_MOST) {
		*err = xasprintf("more than %d certificates would be revoked", REVOKED_MOST);
		status = 409;
	} else
		status = ledger_write(p->ledger, c, n, err);
	free(c);
	return (status);
}

int
pki_revoke(struct pki *p, const json_t *serials, int64_t until, const char *by, char **err)
{
	json_t *normal = json_object();
	json_t *record = json_pack("{s:I, s:I, s:s}", "until", (json_int_t)until, "at",
	    (json_int_t)wall_ms(), "by", by);
	int status = 400;

	if (read_serials(serials, normal, err) == 0)
		status = write_revoked(p, normal, record, err);
	json_decref(record);
	json_decref(normal);
	return (status);
}
