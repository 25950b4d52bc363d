#include "config.h"

#include "opsd/cluster/incarnation.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/store/group.h"

struct incarnation {
	struct commit_job job; /* first */
	uint64_t seen;
	char *who; /* NULL: our stream */
};

/* By name, at a peer that we only publish to: its copies of our own writes. */
static void
recover_from(struct group *g, const struct peer *p, struct table *t)
{
	struct cursors *f = replication_of(g)->cursors;
	uint32_t id = CURSOR_OWN | t->id;
	struct cursor *cur = cursors_find(f, p->id, id);

	if (cur == NULL)
		cur = cursors_add(g, p->id, id, t->database, t->name);
	cursors_on(g, cur, &(struct cursor_event){ .kind = ON_OWN_LOST });
}

static void
recover_published(struct group *g, const struct peer *p, struct table *t)
{
	const struct subscription *s = peer_effective_for(p, t);

	if (subscription_gives(s) && !subscription_brings(s))
		recover_from(g, p, t);
}

void
incarnation_recover(struct group *g, const struct peer *p, struct table *mine, uint32_t id)
{
	const struct subscription *s = peer_effective_for(p, mine);
	struct cursor *cur = cursors_find(replication_of(g)->cursors, p->id, id);

	if (subscription_brings(s) && cur != NULL)
		cursors_on(g, cur, &(struct cursor_event){ .kind = ON_OWN_LOST });
	else
		recover_published(g, p, mine);
}

/* What no log of ours can have come to, unless every number after it is used up. */
static int
is_believed(const struct incarnation *inc)
{
	static struct log_brake brake = { .most = 10 };

	if (inc->seen <= INCARNATION_SEEN_MAX)
		return (1);
	log_braked(&brake, LOG_WARN,
	    "%s%s has entries of incarnation %llu of this node's log, which it never had: not believed",
	    inc->who != NULL ? "node " : "the stream", inc->who != NULL ? inc->who : "",
	    (unsigned long long)inc->seen);
	return (0);
}

static void
incarnation_run(struct group *g, struct commit_job *j)
{
	struct incarnation *inc = (struct incarnation *)j;
	struct replication *rep = replication_of(g);
	struct cursor *cur;
	struct peer **peers;
	struct table **tables;
	size_t n, m;

	if (rep->data->log.begun > inc->seen)
		return; /* begun meanwhile */
	if (!is_believed(inc))
		return;
	txlog_begin(&rep->data->log, inc->seen, group_wall_ms(g));
	log_warnx("what %s%s has of the log is not in it (a restored copy?): "
		  "incarnation %llu begins, own lost writes are fetched",
	    inc->who != NULL ? "node " : "the stream", inc->who != NULL ? inc->who : "",
	    (unsigned long long)rep->data->log.incarnation);
	for (cur = cursors_first(rep->cursors); cur != NULL; cur = cursors_next(rep->cursors, cur))
		cursors_on(g, cur, &(struct cursor_event){ .kind = ON_OWN_LOST });
	peers = nodes_all(rep->nodes, &n);
	tables = catalog_replicated(rep->data->catalog, &m);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < m; k++)
			recover_published(g, peers[i], tables[k]);
		peer_free(peers[i]);
	}
	for (size_t k = 0; k < m; k++)
		table_unref(tables[k]);
	free(tables);
	free(peers);
	cluster_kick(rep->cluster);
}

static void
incarnation_done(struct commit_job *j)
{
	free(((struct incarnation *)j)->who);
	free(j->error);
	free(j);
}

struct commit_job *
incarnation_job(uint64_t seen, const char *who)
{
	struct incarnation *inc = xcalloc(1, sizeof(*inc));

	inc->job.run = incarnation_run;
	inc->job.done = incarnation_done;
	inc->seen = seen;
	inc->who = xstrdup(who);
	return (&inc->job);
}
