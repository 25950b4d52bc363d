#ifndef HL_DUE_H
#define HL_DUE_H

#include <stdint.h>

/*
 * The certificate that another node's authority has signed for this one (pki_adopt), and when it
 * is to be replaced (renewal.h); our own are by themselves (pki_identity).  Any thread but the
 * event loop's.
 */
struct pki;

struct due_cert {
	char *csr;     /* for another with the same key: who has pinned that knows us again; PEM */
	char *issuer;  /* the hostname of who has signed it, or NULL: not known */
	int64_t until; /* seconds since 1970 */
	int late;      /* half of the time in which it is due is over */
};
/* Whether it is shown, and due at that time (seconds since 1970); due_clear. */
int due_now(struct pki *p, const char *hostname, int64_t now, struct due_cert *out);
void due_clear(struct due_cert *d);
/*
 * The certificate that came for the request, from an authority that we trust, is shown from now on.
 * -1 with *err, and nothing has changed.
 */
int due_done(struct pki *p, const char *hostname, const char *certificate, char **err);

#endif
