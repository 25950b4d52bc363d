#include "config.h"

#include "opsd/auth/certstore.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/conf.h"
#include "common/tls/certpem.h"

#define PREFIX "added-"
#define SUFFIX ".pem"
#define MARK   ".removed"     /* after the name of the file */
#define TITLE  "# authority " /* before a name; readers of PEM pass over it */

/* ---- names ---- */

int
certstore_name_ok(const char *name)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(name);

	return (n > 0 && n <= CERT_NAME_MAX && strchr("._-", name[0]) == NULL &&
	    strspn(name, letters) == n);
}

char *
certstore_file(const char *name)
{
	return (xasprintf("keys/" PREFIX "%s" SUFFIX, name));
}

static int
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return (n >= m && strcmp(text + n - m, end) == 0);
}

static int
is_marked(const char *path)
{
	char *mark = xasprintf("%s" MARK, path);
	int there = access(mark, F_OK) == 0;

	free(mark);
	return (there);
}

/* The name in a file's name, when it is one of ours; the caller frees. */
static char *
name_of(const char *file)
{
	char *name;

	if (strncmp(file, PREFIX, strlen(PREFIX)) != 0 || !ends_with(file, SUFFIX))
		return (NULL);
	file += strlen(PREFIX);
	name = xstrndup(file, strlen(file) - strlen(SUFFIX));
	if (certstore_name_ok(name))
		return (name);
	free(name);
	return (NULL);
}

json_t *
certstore_names(const struct conf *c)
{
	char *dir = conf_path(c, "keys"), *path, *name;
	json_t *list = json_array();
	struct dirent **files;
	int n = scandir(dir, &files, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		path = xasprintf("%s/%s", dir, files[i]->d_name);
		name = name_of(files[i]->d_name);
		if (name != NULL && !is_marked(path))
			json_array_append_new(list, json_string(name));
		free(name);
		free(path);
		free(files[i]);
	}
	if (n >= 0)
		free(files);
	free(dir);
	return (list);
}

/* ---- reading ---- */

char *
certstore_read(const char *path)
{
	char *text;
	size_t n;

	if (is_marked(path)) {
		errno = ENOENT;
		return (NULL);
	}
	text = file_read(path, CERT_FILE_MAX + 1, &n);
	if (text == NULL || n <= CERT_FILE_MAX)
		return (text);
	mem_wipe(text);
	errno = EFBIG;
	return (NULL);
}

/* ---- the bundle ---- */

/* Where the next title begins, or the end. */
static const char *
next_title(const char *text)
{
	const char *at;

	if (strncmp(text, TITLE, strlen(TITLE)) == 0)
		return (text);
	at = strstr(text, "\n" TITLE);
	return (at != NULL ? at + 1 : text + strlen(text));
}

/* The text up to the next title; one that is there twice has both. */
static const char *
add_section(json_t *list, const char *name, const char *text)
{
	const char *end = next_title(text);
	const char *before = json_string_value(json_object_get(list, name));
	char *all = xasprintf("%s%.*s", before != NULL ? before : "", (int)(end - text), text);

	/* An operator may have written anything into it by hand. */
	if (all[0] != '\0' || name[0] != '\0')
		json_object_set_new_nocheck(list, name, json_stringn_nocheck(all, strlen(all)));
	free(all);
	return (end);
}

json_t *
certstore_authorities(const char *text)
{
	json_t *list = json_object();
	char *name;
	size_t n;

	text = add_section(list, "", text);
	while (*text != '\0') {
		text += strlen(TITLE);
		n = strcspn(text, "\n");
		name = xstrndup(text, n);
		text += n + (text[n] == '\n');
		text = add_section(list, name, text);
		free(name);
	}
	return (list);
}

char *
certstore_bundle(const json_t *authorities)
{
	struct buf out = { 0 };
	const char *name, *pem;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)authorities, name, v) {
		pem = json_string_value(v);
		buf_addf(&out, "%s%s%s%s%s", name[0] != '\0' ? TITLE : "", name,
		    name[0] != '\0' ? "\n" : "", pem, ends_with(pem, "\n") ? "" : "\n");
	}
	buf_u8(&out, '\0');
	return ((char *)buf_take(&out, NULL));
}

/* ---- removing ---- */

int
certstore_unmark(const char *path)
{
	char *mark = xasprintf("%s" MARK, path);
	int rc = file_remove(mark);

	free(mark);
	return (rc);
}

static int
conf_has_file(const struct conf *c, const char *path)
{
	static const enum conf_key keys[] = { CL_TLS_CERT, CL_TLS_KEY, CL_TLS_CA, TLS_CERT, TLS_KEY,
		TLS_CA, REP_TLS_CERT, REP_TLS_KEY };
	int any = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		any |= conf_str(c, keys[i]) != NULL && strcmp(conf_str(c, keys[i]), path) == 0;
	return (any);
}

int
certstore_remove(const struct conf *in_force, const char *path)
{
	char *mark;
	int rc;

	if (!conf_has_file(in_force, path))
		return (file_remove(path));
	mark = xasprintf("%s" MARK, path);
	rc = file_put(mark, 0600, "", 0);
	free(mark);
	return (rc);
}

/* It stays if the configuration, changed by hand since, names it again. */
static void
sweep_mark(const struct conf *c, const char *mark)
{
	char *path = xstrndup(mark, strlen(mark) - strlen(MARK));

	if ((!conf_has_file(c, path) && file_remove(path) == -1) || file_remove(mark) == -1)
		log_warn("%s", path);
	free(path);
}

void
certstore_sweep(const struct conf *c)
{
	char *dir = conf_path(c, "keys"), *mark;
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (ends_with(e->d_name, SUFFIX MARK)) {
			mark = xasprintf("%s/%s", dir, e->d_name);
			sweep_mark(c, mark);
			free(mark);
		}
	if (d != NULL)
		closedir(d);
	free(dir);
}
