#include "config.h"

#include "opsd/cluster/given.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "opsd/cluster/replication.h"

#define GIVEN_FORMAT 1
#define GIVEN_LETTER "Y"
#define GIVEN_BEYOND "Z" /* the first key after all of them */

struct given_table { /* of ours */
	uint32_t id;
	struct given *first;
	UT_hash_handle hh;
};

struct givens {
	struct given_table *tables;
};

/* ---- as bytes ---- */

void
given_write(struct buf *b, const struct given_position *list, uint32_t n)
{
	buf_u32(b, n);
	for (uint32_t i = 0; i < n; i++) {
		buf_add(b, list[i].node, NODE_ID_LEN);
		buf_u32(b, list[i].table);
		buf_u64(b, list[i].incarnation);
		buf_u64(b, list[i].at.seq);
		buf_u64(b, list[i].at.mark);
		buf_u64(b, list[i].at.ms);
		buf_u64(b, list[i].whole_ms);
	}
}

static void
read_position(struct rd *r, struct given_position *p)
{
	const uint8_t *node = rd_bytes(r, NODE_ID_LEN);

	if (node != NULL)
		memcpy(p->node, node, NODE_ID_LEN);
	p->table = rd_u32(r);
	p->incarnation = rd_u64(r);
	p->at.seq = rd_u64(r);
	p->at.mark = rd_u64(r);
	p->at.ms = rd_u64(r);
	p->whole_ms = rd_u64(r);
}

struct given_position *
given_read(struct rd *r, uint32_t *n)
{
	struct given_position *list;

	*n = rd_u32(r);
	if (!rd_ok(r) || *n > GIVEN_MAX)
		return (NULL);
	list = xcalloc(*n + 1, sizeof(*list));
	for (uint32_t i = 0; i < *n; i++)
		read_position(r, &list[i]);
	if (rd_ok(r))
		return (list);
	free(list);
	return (NULL);
}

/* ---- in memory ---- */

static struct given_table *
table_of(struct givens *all, uint32_t id, int make)
{
	struct given_table *t;

	HASH_FIND(hh, all->tables, &id, sizeof(id), t);
	if (t == NULL && make) {
		t = xcalloc(1, sizeof(*t));
		t->id = id;
		HASH_ADD(hh, all->tables, id, sizeof(t->id), t);
	}
	return (t);
}

static void
insert_given(struct givens *all, struct given *one)
{
	struct given_table *t = table_of(all, one->table, 1);

	DL_APPEND(t->first, one);
}

static void
remove_given(struct givens *all, struct given *one)
{
	struct given_table *t = table_of(all, one->table, 0);

	DL_DELETE(t->first, one);
	free(one->list);
	free(one);
	if (t->first != NULL)
		return;
	HASH_DEL(all->tables, t);
	free(t);
}

struct given *
given_find(struct givens *all, const uint8_t *from, uint32_t table)
{
	struct given_table *t = table_of(all, table, 0);
	struct given *one = t != NULL ? t->first : NULL;

	while (one != NULL && memcmp(one->from, from, NODE_ID_LEN) != 0)
		one = one->next;
	return (one);
}

void
givens_free(struct givens *all)
{
	struct given_table *t, *tmp;

	if (all == NULL)
		return;
	HASH_ITER(hh, all->tables, t, tmp)
		for (struct given *one = t->first, *next; one != NULL; one = next) {
			next = one->next;
			remove_given(all, one);
		}
	free(all);
}

/* ---- on disk ---- */

static void
given_key(struct buf *k, const struct given *one)
{
	buf_add(k, GIVEN_LETTER, 1);
	buf_add(k, one->from, NODE_ID_LEN);
	buf_be32(k, one->table);
}

static void
save_given(struct group *g, const struct given *one)
{
	struct buf k = { 0 }, v = { 0 };

	given_key(&k, one);
	buf_u8(&v, GIVEN_FORMAT);
	buf_u8(&v, one->done != 0);
	given_write(&v, one->list, one->n);
	store_batch_put(group_batch(g), CF_META, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

/* -1: it cannot be read. */
static int
load_given(struct givens *all, struct rd key, struct rd r)
{
	struct given *one = xcalloc(1, sizeof(*one));
	const uint8_t *from;
	uint8_t format;

	rd_u8(&key);
	from = rd_bytes(&key, NODE_ID_LEN);
	one->table = rd_be32(&key);
	format = rd_u8(&r);
	one->done = rd_u8(&r);
	one->list = given_read(&r, &one->n);
	if (!rd_done(&key) || !rd_done(&r) || format != GIVEN_FORMAT || one->list == NULL) {
		free(one->list);
		free(one);
		return (-1);
	}
	memcpy(one->from, from, NODE_ID_LEN);
	insert_given(all, one);
	return (0);
}

struct givens *
givens_load(struct replication *rep, char **err)
{
	struct givens *all = xcalloc(1, sizeof(*all));
	struct store_iter *it = store_iter_new(rep->data->store, NULL, CF_META, GIVEN_LETTER, 1,
	    GIVEN_BEYOND, 1);
	int rc = 0;

	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);

		rc = load_given(all, rd_init(k, klen), rd_init(v, vlen));
	}
	if (rc == -1 || store_iter_failed(it)) {
		*err = xasprintf("store: the positions that came with copies cannot be read");
		givens_free(all);
		all = NULL;
	}
	store_iter_free(it);
	return (all);
}

/* ---- what happens to them ---- */

void
given_drop(struct group *g, struct givens *all, struct given *one)
{
	struct buf k = { 0 };

	given_key(&k, one);
	store_batch_delete(group_batch(g), CF_META, k.data, k.len);
	buf_free(&k);
	remove_given(all, one);
}

/* Without positions it is of no use. */
static void
keep_given(struct group *g, struct givens *all, struct given *one)
{
	if (one->n > 0)
		save_given(g, one);
	else
		given_drop(g, all, one);
}

void
given_put(struct group *g, struct givens *all, const uint8_t *from, uint32_t table,
    struct given_position *list, uint32_t n)
{
	struct given *one = given_find(all, from, table);

	if (one == NULL) {
		one = xcalloc(1, sizeof(*one));
		memcpy(one->from, from, NODE_ID_LEN);
		one->table = table;
		insert_given(all, one);
	}
	free(one->list);
	one->list = list;
	one->n = n;
	one->done = 0;
	keep_given(g, all, one);
}

void
given_done(struct group *g, struct givens *all, struct given *one)
{
	one->done = 1;
	keep_given(g, all, one);
}

int
given_take(struct group *g, struct givens *all, uint32_t table, const uint8_t *node, uint32_t there,
    struct given_position *out, struct given *of)
{
	struct given_table *t = table_of(all, table, 0);

	for (struct given *one = t != NULL ? t->first : NULL; one != NULL; one = one->next)
		for (uint32_t i = 0; i < one->n; i++)
			if (one->list[i].table == there &&
			    memcmp(one->list[i].node, node, NODE_ID_LEN) == 0) {
				*out = one->list[i];
				*of = *one;
				one->list[i] = one->list[--one->n];
				keep_given(g, all, one);
				return (1);
			}
	return (0);
}
