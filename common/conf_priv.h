#ifndef HL_CONF_PRIV_H
#define HL_CONF_PRIV_H

#include "conf.h"

/* What conf.c and confsave.c share. */
#define SETTINGS_FILE	"settings.yaml"	/* below rootPath */

enum conf_layer { LAYER_FILE, LAYER_SETTINGS, LAYER_ENV, LAYER_FLAG, LAYERS };

/* Values as given, by where they come from, and what they come to; NULL: not given. */
struct conf {
	json_t	*given[LAYERS][CONF_KEYS];
	json_t	*value[CONF_KEYS];
};

/* Put `v`, which it takes, at a dotted name. */
void conf_tree_put(json_t *tree, const char *name, json_t *v);

#endif
