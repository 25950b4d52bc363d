#ifndef HL_ROSTER_H
#define HL_ROSTER_H

#include "opsd/cluster/statement.h"

/*
 * What all members of the cluster know alike, each entry a statement (statement.h) that anybody can
 * check: who the members are, which certificates are revoked, which authorities are trusted.  Each
 * node has all of it; gossip.h spreads it.  In memory, no I/O.  Any thread, unless it says otherwise.
 *
 * A member's entry has two statements: what the node says of itself, signed with its key, and the
 * introduction, by which a member said that this key is that node's.  The newer counts, of each
 * by itself, as long as the two are of the same key.  A removal takes the place of what the
 * node says, and outranks it and the key, until there is a newer introduction.
 *
 * Who may introduce is known, not removed, and one of replication.introducers; it alone removes,
 * revokes, and says which authorities are trusted.  From such a member, over its own link, a node also
 * takes what others have signed that it does not know: it could say all of that itself.
 *
 * Whom a removed member has introduced stays, when it was known here before the removal, give or take
 * what clocks may differ (ROSTER_AHEAD); a member that knew it so introduces it anew.  Nothing else that a
 * removed member has introduced counts, whoever passes it on, as the stamp says nothing: it could sign
 * with any.
 *
 * What is signed with the key of a certificate that is revoked does not count when it comes after that,
 * whatever its stamp, until a member introduces the node anew.
 */
struct roster;

#define ROSTER_KINDS       STATEMENT_INTRODUCTION
#define ROSTER_MOST        10000 /* members, and revoked certificates; one node brings half */
#define ROSTER_AUTHORITIES 1000
#define ROSTER_SHOWN       6                        /* entries of roster_shown */
#define ROSTER_UNUSED_MS   60000                    /* who is introduced comes by then */
#define ROSTER_AHEAD       (UINT64_C(300000) << 16) /* so much ahead of the clock, nothing counts */

struct roster *roster_new(const uint8_t *own_id);
void roster_free(struct roster *r); /* NULL is ignored */

/* ---- what is signed here ---- */

void roster_sign_with(struct roster *r, struct signer *signer); /* takes it */
int roster_may_sign(struct roster *r);                          /* it has been given one */

/* What this node says counts for all, by these introducers (roster_facts): it is known, and may introduce. */
int roster_is_heard(struct roster *r, const json_t *introducers);

struct roster_offer { /* of one entry; either may be NULL */
	struct statement *said, *introduction;
};
void roster_offer_clear(struct roster_offer *o);

/*
 * What to offer (roster_take) so that it counts; to be cleared, NULL where there is nothing to be
 * said, or nothing to sign with.
 */
struct statement *roster_say(struct roster *r, enum statement_kind kind, const char *key,
    const json_t *fields, uint64_t now_ms);
struct statement *roster_introduce(struct roster *r, const uint8_t *id, const char *spki,
    uint64_t now_ms);
/*
 * A member as it is known here is introduced in the place of who has done it: right after that, so
 * that whatever this node has not heard of, a removal or another key, still outranks it.
 */
struct statement *roster_adopt(struct roster *r, const uint8_t *id);

/* ---- taking ---- */

struct roster_facts {
	uint64_t now_ms;
	const json_t *introducers; /* names of nodes, or "*"; NULL: all may */
	const uint8_t *who;   /* who hands it over, if that is known for sure; NULL: it is not */
	const char *who_spki; /* the key that its link shows, or NULL */
};

enum roster_verdict {
	ROSTER_OLD,    /* what is here counts */
	ROSTER_TAKEN,  /* something of it is new */
	ROSTER_LATER,  /* who has signed it is not known (yet), or it is ahead of the clock */
	ROSTER_REFUSED /* and *why */
};

/*
 * The signatures have been checked by now.  On the commit thread.  The statements that are taken are
 * no longer in the offer.
 */
enum roster_verdict roster_take(struct roster *r, struct roster_offer *o,
    const struct roster_facts *f, char **why);
/* When its last change came here, and its introduction, by our clock. */
struct roster_times {
	uint64_t taken_ms, seen_ms;
};
/* As it was stored, and was here before. */
void roster_put(struct roster *r, struct roster_offer *o, const struct roster_times *t);
struct roster_times roster_times(struct roster *r, enum statement_kind kind, const char *key);
int roster_drop(struct roster *r, enum statement_kind kind,
    const char *key); /* whether there was one */
/* What was revoked and has long ended goes; as roster_clear. */
json_t *roster_sweep(struct roster *r, uint64_t now_ms);
/* All go but what this node says of itself; their keys ("member 0f...") as an array. */
json_t *roster_clear(struct roster *r);

