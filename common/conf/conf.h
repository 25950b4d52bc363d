#ifndef HL_CONF_H
#define HL_CONF_H

#include <jansson.h>
#include <stdint.h>

/*
 * The node's configuration.  One list (conf.def) names every key with type,
 * default, limits and what a change needs; the parser, `-n`, the manual and
 * get_configuration follow it.  Precedence: flag, environment, settings.yaml
 * (what the API set), file, default.
 */
enum conf_type {
	CONF_STR,
	CONF_INT,
	CONF_BOOL,
	CONF_LIST /* of routes */,
	CONF_WORDS /* a list of texts */,
	CONF_DURATION /* seconds or "3d" -> seconds */,
	CONF_MS /* milliseconds or "3d" -> milliseconds */,
	CONF_SIZE /* bytes or "64M" -> bytes */,
	CONF_ENUM,
	CONF_DATE /* text of ISO-8601 */,
	CONF_LISTEN /* a port, or "address:port" */,
	CONF_NODES /* a list of host names, URLs and objects (confrep.c) */,
	CONF_DATABASES /* a name or a list of them, "*" among them; a list */,
	CONF_MTLS /* a boolean, or {user, required} */,
	CONF_VERIFICATION /* false alone */,
};
enum conf_change { CONF_LIVE, CONF_RESTART };

enum conf_key {
#define CONF(id, name, type, def, min, max, change, doc) id,
#include "common/conf/conf.def"
#undef CONF
	CONF_KEYS,
};

struct conf;

/*
 * Read everything.  `path` may be NULL (no file).  argv may hold
 * `--CLUSTERING_NODENAME x` flags in any case (others are the caller's: see
 * svc.h).  NULL with *err, all faults in it, one a line; an unknown key names
 * the nearest known one.
 */
struct conf *conf_load(const char *path, int argc, char **argv, char **err);
/*
 * The same for a program that only talks to the node, whose user may be kept out of rootPath:
 * without the settings then, and without checks of keys against each other.
 */
struct conf *conf_load_client(const char *path, int argc, char **argv, char **err);
/* The file alone: without environment and settings, for one that is meant for another host. */
struct conf *conf_load_file(const char *path, int argc, char **argv, char **err);
/* Misspelt variables of the environment, a line each; NULL: none.  Caller frees. */
char *conf_env_warnings(void);
/* From a tree as conf_tree gives (the SETTINGS message). */
struct conf *conf_from_tree(const json_t *tree, char **err);
void conf_free(struct conf *c);

/* Effective values; strings are borrowed, NULL when unset. Durations in seconds. */
const char *conf_str(const struct conf *c, enum conf_key key);
int64_t conf_int(const struct conf *c, enum conf_key key);
int conf_bool(const struct conf *c, enum conf_key key);
const json_t *conf_list(const struct conf *c, enum conf_key key); /* always an array */
int conf_is_set(const struct conf *c, enum conf_key key); /* by flag, env, settings or file */

/* Whole effective configuration (conf_value) as nested objects, keys in list order; new reference. */
json_t *conf_tree(const struct conf *c);
/* Key by dotted or underscored name, any case; -1 when unknown. */
int conf_find(const char *name);
int conf_is_section(const char *name); /* "clustering": keys stand below it */
/* A time span as CONF_MS takes it; -1: it is none. */
int64_t conf_ms(const json_t *value);
/* A key of the peers that this node has not (conf_peers.def); same spellings as conf_find. */
int conf_is_peers(const char *name);
/* Nearest known name to an unknown one: what a peer's key is called here, else by letters. */
const char *conf_nearest(const char *name);
int conf_is_host(const char *text);       /* a host name or an address, alone */
const char *conf_name(enum conf_key key); /* "clustering.nodeName" */
enum conf_change conf_change(enum conf_key key);

/* One effective value, null when unset, sizes and times as they were written; a new reference. */
json_t *conf_value(const struct conf *c, enum conf_key key);
int conf_equal(const struct conf *a, const struct conf *b, enum conf_key key);
/* The key is as in `from`. */
void conf_take(struct conf *c, const struct conf *from, enum conf_key key);

/*
 * Check and set one value, as set_configuration does; the value is borrowed.  Text is taken as
 * the key's type has it: "1", "TRUE", "[]"; "undefined" and "null" are null.  -1 with *err (caller
 * frees) such as "'operationsApi.network.port' must be a number".  Goes to settings.yaml with
 * conf_save.
 */
int conf_set(struct conf *c, enum conf_key key, const json_t *value, char **err);
/*
 * Keys against each other, as conf_load does too: "'clustering.user' is
 * required when clustering is enabled".  Call it after the last conf_set of a
 * request; conf_save does.  -1 with *err, one fault a line.
 */
int conf_check(const struct conf *c, char **err);
/*
 * Write what conf_set changed to <rootPath>/settings.yaml: write, fsync, rename.  The
 * last ten that were there before are kept in <rootPath>/backup.
 */
int conf_save(struct conf *c, char **err);
struct conf *conf_dup(const struct conf *c);

/* Paths below rootPath (or from the keys); caller frees. */
char *conf_path(const struct conf *c, const char *below_root);
/* The path that is configured, else our own below the root. */
char *conf_file(const struct conf *c, enum conf_key key, const char *own);
char *conf_run_path(const struct conf *c, const char *name); /* in the socket directory */

#endif
