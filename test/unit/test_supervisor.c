#include "config.h"

#include "common/nats/supervisor.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/nats/natsd.h"
#include "test/unit/folder.h"
#include "test/unit/until.h"

/* opsd and a daemon with its server in one loop; the server is a script that never answers. */

#define ID "000102030405060708090a0b0c0d0e0f"

/* What opsd sees. */
static struct {
	struct chan_listener *l;
	struct chan *hubd; /* while up */
	int ups, told;
	json_t *state; /* as told last */
} opsd;

/* What the daemon is asked. */
static struct {
	struct supervisor *s;
	int ups, downs, applied, off, named, states, restarts, prepared;
	int keep;          /* it restarts later by itself */
	int value;         /* in its state */
	const char *unfit; /* why it cannot prepare; NULL: it can */
	char *text;        /* the server's configuration */
} hubd;

static struct event_base *base;
static struct svc svc;
static char *binary;

void __wrap_svc_restart(struct svc *s);

void
__wrap_svc_restart(struct svc *s)
{
	assert_ptr_equal(s, &svc);
	hubd.restarts++;
}

/* opsd */

static int
on_mesh(struct chan *c, struct msg *m, void *arg)
{
	size_t n = 0;
	const uint8_t *json = rd_blob(&m->body, &n);

	json_decref(opsd.state);
	opsd.state = json_loadb((const char *)json, n, 0, NULL);
	assert_non_null(opsd.state);
	opsd.told++;
	return (0);
}

static void
opsd_up_cb(struct chan *c, enum role peer, void *arg)
{
	opsd.hubd = c;
	opsd.ups++;
}

static void
opsd_down_cb(struct chan *c, enum role peer, void *arg)
{
	opsd.hubd = NULL;
}

static const struct chan_handler opsd_handlers[] = {
	{ MSG_MESH, on_mesh },
	{ 0 },
};
static const struct chan_ops opsd_ops = { opsd_handlers, opsd_up_cb, opsd_down_cb };

static void
opsd_start(void)
{
	char *path = conf_run_path(svc.conf, "ops.sock");

	opsd.l = chan_listen(base, path, ROLE_OPSD, &opsd_ops, NULL);
	assert_non_null(opsd.l);
	free(path);
}

static void
opsd_end(void)
{
	chan_listener_free(opsd.l);
	opsd.hubd = NULL;
	json_decref(opsd.state);
	opsd.state = NULL;
}

/* The default configuration and where the server is; `user`, NULL: none, which is of no use. */
static void
say_settings(const char *user, int enabled)
{
	json_t *all, *tree = conf_tree(svc.conf),
		     *server = json_pack("{s:{s:s}}", "natsServer", "path", binary);
	struct buf b = { 0 };
	char *text;

	json_object_update_recursive(tree, server);
	json_decref(server);
	all = json_pack("{s:b, s:s, s:s, s:s?, s:s, s:{s:s, s:s}, s:o}", "enabled", enabled, "node",
	    "n1", "node_id", ID, "user", user, "password", "pw", "tls", "certificate", "/c.pem",
	    "privateKey", "/k.pem", "config", tree);
	assert_non_null(all);
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	buf_blob(&b, text, strlen(text));
	chan_send(opsd.hubd, MSG_SETTINGS, &b);
	free(text);
}

static const char *
told_status(void)
{
	const char *s = json_string_value(json_object_get(json_object_get(opsd.state, "server"),
	    "status"));

	return (s != NULL ? s : "");
}

static pid_t
told_pid(void)
{
	return ((pid_t)json_integer_value(json_object_get(json_object_get(opsd.state, "server"),
	    "pid")));
}

static const char *
told_error(void)
{
	return (json_string_value(json_object_get(json_object_get(opsd.state, "server"), "error")));
}

static int
told_count(const char *name)
{
	return ((int)json_integer_value(json_object_get(json_object_get(opsd.state, "counts"),
	    name)));
}

static int
told_value(void)
{
	return ((int)json_integer_value(json_object_get(opsd.state, "value")));
}

/* The daemon */

