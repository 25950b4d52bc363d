#include "config.h"

#include "opsd/cluster/linkcert.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "common/conf/tlsconf.h"
#include "common/tls/authority.h"
#include "common/tls/certinfo.h"
#include "common/tls/certmake.h"
#include "opsd/cluster/linkkeys.h"
#include "opsd/cluster/linknames.h"

#define KEPT     "keys/links.secret" /* linkkeys_seal */
#define KEPT_MAX 65536
#define LOOK_US  10000000 /* how often the addresses are looked at */
#define RETRY_US 3000000
#define HALF_S   (AUTHORITY_CERT_DAYS / 2 * 86400)
#define EARLY_S  (CERTMAKE_EARLY / 2) /* it is good on a clock that is behind by as much */

/* One making of the files, a worker's until it has posted that it is done. */
struct making {
	struct linkcert *l;
	struct conf *conf;
	char *user, *password;
	struct linkkeys keys;
	uint8_t used[LINKKEYS_MAX][AUTHORITY_KEY_LEN];
	unsigned nused;
	int64_t next; /* when other keys are used; 0: never */
	json_t *names;
	char *made; /* the certificate's serial number */
	char *err;  /* NULL: done */
};

struct linkcert {
	struct data *data;
	void (*ready)(void *arg);
	void *arg;
	struct making *busy; /* NULL: none */
	uint8_t print[32];   /* of what the files are made of */
	int is_made, wanted; /* wanted: nobody else asks for them again */
	char *user, *password;
	char *made;
	json_t *users, *names;
	int64_t signed_at;
	int64_t next;            /* when they are made anew, in seconds since 1970 */
	int64_t overlap;         /* as it was in force */
	uint64_t looked, failed; /* mono_us */
	pthread_mutex_t lock;
	char *fault; /* under lock */
};

/* ---- on a worker ---- */

/* Those of this password the first; derived when it is new. */
static int
get_keys(struct making *m, const uint8_t print[32])
{
	uint8_t key[AUTHORITY_KEY_LEN];
	const uint8_t *known = linkkeys_find(&m->keys, print);

	if (known != NULL)
		memcpy(key, known, sizeof(key));
	else if (authority_derive(m->user, m->password, key) == -1) {
		m->err = xstrdup("there is no memory to derive the authority's key");
		return (-1);
	}
	linkkeys_add(&m->keys, print, key, (int64_t)(wall_ms() / 1000));
	explicit_bzero(key, sizeof(key));
	return (0);
}

static int
keep_keys(struct making *m, const char *path)
{
	char *sealed = linkkeys_seal(&m->keys, m->l->data->key);
	int rc = file_put_text(path, 0600, sealed, &m->err);

	free(sealed);
	return (rc);
}

static int
load_keys(struct making *m)
{
	char *path = conf_path(m->conf, KEPT), *sealed = file_read(path, KEPT_MAX, NULL);
	uint8_t print[32];
	int rc = 0;

	linkkeys_open(&m->keys, m->l->data->key, sealed);
	authority_print(m->user, m->password, print);
	if (!linkkeys_fit(&m->keys, print)) {
		rc = get_keys(m, print);
		if (rc == 0)
			rc = keep_keys(m, path);
	}
	free(sealed);
	free(path);
	return (rc);
}

/* What tells this certificate from others. */
static char *
made_serial(const char *path)
{
	char *why = NULL;
	json_t *certs = certinfo_read(path, &why);
	const json_t *details = json_object_get(json_array_get(certs, 0), "details");
	const char *text = json_string_value(json_object_get(details, "serial_number"));
	char *serial = xstrdup(text != NULL ? text : "unknown");

	json_decref(certs);
	free(why);
	return (serial);
}

/*
 * Where it is reached, and who it is to a hub server: of the names that are users there the first
 * counts, so the node's own comes first.
 */
static json_t *
link_names(const struct making *m)
{
	char own[SETTINGS_CERT_NAME_LEN], user[AUTHORITY_USER_LEN];
	json_t *names = linknames(m->conf);

	settings_cert_name(m->l->data->node_hex, own);
	json_array_insert_new(names, 0, json_string(own));
	if (m->nused > 0) {
		authority_user(m->used[0], user);
		json_array_append_new(names, json_string(user));
	}
	return (names);
}

static void
sign_links(struct making *m)
{
	struct tlsconf_links paths = tlsconf_links(m->conf);
	const char *name = conf_str(m->conf, CL_NODENAME);
	struct authority_files f = {
		.keys = (const uint8_t(*)[AUTHORITY_KEY_LEN])m->used,
		.name = name != NULL ? name : "hubleaf",
		.key_path = paths.key,
		.cert_path = paths.cert,
		.ca_path = paths.ca,
	};

	m->nused = linkkeys_use(&m->keys, (int64_t)(wall_ms() / 1000),
	    conf_int(m->conf, CL_TLS_OVERLAP), m->used, &m->next);
	m->names = link_names(m);
	f.names = m->names;
	f.nkeys = m->nused;
	if (authority_sign(&f, &m->err) == 0)
		m->made = made_serial(paths.cert);
	tlsconf_links_clear(&paths);
}

static void made_run(void *arg);

