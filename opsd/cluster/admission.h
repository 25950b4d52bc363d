#ifndef HL_ADMISSION_H
#define HL_ADMISSION_H

#include "opsd/cluster/cursors.h"
#include "opsd/cluster/member.h"
#include "opsd/store/commit.h"

/*
 * A node that asks for a link: whether it may have one (member.h), by what is configured and
 * known here; and what follows from a yes.  It is kept as a member, with its key, and when the two
 * have nothing with each other yet, they replicate everything both ways.
 */
struct admission {
	struct commit_job job;     /* first; its status and error are the answer */
	struct member_claim claim; /* its texts are its own, and not those of LINK_UP */
	struct cursors_hint hint;  /* out: what we have of its log */
};

struct replication;

/*
 * Whether it is in hdb_nodes or in replication.routes, a call is adding it, we have signed its
 * certificate, or it is a full member as this node is; and not removed.
 */
int admission_member(struct replication *rep, const uint8_t *id, const char *hostname);
/*
 * It shows a certificate that we have signed, for its name, its id and its key, and not before one of
 * the two was removed.
 */
int admission_invited(struct replication *rep, const struct member *m);
/* It comes up with such a one, perhaps (issue_confirm); not on the loop's thread. */
int admission_confirm(struct replication *rep, const struct member *m, char **err);
/* Who has that host name, as far as is known here, or as all members know; 0: nobody.  member_clear. */
int admission_by_name(struct replication *rep, const char *hostname, struct member *m);
/* It shows who has introduced it, which is not what is known here: that is to be heard (gossip_take.h). */
int admission_is_unheard(struct replication *rep, const struct member_claim *claim);
/* As it is now, on the loop's thread: 200, or another status and *why. */
int admission_check(struct replication *rep, const struct member_claim *claim, char **why);
/* The same again on the commit thread, and what follows; its `done` is the caller's. */
struct admission *admission_new(const struct member_claim *claim);
/*
 * A node that is linked, as it was asked in, and a full member only since: what follows from that is done
 * then.  The job frees itself; admission_is_due: there is something to do.
 */
int admission_is_due(struct replication *rep, const uint8_t *id, const char *hostname);
struct commit_job *admission_due_job(const uint8_t *id, const char *hostname);
void admission_free(struct admission *a);

#endif
