#include "config.h"

#include "test/sim/disk.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/store/store.h"
#include "test/sim/machine.h"
#include "test/sim/moves.h"
#include "test/sim/world.h"

rocksdb_options_t *__real_rocksdb_options_create(void);
rocksdb_options_t *__wrap_rocksdb_options_create(void);
int __wrap_file_make_folder(const char *path);
int __wrap_file_own_folder(const char *path);
int __real_store_write(struct store *s, struct store_batch *b, int sync);
int __wrap_store_write(struct store *s, struct store_batch *b, int sync);

rocksdb_options_t *
__wrap_rocksdb_options_create(void)
{
	rocksdb_options_t *o = __real_rocksdb_options_create();

	rocksdb_options_set_env(o, machine_here()->disk.env);
	return (o);
}

/* A process that has ended writes nothing, and does not know it. */
int
__wrap_store_write(struct store *s, struct store_batch *b, int sync)
{
	struct machine *m = machine_here();
	int last = m->writes_left > 0 && --m->writes_left == 0;
	int rc = 0;

	if (m->dead)
		return (0);
	if (!last || m->crash_after) {
		rc = __real_store_write(s, b, sync);
		moves_check(m);
	}
	if (last)
		machine_crash(m, world_between(100000, 8000000));
	return (rc);
}

/* It is nowhere in the real one. */
int
__wrap_file_make_folder(const char *path)
{
	(void)path;
	return (0);
}

int
__wrap_file_own_folder(const char *path)
{
	(void)path;
	return (0);
}

void
disk_init(struct disk *d, const char *path)
{
	d->env = rocksdb_create_mem_env();
	d->path = xstrdup(path);
}

void
disk_erase(struct disk *d)
{
	rocksdb_env_destroy(d->env);
	d->env = rocksdb_create_mem_env();
}

void
disk_save(struct store *s, struct image *i)
{
	for (int cf = 0; cf < CF_COUNT; cf++) {
		struct store_iter *it = store_iter_new(s, NULL, (enum store_cf)cf, NULL, 0, NULL,
		    0);

		for (store_iter_first(it); store_iter_valid(it); store_iter_next(it)) {
			size_t klen, vlen;
			const uint8_t *k = store_iter_key(it, &klen),
				      *v = store_iter_value(it, &vlen);

			buf_u8(&i->bytes, (uint8_t)cf);
			buf_blob(&i->bytes, k, klen);
			buf_blob(&i->bytes, v, vlen);
			i->n++;
		}
		store_iter_free(it);
	}
}

void
disk_restore(struct disk *d, const struct image *i)
{
	struct rd r = rd_init(i->bytes.data, i->bytes.len);
	struct store_batch *b;
	struct store *s;
	char *err = NULL;

	disk_erase(d);
	s = store_open(d->path, 1 << 20, &err);
	if (s == NULL)
		world_fail("%s", err);
	b = store_batch_new(s);
	for (unsigned n = 0; n < i->n; n++) {
		enum store_cf cf = (enum store_cf)rd_u8(&r);
		size_t klen, vlen;
		const uint8_t *k = rd_blob(&r, &klen), *v = rd_blob(&r, &vlen);

		store_batch_put(b, cf, k, klen, v, vlen);
	}
	if (__real_store_write(s, b, 1) == -1)
		world_fail("an image cannot be written");
	store_batch_free(b);
	store_close(s);
}

void
image_free(struct image *i)
{
	buf_free(&i->bytes);
	i->n = 0;
}
