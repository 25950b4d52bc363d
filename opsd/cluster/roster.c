#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "common/tls/crypto.h"
#include "opsd/cluster/roster_priv.h"

#define ADOPTIONS_MOST 0x1000 /* of one key, each by somebody else; in fractions of a millisecond */

/* ---- entries ---- */

static const char kind_letters[ROSTER_KINDS] = { 'm', 'r', 'a' };

static void
make_slot(char slot[ROSTER_SLOT_MAX], enum statement_kind kind, const char *key)
{
	slot[0] = kind_letters[kind];
	memcpy(slot + 1, key, strlen(key) + 1);
}

struct roster_entry *
roster_find(struct roster *r, enum statement_kind kind, const char *key)
{
	char slot[ROSTER_SLOT_MAX];
	struct roster_entry *e;

	make_slot(slot, kind, key);
	HASH_FIND_STR(r->entries, slot, e);
	return (e);
}

struct roster_entry *
roster_find_id(struct roster *r, const uint8_t *id)
{
	char hex[2 * NODE_ID_LEN + 1];

	node_id_hex(id, hex);
	return (roster_find(r, STATEMENT_MEMBER, hex));
}

struct roster_entry *
roster_entry_of(struct roster *r, enum statement_kind kind, const char *key)
{
	struct roster_entry *e = roster_find(r, kind, key);

	if (e != NULL)
		return (e);
	e = xcalloc(1, sizeof(*e));
	make_slot(e->slot, kind, key);
	e->kind = kind;
	e->key = e->slot + 1;
	HASH_ADD_STR(r->entries, slot, e);
	return (e);
}

static void
entry_drop(struct roster *r, struct roster_entry *e)
{
	HASH_DEL(r->entries, e);
	statement_free(e->said);
	statement_free(e->introduction);
	free(e);
}

void
roster_tidy(struct roster *r, struct roster_entry *e)
{
	if (e->said == NULL && e->introduction == NULL)
		entry_drop(r, e);
}

int
roster_is_locked(const struct roster_entry *e)
{
	return (e != NULL && e->said != NULL && e->said->removed &&
	    (e->introduction == NULL || e->introduction->time <= e->said->time));
}

int
roster_is_live(const struct roster_entry *e)
{
	return (e != NULL && e->said != NULL && !e->said->removed);
}

int
roster_is_distrusted(struct roster *r, const struct roster_entry *e, const char *spki)
{
	const char *serial = json_string_value(json_object_get(r->revoked, spki));
	const struct roster_entry *by = serial != NULL ? roster_find(r, STATEMENT_REVOKED, serial) :
							 NULL;

	return (by != NULL && by->said != NULL &&
	    (e == NULL || e->introduction == NULL || e->introduction->time <= by->said->time));
}

/* ---- what is looked up ---- */

char *
roster_host_key(const char *hostname)
{
	char *key = xstrdup(hostname);

	for (char *p = key; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return (key);
}

static uint64_t
entry_hash(const struct roster_entry *e)
{
	struct buf b = { 0 };
	uint8_t sum[32];
	uint64_t hash;

	if (e->said == NULL)
		return (0);
	buf_add(&b, e->said->text, strlen(e->said->text) + 1);
	if (e->introduction != NULL)
		buf_add(&b, e->introduction->text, strlen(e->introduction->text));
	crypto_sha256(b.data, b.len, sum);
	memcpy(&hash, sum, sizeof(hash));
	buf_free(&b);
	return (hash);
}

/* ---- who has brought what ---- */

static const size_t kind_most[ROSTER_KINDS] = { ROSTER_MOST, ROSTER_MOST, ROSTER_AUTHORITIES };

static const uint8_t *
brought_by(const struct statement *said, const struct statement *introduction)
{
	return (introduction != NULL ? introduction->by : said->by);
}

/* One more or less. */
static void
count_entry(struct roster *r, const struct roster_entry *e, int more)
{
	const uint8_t *id;
	struct roster_signer *s;

	if (e->said == NULL && e->introduction == NULL)
		return;
	id = brought_by(e->said, e->introduction);
	HASH_FIND(hh, r->signers, id, NODE_ID_LEN, s);
	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		memcpy(s->id, id, NODE_ID_LEN);
		HASH_ADD(hh, r->signers, id, NODE_ID_LEN, s);
	}
	r->counts[e->kind] += (size_t)more;
	s->counts[e->kind] += (size_t)more;
	for (int i = 0; i < ROSTER_KINDS; i++)
		if (s->counts[i] != 0)
			return;
	HASH_DEL(r->signers, s);
	free(s);
}

