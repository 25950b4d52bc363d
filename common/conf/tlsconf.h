#ifndef HL_TLSCONF_H
#define HL_TLSCONF_H

#include "common/conf/conf.h"

/*
 * Looks at the files that clustering.tls and tls name, or that the node has made for
 * itself; what the first start is to make may be missing.  A fault of files in use is in
 * *err, one a line, and -1.  An expired certificate, and a fault of files that are named but
 * not in use, are lines of *warnings (NULL: none).  Caller frees both.
 */
int tlsconf_check(const struct conf *c, char **warnings, char **err);
/* Those of the links alone, whether they are in use or not: -1 with *err. */
int tlsconf_check_links(const struct conf *c, char **err);

#endif
