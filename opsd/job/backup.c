#include "config.h"

#include "opsd/job/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/tar.h"
#include "opsd/store/data.h"

#define FOLDER    "backup" /* below the store: hard links need the same file system */
#define PIECE     262144
#define SMALL_MAX (1 << 20) /* bytes of a setting or a key */

struct file {
	char *name;
	uint64_t size;
};

struct backup {
	char *folder; /* the checkpoint */
	int dir;
	struct tar_member like; /* who owns what is in the tar, and since when */
	struct buf small;       /* what is before the store, ready to be sent */
	struct file *files;
	size_t n, at;  /* at: the one that is sent */
	int fd;        /* of it, or -1 */
	uint64_t left; /* bytes of it */
	uint64_t size;
	int over;
	char name[160];
};

/* ---- files that come and go ---- */

static void
remove_all(const char *path)
{
	if (file_remove_tree(path) == -1)
		log_warn("%s", path);
}

static char *
folder_path(struct data *data)
{
	return (xasprintf("%s/%s", store_path(data->store), FOLDER));
}

void
backup_sweep(struct data *data)
{
	char *path = folder_path(data);

	remove_all(path);
	free(path);
}

/* ---- what is in the tar ---- */

static void
set_owner(struct tar_member *m)
{
	struct passwd *p = getpwuid(geteuid());
	struct group *g = getgrgid(getegid());

	m->uid = geteuid();
	m->gid = getegid();
	m->mtime = (int64_t)time(NULL);
	snprintf(m->user, sizeof(m->user), "%s", p != NULL ? p->pw_name : "");
	snprintf(m->group, sizeof(m->group), "%s", g != NULL ? g->gr_name : "");
}

static void
add_header(const struct backup *b, struct buf *out, const char *folder, const char *name,
    uint64_t size)
{
	struct tar_member m = b->like;

	snprintf(m.name, sizeof(m.name), "%s%s", folder, name);
	m.size = size;
	m.mode = name[0] == '\0' ? 0700 : 0600;
	tar_header(out, &m);
}

static void
add_small(struct backup *b, const char *folder, const char *name, const void *p, size_t n)
{
	add_header(b, &b->small, folder, name, n);
	buf_add(&b->small, p, n);
	tar_zeros(&b->small, tar_padding(n));
}

/* The buffer may have held keys. */
static void
wipe_keys(struct buf *b)
{
	if (b->len > 0)
		explicit_bzero(b->data, b->len);
	buf_free(b);
}

/* All of a file of ours; 0 when it is none, or not there.  -1 with errno. */
static int
read_own(int dir, const char *name, struct buf *text)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), rc = -1;
	struct stat st;
	ssize_t n;

	if (fd == -1)
		return (errno == ENOENT || errno == ELOOP ? 0 : -1);
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		rc = 0;
	else if (st.st_size > SMALL_MAX)
		errno = EFBIG;
	else {
		buf_reserve(text, SMALL_MAX);
		n = read(fd, text->data, SMALL_MAX);
		text->len = n > 0 ? (size_t)n : 0;
		rc = n >= 0 ? 1 : -1;
	}
	close(fd);
	return (rc);
}

/* A file of ours; one that is not there is left out.  -1 with *err. */
static int
add_file(struct backup *b, int dir, const char *folder, const char *name, char **err)
{
	struct buf text = { 0 };
	int rc = read_own(dir, name, &text);

	if (rc == 1)
		add_small(b, folder, name, text.data, text.len);
	else if (rc == -1)
		*err = xasprintf("%s%s: %s", folder, name, strerror(errno));
	wipe_keys(&text);
	return (rc == -1 ? -1 : 0);
}

