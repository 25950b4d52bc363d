#include "config.h"

#include "opsd/store/txlog.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/formats.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/store/logtail.h"
#include "opsd/store/txn.h"

#define LIVES_MAX    4096 /* whoever stands in an older one, of which no entry is kept, copies */
#define SMALL_TABLES 256  /* names looked up per read by a linear list */

static void
put_identity(struct store_batch *b, const uint8_t *id)
{
	struct buf v = { 0 };

	buf_u16(&v, formats.store);
	buf_add(&v, id, NODE_ID_LEN);
	store_batch_put(b, CF_META, "F", 1, v.data, v.len);
	buf_free(&v);
}

static int
load_id(struct txlog *l, char **err)
{
	struct buf v = { 0 };
	struct store_batch *b;
	int rc = store_get(l->store, NULL, CF_META, "F", 1, &v);

	if (rc == 1) {
		struct rd r = rd_init(v.data, v.len);
		uint16_t format = rd_u16(&r);
		const uint8_t *id = rd_bytes(&r, NODE_ID_LEN);

		if (!rd_done(&r) || format != formats.store) {
			*err = xasprintf(
			    "the store is of format %u, and this version (" PACKAGE_VERSION
			    ") reads format %u: start the version that wrote it, or move database and "
			    "clustering below rootPath away, and the node begins empty and copies from its "
			    "peers what they have",
			    format, formats.store);
			rc = -1;
		} else
			memcpy(l->node, id, NODE_ID_LEN);
	} else if (rc == 0) {
		crypto_random(l->node, sizeof(l->node));
		b = store_batch_new(l->store);
		put_identity(b, l->node);
		rc = store_write(l->store, b, 1);
		store_batch_free(b);
	}
	if (rc == -1 && *err == NULL)
		*err = xasprintf("store: cannot read or write");
	buf_free(&v);
	return (rc == -1 ? -1 : 0);
}

static void
life_key(struct buf *k, uint64_t first)
{
	buf_u8(k, 'L');
	buf_be64(k, first);
}

static void
add_life(struct txlog *l, uint64_t first, uint32_t id)
{
	l->lives = xrealloc(l->lives, (l->nlives + 1) * sizeof(*l->lives));
	l->lives[l->nlives++] = (struct life){ first, id };
}

/* The oldest beyond LIVES_MAX go. */
static int
forget_lives(struct txlog *l)
{
	struct store_batch *b = store_batch_new(l->store);
	size_t n = l->nlives - LIVES_MAX;
	struct buf from = { 0 }, to = { 0 };
	int rc;

	life_key(&from, 0);
	life_key(&to, l->lives[n].first);
	store_batch_delete_range(b, CF_META, from.data, from.len, to.data, to.len);
	rc = store_write(l->store, b, 0);
	store_batch_free(b);
	buf_free(&from);
	buf_free(&to);
	l->nlives = LIVES_MAX;
	memmove(l->lives, l->lives + n, LIVES_MAX * sizeof(*l->lives));
	return (rc);
}

static int
load_lives(struct txlog *l)
{
	struct store_iter *it = store_iter_new(l->store, NULL, CF_META, "L", 1, "M", 1);
	int rc = 0;

	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);
		struct rd key = rd_init(k + 1, klen - 1), r = rd_init(v, vlen);
		uint64_t first = rd_be64(&key);

		add_life(l, first, rd_u32(&r));
		rc = rd_done(&key) && rd_done(&r) ? 0 : -1;
	}
	if (store_iter_failed(it))
		rc = -1;
	store_iter_free(it);
	return (rc == 0 && l->nlives > LIVES_MAX ? forget_lives(l) : rc);
}

