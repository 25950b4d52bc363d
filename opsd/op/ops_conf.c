#include "config.h"

#include "opsd/op/node.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/conf/tlsconf.h"
#include "common/tls/pem.h"
#include "common/tls/tlsfiles.h"
#include "opsd/auth/certstore.h"
#include "opsd/cluster/daemons.h"
#include "opsd/http/http.h"
#include "opsd/op/op_cert.h"
#include "opsd/pki/chain.h"

/*
 * The configuration twice: svc->conf is in force, with what needs a restart as it was at
 * the start; o->set is what the next start will find.
 */
struct conf *
ops_conf_set(struct ops *o)
{
	struct conf *c;

	pthread_rwlock_rdlock(&o->data.conf_lock);
	c = conf_dup(o->set);
	pthread_rwlock_unlock(&o->data.conf_lock);
	return (c);
}

void
ops_conf_start(struct ops *o)
{
	o->set = conf_dup(o->data.svc->conf);
}

/* Takes it, with the lock held: it is set, and in force where that needs no restart. */
static void
put_in_force(struct ops *o, struct conf *set)
{
	struct conf *now = conf_dup(o->data.svc->conf);

	for (int key = 0; key < CONF_KEYS; key++)
		if (conf_change((enum conf_key)key) == CONF_LIVE)
			conf_take(now, set, (enum conf_key)key);
	conf_free(o->set);
	conf_free(o->data.svc->conf);
	o->set = set;
	o->data.svc->conf = now;
	data_conf_changed(&o->data);
}

/* What names certificates and keys, or has them in use. */
static int
is_of_tls(enum conf_key key)
{
	switch (key) {
	case CL_ENABLED:
	case CL_TLS_CERT:
	case CL_TLS_CA:
	case CL_TLS_KEY:
	case CL_TLS_INSECURE:
	case API_SECURE_PORT:
	case TLS_CERT:
	case TLS_CA:
	case TLS_KEY:
	case API_MTLS:
	case HTTP_MTLS:
	case REP_TLS_CERT:
	case REP_TLS_CA:
	case REP_TLS_KEY:
	case REP_HOSTNAME:
		return (1);
	default:
		return (0);
	}
}

/* Why no other node would take it on a link; NULL: for none that time does not mend.  The caller frees. */
static char *
link_cert_fault(const struct conf *c, const char *path)
{
	char *text = certstore_read(path), *own = repconf_hostname(c), *err = NULL;
	X509 *cert = text != NULL ? pem_cert(text) : NULL;

	if (cert != NULL && !chain_names(cert, own))
		err = xasprintf(
		    "replication.tls.certificate: %s is not for '%s' (replication.hostname)", path,
		    own);
	else if (cert != NULL && !chain_serves_both(cert))
		err = xasprintf("replication.tls.certificate: %s is not for servers and clients "
				"(serverAuth and clientAuth)",
		    path);
	ERR_clear_error();
	X509_free(cert);
	free(own);
	mem_wipe(text);
	return (err);
}

/* What links by hostname show, and whom they trust. */
static int
check_link_files(const struct conf *c, char **err)
{
	const char *cert = conf_str(c, REP_TLS_CERT), *key = conf_str(c, REP_TLS_KEY);
	struct tlsfiles files = {
		.prefix = "replication.tls",
		.cert = cert,
		.key = key != NULL ? key : cert,
		.ca = conf_str(c, REP_TLS_CA),
	};
	char *warning;
	int rc = tlsfiles_check(&files, &warning, err);

	free(warning);
	if (rc == 0 && cert != NULL && repconf_on(c) && (*err = link_cert_fault(c, cert)) != NULL)
		rc = -1;
	return (rc);
}

/* What the HTTP server reads anew at once. */
static int
is_of_clients(const struct conf *old, const struct conf *new)
{
	static const enum conf_key keys[] = { TLS_CA, API_MTLS, HTTP_MTLS };
	int changed = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		changed |= !conf_equal(old, new, keys[i]);
	return (changed);
}

