#ifndef HL_SNAPSTORE_H
#define HL_SNAPSTORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/frame.h"

/*
 * A place where snapshots are kept.  A snapshot's name is its time and who took it, so that names are in
 * the order of their times: 20261129T114500.123Z-<node id>.snapshot.  All of it waits for the disk or
 * the network.
 */
#define SNAPSTORE_NAME 72 /* bytes of a name, with NUL */

void snapstore_name(char out[SNAPSTORE_NAME], uint64_t taken_ms, const uint8_t *node);
uint64_t snapstore_taken_ms(const char *name); /* 0: it is no name of a snapshot */

struct snapstore_item {
	char name[SNAPSTORE_NAME];
	uint64_t bytes;
};

struct snapstore {
	/*
	 * What there is, the newest first; the caller frees *items.  own: of what this node may remove.  -1
	 * with *err, as the others.
	 */
	int (*list)(struct snapstore *s, int own, struct snapstore_item **items, size_t *n,
	    char **err);
	/* Where a file is to be made that `keep` takes; the caller frees it.  NULL with *err. */
	char *(*work)(struct snapstore *s, char **err);
	/* The file is whole and on the disk: it is kept under the name, and `path` is gone. */
	int (*keep)(struct snapstore *s, const char *path, const char *name, char **err);
	/* The path of a file that has it, for `done`.  NULL with *err. */
	char *(*fetch)(struct snapstore *s, const char *name, char **err);
	void (*done)(struct snapstore *s, char *path); /* takes it; NULL is ignored */
	int (*remove)(struct snapstore *s, const char *name, char **err); /* it need not be there */
	void (*quiet)(struct snapstore
		*s); /* nothing that it waits for comes any more; on the loop */
	void (*free)(struct snapstore *s);
	const char *kind; /* snapshot.store */
};

/* In a folder, which is made when something is kept. */
struct snapstore *snapstore_file_new(const char *folder, const uint8_t *node);

/*
 * In an object store of JetStream, which any of its clients reads; with the node's own servers each node
 * has one of its own, and reads those of the peers that it reaches.  What goes in and comes out is a
 * file in `folder` meanwhile.
 */
struct replication;
struct snapstore *snapstore_nats_new(struct replication *rep, const char *folder,
    const char *bucket, unsigned replicas);

/* For those: by name, the newest first. */
void snapstore_sort(struct snapstore_item *items, size_t n);

#endif
