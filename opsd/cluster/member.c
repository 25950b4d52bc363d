#include "config.h"

#include "opsd/cluster/member.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/settings.h"
#include "opsd/cluster/peerjson.h"

/* ---- the record ---- */

void
member_copy(struct member *to, const struct member *from)
{
	*to = *from;
	to->hostname = xstrdup(from->hostname);
	to->node_name = xstrdup(from->node_name);
	to->url = xstrdup(from->url);
	to->spki = xstrdup(from->spki);
	to->serial = xstrdup(from->serial);
	to->issuer = xstrdup(from->issuer);
	to->dial = xstrdup(from->dial);
}

void
member_clear(struct member *m)
{
	free(m->hostname);
	free(m->node_name);
	free(m->url);
	free(m->spki);
	free(m->serial);
	free(m->issuer);
	free(m->dial);
	memset(m, 0, sizeof(*m));
}

static int
same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL ? a == b : strcmp(a, b) == 0);
}

int
member_equal(const struct member *a, const struct member *b)
{
	return (memcmp(a->id, b->id, NODE_ID_LEN) == 0 && same_text(a->hostname, b->hostname) &&
	    same_text(a->node_name, b->node_name) && same_text(a->url, b->url) &&
	    same_text(a->spki, b->spki) && same_text(a->serial, b->serial) &&
	    same_text(a->issuer, b->issuer) && same_text(a->dial, b->dial) &&
	    a->has_shard == b->has_shard && a->shard == b->shard);
}

json_t *
member_write(const struct member *m)
{
	return (json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:o*, s:I}", "hostname",
	    m->hostname, "nodeName", m->node_name, "url", m->url, "spki", m->spki, "serial",
	    m->serial, "issuer", m->issuer, "dial", m->dial, "shard",
	    m->has_shard ? json_integer(m->shard) : NULL, "added", (json_int_t)m->added_ms));
}

/* A field that may be absent, or null. */
static char *
read_optional(struct peerjson *w, const json_t *o, const char *field)
{
	const json_t *v = json_object_get(o, field);

	return (v == NULL || json_is_null(v) ? NULL : xstrdup(peerjson_text(w, o, field)));
}

static void
read_fields(struct member *m, const json_t *o, struct peerjson *w)
{
	m->hostname = xstrdup(peerjson_text(w, o, "hostname"));
	m->node_name = read_optional(w, o, "nodeName");
	m->url = read_optional(w, o, "url");
	m->spki = read_optional(w, o, "spki");
	m->serial = read_optional(w, o, "serial");
	m->issuer = read_optional(w, o, "issuer");
	if (m->hostname != NULL && !node_host_ok(m->hostname, strlen(m->hostname)))
		peerjson_fault(w, "hostname", "must be a host name or an address");
	if (m->node_name != NULL && !node_name_ok(m->node_name, strlen(m->node_name)))
		peerjson_fault(w, "nodeName",
		    "must be 1 to %d characters without '.', ',', '*', '>', white space and "
		    "control characters",
		    NODE_NAME_MAX);
}

void
member_read(struct member *m, const uint8_t *id, const json_t *o, char **fault)
{
	struct peerjson w = { 0 };

	memset(m, 0, sizeof(*m));
	memcpy(m->id, id, NODE_ID_LEN);
	read_fields(m, o, &w);
	m->dial = read_optional(&w, o, "dial");
	m->has_shard = json_object_get(o, "shard") != NULL;
	if (m->has_shard)
		m->shard = (uint32_t)peerjson_number(&w, o, "shard", UINT32_MAX);
	m->added_ms = peerjson_number(&w, o, "added", INT64_MAX);
	*fault = w.fault;
}

void
member_claim_read(struct member_claim *c, const json_t *o, char **fault)
{
	struct peerjson w = { 0 };
	const char *hex = peerjson_text(&w, o, "id");

	memset(c, 0, sizeof(*c));
	if (hex != NULL && node_id_read(hex, c->is.id) == -1)
		peerjson_fault(&w, "id", "must be %d hexadecimal digits", 2 * NODE_ID_LEN);
	read_fields(&c->is, o, &w);
	c->names = json_incref(json_object_get(o, "names"));
	if (json_is_array(json_object_get(o, "introduced")))
		c->shown = json_incref(json_object_get(o, "introduced"));
	c->secure = peerjson_flag(&w, o, "secure");
	c->address = read_optional(&w, o, "address");
	if (c->secure && c->is.spki == NULL)
		peerjson_fault(&w, "spki", "is required");
	*fault = w.fault;
}

void
member_claim_copy(struct member_claim *to, const struct member_claim *from)
{
	*to = *from;
	member_copy(&to->is, &from->is);
	to->names = json_deep_copy(from->names);
	to->shown = json_deep_copy(from->shown);
	to->address = xstrdup(from->address);
	to->format_fault = xstrdup(from->format_fault);
}

void
member_claim_clear(struct member_claim *c)
{
	member_clear(&c->is);
	json_decref(c->names);
	json_decref(c->shown);
	free(c->address);
	free(c->format_fault);
	memset(c, 0, sizeof(*c));
}

/* ---- may it be ---- */

/* "*.example.com" is any one name before it. */
static int
name_covers(const char *name, const char *hostname)
{
	const char *dot = strchr(hostname, '.');

	if (strcasecmp(name, hostname) == 0)
		return (1);
	return (strncmp(name, "*.", 2) == 0 && dot != NULL && dot > hostname &&
	    strcasecmp(name + 1, dot) == 0);
}

