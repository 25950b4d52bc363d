#ifndef HL_MEASURE_H
#define HL_MEASURE_H

#include <jansson.h>

/* How large this node's stream is, asked of the leaf server now and then. */
struct measure;
struct asker;

struct measure *measure_new(void);
void measure_free(struct measure *m);

/* While both the leaf server and opsd are there; each does nothing when done already. */
void measure_start(struct measure *m, struct asker *a, const char *node);
void measure_stop(struct measure *m);

/* Ask, if the last answer is some seconds old. */
void measure_now(struct measure *m);
/* {"messages","bytes"}, or null while it is not known; new reference. */
json_t *measure_json(const struct measure *m);

#endif