char *
roster_full(struct roster *r, const struct roster_offer *o)
{
	enum statement_kind kind = o->said != NULL ? o->said->kind : STATEMENT_MEMBER;
	const uint8_t *id = brought_by(o->said, o->introduction);
	const struct roster_signer *s;
	char hex[2 * NODE_ID_LEN + 1];

	if (r->counts[kind] >= kind_most[kind])
		return (xasprintf("there are %zu entries of kind '%s' already", kind_most[kind],
		    statement_kind_name(kind)));
	HASH_FIND(hh, r->signers, id, NODE_ID_LEN, s);
	if (s == NULL || s->counts[kind] < kind_most[kind] / 2)
		return (NULL);
	node_id_hex(id, hex);
	return (xasprintf("node %s has brought %zu entries of kind '%s' already", hex,
	    kind_most[kind] / 2, statement_kind_name(kind)));
}

/* ---- around a change ---- */

/* Removed ones and revoked certificates are found by their key, members by their host name. */
static char *
index_key(const struct roster *r, const struct roster_entry *e, json_t **index)
{
	const char *spki;

	if (e->said == NULL || e->kind == STATEMENT_AUTHORITY)
		return (NULL);
	spki = statement_field(e->said, "spki");
	if (e->kind == STATEMENT_REVOKED) {
		*index = r->revoked;
		return (xstrdup(spki));
	}
	*index = e->said->removed ? r->removed : r->hosts;
	return (e->said->removed ? xstrdup(spki) :
				   roster_host_key(statement_field(e->said, "hostname")));
}

void
roster_unlist(struct roster *r, struct roster_entry *e)
{
	json_t *index;
	char *key = index_key(r, e, &index);
	const char *is = key != NULL ? json_string_value(json_object_get(index, key)) : NULL;

	if (is != NULL && strcmp(is, e->key) == 0)
		json_object_del(index, key);
	r->digest -= e->hash;
	count_entry(r, e, -1);
	free(key);
}

/* Of two certificates for a key, the one that was revoked last counts. */
static int
is_after(struct roster *r, const json_t *index, const char *key, const struct roster_entry *e)
{
	const char *is = json_string_value(json_object_get(index, key));
	const struct roster_entry *other = index == r->revoked && is != NULL ?
	    roster_find(r, STATEMENT_REVOKED, is) :
	    NULL;

	return (other == NULL || other->said == NULL || other->said->time <= e->said->time);
}

void
roster_enlist(struct roster *r, struct roster_entry *e)
{
	json_t *index;
	char *key = index_key(r, e, &index);

	if (key != NULL && is_after(r, index, key, e))
		json_object_set_new(index, key, json_string(e->key));
	e->hash = entry_hash(e);
	r->digest += e->hash;
	count_entry(r, e, 1);
	free(key);
}

/* ---- life ---- */

struct roster *
roster_new(const uint8_t *own_id)
{
	struct roster *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	memcpy(r->own_id, own_id, NODE_ID_LEN);
	r->hosts = json_object();
	r->removed = json_object();
	r->revoked = json_object();
	r->faults = json_object();
	return (r);
}

