#ifndef HL_LEAFCONF_H
#define HL_LEAFCONF_H

#include "common/base/shard.h"
#include "common/conf/settings.h"

/* What is this process's and not a setting. */
struct leafconf_run {
	const char *instance; /* makes the server's name one of its own */
	const char *sys_password;
	const char *dir;     /* the folder, absolute, that the configuration is going to be in */
	const char *include; /* nats.server_config; NULL: none */
	const char *include_made; /* tells one content of it from the next */
};

/*
 * The leaf server's configuration, made from what opsd tells leafd; caller frees.
 * *faults says which leaf routes were left out and why, a line each, or is NULL;
 * caller frees.  No I/O.
 *
 * The leaf dials its own hub, and as alternates of one other link all leaf
 * routes that do not say "separate": a leaf linked twice into one mesh gets
 * everything twice.  A link cannot mix TLS, plain and websocket, so routes of
 * another kind than the first are left out.
 *
 * The name is one of its own even where two nodes have the same: hubs pass nothing between
 * leafs of one name, and neither would notice the other.
 *
 * Without `live` it lacks what the server takes over by a reload (what the files of
 * certificates hold): two such texts that differ mean a restart.
 */
char *leafconf_text(const struct settings *s, const struct leafconf_run *run, int live,
    char **faults);
/* The folder in which the server keeps that stream of this node; caller frees. */
char *leafconf_stream_path(const struct settings *s, struct shard of);

#endif
