#ifndef HL_SEARCH_H
#define HL_SEARCH_H

#include "opsd/search/condition.h"
#include "opsd/search/rows.h"
#include "opsd/store/store.h"

/*
 * One search over one table, in slices, on one thread: it opens a snapshot of
 * the store, goes the narrowest way (keys, a range of keys, an index, all rows)
 * and appends rows in a format.  Build it, start it, step it until it is not
 * SEARCH_MORE.
 */
#define SEARCH_SORT_MAX 1000000 /* rows that an order without an index may gather */
#define SEARCH_PIECE    32768   /* bytes of a result at hand with which a step ends early */

struct search;
enum search_state { SEARCH_MORE, SEARCH_DONE, SEARCH_FAILED };

struct search *search_new(struct store *store, struct table *t); /* refs the table */
void search_free(struct search *s);

void search_format(struct search *s, enum format f); /* JSON without it */
/* Columns: one by one, or all that `shown` lets pass. */
void search_column(struct search *s, const struct field *f);
void search_all_columns(struct search *s,
    int (*shown)(const struct table *t, const char *name, void *arg), void *arg);
void search_where(struct search *s, struct condition *c); /* takes c; once */
void search_keys(struct search *s, const json_t *keys);   /* only these rows, in this order */
/* Called again: the next one decides ties. */
void search_sort(struct search *s, const struct field *f, int descending);
void search_reverse(struct search *s); /* the way's own order, backwards */
void search_page(struct search *s, uint64_t offset, uint64_t limit); /* limit 0: none */

void search_start(struct search *s);
enum search_state search_step(struct search *s, uint64_t budget_us);
/*
 * After SEARCH_DONE: the whole result; take it with buf_take or copy.  Before that: its
 * beginning; who clears it between steps gets the result in pieces and needs no memory for it.
 */
struct buf *search_out(struct search *s);
uint64_t search_shown(const struct search *s); /* rows so far */
/*
 * MessagePack says first how many rows there are, so its pieces take two passes: from now on
 * rows are only counted; after SEARCH_DONE begin again, over the same rows.  -1: too many for it.
 */
void search_count(struct search *s);
int search_again(struct search *s);
const char *search_error(const struct search *s); /* after SEARCH_FAILED */
int search_status(const struct search *s);        /* its HTTP status */

#endif
