#include "config.h"

#include "common/conf/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hex.h"
#include "common/base/mem.h"
#include "common/conf/natsconf.h"

int
node_id_read(const char *hex, uint8_t out[NODE_ID_LEN])
{
	return (hex_read(hex, out, NODE_ID_LEN));
}

void
node_id_hex(const uint8_t id[NODE_ID_LEN], char out[NODE_HEX_LEN])
{
	hex_text(id, NODE_ID_LEN, out);
}

#define CERT_NAME "node-"
#define CERT_ZONE ".hubleaf"

void
settings_cert_name(const char *hex, char name[SETTINGS_CERT_NAME_LEN])
{
	snprintf(name, SETTINGS_CERT_NAME_LEN, CERT_NAME "%s" CERT_ZONE, hex);
}

int
settings_cert_id(const char *text, uint8_t id[NODE_ID_LEN])
{
	char hex[NODE_HEX_LEN];

	if (strlen(text) != SETTINGS_CERT_NAME_LEN - 1 ||
	    strncmp(text, CERT_NAME, sizeof(CERT_NAME) - 1) != 0 ||
	    strcmp(text + SETTINGS_CERT_NAME_LEN - sizeof(CERT_ZONE), CERT_ZONE) != 0)
		return (-1);
	memcpy(hex, text + sizeof(CERT_NAME) - 1, 2 * NODE_ID_LEN);
	hex[2 * NODE_ID_LEN] = '\0';
	return (node_id_read(hex, id));
}

static char *
dup_string(const json_t *root, const char *key)
{
	return (xstrdup(json_string_value(json_object_get(root, key))));
}

static int
is_true(const json_t *root, const char *key)
{
	return (json_is_true(json_object_get(root, key)));
}

/* NULL are none. */
static int
all_words(const json_t *list)
{
	const json_t *w;
	size_t i;
	int all = 1;

	json_array_foreach((json_t *)(uintptr_t)list, i, w)
		all &= json_is_string(w);
	return (all);
}

/* What is missing for a server to run; NULL: nothing. */
static const char *
missing_part(const struct settings *s)
{
	if (s->node == NULL || *s->node == '\0')
		return ("clustering.nodeName is not set");
	if (*s->node_hex == '\0')
		return ("the node has no id");
	if (natsconf_is_external(s->conf))
		return (NULL);
	if (s->user == NULL || *s->user == '\0')
		return ("clustering.user is not set");
	if (s->password == NULL || *s->password == '\0')
		return ("the cluster user has no password");
	if (s->cert == NULL || s->key == NULL)
		return ("there is no certificate for inter-node links");
	if (!all_words(s->removed))
		return ("'removed' are no texts");
	if (!all_words(s->pins))
		return ("'pins' are no texts");
	if (s->link_users != NULL &&
	    (json_array_size(s->link_users) == 0 || !all_words(s->link_users)))
		return ("'link_users' are no texts");
	return (NULL);
}

static struct settings *
settings_from(const json_t *root, char **err)
{
	struct settings *s = xcalloc(1, sizeof(*s));
	const json_t *tls = json_object_get(root, "tls");
	const char *id = json_string_value(json_object_get(root, "node_id"));

	s->enabled = is_true(root, "enabled");
	s->node = dup_string(root, "node");
	if (node_id_read(id, s->node_id) == 0)
		node_id_hex(s->node_id, s->node_hex);
	s->user = dup_string(root, "user");
	s->password = dup_string(root, "password");
	s->cert = dup_string(tls, "certificate");
	s->key = dup_string(tls, "privateKey");
	s->ca = dup_string(tls, "certificateAuthority");
	s->insecure = is_true(tls, "insecure");
	s->verify = is_true(tls, "verify");
	s->made = dup_string(tls, "made");
	if (json_array_size(json_object_get(tls, "pins")) > 0)
		s->pins = json_incref(json_object_get(tls, "pins"));
	s->link_users = json_incref(json_object_get(root, "link_users"));
	s->removed = json_incref(json_object_get(root, "removed"));
	s->conf = conf_from_tree(json_object_get(root, "config"), err);
	if (s->conf != NULL && (!s->enabled || missing_part(s) == NULL))
		return (s);
	if (s->conf != NULL)
		*err = xstrdup(missing_part(s));
	settings_free(s);
	return (NULL);
}

struct settings *
settings_read(const void *json, size_t len, char **err)
{
	json_error_t why;
	json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &why);
	struct settings *s = NULL;

	if (json_is_object(root))
		s = settings_from(root, err);
	else
		*err = xasprintf("not an object: %s", root == NULL ? why.text : "other JSON");
	json_decref(root);
	return (s);
}

void
settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	free(s->node);
	free(s->user);
	free(s->password);
	free(s->cert);
	free(s->key);
	free(s->ca);
	free(s->made);
	json_decref(s->link_users);
	json_decref(s->removed);
	json_decref(s->pins);
	conf_free(s->conf);
	free(s);
}
