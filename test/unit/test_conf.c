#include "config.h"

#include "common/conf/conf.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/conf/confmtls.h"

static char dir[PATH_MAX], file[PATH_MAX + 32], settings[PATH_MAX + 32];

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof dir, "%s/hubleaf-conf-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		return (-1);
	snprintf(file, sizeof file, "%s/hubleaf.yaml", dir);
	snprintf(settings, sizeof settings, "%s/settings.yaml", dir);
	setenv("ROOTPATH", dir, 1);
	return (0);
}

/* conf_save keeps the file that was there. */
static void
drop_backup(void)
{
	char *path = xasprintf("%s/backup", dir), *file_path;
	struct dirent *e;
	DIR *d = opendir(path);

	while (d != NULL && (e = readdir(d)) != NULL) {
		file_path = xasprintf("%s/%s", path, e->d_name);
		unlink(file_path);
		free(file_path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(path);
	free(path);
}

static int
teardown(void **state)
{
	unlink(file);
	unlink(settings);
	drop_backup();
	unsetenv("CLUSTERING_NODENAME");
	return (rmdir(dir));
}

static struct conf *
load(const char *text, int argc, char **argv)
{
	struct conf *c;
	char *err;

	put(file, text);
	c = conf_load(file, argc, argv, &err);
	if (c == NULL)
		fail_msg("%s", err);
	return (c);
}

/* Without the file and the line that each begins with. */
static void
expect_faults(char *err, const char *want)
{
	char *all = xstrdup(""), *line, *rest = err, *longer, *end;

	while ((line = strsep(&rest, "\n")) != NULL) {
		end = line[0] == '/' ? strstr(line, ": ") : NULL;
		if (end != NULL && end[-1] >= '0' && end[-1] <= '9')
			line = end + 2;
		longer = xasprintf("%s%s%s", all, *all != '\0' ? "\n" : "", line);
		free(all);
		all = longer;
	}
	assert_string_equal(all, want);
	free(all);
	free(err);
}

static void
load_fails(const char *text, const char *want)
{
	char *err;

	put(file, text);
	assert_null(conf_load(file, 0, NULL, &err));
	expect_faults(err, want);
}

static void
test_faults_say_where(void **state)
{
	char *err,
	    *want = xasprintf(
		"%s:2: 'threads' must be a number\n"
		"%s:4: unknown key 'clustering.nodname', did you mean 'clustering.nodeName'?\n"
		"%s:6: 'clustering.hubServer.cluster.network.routes[0].port' is required\n"
		"%s:6: 'clustering.hubServer.cluster.network.routes[1].host' is required\n"
		"%s:7: 'logging' must be an object",
		file, file, file, file, file);

	put(file,
	    "# a comment\nthreads: many\nclustering:\n  nodname: x\n  hubServer: {cluster: {\n"
	    "    network: {routes: [{host: a}, {port: 1}]}}}\nlogging: 3\n");
	assert_null(conf_load(file, 0, NULL, &err));
	assert_string_equal(err, want);
	free(err);
	free(want);
}

static void
test_misspelt_variables(void **state)
{
	char *text;

	setenv("CLUSTERING_NODNAME", "x", 1);
	setenv("ROOTPAHT", "/x", 1);
	setenv("HDB_ADMIN_USRNAME", "x", 1);
	/* known, of others, or far from any of ours */
	setenv("CLUSTERING_PASSWORD", "x", 1);
	setenv("CLUSTERING_SERVICE_HOST", "10.0.0.1", 1);
	setenv("CLUSTERING_PORT_TCP_ADDR", "10.0.0.1", 1);
	setenv("LOGNAME", "x", 1);
	text = conf_env_warnings();
	assert_non_null(text);
	assert_non_null(strstr(text,
	    "'CLUSTERING_NODNAME' is not known, did you mean 'CLUSTERING_NODENAME'?"));
	assert_non_null(strstr(text, "'ROOTPAHT' is not known, did you mean 'ROOTPATH'?"));
	assert_non_null(strstr(text,
	    "'HDB_ADMIN_USRNAME' is not known, did you mean 'HDB_ADMIN_USERNAME'?"));
	assert_null(strstr(text, "SERVICE"));
	assert_null(strstr(text, "TCP_ADDR"));
	assert_null(strstr(text, "LOGNAME"));
	assert_null(strstr(text, "CLUSTERING_PASSWORD"));
	free(text);
	unsetenv("CLUSTERING_NODNAME");
	unsetenv("ROOTPAHT");
	unsetenv("HDB_ADMIN_USRNAME");
	unsetenv("CLUSTERING_PASSWORD");
	unsetenv("CLUSTERING_SERVICE_HOST");
	unsetenv("CLUSTERING_PORT_TCP_ADDR");
	assert_null(conf_env_warnings());
}

/* Whatever this host has. */
static void
test_a_file_alone(void **state)
{
	char *err;
	struct conf *c;

	put(file, "threads: 3\n");
	setenv("THREADS", "many", 1);
	assert_null(conf_load(file, 0, NULL, &err));
	free(err);
	c = conf_load_file(file, 0, NULL, &err);
	assert_non_null(c);
	assert_int_equal(conf_int(c, API_THREADS), 3);
	conf_free(c);
	unsetenv("THREADS");
}

static void
flag_fails(const char *flag, const char *value, const char *want)
{
	char *argv[] = { xstrdup(flag), xstrdup(value), NULL }, *err;

	assert_null(conf_load(NULL, value != NULL ? 2 : 1, argv, &err));
	assert_string_equal(err, want);
	free(err);
	free(argv[0]);
	free(argv[1]);
}

static void
test_defaults(void **state)
{
	struct conf *c = load("", 0, NULL);
	char want[PATH_MAX + 32], *path;

	assert_string_equal(conf_str(c, ROOT_PATH), dir);
	snprintf(want, sizeof want, "%s/run", dir);
	assert_string_equal(conf_str(c, RUN_PATH), want);
	assert_null(conf_str(c, CL_NODENAME));
	assert_false(conf_bool(c, CL_ENABLED));
	assert_int_equal(conf_int(c, API_PORT), 9925);
	assert_int_equal(conf_int(c, API_SECURE_PORT), 0);
	assert_int_equal(conf_int(c, LOGGING_AUDIT_RETENTION), 3 * 86400);
	assert_string_equal(conf_str(c, LOGGING_LEVEL), "info");
	assert_int_equal(json_array_size(conf_list(c, HUB_ROUTES)), 0);
	assert_false(conf_is_set(c, API_PORT));
	assert_true(conf_is_set(c, ROOT_PATH));
	path = conf_run_path(c, "ops.sock");
	snprintf(want, sizeof want, "%s/run/ops.sock", dir);
	assert_string_equal(path, want);
	free(path);
	conf_free(c);
}

static void
test_precedence(void **state)
{
	char *argv[] = { (char *)"opsd", (char *)"--clustering_nodename", (char *)"flag", NULL };
	struct conf *c;

	put(settings, "clustering: {nodeName: settings, user: s}\nthreads: null\n");
	c = load("clustering: {nodeName: file, user: f, statusInterval: 500}\nthreads: 3\n", 0,
	    NULL);
	assert_string_equal(conf_str(c, CL_NODENAME), "settings");
	assert_string_equal(conf_str(c, CL_USER), "s");
	assert_int_equal(conf_int(c, CL_STATUS_INTERVAL), 500);
	assert_int_equal(conf_int(c, API_THREADS), 0); /* null in the settings hides the file's */
	conf_free(c);
	setenv("clustering_NodeName", "env", 1);
	c = load("clustering: {nodeName: file}\n", 0, NULL);
	assert_string_equal(conf_str(c, CL_NODENAME), "env");
	conf_free(c);
	c = load("clustering: {nodeName: file}\n", 3, argv);
	assert_string_equal(conf_str(c, CL_NODENAME), "flag");
	conf_free(c);
	unsetenv("clustering_NodeName");
}

static void
test_text_is_cast(void **state)
{
	char *argv[] = { (char *)"--OPERATIONSAPI_NETWORK_PORT=80",
		(char *)"--Clustering_Republishmessages", (char *)"TRUE",
		(char *)"--LOGGING_AUDITRETENTION=12h", (char *)"--CLUSTERING_NODENAME=123",
		(char *)"--LOGGING_LEVEL=Debug", (char *)"--THREADS=null", NULL };
	struct conf *c;

	setenv("CLUSTERING_HUBSERVER_CLUSTER_NETWORK_ROUTES", "[{\"host\":\"a\",\"port\":1}]", 1);
	setenv("CLUSTERING_NOT_A_KEY", "x", 1);
	setenv("CLUSTERING_USER", "", 1);
	c = load("", 7, argv);
	assert_int_equal(conf_int(c, API_PORT), 80);
	assert_true(conf_bool(c, CL_REPUBLISH));
	assert_int_equal(conf_int(c, LOGGING_AUDIT_RETENTION), 12 * 3600);
	assert_string_equal(conf_str(c, CL_NODENAME), "123");
	assert_string_equal(conf_str(c, LOGGING_LEVEL), "debug");
	assert_int_equal(json_array_size(conf_list(c, HUB_ROUTES)), 1);
	assert_null(conf_str(c, CL_USER));
	conf_free(c);
	setenv("CLUSTERING_HUBSERVER_CLUSTER_NETWORK_ROUTES", "null", 1);
	setenv("CLUSTERING_USER", "null", 1);
	c = load("clustering: {user: f}\n", 7, argv);
	assert_null(conf_str(c, CL_USER));
	assert_int_equal(json_array_size(conf_list(c, HUB_ROUTES)), 0);
	conf_free(c);
	unsetenv("CLUSTERING_HUBSERVER_CLUSTER_NETWORK_ROUTES");
	unsetenv("CLUSTERING_NOT_A_KEY");
	unsetenv("CLUSTERING_USER");
}

static void
test_faults(void **state)
{
	char *list;

	load_fails("clustering: {enabled: maybe}\n", "'clustering.enabled' must be a boolean");
	load_fails("operationsApi: {network: {port: x}}\n",
	    "'operationsApi.network.port' must be a number");
	load_fails("operationsApi: {network: {port: 65536}}\n",
	    "'operationsApi.network.port' must be between 1 and 65535");
	load_fails("operationsApi: {network: {port: 1.5}}\n",
	    "'operationsApi.network.port' must be an integer");
	load_fails("storage: {cacheSize: 1}\n",
	    "'storage.cacheSize' must be greater than or equal to 1048576");
	load_fails("clustering: {logLevel: loud}\n",
	    "'clustering.logLevel' must be one of [trace, debug, info, warn, error]");
	load_fails("clustring: {enabled: true}\n",
	    "unknown key 'clustring.enabled', did you mean 'clustering.enabled'?");
	load_fails("clustering: {nodename: a.b}\n",
	    "'clustering.nodeName' must be 1 to 250 "
	    "characters without '.', ',', '*', '>' and white space");
	load_fails("clustering: {nodeName: 5}\n", "'clustering.nodeName' must be a string");
	load_fails("clustering: {user: ''}\n", "'clustering.user' is not allowed to be empty");
	load_fails("clustering: {user: \"a\\nb\"}\n",
	    "'clustering.user' must not contain control characters");
	load_fails("clustering: 1\n", "'clustering' must be an object");
	load_fails("logging: {auditRetention: 3w}\n",
	    "'logging.auditRetention' must be "
	    "a number of seconds, or such as 30s, 10m, 12h, 3d");
	list = xasprintf("%s: must hold keys and values", file);
	load_fails("[1]\n", list);
	free(list);
	load_fails("threads: x\nlogging: {auditLog: 3}\n",
	    "'threads' must be a number\n'logging.auditLog' must be a boolean");
	load_fails("clustering: {enabled: true}\n",
	    "'clustering.nodeName' is required when clustering is enabled\n"
	    "'clustering.user' is required when clustering is enabled");
	load_fails("operationsApi: {network: {securePort: 9925}}\n",
	    "operationsApi.network.port "
	    "and operationsApi.network.securePort cannot be the same value");
	flag_fails("--CLUSTRING_NODENAME", "x",
	    "unknown flag '--CLUSTRING_NODENAME', did you mean '--CLUSTERING_NODENAME'?");
	flag_fails("--THREADS", NULL, "'--THREADS' needs a value");
	flag_fails("--THREADS", "many", "'threads' must be a number");
}

static void
test_routes(void **state)
{
#define HUB  "clustering: {hubServer: {cluster: {network: {routes: "
#define LEAF "clustering: {leafServer: {network: {routes: "
#define NAME "'clustering.hubServer.cluster.network.routes"
	struct conf *c = load(LEAF "[{host: a.b, port: 7, tls: true, separate: false},"
				   "{host: '::1', port: 443, tls: wss}]}}}\n",
	    0, NULL);

	assert_int_equal(json_array_size(conf_list(c, LEAF_ROUTES)), 2);
	conf_free(c);
	load_fails(HUB "[{host: a, port: x}]}}}}\n", NAME "[0].port' must be a number");
	load_fails(HUB "[{host: a, port: 0}]}}}}\n", NAME "[0].port' must be between 1 and 65535");
	load_fails(HUB "[{port: 1}]}}}}\n", NAME "[0].host' is required");
	load_fails(HUB "[{host: 1, port: 1}]}}}}\n", NAME "[0].host' must be a string");
	load_fails(HUB "[{host: 'a b', port: 1}]}}}}\n",
	    NAME "[0].host' must be a host name or an address");
	load_fails(HUB "[{host: a.b..c, port: 1}]}}}}\n",
	    NAME "[0].host' must be a host name or an address");
	load_fails(HUB "[{host: '-x', port: 1}]}}}}\n",
	    NAME "[0].host' must be a host name or an address");
	load_fails(HUB "[{host: a, port: 1, tls: true}]}}}}\n", NAME "[0].tls' is not allowed");
	load_fails(HUB "[{host: a, port: 1, prot: 1}]}}}}\n",
	    NAME "[0].prot' is not allowed, did you mean 'port'?");
	load_fails(LEAF "[{host: a, port: 1, separat: true}]}}}\n",
	    "'clustering.leafServer.network.routes[0].separat' is not allowed, did you mean 'separate'?");
	load_fails(LEAF "[{host: a, port: 1, tls: yes please}]}}}\n",
	    "'clustering.leafServer.network.routes[0].tls' must be true, false or \"wss\"");
	load_fails(HUB "[1]}}}}\n", NAME "[0]' must be an object");
	load_fails(HUB "x}}}}\n", NAME "' must be an array");
}

static void
test_words(void **state)
{
#define CORS "operationsApi: {network: {corsAccessList: "
	struct conf *c = load(CORS "['https://a.example', '*']}}\n", 0, NULL);

	assert_int_equal(json_array_size(conf_list(c, API_CORS_LIST)), 2);
	conf_free(c);
	c = load(CORS "null}}\n", 0, NULL);
	assert_int_equal(json_array_size(conf_list(c, API_CORS_LIST)), 0);
	conf_free(c);
	load_fails(CORS "[1]}}\n", "'operationsApi.network.corsAccessList[0]' must be a string");
	load_fails(CORS "['']}}\n", "'operationsApi.network.corsAccessList[0]' must be a string");
	load_fails(CORS "'*'}}\n", "'operationsApi.network.corsAccessList' must be an array");
}

static void
test_tree(void **state)
{
	struct conf *c = load("clustering: {nodeName: n1}\nstorage: {path: data}\n", 0, NULL), *d;
	json_t *tree = conf_tree(c), *again, *cl = json_object_get(tree, "clustering");
	char *err, want[PATH_MAX + 32];

	assert_string_equal(json_object_iter_key(json_object_iter(tree)), "rootPath");
	assert_string_equal(json_string_value(json_object_get(cl, "nodeName")), "n1");
	assert_true(json_is_null(json_object_get(cl, "user")));
	snprintf(want, sizeof want, "%s/data", dir);
	assert_string_equal(conf_str(c, STORAGE_PATH), want);
	json_object_set_new(tree, "keyOfALaterVersion", json_integer(1));
	d = conf_from_tree(tree, &err);
	assert_non_null(d);
	json_object_del(tree, "keyOfALaterVersion");
	again = conf_tree(d);
	assert_true(json_equal(tree, again));
	json_decref(again);
	json_decref(tree);
	conf_free(d);
	conf_free(c);
	tree = json_pack("{s:s}", "threads", "x");
	assert_null(conf_from_tree(tree, &err));
	assert_string_equal(err, "'threads' must be a number");
	free(err);
	json_decref(tree);
	assert_null(conf_from_tree(NULL, &err));
	free(err);
}

static void
set(struct conf *c, enum conf_key key, json_t *v, const char *want)
{
	char *err;

	if (want == NULL) {
		assert_int_equal(conf_set(c, key, v, &err), 0);
	} else {
		assert_int_equal(conf_set(c, key, v, &err), -1);
		assert_string_equal(err, want);
		free(err);
	}
	json_decref(v);
}

static void
test_set_and_save(void **state)
{
	struct conf *c, *d;
	char *err;

	put(settings, "storage: {reserve: 5}\n");
	c = load("threads: 3\n", 0, NULL);
	d = conf_dup(c);
	set(d, API_PORT, json_string("x"), "'operationsApi.network.port' must be a number");
	set(d, ROOT_PATH, json_string("/x"),
	    "'rootPath' cannot be set here: the settings lie below it");
	set(d, LOGGING_AUDIT_RETENTION, json_string("1h"), NULL);
	set(d, LOG_ROTATE_SIZE, json_string("2k"), NULL);
	assert_int_equal(conf_int(d, LOG_ROTATE_SIZE), 2048);
	set(d, LOG_ROTATE_SIZE, json_string("2T"),
	    "'logging.rotation.maxSize' must be a number of bytes, or such as 512K, 64M, 1G");
	set(d, API_PORT, json_string("undefined"), NULL);
	set(d, CL_USER, json_string("null"), NULL);
	set(d, API_THREADS, json_null(), NULL);
	set(d, CL_ENABLED, json_true(), NULL);
	set(d, CL_NODENAME, json_string("true"), NULL);
	assert_int_equal(conf_save(d, &err), -1);
	assert_string_equal(err, "'clustering.user' is required when clustering is enabled");
	free(err);
	set(d, CL_USER, json_string("u"), NULL);
	assert_int_equal(conf_check(d, &err), 0);
	assert_int_equal(conf_save(d, &err), 0);
	assert_int_equal(conf_int(c, LOGGING_AUDIT_RETENTION), 3 * 86400);
	assert_int_equal(conf_int(d, LOGGING_AUDIT_RETENTION), 3600);
	conf_free(c);
	conf_free(d);
	c = load("threads: 3\n", 0, NULL);
	assert_int_equal(conf_int(c, LOGGING_AUDIT_RETENTION), 3600);
	assert_int_equal(conf_int(c, STORAGE_RESERVE), 5);
	assert_int_equal(conf_int(c, API_THREADS), 0);
	assert_true(conf_bool(c, CL_ENABLED));
	assert_string_equal(conf_str(c, CL_NODENAME), "true");
	assert_false(conf_is_set(c, API_PORT));
	conf_free(c);
	put(settings, "rootPath: /x\n");
	load_fails("", "'rootPath' cannot be set here: the settings lie below it");
}

static void
test_mtls(void **state)
{
	static const char head[] =
	    "tls:\n  certificateAuthority: ca.pem\noperationsApi:\n  network:\n"
	    "    securePort: 1\n    mtls: ";
	static const struct {
		const char *text;
		int asks, required, maps;
		const char *user;
	} cases[] = {
		{ "false", 0, 0, 1, NULL },
		{ "true", 1, 0, 1, NULL },
		{ "{required: true}", 1, 1, 1, NULL },
		{ "{user: ann, required: false}", 1, 0, 1, "ann" },
		{ "{user: null, required: true}", 1, 1, 0, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = xasprintf("%s%s\n", head, cases[i].text);
		struct conf *c = load(text, 0, NULL);
		struct confmtls m = confmtls(c);

		assert_int_equal(m.asks, cases[i].asks);
		assert_int_equal(m.required, cases[i].required);
		assert_int_equal(m.maps, cases[i].maps);
		if (cases[i].user != NULL)
			assert_string_equal(m.user, cases[i].user);
		else
			assert_null(m.user);
		conf_free(c);
		free(text);
	}
}

static void
test_mtls_of_http(void **state)
{
	struct conf *c = load("http:\n  mtls:\n    user: ann\n", 0, NULL);

	assert_string_equal(confmtls(c).user, "ann");
	conf_free(c);
	c = load("http:\n  mtls: true\noperationsApi:\n  network:\n    mtls: false\n", 0, NULL);
	assert_false(confmtls(c).asks);
	conf_free(c);
}

static void
test_bad_mtls(void **state)
{
	load_fails("http:\n  mtls: 1\n",
	    "'http.mtls' must be true, false or an object {user, required}");
	load_fails("http:\n  mtls:\n    user: 7\n",
	    "'http.mtls.user' must be the name of a user, or null");
	load_fails("http:\n  mtls:\n    user: ''\n",
	    "'http.mtls.user' must be the name of a user, or null");
	load_fails("http:\n  mtls:\n    required: x\n", "'http.mtls.required' must be a boolean");
	load_fails("http:\n  mtls:\n    users: x\n", "'http.mtls.users' is not allowed");
	load_fails("http:\n  mtls: true\noperationsApi:\n  network:\n    securePort: 1\n",
	    "'tls.certificateAuthority' is required when 'http.mtls' is set: it says whose certificates of clients count");
}

static void
test_names(void **state)
{
	assert_int_equal(conf_find("clustering.nodeName"), CL_NODENAME);
	assert_int_equal(conf_find("CLUSTERING_NODENAME"), CL_NODENAME);
	assert_int_equal(conf_find("clustering_nodename"), CL_NODENAME);
	assert_int_equal(conf_find("clustering"), -1);
	assert_int_equal(conf_find("clustering.nodeNam"), -1);
	assert_int_equal(conf_find(""), -1);
	assert_string_equal(conf_name(API_PORT), "operationsApi.network.port");
	assert_true(conf_is_peers("http.port") && conf_is_peers("HTTP_PORT"));
	assert_true(conf_is_peers("databases") && conf_is_peers("databases_dev_path"));
	assert_true(conf_is_peers("replication_mtls") && conf_is_peers("replication.mtls.x"));
	assert_false(conf_is_peers("http") || conf_is_peers("http_prot") ||
	    conf_is_peers("http_ports"));
	assert_false(conf_is_peers("databas") || conf_is_peers("databases2") || conf_is_peers(""));
	assert_string_equal(conf_nearest("thread"), "threads");
	assert_string_equal(conf_nearest("loging.levl"), "logging.level");
	assert_string_equal(conf_nearest("http.timeout"), "operationsApi.network.timeout");
	assert_string_equal(conf_nearest("HTTP_CORSACCESSLIST"),
	    "operationsApi.network.corsAccessList");
	assert_string_equal(conf_nearest("http_port"), "operationsApi.network.port");
	assert_string_equal(conf_nearest("operationsApi.tls.certificate"), "tls.certificate");
	assert_string_equal(conf_nearest("operationsApi.authentication.refreshTokenTimeout"),
	    "authentication.refreshTokenTimeout");
	assert_string_equal(conf_nearest("NODE_NAME"), "clustering.nodeName");
	assert_string_equal(conf_nearest("clustering_port"),
	    "clustering.hubServer.cluster.network.port");
	assert_int_equal(conf_change(API_PORT), CONF_RESTART);
	assert_int_equal(conf_change(HUB_ROUTES), CONF_LIVE);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_defaults),
		test(test_precedence),
		test(test_text_is_cast),
		test(test_faults),
		test(test_faults_say_where),
		test(test_misspelt_variables),
		test(test_a_file_alone),
		test(test_routes),
		test(test_words),
		test(test_tree),
		test(test_set_and_save),
		test(test_mtls),
		test(test_mtls_of_http),
		test(test_bad_mtls),
		test(test_names),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
