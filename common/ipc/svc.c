#include "config.h"

#include "common/ipc/svc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/thread.h>
#include <systemd/sd-daemon.h>

#include "common/base/alive.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/logfile.h"
#include "common/base/mem.h"
#include "common/conf/logconf.h"
#include "common/conf/tlsconf.h"
#include "common/ipc/passed.h"

struct svc_priv {
	struct event *term, *intr, *hup, *watchdog;
	char *pid_path;
	int pid_fd;
	int check_only; /* 2: the file alone */
	int stopping, restart;
	char **args; /* of main */
};

static __attribute__((noreturn)) void
svc_usage(const char *name, int status)
{
	fprintf(status == 0 ? stdout : stderr,
	    "usage: %s [-nNv] [-c file] [--KEY value ...]\n"
	    "  -c file      configuration file (YAML)\n"
	    "  -n           check the configuration and exit\n"
	    "  -N           check the file alone: without environment, settings and certificates\n"
	    "  -v           print the version and exit\n"
	    "  --KEY value  any key of the configuration, such as --CLUSTERING_NODENAME n1\n",
	    name);
	exit(status);
}

static __attribute__((noreturn)) void
svc_version(void)
{
	printf("hubleaf %s\n", PACKAGE_VERSION);
	exit(0);
}

static void
svc_keep_arg(struct svc *s, char *arg)
{
	s->argv = xrealloc(s->argv, (size_t)(s->argc + 2) * sizeof *s->argv);
	s->argv[s->argc++] = arg;
	s->argv[s->argc] = NULL;
}

/* A key's flag and its value go on to conf_load. */
static int
svc_take_flag(struct svc *s, int i, int argc, char **argv)
{
	svc_keep_arg(s, argv[i]);
	if (strchr(argv[i], '=') == NULL && i + 1 < argc)
		svc_keep_arg(s, argv[++i]);
	return (i);
}

/* The letters of one argument such as -nc; the next argument is -c's. */
static int
svc_take_letters(struct svc *s, int i, int argc, char **argv)
{
	const char *p;

	for (p = argv[i] + 1; *p != '\0'; p++) {
		if (*p == 'n' || *p == 'N') {
			s->priv->check_only = *p == 'N' ? 2 : 1;
		} else if (*p == 'v') {
			svc_version();
		} else if (*p == 'h') {
			svc_usage(s->name, 0);
		} else if (*p == 'c' && (p[1] != '\0' || i + 1 < argc)) {
			free(s->conf_file);
			s->conf_file = xstrdup(p[1] != '\0' ? p + 1 : argv[i + 1]);
			return (p[1] != '\0' ? i : i + 1);
		} else {
			svc_usage(s->name, 2);
		}
	}
	return (i);
}

static void
svc_options(struct svc *s, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			svc_usage(s->name, 0);
		if (strcmp(argv[i], "--version") == 0)
			svc_version();
		if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0')
			i = svc_take_flag(s, i, argc, argv);
		else if (argv[i][0] == '-' && argv[i][1] != '\0' && argv[i][1] != '-')
			i = svc_take_letters(s, i, argc, argv);
		else
			svc_usage(s->name, 2);
	}
}

/* To whoever checks the configuration: lines as they are, which are freed. */
static void
svc_print(const char *before, char *lines)
{
	char *line, *rest = lines;

	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
		fprintf(stderr, "%s%s\n", before, line);
	free(lines);
}

/* The option -n: the configuration is good, are the files that it names? */
static __attribute__((noreturn)) void
svc_check(struct svc *s)
{
	char *warnings = NULL, *err = NULL;
	int rc = s->priv->check_only == 2 ? 0 : tlsconf_check(s->conf, &warnings, &err);

	if (s->priv->check_only == 1)
		svc_print("warning: ", conf_env_warnings());
	svc_print("warning: ", warnings);
	svc_print("", err);
	if (rc == -1)
		exit(1);
	printf("configuration ok\n");
	exit(0);
}

/* Lines of the log, which are freed. */
static void
svc_log(enum log_level level, char *lines)
{
	char *line, *rest = lines;

	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
		log_line(level, "configuration: %s", line);
	free(lines);
}

static void
svc_load_conf(struct svc *s)
{
	struct conf *(*load)(const char *, int, char **,
	    char **) = s->priv->check_only == 2 ? conf_load_file : conf_load;
	char *err;

	if ((s->conf = load(s->conf_file, s->argc, s->argv, &err)) == NULL) {
		if (s->priv->check_only)
			svc_print("", err);
		else
			svc_log(LOG_ERROR, err);
		exit(1);
	}
	if (s->priv->check_only)
		svc_check(s);
}

static void
svc_make_folder(const char *path)
{
	if (file_make_folder(path) == -1)
		fatal("%s", path);
}

/* The lock, not the number in it, says that another one runs. */
static void
svc_pid_file(struct svc *s)
{
	struct svc_priv *p = s->priv;
	char text[32];
	char *file = xasprintf("%s.pid", s->name);
	ssize_t n;

	p->pid_path = conf_run_path(s->conf, file);
	free(file);
	p->pid_fd = open(p->pid_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	/* `hubleaf status` reads it, as whoever may enter the folder. */
	if (p->pid_fd == -1 || fchmod(p->pid_fd, 0644) == -1)
		fatal("%s", p->pid_path);
	if (flock(p->pid_fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK)
			fatal("%s", p->pid_path);
		n = read(p->pid_fd, text, sizeof text - 1);
		text[n > 0 ? n : 0] = '\0';
		fatalx("%s: another %s is running, pid %.*s", p->pid_path, s->name,
		    (int)strcspn(text, "\n"), text);
	}
	n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	/* On a full disk the lock alone must do; what is there is written over, so often it fits. */
	if (pwrite(p->pid_fd, text, (size_t)n, 0) != n || ftruncate(p->pid_fd, n) == -1) {
		if (errno != ENOSPC)
			fatal("%s", p->pid_path);
		log_warn("%s", p->pid_path);
	}
}

/*
 * From now on a second signal ends the process at once: stopping happens
 * outside of the loop, where nobody would look at it.
 */
static void
svc_forget_signals(struct svc_priv *p)
{
	if (p->term != NULL)
		event_del(p->term);
	if (p->intr != NULL)
		event_del(p->intr);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
}

static void
svc_term_cb(evutil_socket_t sig, short what, void *arg)
{
	log_info("stopping (%s)", strsignal((int)sig));
	svc_stop(arg);
}

/* The time is what systemd knows by that this is the reload that it asked for. */
static void
svc_notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)mono_us());
}

