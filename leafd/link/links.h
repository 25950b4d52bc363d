#ifndef HL_LINKS_H
#define HL_LINKS_H

#include <jansson.h>

/*
 * Links: connections that go straight to other nodes' leafd, one to each, dialled or accepted as opsd says
 * (LINKS), and the conversation with opsd about them.  Over a link go questions both ways and the log of
 * each of the two, in the frames of its stream.  No link outlives what opsd thinks of it: who may be
 * linked, what is asked and what of the log goes out is asked there.  While opsd is away links stay and
 * carry nothing.
 */
struct links;
struct chan;
struct event_base;
struct msg;

/*
 * instance: new with each start of the process.  `changed` runs when links_state and links_dialling would
 * say something else.
 */
struct links *links_new(struct event_base *base, struct chan *opsd, const char *instance,
    void (*changed)(void *arg), void *arg);
void links_free(struct links *ls); /* after chan_free */

/* LINKS, LINK_ASK, LINK_PULL, LINK_LOG, LINK_CLOSE; -1: not in its form. */
int links_set(struct links *ls, struct msg *m);
int links_ask(struct links *ls, struct msg *m);
int links_pull(struct links *ls, struct msg *m);
int links_log(struct links *ls, struct msg *m);
int links_close(struct links *ls, struct msg *m);
/* opsd is away: it will say again what it wants. */
void links_forget(struct links *ls);

/* "links", "dialling", "refused" and "listening" of LEAF_STATE; new references. */
json_t *links_state(const struct links *ls);
json_t *links_dialling(const struct links *ls);
json_t *links_refused(const struct links *ls);
json_t *links_listening(const struct links *ls);

#endif
