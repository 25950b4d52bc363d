#ifndef HL_FILE_H
#define HL_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* Files as they are to be written: whole, and on disk before anybody relies on them. */

/* All of it, also when a signal or the system takes a part; -1 with errno. */
int file_write(int fd, const void *p, size_t n);
/* The folder that `path` is in, so that its name survives a crash as well; -1 with errno. */
int file_sync_folder(const char *path);
/* A whole file under its name in one step, on disk when this returns; -1 with errno. */
int file_put(const char *path, mode_t mode, const void *p, size_t n);
/* The same of a text; -1 with *err, which says of which file. */
int file_put_text(const char *path, mode_t mode, const char *text, char **err);
/* Another name, or none any more: on disk when this returns, as above. */
int file_rename(const char *from, const char *to);
int file_remove(const char *path); /* it need not be there */
/* A folder with all that is in it, links not followed; it need not be there.  -1: some is left, with errno. */
int file_remove_tree(const char *path);
/* At most `max` bytes of it, with NUL behind them and (len may be NULL) their number; caller frees.
 * NULL with errno. */
char *file_read(const char *path, size_t max, size_t *len);
/* A folder (0700) with what is missing above it; -1 with errno. */
int file_make_folder(const char *path);
/* Its owner alone may do what is allowed with it and the files in it; -1 with errno. */
int file_own_folder(const char *path);

#endif
