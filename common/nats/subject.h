#ifndef HL_SUBJECT_H
#define HL_SUBJECT_H

#include "common/base/buf.h"
#include "common/conf/natsconf.h"

/*
 * Names as subject tokens: [0-9A-Za-z_-] stays, every other byte becomes %XX,
 * an empty name becomes a lone %.  What begins them is in the names of the cluster ("hl", "HL").
 * All caller frees.  No I/O.
 */
/* "hl.txn.<node>.<database>.<table>"; '*' is allowed for either. */
char *subject_txn(const struct natsconf_names *n, const char *node, const char *database,
    const char *table);
char *subject_txns(const struct natsconf_names *n, const char *node); /* all of a node's */
/* The same without "hl.txn.", by which the parts that follow are found: NULL: it begins otherwise. */
char *subject_table(const char *node, const char *database, const char *table);
char *subject_tables(const char *node);
const char *subject_of_table(const struct natsconf_names *n, const char *subject);

char *subject_req(const struct natsconf_names *n, const char *node,
    const char *verb); /* verb "*" too */
char *subject_catchup(const struct natsconf_names *n, const char *node);
char *subject_word(const struct natsconf_names *n, const char *word);   /* "hl.<word>" */
char *subject_stream(const struct natsconf_names *n, const char *node); /* "HL_<node>" */
/*
 * JetStream's API where that node's stream is, NULL: this one's: "$JS.<domain>.API".  Nodes with servers
 * of their own have a domain each.
 */
char *subject_api(const struct natsconf_names *n, const char *node);
#define SUBJECT_INBOX \
	"_INBOX." /* what all inboxes begin with; ours go on with the cluster's prefix */

#endif
