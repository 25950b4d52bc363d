#include "config.h"

#include "opsd/op/op.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "opsd/op/linkroutes.h"
#include "opsd/op/node.h"

/* get_configuration, set_configuration. */

/* The next start finds another value than the one that is in force. */
static void
add_pending(json_t *list, const struct conf *now, const struct conf *next, const char *needs)
{
	for (int i = 0; i < CONF_KEYS; i++) {
		enum conf_key key = (enum conf_key)i;

		if (!conf_equal(now, next, key))
			json_array_append_new(list,
			    json_pack("{s:s, s:o, s:o, s:s}", "key", conf_name(key), "in_memory",
				natsconf_shown(key, conf_value(now, key)), "on_disk",
				natsconf_shown(key, conf_value(next, key)), "needs",
				needs != NULL                     ? needs :
				    conf_change(key) == CONF_LIVE ? "reload" :
								    "restart"));
	}
}

/*
 * What is set, nested; and when something else is in force, or the files were changed by
 * hand, "pending" says so.
 */
static void
get_configuration(struct request *r)
{
	struct svc *svc = r->ops->data.svc;
	struct conf *now = data_conf(&r->ops->data), *set = ops_conf_set(r->ops);
	char *err = NULL;
	struct conf *disk = conf_load(svc->conf_file, svc->argc, svc->argv, &err);
	json_t *tree = natsconf_tree(set), *pending = json_array();

	if (disk != NULL)
		add_pending(pending, now, disk, NULL);
	else {
		add_pending(pending, now, set, "restart");
		json_object_set_new(tree, "pending_error", json_string(err));
	}
	if (json_array_size(pending) > 0)
		json_object_set(tree, "pending", pending);
	json_decref(pending);
	free(err);
	conf_free(disk);
	conf_free(set);
	conf_free(now);
	reply_json(r, 200, tree);
}

#define PATH_LONGEST 1000

struct setting_check {
	struct conf *conf;
	struct faults *faults;
	json_t *changes; /* by the keys' own names */
	json_t *skipped; /* names that only peers know */
};

/* What a file may say, as a clock may be wrong when the node starts, and no call. */
static void
check_start_times(struct setting_check *c, enum conf_key key)
{
	const char *start = conf_str(c->conf, REP_START_TIME);

	if (key == REP_START_TIME && start != NULL)
		field_date_not_future(c->faults, conf_name(key), start);
	if (key == REP_ROUTES)
		linkroutes_check_starts(c->faults, conf_name(key), conf_list(c->conf, key));
}

/* Each by itself: so that all faults are said. */
static void
check_value(struct setting_check *c, enum conf_key key, json_t *v)
{
	char *err = NULL;

	if (json_object_get(c->changes, conf_name(key)) != NULL)
		fault(c->faults, "'%s' is given twice", conf_name(key));
	else if (conf_set(c->conf, key, v, &err) == -1)
		fault_lines(c->faults, err);
	else {
		check_start_times(c, key);
		json_object_set(c->changes, conf_name(key), v);
	}
}

static void check_section(struct setting_check *c, const char *name, json_t *section);

static void
check_setting(struct setting_check *c, const char *name, json_t *v)
{
	int key = conf_find(name);

	if (key != -1)
		check_value(c, (enum conf_key)key, v);
	else if (json_is_object(v) && conf_is_section(name))
		check_section(c, name, v);
	else if (conf_is_peers(name))
		json_array_append_new(c->skipped, json_string(name));
	else if (json_is_object(v))
		check_section(c, name, v);
	else if (conf_is_section(name))
		fault(c->faults, "'%.100s' must be an object: keys stand below it", name);
	else
		fault(c->faults, "'%.100s' is not a configuration key, the nearest is '%s'", name,
		    conf_nearest(name));
}

/* An object is the keys below its name: {"jobs":{"retention":"3d"}} is jobs_retention. */
static void
check_section(struct setting_check *c, const char *name, json_t *section)
{
	const char *below;
	char *path;
	json_t *v;

	if (json_object_size(section) == 0)
		fault(c->faults, "'%.100s' is empty: it must have a configuration key", name);
	json_object_foreach(section, below, v) {
		path = xasprintf("%s_%s", name, below);
		if (strlen(path) > PATH_LONGEST)
			fault(c->faults, "'%.100s...' is nested too deep", path);
		else
			check_setting(c, path, v);
		free(path);
	}
}

static void
check_settings(struct request *r, struct faults *f, json_t *changes, json_t *skipped)
{
	struct setting_check c = { ops_conf_set(r->ops), f, changes, skipped };
	const char *name;
	json_t *v;

	json_object_foreach(r->body, name, v)
		if (strcmp(name, "operation") != 0 && strcmp(name, "hdb_user") != 0)
			check_setting(&c, name, v);
	if (f->n == 0 && json_object_size(changes) + json_array_size(skipped) == 0)
		fault(f, "a configuration key is required");
	conf_free(c.conf);
}

static void
add_skipped(struct buf *message, const json_t *skipped)
{
	size_t i, n = json_array_size(skipped);

	buf_addf(message, " Skipped, as this node has no such key%s: ", n == 1 ? "" : "s");
	for (i = 0; i < n; i++)
		buf_addf(message, "%s%s", i > 0 ? ", " : "",
		    json_string_value(json_array_get(skipped, i)));
	buf_u8(message, '.');
}

/* Takes both. */
static void
reply_changed(struct request *r, json_t *report, json_t *skipped)
{
	struct buf message = { 0 };
	size_t restart = json_array_size(json_object_get(report, "restart"));
	size_t live = json_array_size(json_object_get(report, "live"));

	buf_addf(&message, "%s",
	    restart > 0 ?
		"Configuration successfully set. You must restart HarperDB for new config settings "
		"to take effect." :
		live > 0 ? "Configuration successfully set." :
			   "Configuration successfully set. Nothing was changed.");
	if (json_array_size(skipped) > 0) {
		add_skipped(&message, skipped);
		json_object_set(report, "skipped", skipped);
	}
	json_object_set_new(report, "message",
	    json_stringn((const char *)message.data, message.len));
	buf_free(&message);
	json_decref(skipped);
	reply_json(r, 200, report);
}

static void
set_configuration(struct request *r)
{
	struct faults f = { 0 };
	json_t *changes = json_object(), *skipped = json_array(), *report = NULL;
	char *err = NULL;
	int status;

	check_settings(r, &f, changes, skipped);
	if (faults_answer(r, &f)) {
		json_decref(skipped);
		json_decref(changes);
		return;
	}
	status = ops_change_conf(r->ops, changes, &report, &err);
	json_decref(changes);
	if (status == 200) {
		reply_changed(r, report, skipped);
		return;
	}
	json_decref(skipped);
	json_decref(report);
	if (status == 400) {
		fault_lines(&f, err);
		faults_answer(r, &f);
		return;
	}
	reply_error(r, status, "%s", err);
	free(err);
}

const struct op ops_conf_ops[] = {
	{ "get_configuration", "getConfiguration", RIGHT_SUPER, ON_WORKER, get_configuration },
	{ "set_configuration", "setConfiguration", RIGHT_ADMIN, ON_WORKER, set_configuration },
	{ NULL },
};
