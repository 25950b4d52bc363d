#ifndef HL_OP_H
#define HL_OP_H

#include <jansson.h>

#include "buf.h"
#include "format.h"

/*
 * Operations of the API.  http.c parses, authenticates and finds the operation;
 * a handler checks fields, does its work and answers exactly once with one of
 * reply_*, on any thread, now or later (the request stays alive until then).
 */
struct ops;
struct user;

struct request {
	struct ops	*ops;
	json_t		*body;		/* the whole object; borrowed */
	struct user	*user;		/* who asks (auth.h); NULL only for RIGHT_OPEN */
	const struct op	*op;
	struct exchange	*http;		/* request.c's */
	uint64_t	 began_us;
	const char	*from;		/* the peer's address as text; "" on the domain socket */
	int		 secure;	/* came over TLS */
	int		 local;		/* came over the domain socket */
};

enum op_right {
	RIGHT_ANYONE,		/* any user that is logged in */
	RIGHT_SELF,		/* the same, also when roles list operations and not this one */
	RIGHT_OPEN,		/* also without logging in, or with credentials that are refused */
	RIGHT_TABLE,		/* the handler asks auth.h for each table */
	RIGHT_SUPER,		/* super_user, and roles that list the operation */
	RIGHT_ADMIN		/* super_user only: who may this could become one */
};

enum op_thread {
	ON_HTTP,		/* quick, on the HTTP thread */
	ON_ANY,			/* the same, but where the body was read: a long one by a worker */
	ON_WORKER		/* may block: runs on a worker thread */
};

struct op {
	const char	*name;		/* "create_schema" */
	const char	*internal;	/* "createSchema": in 403 texts */
	enum op_right	 right;
	enum op_thread	 thread;
	void		(*run)(struct request *r);
	unsigned	 needs;		/* RIGHT_TABLE: rights to the table (right.h) without which it fails */
};

const struct op *op_find(const char *name);
const struct op *op_page(const char *path);	/* what GET of the path is, when it has a right */
/* All of both, numbered. */
unsigned op_count(void);
const struct op *op_at(unsigned number);
unsigned op_number(const struct op *op);
/*
 * May who asks, who is somebody, run the operation?  From then on r->user is what it may in
 * this operation: of its roles those that allow it.
 */
int op_allowed(struct request *r);
void op_refuse(struct request *r);	/* 403 for who may not */

/* What a request's body asks for, known before it is made into values. */
struct inquiry {
	const struct op	*op;		/* or NULL: */
	int		 status;	/* of the answer, */
	char		*err;		/* with this text */
	json_t		*top;		/* what scan.h keeps of the body's own members */
	uint64_t	 bytes;		/* about what all its values will take */
};
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

/* A header of the request, or NULL; borrowed, on any thread while the request is alive. */
const char *request_header(const struct request *r, const char *name);
/* What the client accepts; with rows it may be CSV.  What reply_json and its like say is put into it. */
enum format request_format(const struct request *r, int rows);
/* Adds a header to the answer, before reply_*; without line ends in it. */
void reply_header(struct request *r, const char *name, const char *value);
/* The connection ends with this answer; before reply_*. */
void reply_last(struct request *r);

/* Answers; each ends the request. */
void reply_message(struct request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));	/* 200 {"message"} */
void reply_json(struct request *r, int status, json_t *body);	/* takes the reference */
void reply_text(struct request *r, int status, struct buf *json);	/* takes the bytes: JSON text */
void reply_error(struct request *r, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void reply_failed(struct request *r, int status, char *err);	/* what sysrow.h says; frees err */
void reply_body(struct request *r, int status, const char *type, struct buf *bytes);	/* takes any bytes; NULL: JSON */

/*
 * A long answer in pieces, on the request's own HTTP thread: begin, more as
 * often as needed with a request_again after each, and one of the last two.
 */
void reply_begin(struct request *r, int status, const char *type);
/* With the bytes of all pieces together: whoever reads sees by itself whether it has all. */
void reply_begin_sized(struct request *r, int status, const char *type, uint64_t length);
void reply_more(struct request *r, struct buf *bytes);	/* takes them */
void reply_end(struct request *r);			/* it was all; ends the request */
void reply_abort(struct request *r);			/* the client sees that it is not; ends the request */
int request_gone(const struct request *r);		/* nobody reads it any more */

/*
 * Runs fn soon on the request's own HTTP thread, after others had a turn and the
 * client has read most of what it was sent, or is gone; only from that thread.
 */
void request_again(struct request *r, void (*fn)(struct request *r, void *arg), void *arg);

/*
 * Runs fn soon on the request's own HTTP thread; from any other one, such as a worker.
 * -1: that thread has ended, and so has the request, without an answer.
 */
int request_resume(struct request *r, void (*fn)(struct request *r, void *arg), void *arg);

/*
 * Field checks in Joi's words.  Faults are collected; op_faults answers 400 with
 * all of them joined by ". " and returns 1 when there were any.
 */
struct faults {
	struct buf	text;
	int		n;
};
void fault(struct faults *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int op_faults(struct request *r, struct faults *f);	/* frees f */
/* "database" or "schema", default "data"; NULL with a fault when not a string. */
const char *field_database(struct faults *f, const json_t *body);
/* A required or optional string, number, boolean, array by name. */
const char *field_string(struct faults *f, const json_t *body, const char *name, int required);
json_t *field_array(struct faults *f, const json_t *body, const char *name, int required);
/* 0/1, or -1 when absent (a fault when required or wrong). */
int field_bool(struct faults *f, const json_t *body, const char *name, int required);

/* Tables of operations, one per family; ended by a NULL name. */
extern const struct op ops_schema[], ops_describe[], ops_record[], ops_search[], ops_cluster[],
    ops_info[], ops_conf_ops[], ops_readlog[], ops_restart[], ops_user[], ops_role[], ops_log[],
    ops_job[], ops_before[], ops_load[], ops_export[], ops_token[], ops_cert[],
    ops_backup[], ops_status[], ops_pages[];

#endif
