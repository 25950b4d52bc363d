#ifndef HL_TAR_H
#define HL_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * The ustar format, as far as backups need it: plain files and folders with short names.
 * A file of 8 GiB or more has its size in binary, as GNU tar, bsdtar and others read it.
 */
#define TAR_BLOCK    512
#define TAR_NAME_MAX 99

struct tar_member {
	char name[TAR_NAME_MAX + 1]; /* of a folder: ends with '/' */
	uint64_t size;               /* of a folder: 0 */
	unsigned mode;
	int64_t mtime;
	/* for tar_header; the names may be "" */
	unsigned uid, gid;
	char user[32], group[32];
};

void tar_header(struct buf *b, const struct tar_member *m);
size_t tar_padding(uint64_t size); /* zeros that follow so many bytes */
void tar_zeros(struct buf *b, size_t n);
#define TAR_END (2 * TAR_BLOCK) /* zeros that follow the last file */
/* 1, 0 for a block of zeros, -1 when it is no such header. */
int tar_read(struct tar_member *m, const uint8_t *block);

#endif
