#ifndef HL_MEMBER_H
#define HL_MEMBER_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/frame.h"

/*
 * A node that is linked with this one, or was: what is kept of it, and whether one that asks for
 * a link may have it.  No I/O.
 */
struct member {
	uint8_t id[NODE_ID_LEN];
	char *hostname;
	char *node_name;       /* clustering.nodeName, or NULL */
	char *url;             /* where it is reached, or NULL: it has not said */
	char *spki;            /* SHA-256 of its key, pinned; NULL: it has shown none */
	char *serial, *issuer; /* of the certificate that it showed last, or NULL */
	char *dial;            /* the URL by which a call has added it, or NULL: none has */
	int has_shard;
	uint32_t shard; /* that a call has given it */
	uint64_t added_ms;
};

void member_copy(struct member *to, const struct member *from);
void member_clear(struct member *m);
int member_equal(const struct member *a, const struct member *b);
json_t *member_write(const struct member *m); /* as it is kept; without the id */
/* To be cleared also when there is a *fault (the caller frees). */
void member_read(struct member *m, const uint8_t *id, const json_t *o, char **fault);

/* Who asks for a link (LINK_UP, common/ipc/proto.def). */
struct member_claim {
	struct member is; /* what it says of itself, and its certificate shows */
	json_t *names;    /* that its certificate has */
	json_t *shown;    /* of its introduction (roster_shown), an array or NULL */
	int secure;       /* it came over TLS */
	char *address;    /* where it is, or NULL */
	char
	    *format_fault; /* NULL: there is a format that both speak; who reads it fills that in */
};

/* To be cleared also when there is a *fault (the caller frees). */
void member_claim_read(struct member_claim *c, const json_t *o, char **fault);
void member_claim_copy(struct member_claim *to, const struct member_claim *from);
void member_claim_clear(struct member_claim *c);

/* What this node knows of it. */
struct member_facts {
	const uint8_t *own_id;
	const struct member *by_id, *by_hostname; /* NULL: none is kept */
	int revoked;                              /* its certificate's serial is */
	int subscribed;                           /* it is in hdb_nodes, perhaps over NATS alone */
	int routed;                               /* its hostname is in replication.routes */
	int invited;      /* we have signed this certificate for it: its key may be a new one */
	int discovered;   /* it is a full member, as this node is */
	const char *spki; /* the key that it has said itself, or all members know it by; or NULL */
	const char *left; /* why it is unknown, although somebody has let it in; or NULL */
	const char *locked; /* it was removed, and not asked to come since: why; or NULL */
};

/* 200, or another status and *why, which the caller frees. */
int member_check(const struct member_claim *c, const struct member_facts *f, char **why);

#endif
