#include "config.h"

#include "opsd/pki/retained.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/pki/pki_priv.h"
#include "opsd/store/data.h"

/* The file: FORMAT, and sealed {host: {"authorization","port","verify_tls","pin"?}} as base64. */
#define RETAINED_FILE "retained"
#define FORMAT        "hubleaf-retained-1 "
#define FILE_MOST     (1 << 20)

static char *
retained_path(const struct pki *p)
{
	return (xasprintf("%s/" RETAINED_FILE, p->dir));
}

static void
sealing_key(const struct pki *p, uint8_t key[32])
{
	crypto_derive(p->data->key, "hubleaf retained authorization", key);
}

/* What is in the text; NULL: it is not ours, or of another key. */
static json_t *
open_retained(const struct pki *p, const char *text)
{
	uint8_t key[32];
	char *plain = NULL;
	json_t *all;

	if (strncmp(text, FORMAT, strlen(FORMAT)) != 0)
		return (NULL);
	sealing_key(p, key);
	plain = crypto_open(key, text + strlen(FORMAT));
	explicit_bzero(key, sizeof(key));
	all = plain != NULL ? json_loads(plain, JSON_REJECT_DUPLICATES, NULL) : NULL;
	mem_wipe(plain);
	return (all);
}

/* With the lock on files; an object. */
static json_t *
read_retained(const struct pki *p)
{
	char *path = retained_path(p), *text = file_read(path, FILE_MOST, NULL);
	json_t *all = text != NULL ? open_retained(p, text) : NULL;

	if (all == NULL && (text != NULL || errno != ENOENT))
		log_warnx("%s cannot be read: credentials that add_node retained have to be given "
			  "again",
		    path);
	free(text);
	free(path);
	return (json_is_object(all) ? all : json_object());
}

/* With the lock on files. */
static int
write_retained(const struct pki *p, const json_t *all, char **err)
{
	char *path = retained_path(p), *plain, *sealed, *text;
	uint8_t key[32];
	int rc;

	if (json_object_size(all) == 0) {
		if ((rc = file_remove(path)) == -1)
			*err = xasprintf("%s: %s", path, strerror(errno));
		free(path);
		return (rc);
	}
	sealing_key(p, key);
	plain = json_dumps(all, JSON_COMPACT);
	sealed = crypto_seal(key, plain);
	text = xasprintf("%s%s", FORMAT, sealed);
	rc = file_put_text(path, 0600, text, err);
	explicit_bzero(key, sizeof(key));
	mem_wipe(plain);
	free(sealed);
	free(text);
	free(path);
	return (rc);
}

/* Its name there, of whatever case; NULL: it has none. */
static const char *
retained_as(const json_t *all, const char *host)
{
	const char *name;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)all, name, one)
		if (strcasecmp(name, host) == 0)
			return (name);
	return (NULL);
}

/* one NULL: without; it is taken. */
static int
change_retained(struct pki *p, const char *host, json_t *one, char **err)
{
	json_t *all;
	const char *name;
	int rc = 0;

	pthread_mutex_lock(&p->files);
	all = read_retained(p);
	name = retained_as(all, host);
	if (name != NULL)
		json_object_del(all, name);
	if (one != NULL)
		json_object_set_new(all, host, one);
	if (name != NULL || one != NULL)
		rc = write_retained(p, all, err);
	pthread_mutex_unlock(&p->files);
	json_decref(all);
	return (rc);
}

int
retained_put(struct pki *p, const char *host, const struct retained *r, char **err)
{
	return (change_retained(p, host,
	    json_pack("{s:s, s:i, s:b, s:s*}", "authorization", r->authorization, "port", r->port,
		"verify_tls", r->verify_tls, "pin", r->pin),
	    err));
}

int
retained_drop(struct pki *p, const char *host, char **err)
{
	return (change_retained(p, host, NULL, err));
}

static json_t *
all_retained(struct pki *p)
{
	json_t *all;

	pthread_mutex_lock(&p->files);
	all = read_retained(p);
	pthread_mutex_unlock(&p->files);
	return (all);
}

int
retained_get(struct pki *p, const char *host, struct retained *out)
{
	json_t *all = all_retained(p), *one;
	const char *name = retained_as(all, host);

	*out = (struct retained){ 0 };
	one = name != NULL ? json_object_get(all, name) : NULL;
	out->authorization = xstrdup(json_string_value(json_object_get(one, "authorization")));
	out->port = (int)json_integer_value(json_object_get(one, "port"));
	out->verify_tls = json_is_true(json_object_get(one, "verify_tls"));
	out->pin = xstrdup(json_string_value(json_object_get(one, "pin")));
	json_decref(all);
	return (out->authorization != NULL);
}

json_t *
retained_hosts(struct pki *p)
{
	json_t *all = all_retained(p), *hosts = json_array(), *one;
	const char *name;

	json_object_foreach(all, name, one)
		json_array_append_new(hosts, json_string(name));
	json_decref(all);
	return (hosts);
}

void
retained_clear(struct retained *r)
{
	mem_wipe(r->authorization);
	free(r->pin);
}
