#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/admission.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/subscription_change.h"
#include "opsd/op/linkjoin.h"
#include "opsd/op/op_cluster.h"
#include "opsd/op/op_table.h"
#include "opsd/op/opdoc.h"
#include "opsd/pki/issue.h"
#include "opsd/pki/pki.h"
#include "opsd/pki/retained.h"

/* add_node, update_node and remove_node of nodes that are named by hostname or url. */

/* ---- add_node, update_node ---- */

/* Whether it is a member that something flows with. */
static int
is_known_member(struct linkjoin *j)
{
	struct member m = { 0 };

	if (!members_by_hostname(j->ops->rep.members, j->route.host, &m))
		return (0);
	memcpy(j->id, m.id, NODE_ID_LEN);
	member_clear(&m);
	return (nodes_active(j->ops->rep.nodes, j->id));
}

/* With subscriptions alone, a node is not looked for anew. */
static int
only_changes(const struct request *r)
{
	static const char *const anew[] = { "url", "port", "authorization" };

	for (size_t i = 0; i < sizeof(anew) / sizeof(anew[0]); i++)
		if (json_object_get(r->body, anew[i]) != NULL)
			return (0);
	return (1);
}

/* p NULL: nothing was asked of it. */
static void
answer_linked(struct request *r, const struct linkjoin *j, int add, const struct proposal *p)
{
	json_t *answer = json_pack("{s:o}", "message",
	    json_sprintf(add ? "Successfully added '%s' to cluster" : "Successfully updated '%s'",
		j->route.host));

	reply_json(r, 200, p != NULL ? op_with_proposed(answer, p) : answer);
}

static void
finish_linked(struct request *r, struct linkjoin *j, int add, const struct proposal *p)
{
	if (linkjoin_finish(j, r->user->name) == -1)
		reply_error(r, j->status, "%s", j->error);
	else
		answer_linked(r, j, add, p);
}

static void
change_linked(struct request *r, struct linkjoin *j, int add)
{
	struct proposal *p = linkjoin_proposal(j);

	if (op_change_proposal(p) == -1) {
		reply_error(r, p->status, "%s%s", p->error, linkjoin_undo(j));
	} else
		finish_linked(r, j, add, p);
	proposal_free(p);
}

void
op_linked_change(struct request *r, int add)
{
	struct faults f = { 0 };
	struct linkjoin *j = linkjoin_read(r, &f, r->body, "");
	int known;

	if (!faults_answer(r, &f)) {
		known = !add && is_known_member(j) && only_changes(r);
		if ((known ? linkjoin_settle(j) : linkjoin_reach(j)) == -1) {
			linkjoin_undo(j);
			reply_error(r, j->status, "%s", j->error);
		} else if (known && !j->is_explicit)
			finish_linked(r, j, add, NULL); /* what is there stays */
		else
			change_linked(r, j, add);
	}
	linkjoin_free(j);
}

/* ---- update_node of no node ---- */

int
op_only_revokes(const json_t *body)
{
	const struct op_doc *doc = opdoc_find("update_node");
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)body, name, v)
		if (strcmp(name, "revoked_certificates") != 0 && opdoc_field(doc, name) != NULL)
			return (0);
	return (json_object_get(body, "revoked_certificates") != NULL);
}

void
op_revoke(struct request *r)
{
	struct faults f = { 0 };
	const json_t *serials = linkjoin_revoked(&f, r->body, "");
	char *err = NULL;
	int status;

	if (serials == NULL && f.n == 0)
		fault(&f, "'revoked_certificates' must contain at least 1 items");
	if (faults_answer(r, &f))
		return;
	status = pki_revoke(r->ops->pki, serials, 0, r->user->name, &err);
	if (status == 200)
		reply_message(r, "Successfully revoked %zu certificates", json_array_size(serials));
	else
		reply_error(r, status, "No certificate is revoked: %s", err);
	free(err);
}

/* ---- remove_node ---- */

static void
forget_credentials(struct request *r, const char *hostname)
{
	char *err = NULL;

	if (retained_drop(r->ops->pki, hostname, &err) == -1)
		log_errorx("the retained credentials for '%s' are not forgotten: %s", hostname,
		    err);
	free(err);
}

/*
 * The certificates that we have signed for it, also those that it had before or has not shown yet:
 * with any of them it would be let in again.  How many there were; -1 with the request answered.
 */
static int
revoke_signed(struct request *r, const char *hostname, const json_t *issued)
{
	char *err = NULL;
	size_t n;
	int status = issue_revoke(r->ops->pki, issued, r->user->name, &n, &err);

	if (status == 200)
		return ((int)n);
	reply_error(r, status, "The certificates of '%s' are not revoked: %s", hostname, err);
	free(err);
	return (-1);
}

struct removing {
	const char *hostname, *called; /* the latter by the call */
	struct member m;               /* without a hostname: it is none */
	char *name;                    /* that it has among nodes, or NULL */
	size_t routes;                 /* to it, which went */
};

