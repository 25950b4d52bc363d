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
	uint64_t seen_ms;          /* when the introduction came here, by our clock */
	uint64_t outdone;          /* others have one of this time, which does not count here */
	uint8_t from[NODE_ID_LEN]; /* who handed it over, or zeros */
	UT_hash_handle hh;
};

/* Who has brought entries: said them, or introduced the member. */
struct roster_signer {
	uint8_t id[NODE_ID_LEN];
	size_t counts[ROSTER_KINDS];
	UT_hash_handle hh;
};

struct roster {
	pthread_mutex_t lock;
	uint8_t own_id[NODE_ID_LEN];
	struct signer *signer; /* or NULL */
	struct roster_entry *entries;
	json_t *hosts;   /* {host name, in lower case: key} of members that are not removed */
	json_t *removed; /* {hash of a key: key} of members that are */
	json_t *revoked; /* {hash of a key: serial} of revoked certificates */
	uint64_t digest, seq;
	uint64_t changes[ROSTER_KINDS];
	size_t counts[ROSTER_KINDS];
	struct roster_signer *signers;
	json_t *faults; /* {key: {"why","time"}}: what was refused last */
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
/* There is no room for another entry: the reason, caller frees; or NULL. */
char *roster_full(struct roster *r, const struct roster_offer *o);
/* A certificate for the key was revoked, and the node (or NULL) was not introduced with it since. */
int roster_is_distrusted(struct roster *r, const struct roster_entry *e, const char *spki);
/* Whoever signed it is known and not removed, and may introduce if that is needed. */
int roster_is_direct(struct roster *r, const struct roster_facts *f, const struct statement *s,
    int introduces);
json_t *roster_entry_write(const struct roster_entry *e);   /* as it travels */
char *roster_shown_id(struct roster *r, const uint8_t *id); /* its host name, or else the id */
/* Who has removed it, as it is known here, or else as it has called itself then. */
char *roster_shown_remover(struct roster *r, const struct roster_entry *e);
int roster_fault_is_over(const json_t *fault, uint64_t now_ms); /* of `faults` */

#endif
