#ifndef HL_PEERJSON_H
#define HL_PEERJSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/frame.h"

/*
 * JSON that came from another node, read field by field: the first fault stays, in words
 * that name the field and the rule; what is read after it means nothing.  All fields read
 * so are required.
 */
#define PEERJSON_AT_MAX 128

struct peerjson {
	char *fault;              /* NULL: all that was wanted is there; the caller frees */
	char at[PEERJSON_AT_MAX]; /* where it reads, "subscriptions[3]." */
};

#define PEERJSON_VALUES 1000000

/*
 * What a peer has sent; NULL: it is no JSON, or has more values than that, of which none is made then.
 * The flags are those of json_loadb.
 */
json_t *peerjson_load(const char *text, size_t n, size_t flags);

void peerjson_in(struct peerjson *w, const char *list, size_t i); /* into an item of a list */
void peerjson_out(struct peerjson *w);                            /* and out of it again */

void peerjson_fault(struct peerjson *w, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Borrowed; NULL, 0 and no items where there is a fault. */
const char *peerjson_text(struct peerjson *w, const json_t *o, const char *field);
int peerjson_flag(struct peerjson *w, const json_t *o, const char *field);
uint64_t peerjson_number(struct peerjson *w, const json_t *o, const char *field, uint64_t max);
uint64_t peerjson_bits(struct peerjson *w, const json_t *o,
    const char *field); /* 64, which JSON shows with a sign */
/* Whether the "id" of whoever says it is this; NULL: nobody vouches for another, and it is believed. */
int peerjson_is_of(const json_t *o, const uint8_t *id);
/* Who says it: "id" and "name", which is a copy; both or a fault. */
void peerjson_node(struct peerjson *w, const json_t *o, uint8_t id[NODE_ID_LEN], char **name);
/* "system_info", which may be absent or null: then NULL. */
json_t *peerjson_info(struct peerjson *w, const json_t *o);
json_t *peerjson_object(struct peerjson *w, const json_t *o, const char *field);
json_t *peerjson_list(struct peerjson *w, const json_t *o, const char *field, size_t max);
/* An array of just so many integers, 64 bits each. */
void peerjson_numbers(struct peerjson *w, const json_t *v, const char *field, uint64_t *into,
    size_t n);

#endif