static int
is_named(const struct member_claim *c)
{
	const json_t *name;
	size_t i;

	json_array_foreach(c->names, i, name)
		if (json_is_string(name) && name_covers(json_string_value(name), c->is.hostname))
			return (1);
	return (0);
}

static int
refuse_claim(int status, char **why, char *text)
{
	*why = text;
	return (status);
}

static char *
claim_names(const struct member_claim *c)
{
	const json_t *name;
	struct buf b = { 0 };
	size_t i;

	json_array_foreach(c->names, i, name)
		if (i < 10)
			buf_addf(&b, "%s'%s'", i > 0 ? ", " : "", json_string_value(name));
	buf_u8(&b, '\0');
	return ((char *)buf_take(&b, NULL));
}

static int
refuse_names(const struct member_claim *c, char **why)
{
	char *names = claim_names(c);
	int status = refuse_claim(403, why,
	    xasprintf("the certificate of '%s' is not for that host: it names %s", c->is.hostname,
		names[0] != '\0' ? names : "none"));

	free(names);
	return (status);
}

/* As operations know it. */
static const char *
known_name(const struct member *m)
{
	return (m->node_name != NULL ? m->node_name : m->hostname);
}

/* The key that a node has shown first is its own; whoever has the name with another is not believed. */
static int
check_pin(const struct member_claim *c, const char *pinned, const char *known_as, char **why)
{
	if (pinned == NULL || same_text(pinned, c->is.spki))
		return (200);
	if (!c->secure)
		return (refuse_claim(403, why,
		    xasprintf("'%s' has shown a certificate before, and now comes without TLS",
			c->is.hostname)));
	return (refuse_claim(409, why,
	    xasprintf("'%s' shows another key than before: if it was given a new one, run "
		      "remove_node with \"node_name\": \"%s\" on this node, then add_node",
		c->is.hostname, known_as)));
}

/* By what it has shown here, or else by what all members know it by. */
static int
check_shown_key(const struct member_claim *c, const struct member_facts *f, char **why)
{
	if (f->invited || (f->spki != NULL && same_text(f->spki, c->is.spki)))
		return (200);
	if (f->by_id == NULL || f->by_id->spki == NULL)
		return (check_pin(c, c->secure ? f->spki : NULL, c->is.hostname, why));
	return (check_pin(c, f->by_id->spki, known_name(f->by_id), why));
}

/* Its hostname is that of another node. */
static int
is_anew(const struct member_claim *c, const struct member_facts *f)
{
	return (f->by_hostname != NULL && memcmp(f->by_hostname->id, c->is.id, NODE_ID_LEN) != 0);
}

static int
refuse_anew(const struct member_claim *c, const struct member_facts *f, char **why)
{
	return (refuse_claim(409, why,
	    xasprintf("'%s' has another node id than before: if it was installed anew, run "
		      "remove_node with \"node_name\": \"%s\" on this node, then add_node",
		c->is.hostname, known_name(f->by_hostname))));
}

static int
check_identity(const struct member_claim *c, const struct member_facts *f, char **why)
{
	int status = check_shown_key(c, f, why);

	return (status == 200 && is_anew(c, f) ? refuse_anew(c, f, why) : status);
}

/*
 * Over TLS that is not enough for one that has never been linked, and has told no key: whoever has
 * a certificate that is good could say that it is that node.
 */
static int
is_subscribed(const struct member_claim *c, const struct member_facts *f)
{
	return (f->subscribed && (f->by_id != NULL || f->spki != NULL || !c->secure));
}

static int
refuse_unknown(const struct member_claim *c, const struct member_facts *f, char **why)
{
	if (f->left != NULL)
		return (refuse_claim(403, why,
		    xasprintf("%s: if it is to be a member, run add_node on '%s', with a join "
			      "token of this node",
			f->left, c->is.hostname)));
	return (refuse_claim(403, why,
	    xasprintf(
		"'%s' is no member of this cluster: add_node it on the node that refuses it, or "
		"name it in replication.routes there",
		c->is.hostname)));
}

int
member_check(const struct member_claim *c, const struct member_facts *f, char **why)
{
	const char *name = c->is.hostname;

	*why = NULL;
	if (memcmp(c->is.id, f->own_id, NODE_ID_LEN) == 0)
		return (refuse_claim(409, why,
		    xasprintf("'%s' has this node's own id: it is this node, or a copy of it; on a "
			      "copy run renew_node_id",
			name)));
	if (c->secure && !is_named(c))
		return (refuse_names(c, why));
	if (f->revoked)
		return (refuse_claim(403, why,
		    xasprintf("the certificate of '%s', serial number %s, is revoked", name,
			c->is.serial != NULL ? c->is.serial : "?")));
	if (c->format_fault != NULL)
		return (refuse_claim(409, why, xstrdup(c->format_fault)));
	if (f->locked != NULL)
		return (refuse_claim(403, why, xstrdup(f->locked)));
	if (!is_subscribed(c, f) && !f->routed && !f->invited && !f->discovered)
		return (is_anew(c, f) ? refuse_anew(c, f, why) : refuse_unknown(c, f, why));
	return (check_identity(c, f, why));
}
