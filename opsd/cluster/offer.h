#ifndef HL_OFFER_H
#define HL_OFFER_H

#include <jansson.h>

#include "common/base/frame.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/subscriptions.h"

/*
 * What one node tells another of subscriptions between them, and of the tables that these
 * are about, for a call's question, its answer and when the two compare what they have.
 * offer_read and offer_write alone know how it travels (question "subscriptions", JSON):
 *   {"id","name","to"?,"incarnation","system_info","scope","strict":bool,"sources"?:[["<id>"]],"subscriptions":[{"database",
 *    "table","publish","subscribe","removed","stamp":[t,n],"start_ms","has_database","tables":[
 *    {"table","id","head","head_mark","head_ms","definition":{...},"database","sources"?}]}]}
 * as seen by the sender; a table's "database" only for all databases.  "to" is who it is for: over NATS
 * questions go to names, and who has one now may be another node than the one that had it.
 */
#define OFFER_MAX (2 * SUBSCRIPTIONS_MAX) /* subscriptions in one */

struct offer_nodes {
	uint8_t *ids; /* one after the other */
	size_t n;
};

struct offer_table {    /* what the sender has */
	char *database; /* of a subscription for all; else NULL: the subscription's */
	char *name;
	uint32_t id; /* there; 0: not known */
	struct log_pos head;
	json_t *definition; /* table_definition's form, with a primary_key */
	size_t
	    sources; /* whom what its log does not have came from: so many in the offer; 0: not known */
};

struct offer_item {
	struct subscription sub;    /* from the sender's side */
	int has_database;           /* it has it, perhaps without tables */
	struct offer_table *tables; /* that the subscription is about */
	size_t n;
};

struct offer {
	uint8_t id[NODE_ID_LEN]; /* the sender's */
	char *name;
	uint8_t to[NODE_ID_LEN]; /* all 0: to whoever has the name that is asked, or an answer */
	uint64_t incarnation;    /* of its log */
	json_t *system_info;     /* or NULL */
	json_t *scope; /* what of the sender replicates (scope.h), or NULL: it has not said */
	int strict;    /* a call: refused as a whole if something cannot be */
	struct offer_item *items;
	size_t n;
	struct offer_nodes *sources; /* of tables: origin_nodes */
	size_t nsources;
};

/* Ours of these subscriptions, with what we have of their tables. */
struct offer *offer_new(struct replication *rep, const struct subscription *subs, size_t n,
    int strict);
void offer_free(struct offer *o);                           /* NULL is ignored */
int offer_is_for(const struct offer *o, const uint8_t *id); /* it names that node, or none */

json_t *offer_write(const struct offer *o);
/*
 * NULL with *fault, which the caller frees: the field and the rule.  A table that by its names
 * none can have is left out: there is no such table.
 */
struct offer *offer_read(const json_t *o, char **fault);

/* The database of a table that is offered. */
const char *offer_database(const struct offer_item *i, const struct offer_table *t);
/* The key of its rows. */
const char *offer_key(const struct offer_table *t);

json_t *offer_system_info(void); /* {"hdb_version","node_version","platform"} */

#endif
