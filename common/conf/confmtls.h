#ifndef HL_CONFMTLS_H
#define HL_CONFMTLS_H

#include "common/conf/conf.h"

/* Certificates of the API's clients: operationsApi.network.mtls; when unset, http.mtls. */
struct confmtls {
	int asks;         /* clients are asked for one; without, the others say nothing */
	int required;     /* and have none other than good ones */
	int maps;         /* who has one is a user: */
	const char *user; /* this one, borrowed; NULL: the one that it names */
};

struct confmtls confmtls(const struct conf *c);

#endif
