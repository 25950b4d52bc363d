#ifndef HL_FIELDS_H
#define HL_FIELDS_H

#include <jansson.h>

#include "common/base/buf.h"

struct request;

/*
 * Field checks in Joi's words.  Faults are collected; faults_answer answers 400 with
 * all of them joined by ". " and returns 1 when there were any.
 */
struct faults {
	struct buf text;
	int n;
};
void fault(struct faults *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fault_lines(struct faults *f, char *lines);        /* each of them; NULL: none.  Frees them */
int faults_answer(struct request *r, struct faults *f); /* frees f */
/* "database" or "schema", default "data"; NULL with a fault when not a string. */
const char *field_database(struct faults *f, const json_t *body);
/* A required or optional string, number, boolean, array by name. */
const char *field_string(struct faults *f, const json_t *body, const char *name, int required);
json_t *field_array(struct faults *f, const json_t *body, const char *name, int required);
/* A fault when that moment, in ms, is yet to come, by more than clocks may differ. */
void field_not_future(struct faults *f, const char *name, uint64_t ms);
/* The same of a text of ISO-8601; what is none is no fault here. */
void field_date_not_future(struct faults *f, const char *name, const char *text);
/* 0/1, or -1 when absent (a fault when required or wrong). */
int field_bool(struct faults *f, const json_t *body, const char *name, int required);

#endif
