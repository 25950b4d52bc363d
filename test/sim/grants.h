#ifndef HL_GRANTS_H
#define HL_GRANTS_H

#include <stddef.h>
#include <stdint.h>

/*
 * What one side of a link never agrees to, though the other asks for it again and again: in some
 * runs the rows of one table from one machine to another.  None of them crosses.
 */
struct machine;

void grants_begin(void);         /* there is one, perhaps: drawn before machines are made */
const char *grants_routes(void); /* for their configuration; NULL: nothing is refused */
/* Whether the two of it are these; they have a link alone. */
int grants_between(const struct machine *a, const struct machine *b);
int grants_concern(const struct machine *m); /* it is one of the two */
int grants_refused(const struct machine *from, const struct machine *to, int t);
/* Whether the operator of that machine says no. */
int grants_refuses(const struct machine *caller, const struct machine *from,
    const struct machine *to, int t);
/* The table that the first asks the second for in vain; -1: none. */
int grants_asked(const struct machine *caller, const struct machine *other);

/* What went over a link: a frame, or the answer to a question for rows or log. */
void grants_frame(const struct machine *from, const struct machine *to, const void *p, size_t n);
void grants_answer(const struct machine *from, const struct machine *to, const void *question,
    size_t qlen, const void *answer, size_t alen);

#endif
