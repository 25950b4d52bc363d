#ifndef HL_NATSBIN_H
#define HL_NATSBIN_H

/* The nats-server to run. */

/* Its path: as configured, else the built-in default, else from PATH; caller frees.  NULL with *err. */
char *natsbin_find(const char *configured, char **err);
/* "2.10.27", from what it said when it was asked with --version, and its exit status; caller
 * frees.  NULL with *err when it does not run here, or is too old to be let near a network and
 * not `allow_old`. */
char *natsbin_version(const char *path, int status, const char *said, int allow_old, char **err);

#endif
