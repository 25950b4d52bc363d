#ifndef HL_FUZZ_NODE_H
#define HL_FUZZ_NODE_H

#include <stddef.h>

/*
 * opsd in this process, in a folder of its own, without hubd and leafd: what a fuzz
 * target sends requests to as a client would.
 */
enum asker { AS_SUPER, AS_READER, AS_NOBODY, ASKERS };

struct answer {
	int status;
	char *text; /* ends in a NUL */
	size_t n;
};

void node_start(void); /* the first time, or again on what is in the folder */
void node_stop(void);
void node_wipe(void);         /* after node_stop: the next start is a first one */
const char *node_files(void); /* a folder that requests may name; it stays */
/* `type` is of the body, and what is accepted.  Ends the process when there is no answer. */
void node_ask(enum asker who, const char *type, const void *body, size_t n, struct answer *a);
void answer_free(struct answer *a);

#endif