void
roster_free(struct roster *r)
{
	struct roster_entry *e, *tmp;

	if (r == NULL)
		return;
	HASH_ITER(hh, r->entries, e, tmp) {
		roster_unlist(r, e);
		entry_drop(r, e);
	}
	signer_free(r->signer);
	json_decref(r->hosts);
	json_decref(r->removed);
	json_decref(r->revoked);
	json_decref(r->faults);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
roster_offer_clear(struct roster_offer *o)
{
	statement_free(o->said);
	statement_free(o->introduction);
	*o = (struct roster_offer){ 0 };
}

void
roster_put(struct roster *r, struct roster_offer *o, const struct roster_times *t)
{
	const struct statement *s = o->said != NULL ? o->said : o->introduction;
	struct roster_entry *e;

	if (s == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	e = roster_entry_of(r, o->said != NULL ? s->kind : STATEMENT_MEMBER, s->key);
	roster_unlist(r, e);
	statement_free(e->said);
	statement_free(e->introduction);
	e->said = o->said;
	e->introduction = o->introduction;
	e->taken_ms = t->taken_ms;
	e->seen_ms = t->seen_ms;
	roster_enlist(r, e);
	pthread_mutex_unlock(&r->lock);
	*o = (struct roster_offer){ 0 };
}

/* With the lock held. */
static void
entry_forget(struct roster *r, struct roster_entry *e)
{
	roster_unlist(r, e);
	r->changes[e->kind]++;
	r->seq++;
	entry_drop(r, e);
}

/* now_ms 0: all but our own, of which only its removal stays. */
static json_t *
forget_some(struct roster *r, uint64_t now_ms)
{
	struct roster_entry *e, *tmp;
	json_t *gone = json_array();

	pthread_mutex_lock(&r->lock);
	HASH_ITER(hh, r->entries, e, tmp) {
		if (now_ms == 0 ? e == roster_find_id(r, r->own_id) :
				  e->said == NULL || !statement_is_over(e->said, now_ms))
			continue;
		json_array_append_new(gone,
		    json_pack("[s,s]", statement_kind_name(e->kind), e->key));
		entry_forget(r, e);
	}
	pthread_mutex_unlock(&r->lock);
	return (gone);
}

json_t *
roster_clear(struct roster *r)
{
	return (forget_some(r, 0));
}

json_t *
roster_sweep(struct roster *r, uint64_t now_ms)
{
	return (forget_some(r, now_ms));
}

/* ---- what is signed here ---- */

void
roster_sign_with(struct roster *r, struct signer *signer)
{
	pthread_mutex_lock(&r->lock);
	signer_free(r->signer);
	r->signer = signer;
	pthread_mutex_unlock(&r->lock);
}

int
roster_may_sign(struct roster *r)
{
	int may;

	pthread_mutex_lock(&r->lock);
	may = r->signer != NULL;
	pthread_mutex_unlock(&r->lock);
	return (may);
}

/* After all that there is. */
static uint64_t
next_time(const struct roster_entry *e, uint64_t time)
{
	if (e != NULL && e->said != NULL && e->said->time >= time)
		time = e->said->time + 1;
	if (e != NULL && e->introduction != NULL && e->introduction->time >= time)
		time = e->introduction->time + 1;
	return (time);
}

/* With the lock held. */
static struct statement *
sign_after(struct roster *r, const struct roster_entry *e, enum statement_kind kind,
    const char *key, const json_t *fields, uint64_t time)
{
	return (r->signer == NULL ?
		NULL :
		statement_make(r->signer, kind, key, r->own_id, next_time(e, time), fields));
}

struct statement *
roster_say(struct roster *r, enum statement_kind kind, const char *key, const json_t *fields,
    uint64_t now_ms)
{
	struct statement *s;

	if (strlen(key) > STATEMENT_KEY_MAX)
		return (NULL);
	pthread_mutex_lock(&r->lock);
	s = sign_after(r, roster_find(r, kind, key), kind, key, fields, now_ms << 16);
	pthread_mutex_unlock(&r->lock);
	return (s);
}

/* It has to be after a certificate for the key was revoked, too. */
static uint64_t
after_revoked(struct roster *r, const char *spki, uint64_t time)
{
	const char *serial = json_string_value(json_object_get(r->revoked, spki));

	return (serial != NULL ? next_time(roster_find(r, STATEMENT_REVOKED, serial), time) : time);
}

struct statement *
roster_introduce(struct roster *r, const uint8_t *id, const char *spki, uint64_t now_ms)
{
	json_t *fields = json_pack("{s:s}", "spki", spki);
	char hex[2 * NODE_ID_LEN + 1];
	struct statement *s;

	node_id_hex(id, hex);
	pthread_mutex_lock(&r->lock);
	s = sign_after(r, roster_find_id(r, id), STATEMENT_INTRODUCTION, hex, fields,
	    after_revoked(r, spki, now_ms << 16));
	pthread_mutex_unlock(&r->lock);
	json_decref(fields);
	return (s);
}

/* Of two that adopt it, whoever knows the key that it has announced since comes later. */
static uint64_t
adopted_time(const struct roster_entry *e)
{
	const struct statement *i = e->introduction;

	if (i == NULL)
		return (e->said->time + 1);
	return ((e->outdone > i->time ? e->outdone : i->time) +
	    (strcmp(statement_field(i, "spki"), statement_field(e->said, "spki")) == 0 ?
		    1 :
		    ADOPTIONS_MOST));
}

struct statement *
roster_adopt(struct roster *r, const uint8_t *id)
{
	const struct roster_entry *e;
	struct statement *s = NULL;
	json_t *fields;

	pthread_mutex_lock(&r->lock);
	e = roster_find_id(r, id);
	if (roster_is_live(e) && r->signer != NULL) {
		fields = json_pack("{s:s}", "spki", statement_field(e->said, "spki"));
		s = statement_make(r->signer, STATEMENT_INTRODUCTION, e->key, r->own_id,
		    adopted_time(e), fields);
		json_decref(fields);
	}
	pthread_mutex_unlock(&r->lock);
	return (s);
}

int
roster_drop(struct roster *r, enum statement_kind kind, const char *key)
{
	struct roster_entry *e;

	pthread_mutex_lock(&r->lock);
	e = roster_find(r, kind, key);
	if (e != NULL)
		entry_forget(r, e);
	pthread_mutex_unlock(&r->lock);
	return (e != NULL);
}
