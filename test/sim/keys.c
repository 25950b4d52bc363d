#include "config.h"

#include "test/sim/keys.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/tls/pem.h"
#include "opsd/pki/due.h"
#include "opsd/pki/issue.h"
#include "opsd/pki/pki.h"
#include "opsd/pki/signer.h"
#include "test/sim/machine.h"
#include "test/sim/world.h"

#define KEY_BYTES   32
#define SIGNED_MAX  256 /* by one machine */
#define SERIAL_TEXT 12

struct shown {
	char *key; /* PEM */
	char spki[PEM_HASH], serial[SERIAL_TEXT];
};

struct keyring {
	struct shown now, before;
	uint64_t changes;
	struct signed_one {
		const struct machine *of;
		char hex[2 * NODE_ID_LEN + 1], spki[PEM_HASH], serial[SERIAL_TEXT];
		uint64_t ms;
		int revoked;
	} list[SIGNED_MAX];
	int n;
};

static struct keyring rings[MACHINES_MAX];
static unsigned serials;

int __wrap_pki_identity(struct pki *p, const char *hostname, struct keypair *out, char **err);
json_t *__wrap_pki_revoked(struct pki *p);
char *__wrap_pki_authorities(struct pki *p);
uint64_t __wrap_pki_changes(const struct pki *p);
int __wrap_pki_is_revoked(struct pki *p, const char *serial);
int __wrap_issue_confirm(struct pki *p, const struct issue_shown *s, char **err);
uint64_t __wrap_issue_invites(struct pki *p, const struct issue_shown *s);
json_t *__wrap_issue_signed(struct pki *p, const char *hostname, const char *node);
int __wrap_issue_revoke(struct pki *p, const json_t *of, const char *by, size_t *n, char **err);
void __wrap_issue_sweep(struct pki *p);
int __wrap_due_now(struct pki *p, const char *hostname, int64_t now, struct due_cert *out);
json_t *__wrap_pki_known(struct pki *p);
char *__wrap_pki_authority_made(struct pki *p);
json_t *__wrap_retained_hosts(struct pki *p);

static struct keyring *
ring_of(struct pki *p)
{
	return ((struct keyring *)(void *)p);
}

struct pki *
keys_of(struct machine *m)
{
	return ((struct pki *)(void *)&rings[m->index]);
}

const char *
keys_spki(const struct machine *m)
{
	return (rings[m->index].now.spki);
}

const char *
keys_serial(const struct machine *m)
{
	return (rings[m->index].now.serial);
}

/* ---- keys ---- */

static void
make_key(struct shown *s)
{
	uint8_t raw[KEY_BYTES];
	EVP_PKEY *key;

	world_random(raw, sizeof(raw));
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
	s->key = pem_from_key(key);
	snprintf(s->serial, sizeof(s->serial), "%08x", ++serials);
	if (s->key == NULL || pem_spki(key, s->spki) == -1)
		world_fail("no key can be made");
	EVP_PKEY_free(key);
}

struct signer *
keys_stranger(void)
{
	struct shown s;
	struct signer *signer;

	make_key(&s);
	signer = signer_new(s.key);
	free(s.key);
	return (signer);
}

/* What was before the last is of no use any more. */
static void
put_key(struct keyring *r, struct shown s)
{
	free(r->before.key);
	r->before = r->now;
	r->now = s;
	r->changes++;
}

void
keys_renew(struct machine *m)
{
	struct shown s;

	make_key(&s);
	put_key(&rings[m->index], s);
}

void
keys_new(struct machine *m)
{
	rings[m->index].n = 0;
	keys_renew(m);
}

void
keys_copy(struct machine *to, const struct machine *from)
{
	struct shown s = rings[from->index].now;

	s.key = xstrdup(s.key);
	put_key(&rings[to->index], s);
}

const char *
keys_before(const struct machine *m)
{
	return (rings[m->index].before.key);
}

void
keys_put_back(struct machine *m)
{
	struct keyring *r = &rings[m->index];

	if (r->before.key == NULL)
		return;
	free(r->now.key);
	r->now = r->before;
	r->before = (struct shown){ 0 };
	r->changes++;
}

/* ---- what is signed ---- */

static struct signed_one *
free_place(struct keyring *r)
{
	if (r->n == SIGNED_MAX)
		world_fail("too much is signed");
	return (&r->list[r->n++]);
}

