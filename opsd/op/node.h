#ifndef HL_NODE_H
#define HL_NODE_H

#include <pthread.h>
#include <stdint.h>

#include "opsd/cluster/replication.h"
#include "opsd/store/data.h"
#include "opsd/watch/watch.h"

/* What operations reach: opsd/ops.c makes it. */
struct ops {
	struct data data;
	struct event *certends; /* certends.h: looks at certificates */
	struct event *certs;    /* op_cert.h: keeps hdb_certificate as it is */
	uint64_t certs_seen;    /* pki_changes by then */
	struct event *reopen;   /* while the store is for reading only: looks for room */
	struct replication rep;
	struct http *http;
	struct workers *bodies;     /* read the long ones of requests */
	struct workers *statements; /* of sql */
	struct jobs *jobs;
	struct lite *lite;
	struct auth *auth;
	struct snapshots *snapshots;
	struct pki *pki; /* who we are on links, and whom we believe */
	struct watch watch;
	struct workers *pages;       /* one thread: pages of metrics.h */
	_Atomic int backing_up;      /* one backup at a time */
	pthread_mutex_t status_lock; /* set_status and clear_status, one at a time */
	struct conf *set; /* configuration that the next start finds, under data.conf_lock */
};

/* The HTTP server with the configuration in force; NULL with *err. */
struct http *ops_http(struct ops *o, char **err);
/* Soon: http_reload, on the loop's thread. */
void ops_http_reload(struct ops *o);

/* A copy of the configuration that is set, of which some may need a restart; free with conf_free. */
struct conf *ops_conf_set(struct ops *o);
/*
 * Change the keys of an object, whose names are known: all or nothing.  They are
 * checked, saved, put in force where that needs no restart, and the daemons told.
 * 200, or 400 or 500 with *err, one fault a line.  *report: {"live":[names],"restart":[names]}
 * of those that changed and are in force, and of those that wait for a restart, changed or not.
 */
int ops_change_conf(struct ops *o, const json_t *changes, json_t **report, char **err);
/* One key; -1 with *err. */
int ops_set_conf(struct ops *o, enum conf_key key, const json_t *value, char **err);
/*
 * What is set (or as in `from`, when not NULL) for the keys that begin so is in force now,
 * too: whoever calls starts anew what uses it.
 */
void ops_conf_adopt(struct ops *o, const struct conf *from, const char *const *prefixes);
void ops_conf_start(struct ops *o);
/* SIGHUP: the files anew; a fault keeps what is. */
void ops_conf_reload(struct svc *svc, void *arg);

#endif
