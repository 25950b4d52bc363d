#ifndef HL_LEAFLINKS_H
#define HL_LEAFLINKS_H

#include <stdint.h>

/*
 * The numbers that a nats-server gives to the leaf links that it has, out of the lines of its log:
 * nothing else tells them before 2.11, and it takes them where a link is to be ended.  No I/O.
 */
struct leaflinks;

struct leaflinks *leaflinks_new(void);
void leaflinks_free(struct leaflinks *l);
/* One line, without what is before its text. */
void leaflinks_line(struct leaflinks *l, const char *text);
/* Of the link from that address ("10.0.0.2:5", "[::1]:5"); 0: it has none. */
uint64_t leaflinks_number(const struct leaflinks *l, const char *address);

#endif