static int
add_keys(struct backup *b, const char *path, char **err)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int rc = 0;

	if (d == NULL) {
		*err = xasprintf("%s: %s", path, strerror(errno));
		return (-1);
	}
	add_header(b, &b->small, "keys/", "", 0);
	while (rc == 0 && (e = readdir(d)) != NULL)
		if (strlen(e->d_name) + strlen("keys/") <= TAR_NAME_MAX)
			rc = add_file(b, dirfd(d), "keys/", e->d_name, err);
	closedir(d);
	return (rc);
}

/* When it was taken. */
static void
taken_text(const struct backup *b, char *out, size_t n, const char *form)
{
	time_t t = (time_t)b->like.mtime;
	struct tm tm;

	strftime(out, n, form, gmtime_r(&t, &tm));
}

static void
add_manifest(struct backup *b, struct data *data, const char *node, int with_keys)
{
	char when[32], *text;
	json_t *o;

	taken_text(b, when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ");
	o = json_pack("{s:i, s:s, s:s, s:s, s:I, s:s, s:b}", "format", BACKUP_FORMAT, "version",
	    PACKAGE_VERSION, "node_name", node, "node_id", data->node_hex, "incarnation",
	    (json_int_t)data->log.incarnation, "time", when, "keys", with_keys);
	text = json_dumps(o, JSON_INDENT(2));
	add_small(b, "", BACKUP_MANIFEST, text, strlen(text));
	json_decref(o);
	free(text);
}

/* "amsterdam-20261121T113300Z.tar": of letters that any file system and header takes. */
static void
name_it(struct backup *b, const char *node)
{
	char when[32], *p;

	taken_text(b, when, sizeof(when), "%Y%m%dT%H%M%SZ");
	snprintf(b->name, sizeof(b->name), "%.100s-%s.tar", node[0] != '\0' ? node : "hubleaf",
	    when);
	for (p = b->name; *p != '\0'; p++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			*p) == NULL)
			*p = '_';
}

static int
add_files(struct backup *b, struct data *data, int with_keys, char **err)
{
	struct conf *conf = data_conf(data);
	const char *name = conf_str(conf, CL_NODENAME);
	char *root = conf_path(conf, "."), *keys = conf_path(conf, "keys");
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;

	name = name != NULL ? name : "";
	name_it(b, name);
	add_manifest(b, data, name, with_keys);
	if (dir == -1)
		*err = xasprintf("%s: %s", root, strerror(errno));
	else
		rc = add_file(b, dir, "", "settings.yaml", err);
	if (rc == 0 && with_keys)
		rc = add_keys(b, keys, err);
	if (dir != -1)
		close(dir);
	add_header(b, &b->small, "database/", "", 0);
	free(root);
	free(keys);
	conf_free(conf);
	return (rc);
}

/* ---- the store's copy ---- */

