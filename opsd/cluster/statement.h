#ifndef HL_STATEMENT_H
#define HL_STATEMENT_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/frame.h"
#include "common/tls/pem.h"

/*
 * What a node says to all, signed: a text that is kept and passed on byte for byte, so that
 * whoever gets it can check it by itself.  No I/O.
 *
 *   {"text","signer","signature"}; signer is the public key; the text is JSON:
 *   {"v":1, "kind", "key", "stamp":[ms,n], "by":<id of who signs>, ...}
 *
 *   member        key: a node's id; {"hostname","node_name"?,"url"?,"spki","full"}, or
 *                 {"hostname","node_name"?,"spki"?,"removed":true,"remover"?}: the host name of
 *                 who signs it
 *   revoked       key: a certificate's serial number (serial.h); {"until","spki"?}: the end of its time
 *                 in seconds since 1970, or 0; the hash of the key that it is for, if that is known
 *   authority     key: the hash of its key; {"certificate"}, or {"removed":true}
 *   introduction  key: a node's id; {"spki"}: that key is that node's
 */
enum statement_kind {
	STATEMENT_MEMBER,
	STATEMENT_REVOKED,
	STATEMENT_AUTHORITY,
	STATEMENT_INTRODUCTION,
	STATEMENT_KINDS
};

#define STATEMENT_TEXT_MAX 4096
#define STATEMENT_KEY_MAX  64     /* characters of a key */
#define STATEMENT_KEPT_S   172800 /* what was revoked has ended for so long, and needs no word */

struct signer;

struct statement { /* does not change once it is made */
	enum statement_kind kind;
	char key[STATEMENT_KEY_MAX + 1];
	uint64_t time; /* as a stamp has it: milliseconds << 16, and a counter */
	uint8_t by[NODE_ID_LEN];
	char by_spki[PEM_HASH]; /* the hash of the key that signed it */
	int removed;
	json_t *body; /* the text, read */
	char *text, *signer, *signature;
};

const char *statement_kind_name(enum statement_kind kind);
int statement_kind_read(const char *name); /* -1: there is no such kind of roster (roster.h) */

/* NULL: it cannot be signed, or is too long.  The fields are what the kind has besides. */
struct statement *statement_make(const struct signer *signer, enum statement_kind kind,
    const char *key, const uint8_t *by, uint64_t time, const json_t *fields);
/* Its form is checked, its signature not.  NULL with *fault: the field and the rule. */
struct statement *statement_read(const json_t *o, char **fault);
int statement_is_signed(const struct statement *s); /* takes a while */
json_t *statement_write(const struct statement *s);
struct statement *statement_copy(const struct statement *s); /* NULL gives NULL */
void statement_free(struct statement *s);                    /* NULL is ignored */

int statement_is_over(const struct statement *s, uint64_t now_ms);
/* Which of two counts: by time, then by text; 0: they are the same. */
int statement_cmp(const struct statement *a, const struct statement *b);
const char *statement_field(const struct statement *s, const char *field); /* text, or NULL */

#endif
