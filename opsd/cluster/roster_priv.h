#ifndef HL_ROSTER_PRIV_H
#define HL_ROSTER_PRIV_H

#include <pthread.h>
#include <uthash.h>

#include "opsd/cluster/roster.h"
#include "opsd/pki/signer.h"

/* What roster.c (the set), roster_take.c (the rules) and roster_view.c (what is seen of it) share. */

#define ROSTER_SLOT_MAX (STATEMENT_KEY_MAX + 2)

struct roster_entry {
	char slot[ROSTER_SLOT_MAX]; /* a letter for the kind, and the key */
	enum statement_kind kind;
	const char *key; /* in the slot */
	struct statement *said, *introduction;
	uint64_t hash; /* 0: nothing is said */
	uint64_t seq;  /* of the change that made it so */
	uint64_t taken_ms;
	uint8_t from[NODE_ID_LEN]; /* who handed it over, or zeros */
	UT_hash_handle hh;
};

struct roster {
	pthread_mutex_t lock;
	uint8_t own_id[NODE_ID_LEN];
	struct signer *signer; /* or NULL */
	struct roster_entry *entries;
	json_t *hosts;   /* {host name, in lower case: key} of members that are not removed */
	json_t *removed; /* {hash of a key: key} of members that are */
	uint64_t digest, seq;
	uint64_t changes[ROSTER_KINDS];
};

/* All with the lock held. */
struct roster_entry *roster_find(struct roster *r, enum statement_kind kind, const char *key);
struct roster_entry *roster_find_id(struct roster *r, const uint8_t *id);
struct roster_entry *roster_entry_of(struct roster *r, enum statement_kind kind,
    const char *key); /* made when there is none */
/* Around each change of an entry. */
void roster_unlist(struct roster *r, struct roster_entry *e);
void roster_enlist(struct roster *r, struct roster_entry *e);
/* One in which nothing stands goes. */
void roster_tidy(struct roster *r, struct roster_entry *e);

int roster_is_live(const struct roster_entry *e); /* NULL is not */
int roster_is_locked(const struct roster_entry *e);
/* Whoever signed it is known and not removed, and may introduce if that is needed. */
int roster_is_direct(struct roster *r, const struct roster_facts *f, const struct statement *s,
    int introduces);
/* Lower case; caller frees. */
char *roster_host_key(const char *hostname);

#endif
