#include "config.h"

#include "opsd/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/tar.h"
#include "opsd/cli/cli_progress.h"
#include "opsd/store/store.h"

/*
 * A backup is unpacked beside the places where its parts belong.  When all of it is there and
 * on disk, what is in these places is moved aside, not removed, and the parts get their names:
 * the store last.  opsd does not start without a store that is still beside its place.
 */
#define PIECE 65536

/* The servers' files are in no backup: those of the life before are moved aside. */
enum { SETTINGS, KEYS, SERVERS, STORE, PARTS };

struct part {
	const char *in_tar; /* "keys/" */
	char *path, *beside, *aside;
	int seen;
};

struct restore {
	const char *file;
	int fd;
	uint64_t done, size;
	uid_t uid; /* whose the node's folder is */
	gid_t gid;
	int first; /* nothing of the tar was read yet */
	struct part parts[PARTS];
	struct cli_progress progress;
};

static __attribute__((format(printf, 1, 2))) int
say_refusal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "hubleaf: restore: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	return (-1);
}

/* ---- the tar ---- */

static int
read_archive(struct restore *r, void *p, size_t n)
{
	ssize_t got;

	for (char *at = p; n > 0; at += got, n -= (size_t)got) {
		got = read(r->fd, at, n);
		if (got == -1 && errno == EINTR)
			got = 0;
		else if (got == -1)
			return (say_refusal("%s: %s", r->file, strerror(errno)));
		else if (got == 0)
			return (say_refusal("%s: is not whole: it ends after %llu bytes", r->file,
			    (unsigned long long)r->done));
		r->done += (uint64_t)got;
	}
	progress_show(&r->progress, "restore", r->done, r->size, UNIT_BYTES);
	return (0);
}

/* Bytes of the tar to fd (-1: nowhere), with what pads them. */
static int
copy_out(struct restore *r, int fd, const char *path, uint64_t size)
{
	char piece[PIECE];
	size_t n;

	for (; size > 0; size -= n) {
		n = size < PIECE ? (size_t)size : PIECE;
		if (read_archive(r, piece, n) == -1)
			return (-1);
		if (fd != -1 && file_write(fd, piece, n) == -1)
			return (say_refusal("%s: %s", path, strerror(errno)));
	}
	return (0);
}

