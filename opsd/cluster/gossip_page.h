#ifndef HL_GOSSIP_PAGE_H
#define HL_GOSSIP_PAGE_H

#include <jansson.h>

/*
 * Two rosters (roster.h) are compared a page at a time, by questions "roster":
 *
 *   ask: {"id","from"?:[kind,key],"to"?:[kind,key],"have"?:[[kind,key,hash]...],"give"?:[entry...]}
 *   answer: {"id","give":[entry...],"want":[[kind,key]...],"next"?:[kind,key]}
 *
 * "have" is all that the asker has from "from" on, and before "to".  The answer gives what the asker
 * lacks of that, and what is another one there; it wants, for the next question, what it lacks itself
 * or has otherwise.  "next": not all had room, from there on it has to be asked again.  Without "have"
 * nothing is compared.
 */
#define GOSSIP_PAGE_ENTRIES 250
#define GOSSIP_PAGE_BYTES   500000
#define GOSSIP_PAGE_MAX     1000 /* of anything in a message */

struct roster;

/* The asker's side of one comparison; no I/O. */
struct gossip_page;
struct gossip_page *gossip_page_new(struct roster *r);
void gossip_page_free(struct gossip_page *p);        /* NULL is ignored */
json_t *gossip_page_question(struct gossip_page *p); /* NULL: all is compared */
/* What the answer gives, borrowed; NULL with *fault: it is none. */
const json_t *gossip_page_answered(struct gossip_page *p, const json_t *answer, char **fault);

/* The other side: without "id"; NULL with *fault. */
json_t *gossip_page_answer(struct roster *r, const json_t *question, char **fault);
/* What a question gives, borrowed; it has been read before. */
const json_t *gossip_page_given(const json_t *question);

#endif
