#ifndef HL_SVC_H
#define HL_SVC_H

#include "common/base/post.h"
#include "common/conf/conf.h"
#include "common/ipc/proto.h"

/*
 * A daemon's life.  `-c FILE` configuration, `-n` check and exit, `-v`
 * version, `--KEY value` any configuration key.  Runs in the foreground, logs
 * to stderr, tells systemd or `hubleaf run` by sd_notify, writes <runPath>/<name>.pid, ignores
 * SIGPIPE, stops on SIGTERM and SIGINT.
 */
struct svc {
	const char *name;
	enum role role;
	struct conf *conf;
	struct event_base *base;
	struct post *post; /* from any thread onto the loop */
	int argc;          /* what conf_load was given, to read anew */
	char **argv;
	char *conf_file;
	/* SIGHUP, once the log's file is opened anew; may be NULL */
	void (*on_hup)(struct svc *, void *);
	void *hup_arg;
	struct svc_priv *priv;
};

/* exits on -n, -v, faults */
struct svc *svc_init(const char *name, enum role role, int argc, char **argv);
void svc_ready(struct svc *s);
void svc_run(struct svc *s); /* until SIGTERM, SIGINT or svc_stop */
void svc_stop(struct svc *s);
/* As svc_stop, but svc_free begins anew: the same process, as it was started. */
void svc_restart(struct svc *s);
void svc_free(struct svc *s);

#endif
