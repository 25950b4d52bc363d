#include "config.h"

#include "common/ipc/proto.h"

#include <stddef.h>

struct proto_msg {
	const char *name;
	enum role from, to;
};

static const struct proto_msg proto_msgs[] = {
#define MSG(name, nr, from, to) [nr] = { #name, ROLE_##from, ROLE_##to },
#include "common/ipc/proto.def"
#undef MSG
};

static const struct proto_msg *
proto_find(uint16_t type)
{
	if (type >= sizeof proto_msgs / sizeof proto_msgs[0] || proto_msgs[type].name == NULL)
		return (NULL);
	return (&proto_msgs[type]);
}

const char *
proto_name(uint16_t type)
{
	const struct proto_msg *m = proto_find(type);

	return (m != NULL ? m->name : NULL);
}

int
proto_allowed(uint16_t type, enum role from, enum role to)
{
	const struct proto_msg *m = proto_find(type);

	return (m != NULL && (m->from == ROLE_ANY || m->from == from) &&
	    (m->to == ROLE_ANY || m->to == to));
}

const char *
role_name(enum role role)
{
	static const char *const names[] = {
		[ROLE_ANY] = "any",
		[ROLE_OPSD] = "opsd",
		[ROLE_HUBD] = "hubd",
		[ROLE_LEAFD] = "leafd",
	};

	return ((unsigned)role < sizeof names / sizeof names[0] ? names[role] : "?");
}