/* The name below a part's folder is plain: nothing leads elsewhere. */
static int
is_plain(const char *name)
{
	return (name[strspn(name, ".")] != '\0' &&
	    name[strspn(name,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0');
}

static int
to_disk(struct restore *r, int fd, const char *path)
{
	if (fchown(fd, r->uid, r->gid) == -1 || fsync(fd) == -1)
		return (say_refusal("%s: %s", path, strerror(errno)));
	return (0);
}

static int
put_file(struct restore *r, const char *path, uint64_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), rc;

	if (fd == -1)
		return (say_refusal("%s: %s", path, strerror(errno)));
	rc = copy_out(r, fd, path, size);
	if (rc == 0)
		rc = to_disk(r, fd, path);
	close(fd);
	return (rc == 0 ? copy_out(r, -1, path, tar_padding(size)) : -1);
}

static int
sync_folder(struct restore *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd == -1)
		return (say_refusal("%s: %s", path, strerror(errno)));
	rc = to_disk(r, fd, path);
	close(fd);
	return (rc);
}

static int
put_member(struct restore *r, struct part *p, const struct tar_member *m)
{
	size_t n = strlen(p->in_tar);
	const char *name = m->name + n;
	char *path;
	int rc;

	p->seen = 1;
	if (p->in_tar[n - 1] != '/')
		return (put_file(r, p->beside, m->size));
	if (name[0] == '\0')
		return (mkdir(p->beside, 0700) == 0 ?
			0 :
			say_refusal("%s: %s", p->beside, strerror(errno)));
	if (!is_plain(name))
		return (say_refusal("%s: '%s' does not belong into a backup", r->file, m->name));
	path = xasprintf("%s/%s", p->beside, name);
	rc = put_file(r, path, m->size);
	free(path);
	return (rc);
}

/* It comes first, and says what this is. */
static int
read_manifest(struct restore *r, const struct tar_member *m)
{
	char text[4096] = "";
	json_t *o;
	int format;

	r->first = 0;
	if (strcmp(m->name, "backup.json") != 0 || m->size >= sizeof(text))
		return (say_refusal("%s: is no backup of a node", r->file));
	if (read_archive(r, text, m->size) == -1 ||
	    copy_out(r, -1, r->file, tar_padding(m->size)) == -1)
		return (-1);
	o = json_loads(text, 0, NULL);
	format = (int)json_integer_value(json_object_get(o, "format"));
	if (format == 1)
		fprintf(stderr, "hubleaf: restore: node %s as of %s\n",
		    json_string_value(json_object_get(o, "node_name")),
		    json_string_value(json_object_get(o, "time")));
	json_decref(o);
	return (format == 1 ?
		0 :
		say_refusal("%s: is a backup of format %d, this version knows 1", r->file, format));
}

static int
take_member(struct restore *r, const struct tar_member *m)
{
	if (r->first)
		return (read_manifest(r, m));
	for (int i = 0; i < PARTS; i++) {
		const char *name = r->parts[i].in_tar;
		size_t n = strlen(name);
		int folder = n > 0 && name[n - 1] == '/';

		if (folder ? strncmp(m->name, name, n) == 0 : strcmp(m->name, name) == 0)
			return (put_member(r, &r->parts[i], m));
	}
	return (say_refusal("%s: '%s' does not belong into a backup", r->file, m->name));
}

static int
unpack_files(struct restore *r)
{
	uint8_t block[TAR_BLOCK];
	struct tar_member m;
	int rc;

	for (;;) {
		if (read_archive(r, block, sizeof(block)) == -1)
			return (-1);
		rc = tar_read(&m, block);
		if (rc == 0)
			break;
		if (rc == -1)
			return (say_refusal(r->first ? "%s: is no backup of a node" :
						       "%s: is broken",
			    r->file));
		if (take_member(r, &m) == -1)
			return (-1);
	}
	if (!r->parts[STORE].seen)
		return (say_refusal("%s: is no backup of a node", r->file));
	return (0);
}

/* ---- the places ---- */

static void
remove_beside(struct restore *r)
{
	for (int i = 0; i < PARTS; i++)
		(void)file_remove_tree(r->parts[i].beside);
}

/* It cannot get another name: said before anything is moved. */
static int
is_mount_point(const char *path)
{
	char *above = xasprintf("%s/..", path);
	struct stat st, up;
	int is = stat(path, &st) == 0 && stat(above, &up) == 0 && st.st_dev != up.st_dev;

	free(above);
	return (is);
}

/* Every place, and where what is there goes: under a name that sorts by time. */
static void
name_places(struct restore *r)
{
	char when[32];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	for (int i = 0; i < PARTS; i++) {
		struct part *p = &r->parts[i];

		p->beside = xasprintf("%s%s", p->path, STORE_BESIDE);
		p->aside = xasprintf("%s.before-%s", p->path, when);
	}
}

static int
find_places(struct restore *r, const struct conf *conf)
{
	const char *store = conf_str(conf, STORAGE_PATH), *root = conf_str(conf, ROOT_PATH);
	struct stat st;

	if (mkdir(root, 0750) == -1 && errno != EEXIST)
		return (say_refusal("%s: %s", root, strerror(errno)));
	if (stat(root, &st) == -1)
		return (say_refusal("%s: %s", root, strerror(errno)));
	r->uid = st.st_uid;
	r->gid = st.st_gid;
	r->parts[SETTINGS] = (struct part){
		.in_tar = "settings.yaml",
		.path = conf_path(conf, "settings.yaml"),
	};
	r->parts[KEYS] = (struct part){ .in_tar = "keys/", .path = conf_path(conf, "keys") };
	r->parts[SERVERS] = (struct part){ .in_tar = "", .path = conf_path(conf, "clustering") };
	r->parts[STORE] = (struct part){ .in_tar = "database/", .path = xstrdup(store) };
	for (int i = 0; i < PARTS; i++)
		if (is_mount_point(r->parts[i].path))
			return (say_refusal(
			    "%s: a file system is mounted there: unmount it, and move the "
			    "store onto it after the restore",
			    r->parts[i].path));
	name_places(r);
	return (0);
}

/* An empty folder is as good as none, and so is what is not there. */
static int
move_aside(const struct part *p)
{
	if (rmdir(p->path) == 0 || errno == ENOENT)
		return (0);
	if (rename(p->path, p->aside) == -1)
		return (say_refusal("%s: %s", p->path, strerror(errno)));
	fprintf(stderr, "hubleaf: restore: what was %s is %s now\n", p->path, p->aside);
	return (0);
}

/* Of a backup without keys, those that the node has stay its own. */
static int
give_names(struct restore *r, const struct conf *conf)
{
	for (int i = 0; i < PARTS; i++) {
		struct part *p = &r->parts[i];

		if (i == KEYS && !p->seen)
			continue;
		if (p->seen && i != SETTINGS && sync_folder(r, p->beside) == -1)
			return (-1);
		if (move_aside(p) == -1)
			return (-1);
		if (p->seen && rename(p->beside, p->path) == -1)
			return (say_refusal("%s: %s", p->path, strerror(errno)));
	}
	if (file_sync_folder(r->parts[STORE].path) == -1)
		return (say_refusal("%s: %s", r->parts[STORE].path, strerror(errno)));
	return (sync_folder(r, conf_str(conf, ROOT_PATH)));
}

/* Whoever of the node runs would write into what is moved aside. */
static int
nobody_runs(const struct conf *conf)
{
	static const char *const daemons[] = { "opsd", "hubd", "leafd" };
	int pid;

	for (size_t i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++)
		if ((pid = cli_daemon_pid(conf, daemons[i])) != 0) {
			say_refusal("%s runs (process %d): stop the node first", daemons[i], pid);
			return (0);
		}
	return (1);
}

int
cli_restore(const struct conf *conf, const char *file)
{
	struct restore r = { .file = file, .first = 1, .progress = progress_begin() };
	struct stat st;
	int rc;

	if (!nobody_runs(conf))
		return (1);
	r.fd = open(file, O_RDONLY | O_CLOEXEC);
	if (r.fd == -1 || fstat(r.fd, &st) == -1) {
		say_refusal("%s: %s", file, strerror(errno));
		return (1);
	}
	r.size = (uint64_t)st.st_size;
	rc = find_places(&r, conf);
	if (rc == 0) {
		remove_beside(&r);
		rc = unpack_files(&r);
		progress_end(&r.progress);
		if (rc == 0)
			rc = give_names(&r, conf);
		remove_beside(&r);
	}
	for (int i = 0; i < PARTS; i++) {
		free(r.parts[i].path);
		free(r.parts[i].beside);
		free(r.parts[i].aside);
	}
	close(r.fd);
	return (rc == 0 ? 0 : 1);
}
