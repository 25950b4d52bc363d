#ifndef HL_PKI_H
#define HL_PKI_H

#include <jansson.h>
#include <stdint.h>

#include "common/conf/conf.h"
#include "opsd/pki/keyfiles.h"

/*
 * Who this node is on links, and whom it believes: its authority, the certificate that it
 * shows, the authorities that it trusts, and what has been revoked.  Any thread but the event
 * loop's, as files are read and the disk is waited for.
 */
struct data;
struct pki;

struct pki *pki_start(struct data *data, char **err); /* NULL with *err */
void pki_stop(struct pki *p);

/* The certificate of our own authority, which is made when there is none; NULL with *err. */
char *pki_authority(struct pki *p, char **err);

char *pki_authority_made(struct pki *p); /* the same if there is one, else NULL */

/*
 * The files of the configuration that are shown as that hostname (borrowed from it); 0: none
 * are.
 */
struct pki_files {
	const char *certificate, *key;
};
int pki_files(const struct conf *c, const char *hostname, struct pki_files *f);

/*
 * What the node shows as that hostname: the files of replication.tls; or those of tls, when
 * they are for the hostname, as a server and as a client; or what pki_adopt has kept; or else
 * one that our own authority signs now, also when such a one is in the last third of its
 * time.  0, or -1 with *err.  keyfiles_clear.
 */
int pki_identity(struct pki *p, const char *hostname, struct keypair *out, char **err);

/*
 * A certificate that another node's authority has signed for us, its key, and the
 * authorities (an array of PEM) that we trust from now on; `from` is who has sent them.  It is
 * checked as everybody will.  On disk, authorities first, when it returns 200; else a status with
 * *err, and nothing is left of it.  `added` is as pki_trust has it.
 */
struct pki_adopted {
	const struct keypair *pair;
	const json_t *authorities;
	const char *hostname, *from;
	json_t *added;
};
int pki_adopt(struct pki *p, const struct pki_adopted *a, char **err);
/* What pki_adopt has kept last, or we have signed ourselves; 0: nothing.  keyfiles_clear. */
int pki_kept(struct pki *p, struct keypair *out);
/*
 * What was kept before comes back, in place of what pki_adopt has kept since; NULL: nothing.
 * The authorities that it added are not trusted any more.
 */
void pki_put_back(struct pki *p, const struct keypair *before, const json_t *added);

/* A token with which another node may have a certificate signed (joins.h). */
struct join_terms;
char *pki_join_token(struct pki *p, const char *pin, const struct join_terms *t, int *status,
    char **err);

/* All that we trust, as one PEM text: our own authority, those of others, those of the configuration. */
char *pki_authorities(struct pki *p);
json_t *pki_authority_list(struct pki
	*p); /* the same without the configuration's, an array of PEM */
/*
 * Authorities, an array of PEM, of which each is one certificate; all of them, or a status with
 * *err.  {hash: ...} of those that are new is put into `added` unless that is NULL.
 */
int pki_trust(struct pki *p, const json_t *certs, const char *from, json_t *added, char **err);
void pki_distrust(struct pki *p, const json_t *added);
/* Those of others, {hash of the key: {"certificate","from","at","name"?}}; new reference. */
json_t *pki_known(struct pki *p);
char *pki_known_name(const char *hash, const json_t *record); /* what one goes by; caller frees */
/*
 * All of a text (PEM) go by that name, in place of what did; and no more.  200, or a status with
 * *err.
 */
int pki_add_named(struct pki *p, const char *name, const char *pem, const char *by, char **err);
int pki_has_named(struct pki *p, const char *name);
json_t *pki_named(struct pki *p, const char *name); /* {hash: null} of these; new reference */
int pki_remove_named(struct pki *p, const char *name, char **err);

/* {serial: {"until","at","by","spread"?}}, serials as serial.h has them; new reference. */
json_t *pki_revoked(struct pki *p);
int pki_is_revoked(struct pki *p, const char *serial); /* of any spelling; what is none is not */
/*
 * An array of serials, good until then (seconds since 1970; 0: not known); 200, or a status
 * with *err, and nothing done.  Those that are revoked already stay as they are.  All members
 * are to know it (trustsync.h).
 */
int pki_revoke(struct pki *p, const json_t *serials, int64_t until, const char *by, char **err);

/* {serial: the end of its time, or 0}, in normal form; as pki_revoke, but for this node alone. */
int pki_revoke_each(struct pki *p, const json_t *untils, const char *by, char **err);
/* Whether what was revoked has ended for so long ({"until"}) that no record of it is needed. */
int pki_is_over(const json_t *record);

/* How often what we show, trust or have revoked has changed, from 1; no waiting, any thread. */
uint64_t pki_changes(const struct pki *p);

/* A chain by what we trust and have revoked (chain.h); node and spki may be NULL. */
int pki_check(struct pki *p, const char *certs, const char *hostname, const char *node,
    const char *spki, char **err);

#endif
