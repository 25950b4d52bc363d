#ifndef HL_OP_SQL_H
#define HL_OP_SQL_H

struct ops;

/* The threads that statements run on. */
void op_sql_start(struct ops *o, char **err);

#endif
