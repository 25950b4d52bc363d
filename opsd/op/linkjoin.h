#ifndef HL_LINKJOIN_H
#define HL_LINKJOIN_H

#include "common/conf/repconf.h"
#include "opsd/cluster/proposal.h"
#include "opsd/op/fields.h"
#include "opsd/op/node.h"
#include "opsd/pki/keyfiles.h"
#include "opsd/pki/retained.h"

/*
 * A call that adds a node by hostname or url: what it gives, and how far it has come.  First a
 * certificate, when it gives credentials and this node has none that is good for links with that node;
 * then a link, and the place to dial is kept; then subscriptions (proposal.h).  What fails is undone, on
 * both sides.
 */
struct linkjoin {
	struct ops *ops;
	struct repconf_route route; /* where links go; its host is the other's hostname */
	char *url;                  /* the same as text */
	char *authorization;        /* a header's value, or NULL: none is given */
	int verify_tls;
	int retain;      /* what is to be done with these: 1 keep, 0 forget, -1 not said */
	char *api_pin;   /* the hash of the key that the other's API has shown, or NULL */
	int api_port;    /* of the other's operations API over TLS */
	json_t *revoked; /* serials, or NULL; borrowed */
	json_t *shard;   /* its number, null for none, or NULL: not said; borrowed */
	int is_explicit; /* it says what flows: */
	struct subscriptions wanted;
	uint64_t start_ms;

	int expected;     /* it may be linked while this goes on */
	int was_linked;   /* it was, before that, */
	int was_alone;    /* or this node knew no other member */
	int adopted;      /* our certificate is one that it has signed; */
	int had_identity; /* there was another before: */
	struct keypair identity;
	char *serial;    /* of the certificate with which it lets us in now, or NULL */
	json_t *trusted; /* authorities that came with its answer */
	int settled;     /* the credentials were kept, or those of before forgotten: */
	int had_retained;
	struct retained retained;
	int reached; /* it is linked: */
	uint8_t id[NODE_ID_LEN];
	int was_known; /* and was a member before, */
	char *dial;    /* which was dialled there, or NULL */
	int status;    /* of what failed, */
	char *error;   /* and what */
};

int linkjoin_is(const json_t *body); /* whether it names the node so */
/* Its hostname alone; NULL with faults.  Caller frees. */
char *linkjoin_hostname(struct request *r, struct faults *f, const json_t *body,
    const char *prefix);
/* `prefix` is for the texts; to be freed also with faults. */
struct linkjoin *linkjoin_read(struct request *r, struct faults *f, const json_t *body,
    const char *prefix);
void linkjoin_free(struct linkjoin *j);

/* "revoked_certificates" of the body; NULL: none, or faults.  Borrowed from it. */
json_t *linkjoin_revoked(struct faults *f, const json_t *body, const char *prefix);

/* linkjoin_enrol.c: with its credentials, the other lets us in; -1 as below. */
int linkjoin_enrol(struct linkjoin *j);
int linkjoin_fail(struct linkjoin *j, int status, char *error); /* takes the text; -1 */

/* Until it is linked, and kept, and the credentials are kept or forgotten; waits.  -1 with status and error. */
int linkjoin_reach(struct linkjoin *j);
/* The credentials alone, of a node that is not looked for anew. */
int linkjoin_settle(struct linkjoin *j);
/* What is to flow by what it says, to be asked for; proposal_free. */
struct proposal *linkjoin_proposal(struct linkjoin *j);
/* All is well: what is revoked is so.  -1 with status and error, and all else stands. */
int linkjoin_finish(struct linkjoin *j, const char *by);
/*
 * As it was before linkjoin_reach; but where this node had other members, these know the new one by
 * now: what is to be done about that, to follow an error's text; or "".
 */
const char *linkjoin_undo(struct linkjoin *j);

#endif
