#ifndef HL_OP_SQL_H
#define HL_OP_SQL_H

struct ops;
struct request;
struct sql;

/* The threads that statements run on. */
void op_sql_start(struct ops *o, char **err);
/*
 * The statement of a request, prepared for who takes all its rows however long that is, until
 * over(arg); NULL with the request answered.  May block.
 */
struct sql *op_sql_read(struct request *r, int (*over)(void *arg), void *arg);

#endif