/* ---- looking ---- */

/* The sum of all entries; equal sets have equal ones. */
uint64_t roster_digest(struct roster *r);
/* So many changes there were of a kind since the start; -1: of all. */
uint64_t roster_changes(struct roster *r, int kind);
size_t roster_count(struct roster *r);

/* {"kind","key","said"?,"introduction"?}; NULL: there is none, or nothing was said.  New reference. */
json_t *roster_entry(struct roster *r, enum statement_kind kind, const char *key);
/* The same after a change of that number, not from that node; *upto is the last of these. */
json_t *roster_since(struct roster *r, uint64_t after, const uint8_t *not_from, size_t max,
    uint64_t *upto);
/*
 * What this node shows where it is not known: its own entry, that of who has introduced it, and so on;
 * an array, new reference.  It counts as what anybody says.
 */
json_t *roster_shown(struct roster *r);
/* An offer from such an entry; 0, or -1 with *fault. */
int roster_offer_read(struct roster_offer *o, const json_t *entry, char **fault);
/* [[kind,key,hash]...], all entries, sorted by kind and key. */
json_t *roster_list(struct roster *r);

/* {key: what is said}, those that are not removed; a copy, new reference. */
json_t *roster_all(struct roster *r, enum statement_kind kind);

struct roster_member {
	uint8_t id[NODE_ID_LEN];
	char *hostname, *node_name, *url, *spki; /* the last three may be NULL */
	int full;                                /* all other full members link with it */
	int removed;                             /* and not introduced again since */
	char *removed_by;                        /* a host name, or id; NULL: it is not */
	uint64_t removed_ms;                     /* when that was learned here, by our clock */
	uint64_t introduced_ms;                  /* by the clock of who has */
	int distrusted; /* its certificate is revoked, and it was not introduced since */
};
void roster_member_clear(struct roster_member *m);
/* 0: nothing was said of it. */
int roster_member(struct roster *r, const uint8_t *id, struct roster_member *m);
/* One that is not removed. */
int roster_by_hostname(struct roster *r, const char *hostname, struct roster_member *m);
/*
 * How many but us, that are not removed, are called so (clustering.nodeName): nobody sees to it that there is
 * one alone.  *m is one of them.
 */
size_t roster_by_node_name(struct roster *r, const char *name, struct roster_member *m);
/*
 * Whether the node, or the key that it shows (NULL: none), is removed: a reason for people that
 * names it so, or NULL; caller frees.
 */
char *roster_locked(struct roster *r, const uint8_t *id, const char *spki, const char *name);
/* Whether it is known by another key, and was before that moment (by our clock). */
int roster_has_other_key(struct roster *r, const uint8_t *id, const char *spki, uint64_t before_ms);
/* When that was learned here, by our clock; 0: it is not removed. */
uint64_t roster_locked_ms(struct roster *r, const uint8_t *id, const char *spki);
/* A serial number in normal form: it is revoked. */
int roster_revokes(struct roster *r, const char *serial);
json_t *roster_removed_ids(struct roster *r); /* of others, sorted, as texts; new reference */
/* Host names (roster_host_key) of removed members that no other has, {hostname: who has removed it}; new
 * reference. */
json_t *roster_removed(struct roster *r);
char *roster_host_key(const char *hostname); /* lower case; caller frees */
/*
 * What was refused lately, and why: [{"node_id","error","time"}], new reference.  Whoever has it says
 * it again, as long as it is so.
 */
json_t *roster_faults(struct roster *r, uint64_t now_ms);
int roster_is_alone(struct roster *r); /* there are none but us that are not removed */
/* Members but us that are not removed; for each of them while it returns 0, with the lock held. */
void roster_each(struct roster *r, int (*fn)(const struct roster_member *m, void *arg), void *arg);
/*
 * Ids of members that wait for an introduction by somebody who counts; caller frees.  Not those whose
 * certificate was revoked: they have to come with another one first.  Nor those of roster_late.
 */
uint8_t *roster_unintroduced(struct roster *r, const struct roster_facts *f, size_t *n);

/*
 * Members that were introduced by one that had been removed, as this node then learned; {id: why it is no
 * member, for people}, new reference.
 */
json_t *roster_late(struct roster *r);
/*
 * Who shows such an entry (roster_shown) was introduced by a member that is removed: a reason for people,
 * or NULL; caller frees.
 */
char *roster_left_behind(struct roster *r, const json_t *shown);
/* That node is a member here, by the introduction that such an entry has. */
int roster_has_heard(struct roster *r, const uint8_t *id, const json_t *shown);
int roster_introduced_here(struct roster *r, const uint8_t *id); /* by this node */

#endif
