#ifndef HL_ENROL_HTTP_H
#define HL_ENROL_HTTP_H

#include "common/base/buf.h"
#include "common/tls/pem.h"

/* The one request of enrol.h, by libcurl. */
struct enrol;

struct enrol_post {
	const struct enrol *enrol;
	const char *pin; /* hex: the SHA-256 of the only key that is spoken to, or NULL */
	char *body;
};

struct enrol_reply {
	long status;
	struct buf body;
	char pin[PEM_HASH]; /* of the key that was shown, or "" */
};

/* 200: there is a reply, of whatever status; 502 to 504 with *err.  With a pin nothing is sent
 * before the other has shown that key. */
int enrol_http_post(const struct enrol_post *p, struct enrol_reply *reply, char **err);

#endif