void
keys_sign(struct machine *by, struct machine *m)
{
	struct signed_one *s = free_place(&rings[by->index]);
	struct machine *was;

	keys_renew(m);
	*s = (struct signed_one){ .of = m };
	memcpy(s->hex, m->hex, sizeof(s->hex));
	memcpy(s->spki, rings[m->index].now.spki, sizeof(s->spki));
	memcpy(s->serial, rings[m->index].now.serial, sizeof(s->serial));
	was = machine_enter(by);
	s->ms = wall_ms();
	machine_enter(was);
}

static struct signed_one *
signed_as(struct keyring *r, const char *serial)
{
	for (int i = 0; i < r->n; i++)
		if (strcmp(r->list[i].serial, serial) == 0)
			return (&r->list[i]);
	return (NULL);
}

/* ---- as opsd/pki ---- */

int
__wrap_pki_identity(struct pki *p, const char *hostname, struct keypair *out, char **err)
{
	(void)hostname;
	(void)err;
	*out = (struct keypair){ xstrdup(ring_of(p)->now.serial), xstrdup(ring_of(p)->now.key) };
	return (0);
}

json_t *
__wrap_pki_revoked(struct pki *p)
{
	json_t *o = json_object();

	for (int i = 0; i < ring_of(p)->n; i++)
		if (ring_of(p)->list[i].revoked)
			json_object_set_new(o, ring_of(p)->list[i].serial, json_object());
	return (o);
}

char *
__wrap_pki_authorities(struct pki *p)
{
	(void)p;
	return (xstrdup(""));
}

uint64_t
__wrap_pki_changes(const struct pki *p)
{
	return (((const struct keyring *)(const void *)p)->changes);
}

int
__wrap_pki_is_revoked(struct pki *p, const char *serial)
{
	const struct signed_one *s = signed_as(ring_of(p), serial);

	return (s != NULL && s->revoked);
}

int
__wrap_issue_confirm(struct pki *p, const struct issue_shown *s, char **err)
{
	if (!__wrap_pki_is_revoked(p, s->serial))
		return (0);
	*err = xstrdup("the certificate is revoked");
	return (-1);
}

uint64_t
__wrap_issue_invites(struct pki *p, const struct issue_shown *shown)
{
	const struct signed_one *s = signed_as(ring_of(p), shown->serial);

	if (s == NULL || s->revoked || strcasecmp(s->of->name, shown->hostname) != 0 ||
	    strcmp(s->hex, shown->node) != 0 || strcmp(s->spki, shown->spki) != 0)
		return (0);
	return (s->ms);
}

/* As {serial: null}. */
json_t *
__wrap_issue_signed(struct pki *p, const char *hostname, const char *node)
{
	struct keyring *r = ring_of(p);
	json_t *of = json_object();

	for (int i = 0; i < r->n; i++)
		if (strcasecmp(r->list[i].of->name, hostname) == 0 &&
		    (node == NULL || strcmp(r->list[i].hex, node) == 0))
			json_object_set_new(of, r->list[i].serial, json_null());
	return (of);
}

int
__wrap_issue_revoke(struct pki *p, const json_t *of, const char *by, size_t *n, char **err)
{
	struct keyring *r = ring_of(p);
	const json_t *none;
	const char *serial;

	(void)by;
	(void)err;
	*n = 0;
	json_object_foreach((json_t *)of, serial, none) {
		struct signed_one *s = signed_as(r, serial);

		*n += s != NULL && !s->revoked;
		if (s != NULL)
			s->revoked = 1;
	}
	r->changes += *n;
	return (200);
}

/* One authority has signed all. */
json_t *
__wrap_pki_known(struct pki *p)
{
	(void)p;
	return (json_object());
}

char *
__wrap_pki_authority_made(struct pki *p)
{
	(void)p;
	return (NULL);
}

json_t *
__wrap_retained_hosts(struct pki *p)
{
	(void)p;
	return (json_array());
}

/* What was never used stays. */
void
__wrap_issue_sweep(struct pki *p)
{
	(void)p;
}

/* None is so old. */
int
__wrap_due_now(struct pki *p, const char *hostname, int64_t now, struct due_cert *out)
{
	(void)p;
	(void)hostname;
	(void)now;
	(void)out;
	return (0);
}