int
txlog_open(struct txlog *l, struct store *s, char **err)
{
	struct buf v = { 0 };
	struct rd r;
	int rc;

	memset(l, 0, sizeof(*l));
	l->store = s;
	l->tail = logtail_new();
	pthread_rwlock_init(&l->lives_lock, NULL);
	crypto_random(&l->life, sizeof(l->life));
	if (load_id(l, err) == -1) {
		txlog_close(l);
		return (-1);
	}
	rc = store_get(s, NULL, CF_META, "W", 1, &v);
	if (rc == 1) {
		r = rd_init(v.data, v.len);
		l->clock = rd_u64(&r);
		l->incarnation = rd_u64(&r);
		l->last = rd_u64(&r);
		l->acked_inc = rd_u64(&r);
		l->acked = rd_u64(&r);
		l->trimmed = rd_u64(&r);
		l->unlogged_ms = rd_u64(&r);
		l->streams = rd_u16(&r);
		for (unsigned k = 0; k < l->streams && k < SHARDS_MAX; k++)
			l->streamed[k] = rd_u64(&r);
		l->begun = rd_u64(&r);
		l->begun_at = rd_u64(&r);
		if (!rd_done(&r))
			rc = -1;
	} else
		l->incarnation = l->begun = wall_ms();
	l->durable = (uint64_t)l->last;
	buf_free(&v);
	if (rc == -1 || load_lives(l) == -1) {
		*err = xasprintf("store: the log's positions cannot be read");
		txlog_close(l);
		return (-1);
	}
	return (0);
}

void
txlog_close(struct txlog *l)
{
	logtail_free(l->tail);
	free(l->lives);
	l->tail = NULL;
	l->lives = NULL;
	l->nlives = 0;
	pthread_rwlock_destroy(&l->lives_lock);
}

void
txlog_forget(struct txlog *l)
{
	logtail_clear(l->tail);
}

/* What was acknowledged was so before the loss, or is of this log: it was in the stream once. */
void
txlog_begin(struct txlog *l, uint64_t seen, uint64_t now_ms)
{
	uint64_t above = l->incarnation > seen ? l->incarnation : seen;

	l->incarnation = l->begun = now_ms > above ? now_ms : above + 1;
	l->begun_at = (uint64_t)l->acked;
}

void
txlog_renew(struct txlog *l, struct store_batch *b, const uint8_t *id, uint64_t now_ms)
{
	put_identity(b, id);
	l->renewed = 1;
	l->acked = 0;
	l->streams = 0;
	txlog_begin(l, 0, now_ms);
}

/* Nothing of a life that never wrote is kept. */
static void
begin_life(struct txlog *l, struct store_batch *b, uint64_t first)
{
	struct buf k = { 0 }, v = { 0 };

	life_key(&k, first);
	buf_u32(&v, l->life);
	store_batch_put(b, CF_META, k.data, k.len, v.data, v.len);
	pthread_rwlock_wrlock(&l->lives_lock);
	add_life(l, first, l->life);
	pthread_rwlock_unlock(&l->lives_lock);
	l->alive = 1;
	buf_free(&k);
	buf_free(&v);
}

void
txlog_mark(struct txlog *l, struct store_batch *b, struct log_entry *e)
{
	struct timespec now;
	uint32_t any;

	if (!l->alive)
		begin_life(l, b, e->seq);
	/* A machine that goes on from a picture of its memory draws the same numbers again, later. */
	clock_gettime(CLOCK_REALTIME, &now);
	crypto_random(&any, sizeof(any));
	any ^= (uint32_t)now.tv_nsec ^ (uint32_t)now.tv_sec * UINT32_C(0x9e3779b1);
	e->mark = (uint64_t)l->life << 32 | any;
}

/* Whose sequence it was; 0: that is forgotten. */
static int
life_at(struct txlog *l, uint64_t seq, uint32_t *id)
{
	size_t low = 0, high;

	pthread_rwlock_rdlock(&l->lives_lock);
	for (high = l->nlives; low < high;) {
		size_t mid = low + (high - low) / 2;

		if (l->lives[mid].first <= seq)
			low = mid + 1;
		else
			high = mid;
	}
	if (low > 0)
		*id = l->lives[low - 1].id;
	pthread_rwlock_unlock(&l->lives_lock);
	return (low > 0);
}

/* Of an entry that is not kept any more its life is known; not even that: nothing is believed. */
static int
has_entry(struct txlog *l, uint64_t seq, uint64_t mark)
{
	struct buf k = { 0 }, v = { 0 };
	struct log_entry e;
	uint32_t id;
	int same;

	buf_be64(&k, seq);
	if (store_get(l->store, NULL, CF_LOG, k.data, k.len, &v) == 1) {
		struct rd r = rd_init(v.data, v.len);

		same = log_entry_read(&r, &e) == -1 || e.mark == mark;
	} else
		same = life_at(l, seq, &id) && id == mark >> 32;
	buf_free(&k);
	buf_free(&v);
	return (same);
}