static int
list_one(struct backup *b, const char *name, char **err)
{
	struct stat st;

	if (fstatat(b->dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(st.st_mode) ||
	    strlen(name) + strlen("database/") > TAR_NAME_MAX) {
		*err = xasprintf("%s/%s: not a file of a store", b->folder, name);
		return (-1);
	}
	b->files = xrealloc(b->files, (b->n + 1) * sizeof(*b->files));
	b->files[b->n++] = (struct file){ xstrdup(name), (uint64_t)st.st_size };
	b->size += TAR_BLOCK + (uint64_t)st.st_size + tar_padding((uint64_t)st.st_size);
	return (0);
}

static int
list_files(struct backup *b, char **err)
{
	DIR *d = opendir(b->folder);
	struct dirent *e;
	int rc = 0;

	if (d == NULL || (b->dir = dup(dirfd(d))) == -1) {
		*err = xasprintf("%s: %s", b->folder, strerror(errno));
		rc = -1;
	}
	while (rc == 0 && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = list_one(b, e->d_name, err);
	if (d != NULL)
		closedir(d);
	return (rc);
}

static int
copy_store(struct backup *b, struct data *data, char **err)
{
	char *parent = folder_path(data);
	int rc = -1;

	b->folder = xasprintf("%s/store", parent);
	remove_all(parent);
	if (mkdir(parent, 0700) == -1)
		*err = xasprintf("%s: %s", parent, strerror(errno));
	else
		rc = store_checkpoint(data->store, b->folder, err);
	free(parent);
	return (rc == 0 ? list_files(b, err) : -1);
}

struct backup *
backup_new(struct data *data, int with_keys, int *status, char **err)
{
	struct backup *b = xcalloc(1, sizeof(*b));

	b->dir = b->fd = -1;
	set_owner(&b->like);
	if (copy_store(b, data, err) == 0 && add_files(b, data, with_keys, err) == 0) {
		b->size += b->small.len + TAR_END;
		return (b);
	}
	*status = store_free_bytes(data->store) < data->live.reserve ? 507 : 500;
	backup_free(b);
	return (NULL);
}

void
backup_free(struct backup *b)
{
	char *slash;

	if (b == NULL)
		return;
	if (b->fd != -1)
		close(b->fd);
	if (b->dir != -1)
		close(b->dir);
	if (b->folder != NULL) {
		slash = strrchr(b->folder, '/');
		*slash = '\0';
		remove_all(b->folder);
	}
	for (size_t i = 0; i < b->n; i++)
		free(b->files[i].name);
	free(b->files);
	wipe_keys(&b->small);
	free(b->folder);
	free(b);
}

uint64_t
backup_size(const struct backup *b)
{
	return (b->size);
}

const char *
backup_name(const struct backup *b)
{
	return (b->name);
}

/* ---- the tar ---- */

static int
open_next(struct backup *b, struct buf *out)
{
	const struct file *f = &b->files[b->at];

	b->fd = openat(b->dir, f->name, O_RDONLY | O_CLOEXEC);
	if (b->fd == -1)
		return (-1);
	posix_fadvise(b->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	b->left = f->size;
	add_header(b, out, "database/", f->name, f->size);
	return (0);
}

static int
read_some(struct backup *b, struct buf *out)
{
	size_t room = PIECE;
	ssize_t n;

	if (room > b->left)
		room = (size_t)b->left;
	buf_reserve(out, room);
	do
		n = read(b->fd, out->data + out->len, room);
	while (n == -1 && errno == EINTR);
	if (n <= 0) {
		errno = n == 0 ? EIO : errno;
		return (-1);
	}
	out->len += (size_t)n;
	b->left -= (uint64_t)n;
	return (0);
}

static int
read_file(struct backup *b, struct buf *out)
{
	if (b->fd == -1)
		return (open_next(b, out));
	if (b->left > 0)
		return (read_some(b, out));
	tar_zeros(out, tar_padding(b->files[b->at].size));
	close(b->fd);
	b->fd = -1;
	b->at++;
	return (0);
}

int
backup_read(struct backup *b, struct buf *out)
{
	if (b->small.len > 0) {
		buf_add(out, b->small.data, b->small.len);
		wipe_keys(&b->small);
	}
	while (b->at < b->n && out->len < PIECE)
		if (read_file(b, out) == -1) {
			log_warn("%s/%s", b->folder, b->files[b->at].name);
			return (-1);
		}
	if (b->over)
		return (0);
	if (b->at == b->n) {
		tar_zeros(out, TAR_END);
		b->over = 1;
	}
	return (1);
}

/* ---- when ---- */

static char *
last_path(struct data *data)
{
	struct conf *c = data_conf(data);
	char *path = conf_path(c, "last-backup");

	conf_free(c);
	return (path);
}

void
backup_sent(struct data *data)
{
	char *path = last_path(data);

	/* The file is empty: only its time counts. */
	if (file_put(path, 0600, "", 0) == -1)
		log_warn("%s", path);
	free(path);
}

int64_t
backup_last(struct data *data)
{
	char *path = last_path(data);
	struct stat st;
	int64_t at = stat(path, &st) == 0 ? (int64_t)st.st_mtime : -1;

	free(path);
	return (at);
}