static void
hubd_up_cb(struct chan *c, void *arg)
{
	assert_ptr_equal(c, supervisor_opsd(hubd.s));
	hubd.ups++;
}

static void
hubd_down_cb(struct chan *c, void *arg)
{
	hubd.downs++;
}

static void
hubd_apply_cb(const struct settings *was, const struct settings *now, void *arg)
{
	assert_ptr_equal(arg, &hubd);
	assert_string_equal(now->node, "n1");
	hubd.applied++;
	if (was != NULL && strcmp(was->node, "n1") == 0)
		hubd.named++;
	if (now->enabled)
		supervisor_configure(hubd.s, hubd.text, 1);
	else
		hubd.off++;
}

static int
hubd_prepare_cb(void *arg, char **err)
{
	assert_ptr_equal(arg, &hubd);
	hubd.prepared++;
	if (hubd.unfit == NULL)
		return (0);
	*err = xstrdup(hubd.unfit);
	return (-1);
}

static void
hubd_state_cb(json_t *state, void *arg)
{
	hubd.states++;
	json_object_set_new(state, "value", json_integer(hubd.value));
}

static int
hubd_restart_cb(void *arg)
{
	return (hubd.keep);
}

static int
on_network(struct chan *c, struct msg *m, void *arg)
{
	struct buf b = { 0 };
	uint32_t timeout_ms = rd_u32(&m->body);

	assert_ptr_equal(arg, &hubd);
	if (!rd_done(&m->body))
		return (-1);
	buf_u32(&b, timeout_ms + 1);
	chan_reply(c, m->id, &b);
	return (0);
}

static const struct chan_handler hubd_handlers[] = {
	{ MSG_NETWORK, on_network },
	{ 0 },
};

static const struct supervisor_ops hubd_ops = {
	.name = "hub",
	.folder = "clustering/hub",
	.role = ROLE_HUBD,
	.state_type = MSG_MESH,
	.handlers = hubd_handlers,
	.up = hubd_up_cb,
	.down = hubd_down_cb,
	.apply = hubd_apply_cb,
	.prepare = hubd_prepare_cb,
	.state = hubd_state_cb,
	.restart = hubd_restart_cb,
};

static int
setup(void **state)
{
	base = event_base_new();
	svc.base = base;
	memset(&opsd, 0, sizeof(opsd));
	memset(&hubd, 0, sizeof(hubd));
	hubd.text = xstrdup("port: -1\n");
	opsd_start();
	hubd.s = supervisor_new(&svc, &hubd_ops, &hubd);
	until(opsd.ups == 1 && hubd.ups == 1);
	return (0);
}

static int
teardown(void **state)
{
	struct timeval tv = { 0, 10000 };
	int downs = hubd.downs;

	supervisor_free(hubd.s);
	assert_int_equal(hubd.downs, downs);
	opsd_end();
	free(hubd.text);
	/* The once events of until(). */
	event_base_once(base, -1, EV_TIMEOUT, until_wake_cb, NULL, &tv);
	event_base_loop(base, EVLOOP_ONCE);
	event_base_free(base);
	return (0);
}

static int
is_gone(pid_t pid)
{
	return (kill(pid, 0) == -1 && errno == ESRCH);
}

/* Settings */

static void
test_server_runs_while_enabled(void **state)
{
	pid_t pid;

	until(opsd.told > 0);
	assert_string_equal(told_status(), "stopped");
	assert_null(supervisor_natsd(hubd.s));
	say_settings("clu", 1);
	until(told_pid() != 0);
	assert_string_equal(told_status(), "starting");
	assert_int_equal(hubd.applied, 1);
	assert_int_equal(hubd.named, 0);
	assert_int_equal(hubd.prepared, 1);
	pid = told_pid();
	/* The same once more changes nothing. */
	say_settings("clu", 1);
	until(hubd.applied == 2);
	assert_int_equal(hubd.named, 1);
	assert_int_equal(natsd_pid(supervisor_natsd(hubd.s)), pid);
	say_settings("clu", 0);
	until(told_pid() == 0);
	assert_int_equal(hubd.off, 1);
	assert_string_equal(told_status(), "stopped");
	assert_null(supervisor_natsd(hubd.s));
	assert_true(is_gone(pid));
	say_settings("clu", 1);
	until(told_pid() != 0);
	assert_int_equal(hubd.named, 3);
}

