#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/nodes.h"
#include "opsd/snapshot/snapcall.h"
#include "opsd/snapshot/snapstore.h"

#define CHUNK        131072 /* leafd's (objects.h) */
#define PUT_BYTES    (8 * CHUNK)
#define NUID_LEN     22 /* digits: of the time, and random */
#define NUID_MS      12
#define LEFT_OVER_MS 3600000
#define SUM_LEN      32

struct found {
	char *node; /* whose server has it, "": ours */
	json_t *info;
};

struct objectstore {
	struct snapstore store; /* first */
	struct replication *rep;
	struct snapcalls *calls;
	char *bucket, *work, *fetched;
	unsigned replicas;
	struct found *all; /* as they were listed last */
	size_t n;
};

/* What leafd said, in words. */
static char *
call_fault(const struct objectstore *o, int status, const struct buf *answer)
{
	if (status == 503)
		return (xasprintf("object store %s: no nats-server is there now", o->bucket));
	if (status == 504)
		return (xasprintf("object store %s: no answer", o->bucket));
	return (xasprintf("object store %s: %.*s", o->bucket, (int)answer->len,
	    answer->data != NULL ? (const char *)answer->data : ""));
}

/* 0, or -1 with *err. */
static int
call_leafd(struct objectstore *o, enum msg_type type, struct buf *question, char **err)
{
	struct buf answer = { 0 };
	int status = snapcall(o->calls, type, question, &answer);

	if (status != 200)
		*err = call_fault(o, status, &answer);
	buf_free(&answer);
	return (status == 200 ? 0 : -1);
}

/* ---- the digest, as clients of NATS have it ---- */

static char *
digest_text(EVP_MD_CTX *sum)
{
	uint8_t digest[SUM_LEN];
	char *base64, *text;

	EVP_DigestFinal_ex(sum, digest, NULL);
	base64 = crypto_base64(digest, sizeof(digest));
	for (char *p = base64; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	text = xasprintf("SHA-256=%s", base64);
	free(base64);
	return (text);
}

static EVP_MD_CTX *
digest_new(void)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();

	if (sum == NULL || EVP_DigestInit_ex(sum, EVP_sha256(), NULL) != 1)
		fatalx("snapshot: no memory");
	return (sum);
}

/* ---- what there is ---- */

static const char *
info_text(const json_t *info, const char *field)
{
	const char *s = json_string_value(json_object_get(info, field));

	return (s != NULL ? s : "");
}

static void
forget_found(struct objectstore *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->all[i].node);
		json_decref(o->all[i].info);
	}
	free(o->all);
	o->all = NULL;
	o->n = 0;
}

static void
add_found(struct objectstore *o, const char *node, json_t *info)
{
	if (snapstore_taken_ms(info_text(info, "name")) == 0)
		return;
	o->all = xrealloc(o->all, (o->n + 1) * sizeof(*o->all));
	o->all[o->n++] = (struct found){ xstrdup(node), json_incref(info) };
}

/* The bucket's of the node's server, or of ours, with 200; 404: it is not there; else -1 with *err. */
static int
ask_list(struct objectstore *o, const char *node, json_t **list, char **err)
{
	struct buf q = { 0 }, answer = { 0 };
	int status;

	buf_str(&q, node);
	buf_str(&q, o->bucket);
	status = snapcall(o->calls, MSG_OBJECT_LIST, &q, &answer);
	*list = status == 200 ? json_loadb((const char *)answer.data, answer.len, 0, NULL) : NULL;
	if (status != 200 && status != 404) {
		*err = call_fault(o, status, &answer);
		status = -1;
	}
	buf_free(&answer);
	return (status);
}

/* What the node's server has; -1 with *err.  A bucket that is not there has nothing. */
static int
list_node(struct objectstore *o, const char *node, char **err)
{
	json_t *list, *info;
	size_t i;
	int status = ask_list(o, node, &list, err);

	json_array_foreach(json_object_get(list, "objects"), i, info)
		add_found(o, node, info);
	json_decref(list);
	return (status == -1 ? -1 : 0);
}

