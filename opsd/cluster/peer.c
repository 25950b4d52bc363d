#include "config.h"

#include "opsd/cluster/peer.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"

struct peer *
peer_new(const uint8_t *id, const char *name)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	memcpy(p->id, id, NODE_ID_LEN);
	node_id_hex(id, p->hex);
	p->name = xstrdup(name);
	p->added_ms = wall_ms();
	return (p);
}

struct peer *
peer_ref(struct peer *p)
{
	if (p != NULL)
		p->refs++;
	return (p);
}

void
peer_free(struct peer *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	subscriptions_clear(&p->subs);
	free(p->name);
	free(p->hostname);
	json_decref(p->system_info);
	json_decref(p->scope_told);
	free(p);
}

struct peer *
peer_copy(const struct peer *p)
{
	struct peer *c;

	if (p == NULL)
		return (NULL);
	c = peer_new(p->id, p->name);
	c->added_ms = p->added_ms;
	c->hostname = xstrdup(p->hostname);
	c->secure = p->secure;
	c->denied = p->denied;
	c->scope = p->scope;
	c->scope_told = json_deep_copy(p->scope_told); /* on any thread */
	c->system_info = json_deep_copy(p->system_info);
	subscriptions_copy(&c->subs, &p->subs);
	return (c);
}

int
peer_active(const struct peer *p)
{
	return (p->subs.active > 0);
}

/* As far as both ends replicate it. */
static const struct subscription *
subscribed_to(const struct peer *p, const char *db, size_t dblen, const char *table, size_t tlen)
{
	const struct subscription *s = subscriptions_effective(&p->subs, db, dblen, table, tlen);
	int wide = s != NULL && subscription_is_wide(s);

	if (s == NULL || !scope_has(p->scope, wide, db, dblen, table, tlen) ||
	    !scope_told_has(p->scope_told, wide, db, dblen, table, tlen))
		return (NULL);
	return (s);
}

const struct subscription *
peer_effective_n(const struct peer *p, const char *db, size_t dblen, const char *table, size_t tlen)
{
	if (!p->secure && scope_is_system(db, dblen))
		return (NULL);
	return (subscribed_to(p, db, dblen, table, tlen));
}

int
peer_lacks_tls(const struct peer *p)
{
	return (!p->secure &&
	    subscribed_to(p, "system", strlen("system"), "hdb_user", strlen("hdb_user")) != NULL);
}

const struct subscription *
peer_effective(const struct peer *p, const char *database, const char *table)
{
	return (peer_effective_n(p, database, strlen(database), table, strlen(table)));
}

const struct subscription *
peer_effective_for(const struct peer *p, const struct table *t)
{
	return (peer_effective(p, t->database, t->name));
}

json_t *
peer_json(const struct peer *p)
{
	return (json_pack("{s:s, s:s*, s:b, s:i, s:I, s:O?, s:O*, s:o}", "name", p->name,
	    "hostname", p->hostname, "secure", p->secure, "denied", (int)p->denied, "added",
	    (json_int_t)p->added_ms, "system_info", p->system_info, "scope", p->scope_told,
	    "subscriptions", subscriptions_write(&p->subs)));
}

struct peer *
peer_from_json(const uint8_t *id, const json_t *o, char **err)
{
	struct peerjson w = { 0 };
	const char *name = peerjson_text(&w, o, "name");
	struct peer *p = peer_new(id, name != NULL ? name : "");

	p->hostname = xstrdup(json_string_value(json_object_get(o, "hostname")));
	p->secure = json_is_true(json_object_get(o, "secure"));
	p->denied = (unsigned)json_integer_value(json_object_get(o, "denied"));
	p->added_ms = peerjson_number(&w, o, "added", INT64_MAX);
	p->system_info = json_incref(json_object_get(o, "system_info"));
	if (json_object_get(o, "scope") != NULL)
		p->scope_told = json_incref(scope_read(&w, o, "scope"));
	subscriptions_read(&p->subs, o, "subscriptions", &w);
	if (w.fault == NULL)
		return (p);
	*err = w.fault;
	peer_free(p);
	return (NULL);
}
