#include "config.h"

#include "common/conf/conf_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/words.h"

/* The keys and their names. */

#define CONF_NAME_MAX 128 /* of an unknown name, for the search */

const struct conf_info conf_infos[CONF_KEYS] = {
#define CONF(id, name, type, def, min, max, change, doc) \
	[id] = { name, type, def, min, max, change, doc },
#include "common/conf/conf.def"
#undef CONF
};

static char
conf_fold(char ch)
{
	return (ch == '.' ? '_' : (char)tolower((unsigned char)ch));
}

/* How much of `name` the key's name begins with; dots and underscores are one. */
static size_t
conf_match(const char *key, const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0' && conf_fold(key[i]) == conf_fold(name[i]); i++)
		continue;
	return (i);
}

int
conf_find(const char *name)
{
	int key;

	for (key = 0; key < CONF_KEYS; key++)
		if (strlen(name) == strlen(conf_infos[key].name) &&
		    name[conf_match(conf_infos[key].name, name)] == '\0')
			return (key);
	return (-1);
}

/* "clustering.hubServer": some key lies below it. */
int
conf_is_section(const char *name)
{
	size_t n = strlen(name);
	int key;

	for (key = 0; key < CONF_KEYS; key++)
		if (conf_match(conf_infos[key].name, name) == n && conf_infos[key].name[n] == '.')
			return (1);
	return (0);
}

/* What peers call what we have elsewhere: keys, and sections of some. */
static const struct {
	const char *theirs, *ours;
} conf_elsewhere[] = {
	{ "http", "operationsApi.network" },
	{ "operationsApi.tls", "tls" },
	{ "operationsApi.authentication", "authentication" },
	{ "server.port", "operationsApi.network.port" },
	{ "hdb.root", "rootPath" },
	{ "log.level", "logging.level" },
	{ "cors.on", "operationsApi.network.cors" },
	{ "clustering.port", "clustering.hubServer.cluster.network.port" },
	{ "node.name", "clustering.nodeName" },
};

static int
conf_find_elsewhere(const char *name)
{
	size_t i, n;
	char *ours;
	int key;

	for (i = 0; i < sizeof(conf_elsewhere) / sizeof(conf_elsewhere[0]); i++) {
		n = strlen(conf_elsewhere[i].theirs);
		if (conf_match(conf_elsewhere[i].theirs, name) < n ||
		    (name[n] != '\0' && conf_fold(name[n]) != '_'))
			continue;
		ours = xasprintf("%s%.*s", conf_elsewhere[i].ours, CONF_NAME_MAX, name + n);
		key = conf_find(ours);
		free(ours);
		if (key != -1)
			return (key);
	}
	return (-1);
}

int
conf_is_peers(const char *name)
{
	static const char *const peers[] = {
#define PEER(name) name,
#include "common/conf/conf_peers.def"
#undef PEER
	};
	size_t i, n;
	int below;

	for (i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		n = strlen(peers[i]);
		below = n > 2 && peers[i][n - 1] == '*';
		n -= below ? 2 : 0;
		if (conf_match(peers[i], name) >= n &&
		    (name[n] == '\0' || (below && conf_fold(name[n]) == '_')))
			return (1);
	}
	return (0);
}

const char *
conf_nearest(const char *name)
{
	unsigned d, least = UINT32_MAX;
	int key = conf_find_elsewhere(name), nearest = 0;

	if (key != -1)
		return (conf_infos[key].name);
	for (key = 0; key < CONF_KEYS; key++) {
		if ((d = words_distance(name, conf_infos[key].name)) < least) {
			least = d;
			nearest = key;
		}
	}
	return (conf_infos[nearest].name);
}

const char *
conf_name(enum conf_key key)
{
	return (conf_infos[key].name);
}

enum conf_change
conf_change(enum conf_key key)
{
	return (conf_infos[key].change);
}

/* The name as an environment variable or flag has it; caller frees. */
char *
conf_upper(const char *name)
{
	char *upper = xstrdup(name), *p;

	for (p = upper; *p != '\0'; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	return (upper);
}
