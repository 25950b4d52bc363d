#ifndef HL_PROTO_H
#define HL_PROTO_H

#include <stdint.h>

/* The conversation between the daemons; the list is proto.def. */

#define PROTO_MAJOR    6
#define PROTO_MINOR    0
#define PROTO_HEAD     10          /* u32 length of body, u16 type, u32 id */
#define PROTO_MAX_BODY (64u << 20) /* a longer frame drops the peer */

enum role { ROLE_ANY = 0, ROLE_OPSD = 1, ROLE_HUBD = 2, ROLE_LEAFD = 3 };

enum msg_type {
#define MSG(name, nr, from, to) MSG_##name = (nr),
#include "common/ipc/proto.def"
#undef MSG
};

/* "LOG_READ", or NULL for a number that is not in the list. */
const char *proto_name(uint16_t type);
/* Whether a peer of role `from` may send `type` to a daemon of role `to`. */
int proto_allowed(uint16_t type, enum role from, enum role to);
/* "opsd", "hubd", "leafd", "any". */
const char *role_name(enum role role);

#endif
