#include "config.h"

#include "opsd/snapshot/snaptake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "opsd/cluster/firstcopy.h"
#include "opsd/snapshot/snapfile.h"
#include "opsd/store/key.h"

#define WRITE_BYTES (1u << 20)

struct snaptaking {
	struct replication *rep;
	struct table **tables;
	struct snapfile_table *said; /* of each: as it is written, with what is borrowed from it */
	size_t n;
	int fd;
	struct buf out;
	struct snaptaken *taken;
};

/* ---- which tables, and where they stand ---- */

static int
is_in_snapshot(const struct table *t)
{
	return (t->id >= TABLE_USER_FIRST && t->replicate != REPLICATE_NO);
}

/* The caller's, each and the array. */
static struct table **
find_tables(struct replication *rep, size_t *n)
{
	struct table **all;
	size_t many;

	*n = 0;
	all = catalog_replicated(rep->data->catalog, &many);
	for (size_t i = 0; i < many; i++)
		if (is_in_snapshot(all[i]))
			all[(*n)++] = all[i];
		else
			table_unref(all[i]);
	return (all);
}

static void
free_tables(struct table **all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		table_unref(all[i]);
	free(all);
}

size_t
snaptake_tables(struct replication *rep)
{
	size_t n;
	struct table **all = find_tables(rep, &n);

	free_tables(all, n);
	return (n);
}

/* Ours in our own log. */
static struct given_position
own_position(struct replication *rep, const struct table *t)
{
	struct given_position p = {
		.table = t->id,
		.incarnation = rep->data->log.incarnation,
		.at = table_head(t),
	};

	memcpy(p.node, rep->data->node_id, NODE_ID_LEN);
	return (p);
}

static void
say_table(struct snaptaking *k, size_t i)
{
	const struct table *t = k->tables[i];
	struct buf others = { 0 };
	struct given_position *list;
	struct rd r;
	uint32_t n;

	firstcopy_positions(k->rep, t, &others);
	r = rd_init(others.data, others.len);
	list = given_read(&r, &n);
	n = n < GIVEN_MAX ? n : GIVEN_MAX - 1;
	list = xrealloc(list, (n + 1) * sizeof(*list));
	memmove(list + 1, list, n * sizeof(*list));
	list[0] = own_position(k->rep, t);
	k->said[i] = (struct snapfile_table){
		.database = xstrdup(t->database),
		.name = xstrdup(t->name),
		.primary_key = xstrdup(t->primary_key),
		.definition = table_definition(t),
		.rows = t->stat->count > 0 ? (uint64_t)t->stat->count : 0,
		.positions = list,
		.n = n + 1,
	};
	buf_free(&others);
}

/* ---- the file ---- */

static int
flush_bytes(struct snaptaking *k, size_t least)
{
	if (k->out.len < least)
		return (0);
	k->taken->bytes += k->out.len;
	if (file_write(k->fd, k->out.data, k->out.len) == -1)
		return (-1);
	buf_clear(&k->out);
	return (0);
}

static int
write_table_rows(struct snaptaking *k, struct snapwriter *w, const struct store_snap *snap,
    const struct table *t)
{
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;
	int rc = 0;

	buf_be32(&from, t->id);
	key_table_end(&to, t->id);
	it = store_iter_new(k->rep->data->store, snap, CF_ROWS, from.data, from.len, to.data,
	    to.len);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *key = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);

		snapwriter_row(w, key + 4, klen - 4, v, vlen);
		k->taken->rows++;
		rc = k->rep->data->stopping ? -1 : flush_bytes(k, WRITE_BYTES);
		errno = k->rep->data->stopping ? ECANCELED : errno;
	}
	if (rc == 0 && store_iter_failed(it)) {
		rc = -1;
		errno = EIO;
	}
	store_iter_free(it);
	buf_free(&from);
	buf_free(&to);
	return (rc);
}

static int
write_snapshot(struct snaptaking *k)
{
	char *name = data_node_name(k->rep->data);
	struct snapfile_head h = {
		.name = name,
		.version = (char *)(uintptr_t)PACKAGE_VERSION,
		.taken_ms = k->taken->ms,
		.tables = (uint32_t)k->n,
	};
	struct store_snap *snap = store_snap_new(k->rep->data->store);
	struct snapwriter *w;
	int rc = 0;

	memcpy(h.node, k->rep->data->node_id, NODE_ID_LEN);
	w = snapwriter_new(&h, &k->out);
	for (size_t i = 0; i < k->n && rc == 0; i++) {
		snapwriter_table(w, &k->said[i]);
		rc = write_table_rows(k, w, snap, k->tables[i]);
	}
	if (rc == 0) {
		snapwriter_end(w);
		rc = flush_bytes(k, 0);
	}
	snapwriter_free(w);
	store_snap_free(snap);
	free(name);
	return (rc == 0 ? fsync(k->fd) : -1);
}

static void
end_taking(struct snaptaking *k)
{
	for (size_t i = 0; i < k->n; i++)
		snapfile_table_clear(&k->said[i]);
	free(k->said);
	free_tables(k->tables, k->n);
	buf_free(&k->out);
	if (k->fd != -1)
		close(k->fd);
}

int
snaptake_file(struct replication *rep, const char *path, struct snaptaken *taken, char **err)
{
	struct snaptaking k = { .rep = rep, .taken = taken };
	int rc;

	*taken = (struct snaptaken){ .ms = wall_ms() };
	k.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	k.tables = find_tables(rep, &k.n);
	k.said = xcalloc(k.n + 1, sizeof(*k.said));
	for (size_t i = 0; i < k.n; i++)
		say_table(&k, i);
	taken->tables = k.n;
	rc = k.fd != -1 ? write_snapshot(&k) : -1;
	if (rc == -1) {
		*err = xasprintf("%s: %s", path, strerror(errno));
		if (k.fd != -1)
			(void)file_remove(path);
	}
	end_taking(&k);
	return (rc);
}