int
txlog_has(struct txlog *l, const struct table *t, uint64_t incarnation, uint64_t seq, uint64_t mark)
{
	uint64_t own = l->incarnation;
	struct log_pos head;

	if (incarnation > own)
		return (0);
	if (incarnation < l->begun || seq == 0)
		return (1); /* whoever has less copies anyway */
	if (t != NULL) {
		head = table_head(t);
		if (head.seq == seq)
			return (head.mark == mark);
	}
	return (seq <= l->durable && has_entry(l, seq, mark));
}

/* With what this batch adds. */
static void
trim_all(struct txlog *l, struct store_batch *b)
{
	struct buf from = { 0 }, to = { 0 };

	buf_be64(&from, 0);
	buf_be64(&to, l->last + 1);
	store_batch_delete_range(b, CF_LOG, from.data, from.len, to.data, to.len);
	l->trimmed = (uint64_t)l->last;
	buf_free(&from);
	buf_free(&to);
}

void
txlog_save(struct txlog *l, struct store_batch *b, uint64_t clock)
{
	unsigned streams = l->streams;
	struct buf v = { 0 };

	if (l->renewed)
		trim_all(l, b);
	buf_u64(&v, clock);
	buf_u64(&v, l->incarnation);
	buf_u64(&v, l->last);
	buf_u64(&v, l->acked_inc);
	buf_u64(&v, l->acked);
	buf_u64(&v, l->trimmed);
	buf_u64(&v, l->unlogged_ms);
	buf_u16(&v, (uint16_t)streams);
	for (unsigned k = 0; k < streams; k++)
		buf_u64(&v, l->streamed[k]);
	buf_u64(&v, l->begun);
	buf_u64(&v, l->begun_at);
	store_batch_put(b, CF_META, "W", 1, v.data, v.len);
	buf_free(&v);
}

static struct store_iter *
iter_after(struct txlog *l, uint64_t after)
{
	struct buf k = { 0 };
	struct store_iter *it;

	buf_be64(&k, after + 1);
	it = store_iter_new(l->store, NULL, CF_LOG, k.data, k.len, NULL, 0);
	store_iter_first(it);
	buf_free(&k);
	return (it);
}

/* "id, database, table" of the entry's table, once. */
static int
name_table(struct buf *names, uint32_t *ids, uint32_t *n, const struct log_entry *e)
{
	struct txn t;

	for (uint32_t i = 0; i < *n; i++)
		if (ids[i] == e->table)
			return (0);
	if (*n == SMALL_TABLES || txn_read(&t, e->payload, e->len) == -1)
		return (-1);
	ids[(*n)++] = e->table;
	buf_u32(names, e->table);
	buf_strn(names, t.database, t.database_len);
	buf_strn(names, t.table, t.table_len);
	return (0);
}

/* Where entries come from: the end of the log in memory, or the store. */
struct entry_source {
	struct logtail_iter *tail;
	struct store_iter *it;
	int begun;
};

static const uint8_t *
next_entry(struct entry_source *s, size_t *len)
{
	if (s->tail != NULL)
		return (logtail_next(s->tail, len));
	if (s->begun)
		store_iter_next(s->it);
	s->begun = 1;
	return (store_iter_valid(s->it) ? store_iter_value(s->it, len) : NULL);
}

/* The entries that are wanted, and the names of their tables; how many. */
static uint32_t
collect_entries(struct entry_source *s, struct log_read *q, uint64_t durable, struct buf *entries,
    struct buf *names, uint32_t *ntables)
{
	uint32_t ids[SMALL_TABLES], n = 0;
	size_t passed = 0, len;
	const uint8_t *p;

	while ((p = next_entry(s, &len)) != NULL) {
		struct rd r = rd_init(p, len);
		struct log_entry e;

		if (entries->len >= q->max || passed >= q->scan)
			break;
		if (log_entry_read(&r, &e) == -1 || e.seq > durable)
			break;
		if (q->wants(&e, q->arg)) {
			if ((n > 0 && entries->len + len > q->max) ||
			    name_table(names, ids, ntables, &e) == -1)
				break;
			buf_add(entries, p, len);
			q->last = e.seq;
			n++;
		} else
			passed += len;
		q->upto = e.seq;
	}
	q->cut = passed >= q->scan;
	return (n);
}

