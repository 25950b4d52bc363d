#ifndef HL_LINKCERT_H
#define HL_LINKCERT_H

#include <jansson.h>

#include "opsd/store/data.h"

/*
 * The node's certificate for links, and the authority's, where both are made of the cluster
 * user's password (TLSCONF_SECRET): made at the start, when the password changes, when the host
 * gets another address, and when half of the certificate's life is over.  On the loop's thread;
 * what takes time runs on a worker.
 */
struct linkcert;

/* `ready` is called when there are new ones. */
struct linkcert *linkcert_new(struct data *data, void (*ready)(void *arg), void *arg);
void linkcert_free(struct linkcert *l); /* once the workers have ended */
void linkcert_beat(struct linkcert *l); /* called at each tick */

/*
 * Whether the files are those of this name and password.  Otherwise they are made, and `ready` is
 * called when they are.
 */
int linkcert_ready(struct linkcert *l, const struct conf *conf, const char *user,
    const char *password);
/* Once ready: what is another with each content; and the users of leaf links (authority_user), new
 * reference. */
const char *linkcert_made(const struct linkcert *l);
json_t *linkcert_users(const struct linkcert *l);
/* Any thread: why they cannot be made; NULL: nothing is wrong.  The caller frees. */
char *linkcert_fault(struct linkcert *l);

#endif