static void
svc_hup_cb(evutil_socket_t sig, short what, void *arg)
{
	struct svc *s = arg;

	svc_notify_reloading();
	if (logfile_reopen() == -1)
		log_error("log: cannot be opened anew");
	if (s->on_hup != NULL)
		s->on_hup(s, s->hup_arg);
	sd_notify(0, "READY=1");
}

static void
svc_watchdog_cb(evutil_socket_t fd, short what, void *arg)
{
	alive_say();
}

static struct event *
svc_signal(struct svc *s, int sig, event_callback_fn fn)
{
	struct event *ev = evsignal_new(s->base, sig, fn, s);

	if (ev == NULL || event_add(ev, NULL) == -1)
		fatalx("no event for signal %d", sig);
	return (ev);
}

static void
svc_watchdog(struct svc *s)
{
	struct timeval tv;
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	usec /= 2;
	tv = (struct timeval){ .tv_sec = (time_t)(usec / 1000000), .tv_usec = usec % 1000000 };
	s->priv->watchdog = event_new(s->base, -1, EV_PERSIST, svc_watchdog_cb, s);
	if (s->priv->watchdog == NULL || event_add(s->priv->watchdog, &tv) == -1)
		fatalx("no event for the watchdog");
}

static void
svc_loop(struct svc *s)
{
	if (evthread_use_pthreads() == -1)
		fatalx("libevent: no threads");
	if ((s->base = event_base_new()) == NULL)
		fatalx("libevent: no event base");
	s->post = post_new(s->base);
	signal(SIGPIPE, SIG_IGN);
	s->priv->term = svc_signal(s, SIGTERM, svc_term_cb);
	s->priv->intr = svc_signal(s, SIGINT, svc_term_cb);
	s->priv->hup = svc_signal(s, SIGHUP, svc_hup_cb);
	svc_watchdog(s);
}

/* The low one is for programs that use select(). */
static void
svc_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_cur == files.rlim_max)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) == -1)
		log_warn("cannot raise the limit of open files");
}

struct svc *
svc_init(const char *name, enum role role, int argc, char **argv)
{
	struct svc *s = xcalloc(1, sizeof *s);

	s->name = name;
	s->role = role;
	s->priv = xcalloc(1, sizeof *s->priv);
	s->priv->pid_fd = -1;
	s->priv->args = argv;
	/* Libraries make files as well, RocksDB above all. */
	umask(077);
	mem_give_back();
	log_init(name, LOG_INFO);
	passed_read();
	svc_options(s, argc, argv);
	svc_load_conf(s);
	svc_raise_files();
	svc_make_folder(conf_str(s->conf, ROOT_PATH));
	svc_make_folder(conf_str(s->conf, RUN_PATH));
	svc_pid_file(s);
	logconf_apply(name, s->conf); /* now that nobody else writes the file */
	svc_log(LOG_WARN, conf_env_warnings());
	svc_loop(s);
	return (s);
}

void
svc_ready(struct svc *s)
{
	log_info("version %s is ready", PACKAGE_VERSION);
	sd_notifyf(0, "READY=1\nMAINPID=%d", (int)getpid());
}

void
svc_run(struct svc *s)
{
	if (!s->priv->stopping && event_base_dispatch(s->base) == -1)
		fatalx("libevent: the loop failed");
}

void
svc_stop(struct svc *s)
{
	if (s->priv->stopping)
		return;
	s->priv->stopping = 1;
	svc_forget_signals(s->priv);
	if (s->priv->restart)
		svc_notify_reloading();
	else
		sd_notify(0, "STOPPING=1");
	event_base_loopexit(s->base, NULL);
}

void
svc_restart(struct svc *s)
{
	s->priv->restart = !s->priv->stopping;
	svc_stop(s);
}

/*
 * Whoever watches this process need not know.  By its name, not as /proc/self/exe: an
 * upgrade may have put another program there.
 */
static __attribute__((noreturn)) void
svc_again(char **args)
{
	passed_hand_on();
	execvp(args[0], args);
	fatal("%s", args[0]);
}

static void
svc_free_event(struct event *ev)
{
	if (ev != NULL)
		event_free(ev);
}

void
svc_free(struct svc *s)
{
	struct svc_priv *p;
	char **again;

	if (s == NULL)
		return;
	p = s->priv;
	again = p->restart ? p->args : NULL;
	post_free(s->post);
	svc_free_event(p->term);
	svc_free_event(p->intr);
	svc_free_event(p->hup);
	svc_free_event(p->watchdog);
	event_base_free(s->base);
	if (again != NULL)
		signal(SIGHUP, SIG_IGN); /* as it is handled again soon */
	unlink(p->pid_path);
	close(p->pid_fd);
	free(p->pid_path);
	free(p);
	conf_free(s->conf);
	free(s->conf_file);
	free(s->argv);
	free(s);
	if (again != NULL)
		svc_again(again);
}