/* Of one that has said nothing of itself, what there is ends here alone; 1, or 0: there is nothing. */
static int
end_here(struct request *r, struct removing *w)
{
	struct subscription_change *c = subscription_change_new();
	int status = 200, n;

	if (w->name != NULL)
		subscription_change_retire(c, &r->ops->rep, w->name, NULL);
	if (c->nedits > 0)
		status = subscription_change_commit(&r->ops->rep, c);
	else if (w->m.hostname != NULL)
		status = members_drop(&r->ops->rep, w->m.id);
	if (status != 200)
		reply_error(r, status, "%s",
		    c->job.error != NULL ? c->job.error : "nothing can be written");
	n = c->nedits > 0 || w->m.hostname != NULL || w->routes > 0;
	subscription_change_free(c);
	return (status == 200 ? n : -1);
}

/* 1: it is removed; 0: it is no member; -1 with the request answered. */
static int
end_for_all(struct request *r, struct removing *w)
{
	int status = 404;
	char *err = NULL;

	if (w->m.hostname != NULL)
		status = gossip_remove(&r->ops->rep, w->m.id, &err);
	if (status != 200 && status != 404)
		reply_error(r, status, "'%s' is not removed: %s", w->hostname, err);
	free(err);
	return (status == 200 ? 1 : status == 404 ? 0 : -1);
}

static void
remove_linked(struct request *r, struct removing *w)
{
	/* Before it ends: at once after that it may be added again. */
	json_t *issued = issue_signed(r->ops->pki, w->hostname, NULL);
	int n = end_for_all(r, w), revoked;

	if (n != -1 && op_routes_forget(r, w->hostname, &w->routes) == -1)
		n = -1;
	if (n == 0)
		n = end_here(r, w);
	revoked = n != -1 ? revoke_signed(r, w->hostname, issued) : 0;

	json_decref(issued);
	if (n != -1)
		forget_credentials(r, w->hostname);
	if (n == 0 && revoked == 0)
		reply_error(r, 404, "Node '%s' is not in the cluster", w->called);
	else if (n != -1 && revoked != -1)
		reply_message(r,
		    json_object_get(r->body, "node_name") != NULL ?
			"Successfully removed '%s' from manifest" :
			"Successfully removed '%s' from cluster",
		    w->called);
}

int
op_linked_end(struct request *r, const struct peer *p)
{
	struct removing w = { .hostname = p->hostname, .name = p->name };
	int n;

	admission_by_name(&r->ops->rep, p->hostname, &w.m);
	n = end_for_all(r, &w);
	if (n == 0)
		n = end_here(r, &w);
	if (n != -1)
		forget_credentials(r, p->hostname);
	member_clear(&w.m);
	return (n == -1 ? -1 : 0);
}

/* Of a member that there was no link with yet; NULL: there is none, or a fault. */
static char *
hostname_of_told(struct roster *roster, struct faults *f, const char *name)
{
	struct roster_member m = { 0 };
	size_t n = roster_by_hostname(roster, name, &m) ? 1 : roster_by_node_name(roster, name, &m);
	char *hostname = xstrdup(m.hostname);

	if (n > 1)
		fault(f, "'node_name' is that of %zu nodes: name one by its hostname", n);
	roster_member_clear(&m);
	return (hostname);
}

/* The hostname of a node that is named as nodes are ("node_name", "name"); NULL: it has none. */
static char *
hostname_of_named(struct request *r, struct faults *f)
{
	const char *name = json_string_value(field_either(r->body, "node_name", "name"));
	struct peer *p = name != NULL ? nodes_get(r->ops->rep.nodes, name) : NULL;
	char *hostname = p != NULL ? xstrdup(p->hostname) : NULL;

	if (p == NULL && name != NULL)
		hostname = hostname_of_told(r->ops->rep.roster, f, name);
	peer_free(p);
	return (hostname);
}

int
op_linked_remove(struct request *r)
{
	struct faults f = { 0 };
	int is = linkjoin_is(r->body);
	char *hostname = is ? linkjoin_hostname(r, &f, r->body, "") : hostname_of_named(r, &f);
	struct removing w = {
		.hostname = hostname,
		.called = is ? hostname :
			       json_string_value(field_either(r->body, "node_name", "name")),
	};

	if (is && json_object_get(r->body, "name") != NULL)
		fault(&f, "'name' cannot be given together with 'hostname' or 'url'");
	if (!is && hostname == NULL)
		return (0);
	if (!faults_answer(r, &f)) {
		if (admission_by_name(&r->ops->rep, hostname, &w.m))
			w.name = nodes_name(r->ops->rep.nodes, w.m.id);
		remove_linked(r, &w);
	}
	member_clear(&w.m);
	free(w.name);
	free(hostname);
	return (1);
}
