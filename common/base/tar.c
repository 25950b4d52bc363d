#include "config.h"

#include "common/base/tar.h"

#include <stdio.h>
#include <string.h>

/* Where the fields of a header are. */
enum {
	AT_NAME = 0,
	AT_MODE = 100,
	AT_UID = 108,
	AT_GID = 116,
	AT_SIZE = 124,
	AT_MTIME = 136,
	AT_SUM = 148,
	AT_TYPE = 156,
	AT_MAGIC = 257,
	AT_USER = 265,
	AT_GROUP = 297,
};

#define OCTAL_MAX ((UINT64_C(1) << 33) - 1) /* in the eleven digits of a size */

/* Octal digits and a NUL, or with the first bit set a binary number. */
static void
put_number(uint8_t *field, size_t n, uint64_t v, uint64_t max)
{
	if (v <= max) {
		for (size_t i = n - 1; i-- > 0; v >>= 3)
			field[i] = (uint8_t)('0' + (v & 7));
		return;
	}
	for (size_t i = n; i-- > 0; v >>= 8)
		field[i] = (uint8_t)v;
	field[0] |= 0x80;
}

static int
get_number(const uint8_t *field, size_t n, uint64_t *v)
{
	size_t i = 0;

	*v = 0;
	if (field[0] & 0x80) {
		for (i = 0; i < n; i++)
			if (i + 8 < n && (field[i] & (i == 0 ? 0x7f : 0xff)) != 0)
				return (-1);
		for (i = n - 8; i < n; i++)
			*v = *v << 8 | field[i];
		return (0);
	}
	while (i < n && field[i] == ' ')
		i++;
	for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
		*v = *v << 3 | (uint64_t)(field[i] - '0');
	return (i == n || field[i] == '\0' || field[i] == ' ' ? 0 : -1);
}

/* Of all bytes, with blanks where the sum itself is. */
static uint64_t
sum_of(const uint8_t *h)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= AT_SUM && i < AT_SUM + 8 ? ' ' : h[i];
	return (sum);
}

void
tar_header(struct buf *b, const struct tar_member *m)
{
	uint8_t h[TAR_BLOCK] = { 0 };
	size_t n = strlen(m->name);

	memcpy(h + AT_NAME, m->name, n);
	put_number(h + AT_MODE, 8, m->mode, 07777777);
	put_number(h + AT_UID, 8, m->uid, 07777777);
	put_number(h + AT_GID, 8, m->gid, 07777777);
	put_number(h + AT_SIZE, 12, m->size, OCTAL_MAX);
	put_number(h + AT_MTIME, 12, (uint64_t)m->mtime, OCTAL_MAX);
	h[AT_TYPE] = n > 0 && m->name[n - 1] == '/' ? '5' : '0';
	memcpy(h + AT_MAGIC, "ustar\00000", 8);
	memcpy(h + AT_USER, m->user, strlen(m->user));
	memcpy(h + AT_GROUP, m->group, strlen(m->group));
	put_number(h + AT_SUM, 7, sum_of(h), 0777777);
	h[AT_SUM + 7] = ' ';
	buf_add(b, h, sizeof(h));
}

size_t
tar_padding(uint64_t size)
{
	return ((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

void
tar_zeros(struct buf *b, size_t n)
{
	static const uint8_t zeros[TAR_BLOCK];

	for (size_t some; n > 0; n -= some) {
		some = n < sizeof(zeros) ? n : sizeof(zeros);
		buf_add(b, zeros, some);
	}
}

int
tar_read(struct tar_member *m, const uint8_t *block)
{
	static const uint8_t zeros[TAR_BLOCK];
	uint64_t sum, mode, mtime;
	size_t n;

	memset(m, 0, sizeof(*m));
	if (memcmp(block, zeros, TAR_BLOCK) == 0)
		return (0);
	if (get_number(block + AT_SUM, 8, &sum) == -1 || sum != sum_of(block) ||
	    memcmp(block + AT_MAGIC, "ustar", 5) != 0 ||
	    get_number(block + AT_SIZE, 12, &m->size) == -1 ||
	    get_number(block + AT_MODE, 8, &mode) == -1 ||
	    get_number(block + AT_MTIME, 12, &mtime) == -1)
		return (-1);
	n = strnlen((const char *)block + AT_NAME, TAR_NAME_MAX + 1);
	if (n == 0 || n > TAR_NAME_MAX)
		return (-1);
	memcpy(m->name, block + AT_NAME, n);
	m->mode = (unsigned)mode & 07777;
	m->mtime = (int64_t)mtime;
	return (block[AT_TYPE] == (m->name[n - 1] == '/' ? '5' : '0') ? 1 : -1);
}
