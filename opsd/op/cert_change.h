#ifndef HL_CERT_CHANGE_H
#define HL_CERT_CHANGE_H

#include <jansson.h>

#include "common/conf/conf.h"

/*
 * A change of one file of certstore.h and of the configuration keys that name it.  Its new
 * content is written beside it and tried, together with the keys, as the next start would;
 * then the file is replaced, and after that the keys are set: whenever that is cut off, the
 * node starts.  One change at a time.
 *
 * Of those that give -1 the request is answered.
 */
struct request;

struct cert_change {
	struct request *r;
	struct conf *set;  /* the configuration before it */
	char *file, *path; /* below rootPath, and whole */
	char *fresh;       /* beside it, when there is new content */
	int was_there;
	json_t *keys; /* {name: file or null} */
};

/* Takes the lock; end gives it back. */
void cert_change_begin(struct cert_change *c, struct request *r);
void cert_change_end(struct cert_change *c);

void cert_change_file(struct cert_change *c, char *file);              /* takes it */
int cert_change_names(const struct cert_change *c, enum conf_key key); /* the file, so far */
/* The key is to name the file; or, when it does, nothing any more. */
void cert_change_use(struct cert_change *c, enum conf_key key);
void cert_change_leave(struct cert_change *c, enum conf_key key);

int cert_change_write(struct cert_change *c, const char *text);
/* `status` and, after what is wrong, `hint` are for files that do not fit each other. */
int cert_change_try(struct cert_change *c, int status, const char *hint);
/*
 * *report as of ops_change_conf; of a file that was replaced it also has the keys for which
 * it is read anew, or needs to be.
 */
int cert_change_make(struct cert_change *c, json_t **report);

#endif
