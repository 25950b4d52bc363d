#ifndef HL_STRANGER_H
#define HL_STRANGER_H

/* Who is no member, and says of itself and of others what it likes, with a key of its own. */
struct machine;

/* It tells `m` that it is a member, and that `of` is none. */
void stranger_asks(struct machine *m, const struct machine *of);
int stranger_is_member(const struct machine *m); /* for that one */

#endif
