#ifndef HL_LEDGER_H
#define HL_LEDGER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a node keeps of certificates, in the store and all of it in memory: a record, an
 * object, for each key.  CF_META "P" + the kind's letter + key -> JSON.
 *
 *   issued     by serial: {hostname, node, spki, until, at, by, confirmed, authority?,
 *              shown?, trusted?}; shown: not by us; with authorities that are trusted for it
 *   revoked    by serial: {until, at, by, why?, spread?}; until 0: not known, so it stays; spread:
 *              all members are to know it
 *   authority  by the hash of its key: {certificate, from, at, name?}: who is trusted beside ours
 *
 * `at` is in milliseconds, `until` in seconds since 1970.  Any thread.
 */
enum ledger_kind { LEDGER_ISSUED, LEDGER_REVOKED, LEDGER_AUTHORITY, LEDGER_KINDS };

struct data;
struct ledger;

struct ledger *ledger_load(struct data *data, char **err); /* NULL with *err */
void ledger_free(struct ledger *l);

/* Copies; NULL: there is no such record. */
json_t *ledger_get(struct ledger *l, enum ledger_kind kind, const char *key);
json_t *ledger_all(struct ledger *l, enum ledger_kind kind); /* {key: record} */
size_t ledger_count(struct ledger *l, enum ledger_kind kind);
int ledger_has(struct ledger *l, enum ledger_kind kind, const char *key);

struct ledger_change {
	enum ledger_kind kind;
	const char *key;
	const json_t *record; /* NULL: it goes */
};
/* All or none, and on disk when it returns: it may wait.  200, or a status with *err. */
int ledger_write(struct ledger *l, const struct ledger_change *changes, size_t n, char **err);

/* How often what is trusted or revoked has changed since it was loaded. */
uint64_t ledger_changes(const struct ledger *l);

#endif
