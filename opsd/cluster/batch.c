#include "config.h"

#include "opsd/cluster/batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/subscribe.h"
#include "opsd/cluster/subscribed.h"
#include "opsd/store/group.h"

#define NOTIFY_MS 1000

struct batch *
batch_new(size_t takes)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	b->edits = json_array();
	b->takes = xcalloc(takes + 1, sizeof(struct take *));
	return (b);
}

void
batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		take_free(b->takes[i]);
	free(b->takes);
	json_decref(b->edits);
	free(b->job.error);
	free(b);
}

/* Takes the list. */
static void
add_edit(struct batch *b, const char *hex, const char *name, int notify, json_t *entries)
{
	json_array_append_new(b->edits,
	    json_pack("{s:s, s:s, s:b, s:o}", "id", hex, "name", name, "notify", notify, "entries",
		entries));
}

static void
run_edit(struct group *g, const json_t *edit)
{
	struct peer *p;
	uint8_t id[NODE_ID_LEN];
	json_t *e;
	size_t i;

	if (node_id_read(entry_text(edit, "id"), id) == -1)
		return;
	p = nodes_edit(g, id, entry_text(edit, "name"));
	json_array_foreach(json_object_get(edit, "entries"), i, e) {
		struct subscription s;
		struct peerjson w = { 0 };

		subscription_read(&s, e, &w);
		s.stamp.node = group_node(g);
		subscriptions_take(&p->subs, &s);
		subscription_clear(&s);
		free(w.fault);
	}
	subscribed_end(g, p);
	nodes_store(g, p);
}

static void
batch_run(struct group *g, struct commit_job *j)
{
	struct batch *b = (struct batch *)j;
	json_t *edit;
	size_t i;

	json_array_foreach(b->edits, i, edit)
		run_edit(g, edit);
	for (i = 0; i < b->n; i++) {
		struct commit_job *take = &b->takes[i]->job;

		take->status = 200;
		take->run(g, take);
		if (take->status != 200 && j->status == 200)
			commit_fail(j, take->status, "%s", take->error);
	}
	cluster_kick(replication_of(g)->cluster);
}

int
batch_commit(struct replication *rep, struct batch *b)
{
	b->job.run = batch_run;
	return (commit_wait(rep->data->commit, &b->job));
}

static void
retire(struct batch *b, struct replication *rep, const struct peer *p, int notify)
{
	json_t *ends = json_array();

	for (size_t i = 0; i < p->subs.n; i++)
		if (!p->subs.list[i].removed)
			json_array_append_new(ends, entry_tombstone(rep, &p->subs.list[i]));
	add_edit(b, p->hex, p->name, notify, ends);
}

void
batch_retire(struct batch *b, struct replication *rep, const char *name, const char *but)
{
	struct peer **all;
	size_t n;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		/* Whoever has the name now is not told what concerns its predecessor. */
		if (strcmp(all[i]->name, name) == 0 && peer_active(all[i]) &&
		    (but == NULL || strcmp(all[i]->hex, but) != 0))
			retire(b, rep, all[i], but == NULL);
		peer_free(all[i]);
	}
	free(all);
}

void
batch_take(struct batch *b, const struct target *t)
{
	batch_retire(b, t->rep, t->name, entry_text(t->answer, "id"));
	b->takes[b->n++] = take_new(json_incref(t->answer));
}

/* What was before, with stamps beyond those that were asked for. */
static void
undo(struct batch *b, const struct target *t)
{
	json_t *list = json_array(), *e;
	size_t i;

	json_array_foreach(t->entries, i, e) {
		const struct subscription *had = target_known(t, e);
		int active = had != NULL && !had->removed;

		json_array_append_new(list,
		    entry_json(entry_text(e, "database"), entry_text(e, "table"),
			active && had->publish, active && had->subscribe, !active, 0,
			entry_next_stamp(t->rep, entry_stamp(e))));
	}
	add_edit(b, t->hex, t->name, 1, list);
}

/* Best effort: who does not hear it learns it by the next comparison of entries. */
void
batch_notify(struct replication *rep, const struct batch *b)
{
	json_t *edit, *offer, *answer;
	size_t i;

	json_array_foreach(b->edits, i, edit) {
		const char *name = entry_text(edit, "name");

		if (!entry_flag(edit, "notify") || !rep->data->live.clustering ||
		    !cluster_reachable(rep->cluster, name))
			continue;
		answer = NULL;
		offer = offer_new(rep, json_object_get(edit, "entries"), 0);
		cluster_ask(rep->cluster, name, "entries", offer, NOTIFY_MS, &answer);
		json_decref(offer);
		json_decref(answer);
	}
}

void
batch_undo(struct replication *rep, struct target **list, size_t n)
{
	struct batch *b = batch_new(0);

	for (size_t i = 0; i < n; i++)
		if (list[i]->asked)
			undo(b, list[i]);
	if (json_array_size(b->edits) > 0 && batch_commit(rep, b) == 200)
		batch_notify(rep, b);
	batch_free(b);
}