int
txlog_read(struct txlog *l, struct log_read *q, struct buf *out)
{
	uint64_t durable = l->durable;
	struct buf names = { 0 }, entries = { 0 };
	uint32_t ntables = 0, n;
	struct entry_source s = { 0 };
	int failed;

	q->upto = q->after;
	q->last = 0;
	q->cut = 0;
	if (q->after >= durable)
		return (0); /* whoever waits asks again and again */
	s.tail = logtail_from(l->tail, q->after);
	if (s.tail == NULL)
		s.it = iter_after(l, q->after);
	n = collect_entries(&s, q, durable, &entries, &names, &ntables);
	failed = s.it != NULL && store_iter_failed(s.it);
	store_iter_free(s.it);
	logtail_iter_free(s.tail);
	if (n > 0) {
		buf_u64(out, l->incarnation);
		buf_u16(out, (uint16_t)ntables);
		buf_add(out, names.data, names.len);
		buf_u32(out, n);
		buf_add(out, entries.data, entries.len);
	}
	buf_free(&names);
	buf_free(&entries);
	return (failed ? -1 : (int)n);
}

/* Whether it has to end before an entry of that length. */
static int
is_enough(const struct log_read *q, size_t had, size_t seen, size_t len, int wanted)
{
	return (seen >= q->scan || (wanted && had > 0 && had + len > q->max));
}

/* One entry is looked at.  1: it is taken, 0: it is not wanted, or it is enough; -1: broken. */
static int
scan_entry(struct log_read *q, const uint8_t *p, size_t len, size_t seen, struct buf *out,
    size_t begin)
{
	struct rd r = rd_init(p, len);
	struct log_entry e;
	int wanted;

	if (log_entry_read(&r, &e) == -1)
		return (-1);
	wanted = q->wants(&e, q->arg);
	q->cut = is_enough(q, out->len - begin, seen, len, wanted);
	if (q->cut) {
		q->upto = e.seq - 1;
		return (0);
	}
	if (!wanted)
		return (0);
	buf_add(out, p, len);
	q->last = e.seq;
	return (1);
}

/* Of an entry that was read from the disk. */
static uint64_t
seq_of(const struct store_iter *it)
{
	size_t len;
	const uint8_t *k = store_iter_key(it, &len);
	struct rd r = rd_init(k, len);

	return (rd_be64(&r));
}

int
txlog_read_entries(struct txlog *l, struct log_read *q, struct buf *out)
{
	struct store_iter *it = iter_after(l, q->after);
	uint64_t durable = l->durable;
	size_t begin = out->len, seen = 0, len;
	int n = 0, took = 0;

	q->upto = durable > q->after ? durable : q->after;
	q->last = 0;
	q->cut = 0;
	for (; store_iter_valid(it) && seq_of(it) <= durable; store_iter_next(it)) {
		const uint8_t *p = store_iter_value(it, &len);

		took = scan_entry(q, p, len, seen, out, begin);
		if (took == -1 || q->cut)
			break;
		n += took;
		seen += len;
	}
	if (store_iter_failed(it) || took == -1)
		n = -1;
	store_iter_free(it);
	return (n);
}

uint64_t
txlog_ms(struct txlog *l, uint64_t seq)
{
	struct store_iter *it = iter_after(l, seq > 0 ? seq - 1 : 0);
	struct log_entry e = { 0 };
	size_t len;

	if (store_iter_valid(it)) {
		const uint8_t *p = store_iter_value(it, &len);
		struct rd r = rd_init(p, len);

		if (log_entry_read(&r, &e) == -1)
			e.ms = 0;
	}
	store_iter_free(it);
	return (e.ms);
}

uint64_t
txlog_bytes(struct txlog *l, uint64_t seq)
{
	struct buf from = { 0 }, to = { 0 };
	uint64_t bytes;

	buf_be64(&from, seq);
	buf_be64(&to, UINT64_MAX);
	bytes = store_size(l->store, CF_LOG, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
	return (bytes);
}