/* Files and addresses that the next start would refuse are refused now.  -1 with *err. */
static int
check_start(const struct conf *old, const struct conf *new, char **err)
{
	char *warnings = NULL;
	int rc = 0, changed = 0;

	if (!conf_equal(old, new, API_HOST) && http_can_listen(conf_str(new, API_HOST), err) == -1)
		return (-1);
	for (int i = 0; i < CONF_KEYS; i++)
		changed |= is_of_tls((enum conf_key)i) && !conf_equal(old, new, (enum conf_key)i);
	if (changed)
		rc = tlsconf_check(new, &warnings, err);
	if (rc == 0 && changed)
		rc = check_link_files(new, err);
	free(warnings);
	return (rc);
}

/* Says what becomes of a key, with the lock held.  Returns whether it is a change. */
static int
report_key(struct ops *o, const struct conf *new, enum conf_key key, json_t *report)
{
	int changed = !conf_equal(o->set, new, key);
	int waits = conf_change(key) != CONF_LIVE && !conf_equal(o->data.svc->conf, new, key);

	if (waits || changed)
		json_array_append_new(json_object_get(report, waits ? "restart" : "live"),
		    json_string(conf_name(key)));
	return (changed);
}

int
ops_change_conf(struct ops *o, const json_t *changes, json_t **report, char **err)
{
	json_t *v;
	struct conf *new;
	const char *name;
	int status = 200, changed = 0, clients = 0;

	*err = NULL;
	*report = json_pack("{s:[], s:[]}", "live", "restart");
	pthread_rwlock_wrlock(&o->data.conf_lock);
	new = conf_dup(o->set);
	json_object_foreach((json_t *)(uintptr_t)changes, name, v) {
		enum conf_key key = (enum conf_key)conf_find(name);

		if (status == 200 && conf_set(new, key, v, err) == -1)
			status = 400;
		else
			changed |= report_key(o, new, key, *report);
	}
	if (status == 200 && (conf_check(new, err) == -1 || check_start(o->set, new, err) == -1))
		status = 400;
	else if (status == 200 && changed) {
		if (conf_save(new, err) == -1)
			status = 500;
		else {
			clients = is_of_clients(o->set, new);
			put_in_force(o, new);
			new = NULL;
		}
	}
	pthread_rwlock_unlock(&o->data.conf_lock);
	if (new == NULL) {
		daemons_settings(o->rep.daemons);
		op_cert_table_soon(o);
	}
	if (clients)
		ops_http_reload(o);
	conf_free(new);
	return (status);
}

int
ops_set_conf(struct ops *o, enum conf_key key, const json_t *value, char **err)
{
	json_t *changes = json_object(), *report;
	int status;

	json_object_set(changes, conf_name(key), (json_t *)(uintptr_t)value);
	status = ops_change_conf(o, changes, &report, err);
	json_decref(changes);
	json_decref(report);
	return (status == 200 ? 0 : -1);
}

void
ops_conf_reload(struct svc *svc, void *arg)
{
	struct ops *o = arg;
	char *err = NULL;
	struct conf *new = conf_load(svc->conf_file, svc->argc, svc->argv, &err);

	if (new == NULL) {
		log_errorx("configuration: %s", err);
		free(err);
		return;
	}
	pthread_rwlock_wrlock(&o->data.conf_lock);
	put_in_force(o, new);
	for (int key = 0; key < CONF_KEYS; key++)
		if (!conf_equal(o->set, svc->conf, (enum conf_key)key))
			log_info("configuration: %s needs a restart",
			    conf_name((enum conf_key)key));
	pthread_rwlock_unlock(&o->data.conf_lock);
	daemons_settings(o->rep.daemons);
	http_reload(o->http);
	op_cert_table_soon(o);
	log_info("configuration read anew");
}

void
ops_conf_adopt(struct ops *o, const struct conf *from, const char *const *prefixes)
{
	pthread_rwlock_wrlock(&o->data.conf_lock);
	for (int key = 0; key < CONF_KEYS; key++)
		for (int i = 0; prefixes[i] != NULL; i++)
			if (strncmp(conf_name((enum conf_key)key), prefixes[i],
				strlen(prefixes[i])) == 0)
				conf_take(o->data.svc->conf, from != NULL ? from : o->set,
				    (enum conf_key)key);
	pthread_rwlock_unlock(&o->data.conf_lock);
}