/* Peers that have no store, or cannot be reached, have nothing. */
static void
list_peers(struct objectstore *o)
{
	struct peer **all;
	size_t n;

	all = nodes_all(o->rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		char *err = NULL;

		if (peer_active(all[i]) && cluster_peer_reachable(o->rep->cluster, all[i]) &&
		    list_node(o, all[i]->name, &err) == -1)
			log_debug("snapshots: node %s: %s", all[i]->name, err);
		free(err);
		peer_free(all[i]);
	}
	free(all);
}

static void
give_items(const struct objectstore *o, int own, struct snapstore_item **items, size_t *n)
{
	*items = xcalloc(o->n + 1, sizeof(**items));
	*n = 0;
	for (size_t i = 0; i < o->n; i++) {
		struct snapstore_item *item = &(*items)[*n];

		if (own && o->all[i].node[0] != '\0')
			continue;
		snprintf(item->name, sizeof(item->name), "%s", info_text(o->all[i].info, "name"));
		item->bytes = (uint64_t)json_integer_value(json_object_get(o->all[i].info, "size"));
		(*n)++;
	}
	snapstore_sort(*items, *n);
}

static int
objects_list(struct snapstore *s, int own, struct snapstore_item **items, size_t *n, char **err)
{
	struct objectstore *o = (struct objectstore *)s;

	forget_found(o);
	*items = NULL;
	*n = 0;
	if (list_node(o, "", err) == -1)
		return (-1);
	/* Servers that are nobody's own have one store for all. */
	if (!own && !o->rep->data->live.external)
		list_peers(o);
	give_items(o, own, items, n);
	return (0);
}

static const struct found *
find_named(const struct objectstore *o, const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(info_text(o->all[i].info, "name"), name) == 0)
			return (&o->all[i]);
	return (NULL);
}

/* ---- in ---- */

static char *
objects_work(struct snapstore *s, char **err)
{
	(void)err;
	return (xstrdup(((struct objectstore *)s)->work));
}

static int
make_bucket(struct objectstore *o, char **err)
{
	struct buf q = { 0 };

	buf_str(&q, o->bucket);
	buf_u8(&q, (uint8_t)o->replicas);
	return (call_leafd(o, MSG_OBJECT_MAKE, &q, err));
}

static int
put_piece(struct objectstore *o, const char *nuid, const void *p, size_t n, char **err)
{
	struct buf q = { 0 };

	buf_str(&q, o->bucket);
	buf_str(&q, nuid);
	buf_blob(&q, p, n);
	return (call_leafd(o, MSG_OBJECT_PUT, &q, err));
}

static int
drop_object(struct objectstore *o, const char *name, const char *nuid, char **err)
{
	struct buf q = { 0 };

	buf_str(&q, o->bucket);
	buf_str(&q, name);
	buf_str(&q, nuid);
	return (call_leafd(o, MSG_OBJECT_DROP, &q, err));
}

/* ---- what a life before this one had put there, and not named ---- */

/* One that we gave: its time, and what is random. */
static int
is_own_nuid(const char *nuid, uint64_t *ms)
{
	char *end, begin[NUID_MS + 1];

	if (strlen(nuid) != NUID_LEN || strspn(nuid, "0123456789abcdef") != NUID_LEN)
		return (0);
	snprintf(begin, sizeof(begin), "%.*s", NUID_MS, nuid);
	*ms = strtoull(begin, &end, 16);
	return (1);
}

static void
make_nuid(char out[NUID_LEN + 1])
{
	char rest[NUID_LEN - NUID_MS + 1];

	crypto_random_hex(rest, (NUID_LEN - NUID_MS) / 2);
	snprintf(out, NUID_LEN + 1, "%0*" PRIx64 "%s", NUID_MS, wall_ms(), rest);
}

static int
has_nuid(const json_t *objects, const char *nuid)
{
	const json_t *info;
	size_t i;

	json_array_foreach(objects, i, info)
		if (strcmp(info_text(info, "nuid"), nuid) == 0)
			return (1);
	return (0);
}

