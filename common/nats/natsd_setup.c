#include "config.h"

#include "common/nats/natsd_priv.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/tool.h"
#include "common/nats/natsbin.h"
#include "common/nats/natstext.h"

/*
 * From a configuration that is wanted to one that is in place: find the binary, ask it for its
 * version, write the file, have it checked.  Whatever fails is tried again, with all before it.
 */
#define RETRY_MS 3000
#define TOOL_MS  5000 /* for --version and -t */

/* Takes the text. */
static void
setup_fail(struct natsd *d, char *why)
{
	static const struct timeval wait = { RETRY_MS / 1000, 0 };

	if (d->fault == NULL || strcmp(d->fault, why) != 0)
		log_errorx("%s server: %s", d->o.name, why);
	free(d->fault);
	d->fault = why;
	evtimer_add(d->retry, &wait);
	d->o.changed(d->o.arg);
}

/* The whole file: the caller's text and what is ours. */
static int
write_conf(const struct natsd *d, const char *path, const char *text)
{
	struct buf b = { 0 };
	int fd, rc = -1;

	buf_addf(&b, "# Written by hubleaf: changes are lost.\npid_file: ");
	natstext_quote(&b, d->pid_path);
	buf_addf(&b, "\nports_file_dir: ");
	natstext_quote(&b, d->o.dir);
	/* One line on a peer that is away, not one for each attempt to reach it. */
	buf_addf(&b,
	    "\nhttp: \"127.0.0.1:-1\"\nlogtime: false\n"
	    "connect_error_reports: 600\nreconnect_error_reports: 600\n");
	buf_add(&b, text, strlen(text));
	(void)unlink(path);
	/* Written again at the next start: nothing waits for the disk. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd != -1) {
		rc = file_write(fd, b.data, b.len);
		if (close(fd) == -1)
			rc = -1;
	}
	buf_free(&b);
	return (rc);
}

static char *
new_path(const struct natsd *d)
{
	return (xasprintf("%s.new", d->conf_path));
}

/* It was checked. */
static void
install_conf(struct natsd *d, char **err)
{
	char *new = new_path(d);

	if (rename(new, d->conf_path) == -1)
		*err = xasprintf("%s: %s", d->conf_path, strerror(errno));
	else {
		free(d->text);
		d->text = xstrdup(d->wanted);
		free(d->fault);
		d->fault = NULL;
	}
	free(new);
}

static void
natsd_checked_cb(int status, const char *said, void *arg)
{
	struct natsd *d = arg;
	char *err = NULL, *new;

	d->tool = NULL;
	if (status != 0) {
		new = new_path(d);
		(void)unlink(new);
		free(new);
		err = xasprintf("nats-server refuses the configuration: %s", said);
	} else
		install_conf(d, &err);
	if (err != NULL)
		setup_fail(d, err);
	else
		natsd_take(d);
}

/* Write it beside the present file, and have it checked. */
static void
check_conf(struct natsd *d)
{
	char *new = new_path(d), *err = NULL;
	char *argv[] = { d->binary, (char *)"-t", (char *)"-c", new, NULL };

	if (d->o.prepare != NULL && d->o.prepare(d->o.arg, &err) == -1)
		setup_fail(d, err);
	else if (write_conf(d, new, d->wanted) == -1)
		setup_fail(d, xasprintf("%s: %s", new, strerror(errno)));
	else if ((d->tool = tool_begin(d->base, argv, TOOL_MS, natsd_checked_cb, d)) == NULL)
		setup_fail(d, xasprintf("%s: %s", d->binary, strerror(errno)));
	free(new);
}

static void
natsd_version_cb(int status, const char *said, void *arg)
{
	struct natsd *d = arg;
	char *err = NULL;

	d->tool = NULL;
	d->version = natsbin_version(d->binary, status, said, d->o.allow_old, &err);
	if (d->version != NULL)
		check_conf(d);
	else
		setup_fail(d, err);
}

static void
ask_version(struct natsd *d)
{
	char *argv[] = { d->binary, (char *)"--version", NULL };

	d->tool = tool_begin(d->base, argv, TOOL_MS, natsd_version_cb, d);
	if (d->tool == NULL)
		setup_fail(d, xasprintf("%s: %s", d->binary, strerror(errno)));
}

static void
natsd_retry_cb(evutil_socket_t fd, short what, void *arg)
{
	natsd_setup_begin(arg);
}

/* Whether the binary that was found before is still there. */
static int
find_binary(struct natsd *d, char **err)
{
	if (d->binary != NULL && access(d->binary, X_OK) == 0)
		return (0);
	free(d->version);
	d->version = NULL;
	free(d->binary);
	d->binary = natsbin_find(d->o.binary, err);
	return (d->binary != NULL ? 0 : -1);
}

void
natsd_setup_begin(struct natsd *d)
{
	char *err = NULL;

	natsd_setup_end(d);
	if (d->retry == NULL && (d->retry = evtimer_new(d->base, natsd_retry_cb, d)) == NULL)
		fatalx("%s server: no timer", d->o.name);
	if (file_make_folder(d->o.dir) == -1)
		setup_fail(d, xasprintf("%s: %s", d->o.dir, strerror(errno)));
	else if (find_binary(d, &err) == -1)
		setup_fail(d, err);
	else if (d->version == NULL)
		ask_version(d);
	else
		check_conf(d);
}

void
natsd_setup_end(struct natsd *d)
{
	tool_cancel(d->tool);
	d->tool = NULL;
	if (d->retry != NULL)
		evtimer_del(d->retry);
}
