#include "config.h"

#include "opsd/cluster/compat.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/formats.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster_priv.h"

/* What somebody says that it speaks. */
struct spoken {
	json_int_t oldest, newest; /* 0: it says nothing of it */
	const char *version;
};

void
compat_say(json_t *message)
{
	json_object_set_new(message, "formats",
	    json_pack("[i,i]", formats.wire_oldest, formats.wire));
	json_object_set_new(message, "version", json_string(PACKAGE_VERSION));
}

static struct spoken
spoken_by(const json_t *message)
{
	const json_t *range = json_object_get(message, "formats");
	struct spoken s = {
		json_integer_value(json_array_get(range, 0)),
		json_integer_value(json_array_get(range, 1)),
		json_string_value(json_object_get(message, "version")),
	};

	if (s.version == NULL || strlen(s.version) > 40)
		s.version = "unknown";
	return (s);
}

static char *
words_of(const char *node, json_int_t oldest, json_int_t newest, const char *version)
{
	return (oldest == newest ? xasprintf("'%s' (version %s) speaks format %lld", node, version,
				       (long long)newest) :
				   xasprintf("'%s' (version %s) speaks formats %lld to %lld", node,
				       version, (long long)oldest, (long long)newest));
}

char *
compat_fault(struct replication *rep, const json_t *message)
{
	struct spoken s = spoken_by(message);
	const char *name = json_string_value(json_object_get(message, "name"));
	char *own, *ours, *theirs, *fault;

	if (s.oldest <= formats.wire && s.newest >= formats.wire_oldest)
		return (NULL);
	if (name == NULL)
		name = "?";
	own = data_node_name(rep->data);
	ours = words_of(own, formats.wire_oldest, formats.wire, PACKAGE_VERSION);
	theirs = words_of(name, s.oldest, s.newest, s.version);
	fault = xasprintf(
	    "Nodes '%s' and '%s' cannot work together: %s, and %s. Update hubleaf on '%s'", own,
	    name, ours, theirs, s.newest < formats.wire ? name : own);
	free(own);
	free(ours);
	free(theirs);
	return (fault);
}

json_t *
compat_refusal(struct replication *rep, char *fault)
{
	char *own = data_node_name(rep->data);
	json_t *o = json_pack("{s:s, s:s, s:s}", "error", fault, "id", rep->data->node_hex, "name",
	    own);

	free(own);
	free(fault);
	return (o);
}

int
compat_note(struct cluster *c, const uint8_t *peer, const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, "name"));
	char *fault = compat_fault(c->rep, answer);
	struct view *v;
	int is = fault != NULL, news;

	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, peer);
	news = is != (v->refused != NULL);
	free(v->refused);
	v->refused = fault;
	c->refusals += (uint64_t)news;
	if (news && is)
		log_warnx("%s: nothing goes between them meanwhile", fault);
	pthread_mutex_unlock(&c->lock);
	if (news && !is)
		log_info("node %s speaks a format again that is known here",
		    name != NULL ? name : "?");
	if (news)
		cluster_kick(c);
	return (is);
}

char *
compat_refused(struct cluster *c, const uint8_t *peer)
{
	char *copy;

	pthread_mutex_lock(&c->lock);
	copy = xstrdup(cluster_view_of(c, peer)->refused);
	pthread_mutex_unlock(&c->lock);
	return (copy);
}

int
compat_refuses(struct cluster *c, const uint8_t *peer)
{
	int yes;

	pthread_mutex_lock(&c->lock);
	yes = cluster_view_of(c, peer)->refused != NULL;
	pthread_mutex_unlock(&c->lock);
	return (yes);
}

uint64_t
compat_changes(struct cluster *c)
{
	uint64_t n;

	pthread_mutex_lock(&c->lock);
	n = c->refusals;
	pthread_mutex_unlock(&c->lock);
	return (n);
}
