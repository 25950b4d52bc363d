#ifndef HL_OP_CERT_H
#define HL_OP_CERT_H

#include "common/conf/conf.h"
#include "opsd/op/op.h"

/* What the operations on certificates have in common. */

enum { USE_HTTPS = 1, USE_CLUSTERING = 2, USE_REPLICATION = 4 };

void op_cert_add(struct request *r);
void op_cert_remove(struct request *r);

/* What list_certificates answers: new reference.  Reads files. */
json_t *op_cert_list(struct ops *o);
/*
 * system.hdb_certificate gets the same rows: before this returns, which waits for the disk; or
 * soon, by a worker, for whoever may not wait.  After anything that changes what is listed.
 */
void op_cert_table(struct ops *o);
void op_cert_table_soon(struct ops *o);
/* Now, and whenever the node shows or trusts others without a call here; event_free. */
struct event *op_cert_table_watch(struct ops *o);

char *op_cert_path(const struct conf *c, const char *name); /* of what was added; caller frees */
/* For which the configuration names the file. */
unsigned op_cert_uses(const struct conf *c, const char *path);

#endif
