#include "config.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/*
 * replay DIR [N]: a fuzz target over all files of a corpus, and over N
 * mutations of them, the same ones each time: what `make check` can do
 * without libFuzzer.
 */

#define REPLAY_MAX (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
/* A target may have one. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
    __attribute__((weak));

struct corpus {
	struct buf *files;
	size_t count;
};

static uint64_t
next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed);
}

static size_t
below(uint64_t *seed, size_t n)
{
	return (n == 0 ? 0 : (size_t)(next(seed) % n));
}

/* A copy of exactly its size, so that the sanitizer sees one byte too many. */
static void
run(const struct buf *b)
{
	uint8_t *copy = xmemdup(b->data, b->len);

	LLVMFuzzerTestOneInput(copy, b->len);
	free(copy);
}

static int
is_file(const struct dirent *d)
{
	return (d->d_name[0] != '.');
}

static void
load(struct buf *b, const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "re");

	if (f == NULL)
		fatal("%s", path);
	buf_reserve(b, REPLAY_MAX);
	b->len = fread(b->data, 1, REPLAY_MAX, f);
	fclose(f);
	free(path);
}

static struct corpus
load_all(const char *dir)
{
	struct corpus c = { 0 };
	struct dirent **names;
	int i, n = scandir(dir, &names, is_file, alphasort);

	if (n == -1)
		fatal("%s", dir);
	c.files = xcalloc((size_t)n, sizeof *c.files);
	for (i = 0; i < n; i++) {
		load(&c.files[c.count++], dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return (c);
}

static void
splice(struct buf *b, const struct buf *from, uint64_t *seed)
{
	size_t at = below(seed, b->len + 1), start = below(seed, from->len + 1);
	size_t n = below(seed, from->len - start + 1);
	struct buf out = { 0 };

	if (b->len + n > REPLAY_MAX)
		return;
	buf_add(&out, b->data, at);
	if (n > 0)
		buf_add(&out, from->data + start, n);
	buf_add(&out, b->data + at, b->len - at);
	buf_free(b);
	*b = out;
}

static void
cut(struct buf *b, uint64_t *seed)
{
	size_t at = below(seed, b->len), n = below(seed, b->len - at + 1);

	if (b->len == 0)
		return;
	memmove(b->data + at, b->data + at + n, b->len - at - n);
	b->len -= n;
}

static void
mutate(struct buf *b, const struct corpus *c, uint64_t *seed)
{
	static const uint8_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, '\n', '"', ':' };
	size_t times = 1 + below(seed, 4);

	while (times-- > 0) {
		switch (below(seed, 5)) {
		case 0:
			splice(b, &c->files[below(seed, c->count)], seed);
			break;
		case 1:
			cut(b, seed);
			break;
		case 2:
			if (b->len > 0)
				b->data[below(seed, b->len)] = odd[below(seed, sizeof odd)];
			break;
		case 3:
			if (b->len > 0)
				b->data[below(seed, b->len)] = (uint8_t)next(seed);
			break;
		default:
			if (b->len > 0)
				b->data[below(seed, b->len)] ^= (uint8_t)(1u << below(seed, 8));
			break;
		}
	}
}

/* Its own mutation, or in a quarter of all and without one, ours. */
static void
mutate_either(struct buf *b, const struct corpus *c, uint64_t *seed)
{
	if (LLVMFuzzerCustomMutator == NULL || below(seed, 4) == 0) {
		mutate(b, c, seed);
		return;
	}
	buf_reserve(b, REPLAY_MAX);
	b->len = LLVMFuzzerCustomMutator(b->data, b->len, REPLAY_MAX, (unsigned)next(seed));
}

int
main(int argc, char *argv[])
{
	uint64_t seed = 0x9e3779b97f4a7c15;
	struct corpus c;
	struct buf b = { 0 };
	size_t i, n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	log_init("replay", LOG_ERROR);
	if (argc < 2)
		fatalx("usage: replay directory [mutations]");
	c = load_all(argv[1]);
	if (c.count == 0)
		fatalx("%s: no files", argv[1]);
	for (i = 0; i < c.count; i++)
		run(&c.files[i]);
	for (i = 0; i < n; i++) {
		const struct buf *from = &c.files[i % c.count];

		buf_clear(&b);
		buf_add(&b, from->data, from->len);
		mutate_either(&b, &c, &seed);
		run(&b);
	}
	printf("%s: %zu files, %zu mutations\n", argv[1], c.count, n);
	for (i = 0; i < c.count; i++)
		buf_free(&c.files[i]);
	free(c.files);
	buf_free(&b);
	return (0);
}