/* In a store of all nodes another one may be putting it just now. */
static int
is_left_over(const struct objectstore *o, const json_t *objects, const char *nuid)
{
	uint64_t ms, now = wall_ms();

	if (!is_own_nuid(nuid, &ms) || has_nuid(objects, nuid))
		return (0);
	return (!o->rep->data->live.external || (now > ms && now - ms > LEFT_OVER_MS));
}

static int
drop_left_over(struct objectstore *o, char **err)
{
	json_t *list, *chunk;
	size_t i;
	int rc = ask_list(o, "", &list, err);

	json_array_foreach(json_object_get(list, "chunks"), i, chunk)
		if (rc == 200 &&
		    is_left_over(o, json_object_get(list, "objects"), json_string_value(chunk)))
			rc = drop_object(o, "", json_string_value(chunk), err) == 0 ? 200 : -1;
	json_decref(list);
	return (rc == -1 ? -1 : 0);
}

/* ---- what is kept ---- */

struct upload {
	struct objectstore *o;
	const char *name;
	char nuid[NUID_LEN + 1];
	uint64_t bytes;
	EVP_MD_CTX *sum;
};

static ssize_t
read_full(int fd, uint8_t *p, size_t n)
{
	size_t at = 0;
	ssize_t got = 0;

	while (at < n && ((got = read(fd, p + at, n - at)) > 0 || (got == -1 && errno == EINTR)))
		at += got > 0 ? (size_t)got : 0;
	return (got == -1 ? -1 : (ssize_t)at);
}

static int
put_chunks(struct upload *u, int fd, char **err)
{
	uint8_t *piece = xmalloc(PUT_BYTES);
	ssize_t n = 0;
	int rc = 0;

	while (rc == 0 && (n = read_full(fd, piece, PUT_BYTES)) > 0) {
		EVP_DigestUpdate(u->sum, piece, (size_t)n);
		u->bytes += (uint64_t)n;
		rc = put_piece(u->o, u->nuid, piece, (size_t)n, err);
	}
	if (rc == 0 && n == -1) {
		*err = xasprintf("%s: %s", u->o->work, strerror(errno));
		rc = -1;
	}
	free(piece);
	return (rc);
}

static int
put_info(struct upload *u, char **err)
{
	char *digest = digest_text(u->sum), when[ISO_TEXT], *text;
	struct buf q = { 0 };
	json_t *info;

	info = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:{s:i}}", "name", u->name,
	    "description", "hubleaf snapshot", "bucket", u->o->bucket, "nuid", u->nuid, "size",
	    (json_int_t)u->bytes, "mtime", iso_text((int64_t)wall_ms(), when), "chunks",
	    (json_int_t)((u->bytes + CHUNK - 1) / CHUNK), "digest", digest, "options",
	    "max_chunk_size", CHUNK);
	text = json_dumps(info, JSON_COMPACT);
	buf_str(&q, u->o->bucket);
	buf_str(&q, u->name);
	buf_blob(&q, text, strlen(text));
	json_decref(info);
	free(text);
	free(digest);
	return (call_leafd(u->o, MSG_OBJECT_NAME, &q, err));
}

static int
objects_keep(struct snapstore *s, const char *path, const char *name, char **err)
{
	struct upload u = { .o = (struct objectstore *)s, .name = name };
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;
	char *ignored = NULL;

	make_nuid(u.nuid);
	u.sum = digest_new();
	if (fd == -1)
		*err = xasprintf("%s: %s", path, strerror(errno));
	else if (make_bucket(u.o, err) == 0 && drop_left_over(u.o, err) == 0) {
		rc = put_chunks(&u, fd, err);
		if (rc == 0)
			rc = put_info(&u, err);
		if (rc == -1)
			(void)drop_object(u.o, name, u.nuid, &ignored);
	}
	free(ignored);
	EVP_MD_CTX_free(u.sum);
	if (fd != -1)
		close(fd);
	(void)file_remove(path);
	return (rc);
}

/* ---- out ---- */

