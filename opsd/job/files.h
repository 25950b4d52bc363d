#ifndef HL_FILES_H
#define HL_FILES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Files that users name.  What is below rootPath is the node's own: it is neither read nor
 * written for anybody.
 */
struct data;

/* A regular file to read, of at most max bytes; -1 with *why (caller frees). */
int files_open(struct data *data, const char *path, uint64_t max, char **why);
/*
 * Text that waits on disk, in a file that nobody else finds; to be read from its beginning.
 * -1 with *why and the status for it.
 */
int files_spool(struct data *data, const char *text, size_t n, int *status, char **why);
/* The folder to write into, opened; -1 with *why. */
int files_folder(struct data *data, const char *path, char **why);

#endif
