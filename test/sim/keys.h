#ifndef HL_KEYS_H
#define HL_KEYS_H

#include <stdint.h>

/*
 * What opsd/pki has on disk, in place of it: the key that a machine shows on links, which it signs
 * with, and what it has signed for others.  Keys are real, of a kind that signs the same twice, so that
 * all follows from the seed.
 */
struct machine;
struct pki;
struct signer;

struct pki *keys_of(struct machine *m); /* for its opsd, whichever life of it */
void keys_renew(struct machine *m);     /* another key, which nobody has signed yet */
void keys_new(struct machine *m);       /* and nothing is left of what it has signed */
void keys_copy(struct machine *to, const struct machine *from);
const char *keys_spki(const struct machine *m);
const char *keys_serial(const struct machine *m); /* of the certificate */
/* A new key, whose certificate `by` signs, in the machine's name and of the id that it has. */
void keys_sign(struct machine *by, struct machine *m);
struct signer *keys_stranger(void);               /* nobody's; to be freed */
void keys_put_back(struct machine *m);            /* that before the last one */
const char *keys_before(const struct machine *m); /* that, PEM; NULL: there is none */

#endif
