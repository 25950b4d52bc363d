#ifndef HL_NATSD_PRIV_H
#define HL_NATSD_PRIV_H

#include <stdint.h>
#include <sys/types.h>

#include "common/nats/natsd.h"
#include "common/nats/natslog.h"

/*
 * What natsd.c (the process: started, ended, started anew), natsd_setup.c (which binary, with
 * which configuration) and natsd_health.c (whether it answers) share.
 */
enum natsd_state {
	STATE_STOPPED,  /* never configured, or asked to stop */
	STATE_CLEARING, /* waiting for a left-over server to go */
	STATE_STARTING, /* runs, not ready */
	STATE_RUNNING,
	STATE_STOPPING, /* SIGTERM sent, to be started anew */
	STATE_PAUSE,    /* ended, waiting to be started anew */
	STATE_BACKOFF,  /* died, the same */
};

struct event;
struct evhttp_connection;
struct tool;

struct natsd {
	struct event_base *base;
	struct natsd_opts o; /* its texts owned */
	char *conf_path, *pid_path;

	/* natsd_setup.c */
	char *wanted;           /* the configuration asked for last */
	int with_restart;       /* that needs it */
	char *text;             /* the one in place */
	char *binary, *version; /* NULL: to be looked for */
	struct tool *tool;      /* that looks at one of them */
	struct event *retry;
	char *fault; /* why what is wanted is not in place; NULL: it is, or will be */

	/* natsd.c */
	enum natsd_state state;
	pid_t pid;        /* of our child */
	pid_t old_pid;    /* of the left-over */
	uint64_t since;   /* mono_us of the last change of state */
	unsigned backoff; /* ms */
	unsigned pause;   /* ms, before the next start for a configuration */
	int killed, slow;
	unsigned ended, renewed; /* restarts as it had ended; for a configuration */
	struct event *timer;
	struct event *output; /* the child's stderr and stdout */
	int output_fd;
	struct natslog log;

	/* natsd_health.c */
	struct evhttp_connection *http; /* to the child's monitoring port */
	int asking;
	uint64_t heard; /* mono_us, of its last answer */
	struct event *watch;
};

#define POLL_MS 20 /* while starting */

/* natsd.c */
void natsd_set_state(struct natsd *d, enum natsd_state state);
void natsd_take(struct natsd *d); /* a new configuration is in place */

/* natsd_setup.c */
/* put what is wanted in place, again and again if need be */
void natsd_setup_begin(struct natsd *d);
void natsd_setup_end(struct natsd *d);

/* natsd_health.c */
void natsd_remove_ports(const struct natsd *d);
void natsd_ask_health(struct natsd *d);
void natsd_watch(struct natsd *d); /* it is ready: look from time to time */
void natsd_unwatch(struct natsd *d);
int natsd_is_silent(const struct natsd *d); /* it should have answered by now */

#endif