static void
make_run(void *arg)
{
	struct making *m = arg;

	if (load_keys(m) == 0)
		sign_links(m);
	post(m->l->data->svc->post, made_run, m);
}

/* ---- on the loop's thread ---- */

static void
making_free(struct making *m)
{
	if (m == NULL)
		return;
	conf_free(m->conf);
	free(m->user);
	mem_wipe(m->password);
	linkkeys_clear(&m->keys);
	explicit_bzero(m->used, sizeof(m->used));
	json_decref(m->names);
	free(m->made);
	free(m->err);
	free(m);
}

static void
note_fault(struct linkcert *l, char *why)
{
	if (why != NULL && (l->fault == NULL || strcmp(l->fault, why) != 0))
		log_errorx("links: no certificate: %s", why);
	pthread_mutex_lock(&l->lock);
	free(l->fault);
	l->fault = why;
	pthread_mutex_unlock(&l->lock);
}

static void
make_files(struct linkcert *l)
{
	struct making *m = xcalloc(1, sizeof(*m));

	m->l = l;
	m->conf = data_conf(l->data);
	m->user = xstrdup(l->user);
	m->password = xstrdup(l->password);
	l->busy = m;
	l->looked = mono_us();
	workers_run(l->data->workers, make_run, m);
}

static json_t *
users_of(const struct making *m)
{
	char user[AUTHORITY_USER_LEN];
	json_t *list = json_array();

	for (unsigned i = 0; i < m->nused; i++) {
		authority_user(m->used[i], user);
		json_array_append_new(list, json_string(user));
	}
	return (list);
}

static void
take_made(struct linkcert *l, struct making *m)
{
	int64_t now = (int64_t)(wall_ms() / 1000), renew = now + HALF_S;

	authority_print(m->user, m->password, l->print);
	l->is_made = 1;
	l->overlap = conf_int(m->conf, CL_TLS_OVERLAP);
	free(l->made);
	l->made = m->made;
	m->made = NULL;
	json_decref(l->users);
	l->users = users_of(m);
	json_decref(l->names);
	l->names = json_incref(m->names);
	l->signed_at = now;
	l->next = m->next != 0 && m->next < renew ? m->next : renew;
	log_info("links: certificate %s, made from the cluster's secret%s", l->made,
	    m->nused > 1 ? "; the secret of before still counts, too" : "");
}

static void
made_run(void *arg)
{
	struct making *m = arg;
	struct linkcert *l = m->l;

	l->busy = NULL;
	note_fault(l, m->err);
	if (m->err == NULL)
		take_made(l, m);
	l->failed = m->err == NULL ? 0 : mono_us();
	m->err = NULL;
	making_free(m);
	if (l->failed == 0)
		l->ready(l->arg);
}

/* An address that the certificate lacks; that it has one too many hurts nobody. */
static int
is_outdated(struct linkcert *l)
{
	int64_t at = (int64_t)(wall_ms() / 1000);
	json_t *now;
	int lacks;

	/* Of a time that never was: a clock that had not been set. */
	if (at >= l->next || at < l->signed_at - EARLY_S)
		return (1);
	if (mono_us() - l->looked < LOOK_US)
		return (0);
	l->looked = mono_us();
	now = linknames_addresses();
	lacks = now != NULL && !linknames_within(now, l->names);
	json_decref(now);
	return (lacks);
}

void
linkcert_beat(struct linkcert *l)
{
	if (!l->wanted || l->busy != NULL)
		return;
	if (l->failed != 0 ? mono_us() - l->failed >= RETRY_US : l->is_made && is_outdated(l))
		make_files(l);
}

int
linkcert_ready(struct linkcert *l, const struct conf *conf, const char *user, const char *password)
{
	uint8_t print[32];

	authority_print(user, password, print);
	if (l->is_made && memcmp(print, l->print, sizeof(print)) == 0) {
		if (conf_int(conf, CL_TLS_OVERLAP) != l->overlap && l->busy == NULL)
			make_files(l);
		return (1);
	}
	free(l->user);
	mem_wipe(l->password);
	l->user = xstrdup(user);
	l->password = xstrdup(password);
	l->wanted = 1;
	if (l->busy == NULL && l->failed == 0)
		make_files(l);
	return (0);
}

const char *
linkcert_made(const struct linkcert *l)
{
	return (l->made);
}

json_t *
linkcert_users(const struct linkcert *l)
{
	return (json_incref(l->users));
}

char *
linkcert_fault(struct linkcert *l)
{
	char *why;

	pthread_mutex_lock(&l->lock);
	why = xstrdup(l->fault);
	pthread_mutex_unlock(&l->lock);
	return (why);
}

struct linkcert *
linkcert_new(struct data *data, void (*ready)(void *arg), void *arg)
{
	struct linkcert *l = xcalloc(1, sizeof(*l));

	l->data = data;
	l->ready = ready;
	l->arg = arg;
	pthread_mutex_init(&l->lock, NULL);
	return (l);
}

void
linkcert_free(struct linkcert *l)
{
	making_free(l->busy);
	free(l->user);
	mem_wipe(l->password);
	free(l->made);
	json_decref(l->users);
	json_decref(l->names);
	pthread_mutex_destroy(&l->lock);
	free(l->fault);
	free(l);
}
