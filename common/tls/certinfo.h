#ifndef HL_CERTINFO_H
#define HL_CERTINFO_H

#include <jansson.h>
#include <stdint.h>

/*
 * The certificates (PEM) of a file: {"certificate","is_authority","is_self_signed",
 * "details":{"issuer","subject","subject_alt_name","serial_number","valid_from","valid_to",
 * "public_key_sha256"}}
 * each, as anybody may see them; no keys.  NULL with *err.
 */
json_t *certinfo_read(const char *path, char **err);
/* When the first of them ends, in seconds since 1970; -1: the file cannot be read. */
int64_t certinfo_ends(const char *path);
/* The same of a text; an empty list when there are none in it. */
json_t *certinfo_text(const char *pem);

/* The hosts that the first of them names, as texts: those that are names or addresses, in its
 * order; [] when there are none.  New reference. */
json_t *certinfo_names(const char *path);

/* Of a certificate that is here: the same, or its common name when there are none; who signed it. */
struct x509_st;
json_t *certinfo_hosts(const struct x509_st *cert);
char *certinfo_issuer(const struct x509_st *cert);

#endif
