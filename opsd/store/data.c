#include "config.h"

#include "opsd/store/data.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/conf/logconf.h"
#include "common/conf/natsconf.h"
#include "common/conf/repconf.h"

void
data_init(struct data *d, struct svc *svc)
{
	d->svc = svc;
	pthread_rwlock_init(&d->conf_lock, NULL);
	data_conf_changed(d);
}

void
data_clear(struct data *d)
{
	pthread_rwlock_destroy(&d->conf_lock);
}

struct conf *
data_conf(struct data *d)
{
	struct conf *c;

	pthread_rwlock_rdlock(&d->conf_lock);
	c = conf_dup(d->svc->conf);
	pthread_rwlock_unlock(&d->conf_lock);
	return (c);
}

int64_t
data_conf_int(struct data *d, enum conf_key key)
{
	int64_t n;

	pthread_rwlock_rdlock(&d->conf_lock);
	n = conf_int(d->svc->conf, key);
	pthread_rwlock_unlock(&d->conf_lock);
	return (n);
}

int
data_conf_bool(struct data *d, enum conf_key key)
{
	int yes;

	pthread_rwlock_rdlock(&d->conf_lock);
	yes = conf_bool(d->svc->conf, key);
	pthread_rwlock_unlock(&d->conf_lock);
	return (yes);
}

char *
data_node_name(struct data *d)
{
	char *name;

	pthread_rwlock_rdlock(&d->conf_lock);
	name = d->live.replicates && !d->live.clustering ?
	    repconf_hostname(d->svc->conf) :
	    xstrdup(conf_str(d->svc->conf, CL_NODENAME));
	pthread_rwlock_unlock(&d->conf_lock);
	return (name != NULL ? name : xstrdup(""));
}

void
data_conf_changed(struct data *d)
{
	const struct conf *c = d->svc->conf;

	d->live.clustering = conf_bool(c, CL_ENABLED);
	d->live.external = d->live.clustering && natsconf_is_external(c);
	d->live.links = repconf_on(c);
	d->live.replicates = d->live.clustering || d->live.links;
	d->live.republish = conf_bool(c, CL_REPUBLISH);
	d->live.audit = conf_bool(c, LOGGING_AUDIT);
	d->live.log_good = conf_bool(c, LOGGING_AUTH_GOOD);
	d->live.log_failed = conf_bool(c, LOGGING_AUTH_FAILED);
	d->live.write_async = conf_bool(c, STORAGE_WRITE_ASYNC);
	d->live.max_skew_ms = (uint64_t)conf_int(c, CL_MAX_CLOCK_SKEW);
	d->live.reserve = (uint64_t)conf_int(c, STORAGE_RESERVE);
	d->live.max_transaction = (uint64_t)natsconf_max_transaction(c);
	d->live.queue_ms = (uint64_t)conf_int(c, STORAGE_MAX_QUEUE_TIME) * 1000;
	d->live.max_attributes = (uint64_t)conf_int(c, STORAGE_MAX_ATTRIBUTES);
	d->conf_changes++;
	logconf_apply("opsd", c);
}
