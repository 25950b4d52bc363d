#ifndef HL_ISSUE_H
#define HL_ISSUE_H

#include <jansson.h>
#include <stdint.h>

/*
 * What our authority signs for other nodes.  A signature that its node has not used within
 * ISSUE_CONFIRM_MS, by coming up with it on a link, is revoked: a join that failed in the
 * middle leaves nothing that is good.  Never on an HTTP thread or the event loop's.
 */
#define ISSUE_CONFIRM_MS 60000
#define ISSUE_MOST       10000 /* that are good at a time, */
#define ISSUE_MOST_EACH  20    /* and of one node, with those that it asks for over a link */

struct pki;

struct issue_order {
	const char *csr; /* PEM; or NULL, and it is let in with what it has: */
	const char *certificate, *hostname, *node; /* PEM, who it is for, and the id in hex */
	const char *join;                          /* a token that is used up with it, or NULL */
	const char *by; /* who asks, or NULL with a token: who made that */
	const char
	    *authority; /* of the node itself, trusted once it came up; or NULL.  Of one that is
				  let in with its own certificate it is trusted at once */
	int renews;     /* for the key that a member is known by: needs no confirmation */
};
/*
 * 200 with *answer {"certificate"?,"authorities":[PEM...],"serial_number","valid_to"}; or a
 * status with *err, and nothing is left of it: 400 for the request, 401 for the token, 403 when
 * the token is for another, 409 when the name or the id is somebody else's.
 */
int issue_sign(struct pki *p, const struct issue_order *o, json_t **answer, char **err);

/*
 * The node at the other end of a link asks for another certificate of its name and id, with
 * any key.  As issue_sign; it needs no confirmation.
 */
struct issue_renewal {
	const char *csr, *hostname, *node; /* as the link has shown them; the id in hex */
};
int issue_renew(struct pki *p, const struct issue_renewal *r, json_t **answer, char **err);

/* What a certificate shows; the id and the hash of the key (PEM_HASH) in hex. */
struct issue_shown {
	const char *serial, *hostname, *node, *spki;
};
/*
 * A link came up with it: it is in use from now on.  0; or -1 with *err: it is revoked, or comes
 * too late.  One that we have not signed is fine.
 */
int issue_confirm(struct pki *p, const struct issue_shown *s, char **err);
/*
 * Whether it is one that we have signed for that node and key, and good: it was asked to come.
 * When we did, in milliseconds; 0: it is none.
 */
uint64_t issue_invites(struct pki *p, const struct issue_shown *s);
void issue_sweep(struct pki *p); /* what was never used goes; also done before each signature */

/*
 * Its node has joined with it, and takes that back: it is revoked, or, as its own, is forgotten with what
 * is trusted for it.  200, or a status with *err; 404: it is of another node, or was signed longer
 * than ISSUE_WITHDRAW_MS ago.
 */
#define ISSUE_WITHDRAW_MS 600000
int issue_may_withdraw(struct pki *p, const char *serial, const char *node); /* not 404 */
int issue_withdraw(struct pki *p, const char *serial, const char *node, char **err);
/*
 * What we have signed for that name until now, {serial: record}; with a node's id, hexadecimal, for
 * that node alone: another may have the name by now.  On any thread.
 */
json_t *issue_signed(struct pki *p, const char *hostname, const char *node);
/*
 * Those are good for nothing any more, *n of them that were; not what is signed since issue_signed has
 * told them.  200, or a status with *err.
 */
int issue_revoke(struct pki *p, const json_t *of, const char *by, size_t *n, char **err);

#endif
