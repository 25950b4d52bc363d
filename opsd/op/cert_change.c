#include "config.h"

#include "opsd/op/cert_change.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/conf/tlsconf.h"
#include "common/tls/certpem.h"
#include "common/tls/tls.h"
#include "opsd/auth/certstore.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"

static const enum conf_key keys[] = { CL_TLS_CERT, CL_TLS_KEY, CL_TLS_CA, TLS_CERT, TLS_KEY,
	REP_TLS_CERT, REP_TLS_KEY };

#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* Reading files and settings, and writing them, is one step. */
static pthread_mutex_t change_lock = PTHREAD_MUTEX_INITIALIZER;

void
cert_change_begin(struct cert_change *c, struct request *r)
{
	pthread_mutex_lock(&change_lock);
	*c = (struct cert_change){ .r = r, .set = ops_conf_set(r->ops), .keys = json_object() };
}

void
cert_change_end(struct cert_change *c)
{
	if (c->fresh != NULL)
		(void)unlink(c->fresh);
	free(c->fresh);
	free(c->file);
	free(c->path);
	json_decref(c->keys);
	conf_free(c->set);
	pthread_mutex_unlock(&change_lock);
}

void
cert_change_file(struct cert_change *c, char *file)
{
	char *text;

	free(c->file);
	free(c->path);
	c->file = file;
	c->path = conf_path(c->set, file);
	text = certstore_read(c->path);
	c->was_there = text != NULL || errno != ENOENT;
	mem_wipe(text);
}

static int
conf_names(const struct conf *conf, enum conf_key key, const char *path)
{
	return (conf_str(conf, key) != NULL && strcmp(conf_str(conf, key), path) == 0);
}

int
cert_change_names(const struct cert_change *c, enum conf_key key)
{
	return (conf_names(c->set, key, c->path));
}

void
cert_change_use(struct cert_change *c, enum conf_key key)
{
	json_object_set_new(c->keys, conf_name(key), json_string(c->file));
}

void
cert_change_leave(struct cert_change *c, enum conf_key key)
{
	if (cert_change_names(c, key))
		json_object_set_new(c->keys, conf_name(key), json_null());
}

/* Faults are lines. */
static int
refuse_change(struct cert_change *c, int status, char *err, const char *hint)
{
	for (char *p = err; p != NULL && (p = strchr(p, '\n')) != NULL; p++)
		*p = ';';
	reply_error(c->r, status, "%s%s", err, hint);
	free(err);
	return (-1);
}

int
cert_change_write(struct cert_change *c, const char *text)
{
	c->fresh = xasprintf("%s.new", c->path);
	if (file_put(c->fresh, 0600, text, strlen(text)) == 0)
		return (0);
	return (refuse_change(c, 500, xasprintf("%s: cannot write: %s", c->fresh, strerror(errno)),
	    ""));
}

/* ---- trying ---- */

/* The configuration that would be; with the new content.  NULL with *err. */
static struct conf *
would_be(const struct cert_change *c, char **err)
{
	struct conf *conf = conf_dup(c->set);
	json_t *fresh = c->fresh != NULL ? json_string(c->fresh) : NULL, *v;
	const char *name;
	int rc = 0;

	json_object_foreach(c->keys, name, v)
		if (rc == 0)
			rc = conf_set(conf, (enum conf_key)conf_find(name),
			    json_is_string(v) && fresh != NULL ? fresh : v, err);
	json_decref(fresh);
	if (rc == 0 && conf_check(conf, err) == 0)
		return (conf);
	conf_free(conf);
	return (NULL);
}

static int
touches_key(const struct cert_change *c, enum conf_key key)
{
	return (json_object_get(c->keys, conf_name(key)) != NULL);
}

/* As the HTTP server would read it. */
static char *
try_https(const struct conf *conf)
{
	struct ssl_ctx_st *ctx;
	char *err = NULL;

	ctx = tls_server(conf_str(conf, TLS_CERT), conf_str(conf, TLS_KEY), conf_str(conf, TLS_CA),
	    &err);
	tls_free(ctx);
	return (err);
}

static char *
try_files(const struct cert_change *c, const struct conf *conf)
{
	char *err = NULL;

	if (touches_key(c, CL_TLS_CERT) || touches_key(c, CL_TLS_CA))
		(void)tlsconf_check_links(conf, &err);
	if (err == NULL && touches_key(c, TLS_CERT) && conf_str(conf, TLS_CERT) != NULL)
		err = try_https(conf);
	return (err);
}

/* What was tried is known by the name that it will have. */
static void
call_by_path(const struct cert_change *c, char *err)
{
	size_t n = c->fresh != NULL ? strlen(c->fresh) : 0, m = strlen(c->path);
	char *at;

	while (n > 0 && (at = strstr(err, c->fresh)) != NULL)
		memmove(at + m, at + n, strlen(at + n) + 1);
}

int
cert_change_try(struct cert_change *c, int status, const char *hint)
{
	char *err = NULL;
	struct conf *conf = would_be(c, &err);

	if (conf == NULL)
		return (refuse_change(c, 400, err, ""));
	err = try_files(c, conf);
	conf_free(conf);
	if (err == NULL)
		return (0);
	call_by_path(c, err);
	return (refuse_change(c, status, err, hint));
}

/* ---- making ---- */

static int
is_said(const json_t *report, const char *name)
{
	static const char *const lists[] = { "live", "restart" };
	json_t *said;
	size_t i;
	int is = 0;

	for (int l = 0; l < 2; l++)
		json_array_foreach(json_object_get(report, lists[l]), i, said)
			is |= strcmp(json_string_value(said), name) == 0;
	return (is);
}

/* HTTPS and links by hostname take new content at once, the first under a name that is in
 * force; routes with their servers. */
static void
read_anew(struct cert_change *c, json_t *report)
{
	struct conf *set = ops_conf_set(c->r->ops), *now = data_conf(&c->r->ops->data);
	int reload = 0;

	for (size_t i = 0; i < KEYS; i++) {
		int https = (keys[i] == TLS_CERT || keys[i] == TLS_KEY) &&
		    conf_names(now, keys[i], c->path);
		int live = https || conf_change(keys[i]) == CONF_LIVE;

		if (!conf_names(set, keys[i], c->path))
			continue;
		reload |= https;
		if (!is_said(report, conf_name(keys[i])))
			json_array_append_new(json_object_get(report, live ? "live" : "restart"),
			    json_string(conf_name(keys[i])));
	}
	conf_free(set);
	conf_free(now);
	if (reload)
		ops_http_reload(c->r->ops);
}

static int
put_file(struct cert_change *c)
{
	if (c->fresh == NULL)
		return (0);
	if (certstore_unmark(c->path) == -1 || file_rename(c->fresh, c->path) == -1)
		return (refuse_change(c, 500,
		    xasprintf("%s: cannot write: %s", c->path, strerror(errno)), ""));
	free(c->fresh);
	c->fresh = NULL;
	return (1);
}

int
cert_change_make(struct cert_change *c, json_t **report)
{
	char *err = NULL;
	int written = put_file(c), status;

	if (written == -1)
		return (-1);
	status = ops_change_conf(c->r->ops, c->keys, report, &err);
	if (status == 200) {
		if (written && c->was_there)
			read_anew(c, *report);
		return (0);
	}
	json_decref(*report);
	if (written && !c->was_there)
		(void)file_remove(c->path);
	return (refuse_change(c, status, err, ""));
}
