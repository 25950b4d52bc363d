#ifndef HL_CERTSTORE_H
#define HL_CERTSTORE_H

#include <jansson.h>

/*
 * What add_certificate keeps below rootPath: keys/added-NAME.pem, a certificate, what leads to
 * its authority, and its key, in one file, so that they change together; and
 * keys/authorities.pem, all authorities with a line before each that has its name.
 *
 * A file that servers may still open is not removed but marked, as not being there, until
 * the next start.
 */
struct conf;

#define CERT_NAME_MAX 64
#define CERT_FILE_MAX (1 << 20) /* what goes into a backup */
#define CERT_BUNDLE   "keys/authorities.pem"

int certstore_name_ok(const char *name);       /* a letter or digit, then these, and . _ - */
char *certstore_file(const char *name);        /* "keys/added-NAME.pem" */
json_t *certstore_names(const struct conf *c); /* of the certificates, sorted */
/* A file's text; NULL: it is not there, or marked (errno ENOENT), or cannot be read. */
char *certstore_read(const char *path);

/* {NAME: PEM}, from the text of the bundle and back; what is before the first name is "". */
json_t *certstore_authorities(const char *text);
char *certstore_bundle(const json_t *authorities);

/* Before a file is written: it is there again. -1 with errno. */
int certstore_unmark(const char *path);
/* Remove it, now or at the next start: when what is in force names it. -1 with errno. */
int certstore_remove(const struct conf *in_force, const char *path);
/* At the start: the marked ones go. */
void certstore_sweep(const struct conf *c);

#endif
