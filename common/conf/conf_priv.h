#ifndef HL_CONF_PRIV_H
#define HL_CONF_PRIV_H

#include "common/base/buf.h"
#include "common/conf/conf.h"

/*
 * What conf.c (what counts), confread.c (from where it comes), confname.c (keys), confcheck.c (values),
 * confrep.c (those of replication.*), conftogether.c (keys against each other) and confsave.c share.
 */
#define SETTINGS_FILE "settings.yaml" /* below rootPath */

struct conf_info {
	const char *name;
	enum conf_type type;
	const char *def;
	int64_t min, max;
	enum conf_change change;
	const char *doc;
};
extern const struct conf_info conf_infos[CONF_KEYS];

enum conf_layer { LAYER_FILE, LAYER_SETTINGS, LAYER_ENV, LAYER_FLAG, LAYERS };

/* Values as given, by where they come from, and what they come to; NULL: not given. */
struct conf {
	json_t *given[LAYERS][CONF_KEYS];
	json_t *value[CONF_KEYS];
};

/* A value from a layer: checked, and kept as it was given. */
void conf_give(struct conf *c, enum conf_layer layer, enum conf_key key, const json_t *v,
    struct buf *errs);
/* What the given values come to: all of them were checked when they came. */
void conf_resolve(struct conf *c);
void conf_resolve_key(struct conf *c, enum conf_key key);
void conf_check_together(const struct conf *c, struct buf *errs);

/* Put `v`, which it takes, at a dotted name. */
void conf_tree_put(json_t *tree, const char *name, json_t *v);

char *conf_upper(const char *name); /* as in the environment; caller frees */

/* Faults are lines in a buf. */
void conf_fault(struct buf *errs, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A field that is none of the known ones, which NULL ends; `name` is its whole name. */
void conf_fault_unknown(struct buf *errs, const char *name, const char *field,
    const char *const *known);
/* Faults from `from` on begin with where they are: "file:3: ". */
void conf_fault_place(struct buf *errs, size_t from, const char *path, long long line);
/* They become the caller's text: -1; 0: there are none.  Frees errs. */
int conf_faults(struct buf *errs, char **err);
/* The value in its final form, a new reference; NULL with a fault. */
json_t *conf_check_value(const struct conf_info *k, const json_t *v, struct buf *errs);
/* confrep.c: the same for some types. */
json_t *conf_check_date(const struct conf_info *k, const json_t *v, struct buf *errs);
json_t *conf_check_listen(const struct conf_info *k, const json_t *v, struct buf *errs);
json_t *conf_check_nodes(const struct conf_info *k, const json_t *v, struct buf *errs);
json_t *conf_check_databases(const struct conf_info *k, const json_t *v, struct buf *errs);
/* confmtls.c: certificates of clients; by themselves, and with what tells whose count. */
json_t *conf_check_mtls(const struct conf_info *k, const json_t *v, struct buf *errs);
json_t *conf_check_verification(const struct conf_info *k, const json_t *v, struct buf *errs);
void conf_check_clients(const struct conf *c, struct buf *errs);
/*
 * Text by the key's type: a node may be called 123.  What does not fit stays text, for the
 * fault.
 */
json_t *conf_cast(enum conf_type type, const char *text);

#endif
