#ifndef HL_OP_H
#define HL_OP_H

#include <jansson.h>

#include "opsd/http/operation.h"
#include "opsd/http/request.h"
#include "opsd/op/fields.h"

/*
 * Operations of the API.  The HTTP server parses, authenticates and has the operation found;
 * a handler checks fields, does its work and answers exactly once with one of
 * reply_*, on any thread, now or later (the request stays alive until then).
 */

const struct op *op_find(const char *name);
/* All operations, and all pages that GET brings, numbered. */
unsigned op_count(void);
const struct op *op_at(unsigned number);
/*
 * May who asks, who is somebody, run the operation?  From then on r->user is what it may in
 * this operation: of its roles those that allow it.
 */
int op_allowed(struct request *r);
void op_refuse(struct request *r); /* 403 for who may not */
/* Whether who asks lacks a right without which an operation on the table in `top` cannot be. */
int op_lacks_right(const struct request *r, json_t *top);
/* All this as the HTTP server is given it. */
extern const struct http_api op_api;

/* The text may be mended in place; inquiry_free in any case. */
void op_asked(enum format f, char *text, size_t n, const struct scan_limits *most,
    struct inquiry *a);
void inquiry_free(struct inquiry *a);
/* The whole of what asks for `op`: new reference, or NULL with the text for a 400 in *err. */
json_t *op_body(enum format f, const char *text, size_t n, int max_depth, const struct op *op,
    char **err);

/*
 * Some fields have an old and a new name.  The two names of one that the object has both
 * of, with different values: what is checked must be what is used.  NULL: none.
 */
const char *const *op_two_values(const json_t *object);

/* Tables of operations, one per family; ended by a NULL name. */
extern const struct op ops_schema[], ops_describe[], ops_record[], ops_search[], ops_sql[],
    ops_cluster[], ops_info[], ops_conf_ops[], ops_readlog[], ops_restart[], ops_user[], ops_role[],
    ops_log[], ops_job[], ops_before[], ops_load[], ops_export[], ops_token[], ops_cert[],
    ops_backup[], ops_status[], ops_join[], ops_sqlite[], ops_pages[];

#endif
