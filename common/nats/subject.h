#ifndef HL_SUBJECT_H
#define HL_SUBJECT_H

#include "common/base/buf.h"
#include "common/base/shard.h"
#include "common/conf/natsconf.h"

/*
 * Names as subject tokens: [0-9A-Za-z_-] stays, every other byte becomes %XX,
 * an empty name becomes a lone %.  What begins them is in the names of the cluster ("hl", "HL").
 * All caller frees.  No I/O.
 */
/*
 * "hl.txn.<node>.<database>.<table>", in one of several streams "hl.shard.<k>of<n>.<node>...", k
 * from 1; '*' is allowed for either.
 */
char *subject_txn(const struct natsconf_names *n, const char *node, struct shard s,
    const char *database, const char *table);
char *subject_txns(const struct natsconf_names *n, const char *node,
    struct shard s); /* all in that stream */
/* The same without what is before the node, by which the parts that follow are found: NULL: it begins otherwise. */
char *subject_table(const char *node, const char *database, const char *table);
char *subject_tables(const char *node);
const char *subject_of_table(const struct natsconf_names *n, const char *subject);
/* What is before it; of "hl.shard.*" for { 0, 0 }. */
char *subject_before_table(const struct natsconf_names *n, struct shard s);

char *subject_req(const struct natsconf_names *n, const char *node,
    const char *verb); /* verb "*" too */
char *subject_catchup(const struct natsconf_names *n, const char *node);
char *subject_word(const struct natsconf_names *n, const char *word); /* "hl.<word>" */
/* "HL_<node>", of several "HL_<node>+<k>of<n>": a + is in no name. */
char *subject_stream(const struct natsconf_names *n, const char *node, struct shard s);
/* Which of that node's the stream of that name is; { 0, 0 }: none of several. */
struct shard subject_stream_shard(const struct natsconf_names *n, const char *node,
    const char *stream);
/*
 * JetStream's API where that node's stream is, NULL: this one's: "$JS.<domain>.API".  Nodes with servers
 * of their own have a domain each.
 */
char *subject_api(const struct natsconf_names *n, const char *node);
#define SUBJECT_INBOX \
	"_INBOX." /* what all inboxes begin with; ours go on with the cluster's prefix */

#endif
