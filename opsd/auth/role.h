#ifndef HL_ROLE_H
#define HL_ROLE_H

#include <jansson.h>

struct catalog;

#define ROLE_NAME_MAX 250 /* bytes, of names and ids */

/* What a name in a role's list of operations is. */
enum role_operation {
	ROLE_OPERATION_GOOD,
	ROLE_OPERATION_NONE, /* there is none of that name */
	ROLE_OPERATION_NEVER /* one with which a user could make itself a super_user */
};

/*
 * What is wrong with a request that makes or alters a role: NULL, or the body of a 400 that
 * names every fault; new reference.  No permission in it is no fault.
 */
json_t *role_refusal(struct catalog *c, const json_t *body,
    enum role_operation (*operation)(const char *name));

/*
 * A permission without faults as it is kept; new reference.  Clients send "delete" for
 * attributes, too, of which there is no such right: it is left out.
 */
json_t *role_kept(const json_t *permission);

/* What names of databases would read as in a permission: they are refused. */
int role_reserved(const char *database);

#endif