/* The next chunk to fd: 1, 0 there is none, -1 with *err. */
static int
get_chunk(struct objectstore *o, const struct found *f, uint64_t *after, EVP_MD_CTX *sum, int fd,
    char **err)
{
	struct buf q = { 0 }, answer = { 0 };
	struct rd r;
	int rc = 1, status;

	buf_str(&q, f->node);
	buf_str(&q, o->bucket);
	buf_str(&q, info_text(f->info, "nuid"));
	buf_u64(&q, *after);
	status = snapcall_patiently(o->calls, MSG_OBJECT_GET, &q, &answer);
	r = rd_init(answer.data, answer.len);
	if (status == 404)
		rc = 0;
	else if (status != 200 || rd_left(&r) < 8) {
		*err = call_fault(o, status, &answer);
		rc = -1;
	} else {
		*after = rd_u64(&r);
		EVP_DigestUpdate(sum, r.p, rd_left(&r));
		if (file_write(fd, r.p, rd_left(&r)) == -1) {
			*err = xasprintf("%s: %s", o->fetched, strerror(errno));
			rc = -1;
		}
	}
	buf_free(&answer);
	return (rc);
}

static int
get_all(struct objectstore *o, const struct found *f, int fd, char **err)
{
	json_int_t chunks = json_integer_value(json_object_get(f->info, "chunks"));
	EVP_MD_CTX *sum = digest_new();
	uint64_t after = 0;
	char *digest;
	int rc = 1;

	while (chunks-- > 0 && rc == 1)
		rc = get_chunk(o, f, &after, sum, fd, err);
	digest = digest_text(sum);
	if (rc == 0)
		*err = xstrdup("it is damaged: a part of it is not there");
	else if (rc == 1 && strcmp(digest, info_text(f->info, "digest")) != 0) {
		*err = xstrdup("it is damaged: its digest differs");
		rc = 0;
	}
	free(digest);
	EVP_MD_CTX_free(sum);
	return (rc == 1 ? 0 : -1);
}

static char *
objects_fetch(struct snapstore *s, const char *name, char **err)
{
	struct objectstore *o = (struct objectstore *)s;
	const struct found *f = find_named(o, name);
	int fd, rc;

	if (f == NULL) {
		*err = xstrdup("it is not there any more");
		return (NULL);
	}
	fd = open(o->fetched, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1) {
		*err = xasprintf("%s: %s", o->fetched, strerror(errno));
		return (NULL);
	}
	rc = get_all(o, f, fd, err);
	close(fd);
	if (rc == 0)
		return (xstrdup(o->fetched));
	(void)file_remove(o->fetched);
	return (NULL);
}

static void
objects_done(struct snapstore *s, char *path)
{
	(void)s;
	if (path != NULL)
		(void)file_remove(path);
	free(path);
}

static int
objects_remove(struct snapstore *s, const char *name, char **err)
{
	struct objectstore *o = (struct objectstore *)s;
	const struct found *f = find_named(o, name);

	if (f != NULL)
		drop_object(o, name, info_text(f->info, "nuid"), err);
	return (*err == NULL ? 0 : -1);
}

/* ---- life ---- */

static void
objects_quiet(struct snapstore *s)
{
	snapcalls_quiet(((struct objectstore *)s)->calls);
}

static void
objects_free(struct snapstore *s)
{
	struct objectstore *o = (struct objectstore *)s;

	forget_found(o);
	snapcalls_free(o->calls);
	free(o->bucket);
	free(o->work);
	free(o->fetched);
	free(o);
}

struct snapstore *
snapstore_nats_new(struct replication *rep, const char *folder, const char *bucket,
    unsigned replicas)
{
	struct objectstore *o = xcalloc(1, sizeof(*o));

	o->store = (struct snapstore){
		.list = objects_list,
		.work = objects_work,
		.keep = objects_keep,
		.fetch = objects_fetch,
		.done = objects_done,
		.remove = objects_remove,
		.quiet = objects_quiet,
		.free = objects_free,
		.kind = "nats",
	};
	o->rep = rep;
	o->calls = snapcalls_new(rep);
	o->bucket = xstrdup(bucket);
	o->work = xasprintf("%s/snapshot.part", folder);
	o->fetched = xasprintf("%s/snapshot.fetched", folder);
	o->replicas = replicas;
	/* What a life before this one had not ended. */
	(void)file_remove(o->work);
	(void)file_remove(o->fetched);
	return (&o->store);
}
