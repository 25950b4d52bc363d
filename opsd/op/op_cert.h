#ifndef HL_OP_CERT_H
#define HL_OP_CERT_H

#include "common/conf/conf.h"
#include "opsd/op/op.h"

/* What the operations on certificates have in common. */

enum { USE_HTTPS = 1, USE_CLUSTERING = 2 };

void op_cert_add(struct request *r);
void op_cert_remove(struct request *r);

char *op_cert_path(const struct conf *c, const char *name); /* of what was added; caller frees */
/* For which the configuration names the file. */
unsigned op_cert_uses(const struct conf *c, const char *path);

#endif
