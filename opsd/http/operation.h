#ifndef HL_OPERATION_H
#define HL_OPERATION_H

#include <jansson.h>

#include "opsd/format/format.h"
#include "opsd/format/scan.h"

struct request;

enum op_right {
	RIGHT_ANYONE, /* any user that is logged in */
	RIGHT_SELF,   /* the same, also when roles list operations and not this one */
	RIGHT_OPEN,   /* also without logging in, or with credentials that are refused */
	RIGHT_TABLE,  /* the handler asks auth.h for each table */
	RIGHT_SUPER,  /* super_user, and roles that list the operation */
	RIGHT_NODES,  /* the same, but super_user only while users replicate: nodes bring some */
	RIGHT_ADMIN,  /* super_user only: who may this could become one */
	RIGHT_JOIN    /* the same, or nobody with a join token, which the handler looks at */
};

enum op_thread {
	ON_HTTP,  /* quick, on the HTTP thread */
	ON_ANY,   /* the same, but where the body was read: a long one by a worker */
	ON_WORKER /* may block: runs on a worker thread */
};

struct op {
	const char *name;     /* "create_schema" */
	const char *internal; /* "createSchema": in 403 texts */
	enum op_right right;
	enum op_thread thread;
	void (*run)(struct request *r);
	unsigned needs; /* RIGHT_TABLE: rights to the table (permission.h) without which it fails */
};

/* What a request's body asks for, known before it is made into values. */
struct inquiry {
	const struct op *op; /* or NULL: */
	int status;          /* of the answer, */
	char *err;           /* with this text */
	json_t *top;         /* what scan.h keeps of the body's own members */
	uint64_t bytes;      /* about what all its values will take */
};

/* The operations, which the server does not know; op.h says what each of these does. */
struct http_api {
	void (*asked)(enum format f, char *text, size_t n, const struct scan_limits *most,
	    struct inquiry *a);
	void (*inquiry_free)(struct inquiry *a);
	json_t *(*body)(enum format f, const char *text, size_t n, int max_depth,
	    const struct op *op, char **err);
	const struct op *(*page)(const char *path);
	unsigned (*number)(const struct op *op);
	int (*allowed)(struct request *r);
	int (*lacks_right)(const struct request *r, json_t *top);
	void (*refuse)(struct request *r);
};

#endif