/* What runs goes on as it was told last. */
static void
test_settings_of_no_use(void **state)
{
	struct buf b = { 0 };
	pid_t pid;

	say_settings(NULL, 1);
	until(told_error() != NULL);
	assert_string_equal(told_error(), "settings: clustering.user is not set");
	assert_string_equal(told_status(), "errored");
	say_settings("clu", 1);
	until(told_pid() != 0);
	assert_null(told_error());
	pid = told_pid();
	say_settings(NULL, 1);
	until(told_error() != NULL);
	assert_int_equal(told_pid(), pid);
	say_settings("clu", 1);
	until(told_error() == NULL);
	assert_int_equal(told_pid(), pid);
	buf_blob(&b, "[1", 2);
	chan_send(opsd.hubd, MSG_SETTINGS, &b);
	until(told_error() != NULL);
	assert_non_null(strstr(told_error(), "settings: not an object"));
	assert_int_equal(hubd.applied, 2);
	assert_int_equal(hubd.downs, 0);
	/* A message that is none is another matter. */
	buf_u8(&b, 1);
	chan_send(opsd.hubd, MSG_SETTINGS, &b);
	until(hubd.downs == 1);
}

/* The server */

static void
test_server_that_ended_is_started_again(void **state)
{
	pid_t pid;

	say_settings("clu", 1);
	until(told_pid() != 0);
	pid = told_pid();
	assert_int_equal(told_count("ended"), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	until(told_pid() != 0 && told_pid() != pid);
	assert_int_equal(told_count("ended"), 1);
	assert_int_equal(told_count("renewed"), 0);
}

static void
test_new_configuration_is_a_restart(void **state)
{
	pid_t pid;

	say_settings("clu", 1);
	until(told_pid() != 0);
	pid = told_pid();
	free(hubd.text);
	hubd.text = xstrdup("port: -1 # otherwise\n");
	say_settings("clu", 1);
	until(told_pid() != 0 && told_pid() != pid);
	assert_int_equal(told_count("renewed"), 1);
	assert_int_equal(told_count("ended"), 0);
}

/* Whatever keeps it from starting is tried again. */
static void
test_server_that_cannot_start_is_tried_again(void **state)
{
	hubd.unfit = "no certificate today";
	say_settings("clu", 1);
	until(told_error() != NULL);
	assert_string_equal(told_error(), "no certificate today");
	assert_string_equal(told_status(), "errored");
	assert_int_equal(told_pid(), 0);
	hubd.unfit = NULL;
	until(told_pid() != 0);
	assert_null(told_error());
	assert_int_equal(hubd.prepared, 2);
}

static void
test_stop_is_until_the_next_settings(void **state)
{
	pid_t pid;

	say_settings("clu", 1);
	until(told_pid() != 0);
	pid = told_pid();
	supervisor_stop(hubd.s);
	assert_true(is_gone(pid));
	until(told_pid() == 0);
	assert_string_equal(told_status(), "stopped");
	say_settings("clu", 1);
	until(told_pid() != 0);
	assert_int_equal(hubd.named, 0);
}

/* opsd */

static void
test_server_outlives_opsd(void **state)
{
	pid_t pid;
	int told;

	say_settings("clu", 1);
	until(told_pid() != 0);
	pid = told_pid();
	told = opsd.told;
	opsd_end();
	until(hubd.downs == 1);
	opsd_start();
	/* The next one is told anew, though nothing changed. */
	until(hubd.ups == 2 && opsd.told > told);
	assert_int_equal(told_pid(), pid);
	assert_int_equal(hubd.applied, 1);
}

static void
test_state_is_told_when_it_changed(void **state)
{
	uint64_t end = mono_us() + 30000000;
	struct timeval tick = { 0, 1000 };
	int told, states;

	until(opsd.told > 0);
	told = opsd.told;
	states = hubd.states;
	supervisor_changed(hubd.s);
	until(hubd.states > states + 1);
	assert_int_equal(opsd.told, told);
	hubd.value = 7;
	supervisor_changed(hubd.s);
	until(told_value() == 7);
	/* Without a call, too. */
	hubd.value = 8;
	until(told_value() == 8);
	/* Changes that follow each other closely do not put it off. */
	told = opsd.told;
	while (opsd.told < told + 2 && mono_us() < end) {
		hubd.value++;
		supervisor_changed(hubd.s);
		event_base_once(base, -1, EV_TIMEOUT, until_wake_cb, NULL, &tick);
		event_base_loop(base, EVLOOP_ONCE);
	}
	assert_true(opsd.told >= told + 2);
	/* And some of them are told together. */
	assert_true(hubd.value > 8 + opsd.told - told);
}

static void
test_restart(void **state)
{
	chan_send(opsd.hubd, MSG_RESTART, NULL);
	until(hubd.restarts == 1);
	hubd.keep = 1;
	chan_send(opsd.hubd, MSG_RESTART, NULL);
	hubd.value = 1;
	until(told_value() == 1);
	assert_int_equal(hubd.restarts, 1);
}

static void
network_cb(struct rd *body, void *arg)
{
	*(uint32_t *)arg = body != NULL ? rd_u32(body) : 0;
}

static void
test_other_messages_are_the_daemons(void **state)
{
	struct buf b = { 0 };
	uint32_t got = 1;

	buf_u32(&b, 41);
	chan_call(opsd.hubd, MSG_NETWORK, &b, 0, network_cb, &got);
	until(got != 1);
	assert_int_equal(got, 42);
	/* One that is wrong drops the channel, not the daemon. */
	chan_call(opsd.hubd, MSG_NETWORK, NULL, 0, network_cb, &got);
	until(hubd.downs == 1);
	until(hubd.ups == 2);
	/* One that it has no handler for as well. */
	chan_send(opsd.hubd, MSG_PEER_REQ, NULL);
	until(hubd.downs == 2);
}

static void
test_instance_and_secret(void **state)
{
	struct supervisor *other = supervisor_new(&svc, &hubd_ops, &hubd);

	assert_int_equal(strlen(supervisor_instance(hubd.s)), 16);
	assert_int_equal(strlen(supervisor_secret(hubd.s)), 64);
	assert_string_not_equal(supervisor_instance(hubd.s), supervisor_instance(other));
	assert_string_not_equal(supervisor_secret(hubd.s), supervisor_secret(other));
	supervisor_free(other);
}

static int
setup_all(void **state)
{
	char *argv[] = { (char *)"hubd", (char *)"--ROOTPATH", folder, (char *)"--LOGGING_LEVEL",
		(char *)"error", NULL },
	     *err = NULL, *run;
	FILE *f;

	if (make_folder(state) == -1)
		return (-1);
	run = in_folder("run");
	(void)mkdir(run, 0700);
	free(run);
	svc.conf = conf_load(NULL, 5, argv, &err);
	if (svc.conf == NULL) {
		fprintf(stderr, "%s\n", err);
		return (-1);
	}
	binary = in_folder("nats-server");
	if ((f = fopen(binary, "w")) == NULL)
		return (-1);
	fprintf(f,
	    "#!/bin/sh\ncase $1 in --version) echo nats-server: v2.10.27; exit;; -t) exit;; esac\n"
	    "exec sleep 600\n");
	return (fclose(f) == 0 && chmod(binary, 0700) == 0 ? 0 : -1);
}

static int
teardown_all(void **state)
{
	conf_free(svc.conf);
	free(binary);
	return (remove_folder(state));
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_server_runs_while_enabled),
		test(test_settings_of_no_use),
		test(test_server_that_ended_is_started_again),
		test(test_new_configuration_is_a_restart),
		test(test_server_that_cannot_start_is_tried_again),
		test(test_stop_is_until_the_next_settings),
		test(test_server_outlives_opsd),
		test(test_state_is_told_when_it_changed),
		test(test_restart),
		test(test_other_messages_are_the_daemons),
		test(test_instance_and_secret),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test_supervisor", LOG_ERROR);
	return (cmocka_run_group_tests(tests, setup_all, teardown_all));
}
