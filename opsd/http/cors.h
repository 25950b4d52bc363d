#ifndef HL_CORS_H
#define HL_CORS_H

#include "common/base/buf.h"
#include "common/conf/conf.h"

/* Which web pages of other origins may ask, and read the answers. */
struct cors;

struct cors *cors_new(const struct conf *conf);
void cors_free(struct cors *c);
/* Whether operationsApi.network.corsAccessList has exactly this one. */
int cors_names(const struct cors *c, const char *origin);
/* Headers of the answer for a request from there; origin may be NULL. */
void cors_headers(const struct cors *c, const char *origin, struct buf *headers);
/* And of the answer to its question before it (OPTIONS). */
void cors_preflight(const struct cors *c, const char *origin, struct buf *headers);

#endif
