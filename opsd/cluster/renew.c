#include "config.h"

#include "opsd/cluster/renew.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/conf/settings.h"
#include "common/tls/crypto.h"
#include "opsd/cluster/gossip_take.h"
#include "opsd/cluster/nodes.h"
#include "opsd/store/group.h"

struct renew {
	struct commit_job job; /* first */
	uint8_t id[NODE_ID_LEN];
};

/*
 * The peer, which has nothing of the new id, gets all that was ever written here, as its log or as
 * a copy.  Nobody asks for it now: what was dropped there since it was asked for stays away.
 */
static void
offer_whole(struct group *g, const struct peer *p)
{
	struct peer *mine = nodes_edit(g, p->id, p->name);

	for (size_t i = 0; i < mine->subs.n; i++)
		if (!mine->subs.list[i].removed)
			mine->subs.list[i].start_ms = 1;
	nodes_store(g, mine);
}

static void
renew_run(struct group *g, struct commit_job *j)
{
	struct renew *r = (struct renew *)j;
	struct replication *rep = replication_of(g);
	struct peer **all;
	size_t n;

	txlog_renew(&rep->data->log, group_batch(g), r->id, group_wall_ms(g));
	gossip_take_drop_own(g); /* the other node says it, perhaps under another name */
	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (peer_active(all[i]))
			offer_whole(g, all[i]);
		peer_free(all[i]);
	}
	free(all);
}

int
renew_node_id(struct replication *rep, char hex[2 * NODE_ID_LEN + 1], char **err)
{
	struct renew r = { .job.run = renew_run };
	int status;

	crypto_random(r.id, sizeof(r.id));
	node_id_hex(r.id, hex);
	status = commit_wait(rep->data->commit, &r.job);
	*err = r.job.error;
	if (status == 200)
		log_warnx("this node gets the id %s, it had %s", hex, rep->data->node_hex);
	return (status);
}
