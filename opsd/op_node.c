#include "config.h"

#include "op.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "cluster.h"
#include "mem.h"
#include "ops.h"

/* ---- information ---- */

static json_t *
about_system(struct request *r)
{
	struct utsname u;

	if (uname(&u) == -1)
		return (json_null());
	return (json_pack("{s:s, s:s, s:s, s:s}", "platform", u.sysname, "release", u.release,
	    "arch", u.machine, "hostname", u.nodename));
}

static json_t *
about_time(struct request *r)
{
	time_t now = time(NULL);
	struct sysinfo si = { 0 };
	struct tm tm;
	char zone[16];

	sysinfo(&si);
	localtime_r(&now, &tm);
	strftime(zone, sizeof(zone), "GMT%z", &tm);
	return (json_pack("{s:I, s:I, s:s, s:s}", "current", (json_int_t)wall_ms(), "uptime",
	    (json_int_t)si.uptime, "timezone", zone, "timezoneName", tm.tm_zone));
}

static json_t *
about_cpu(struct request *r)
{
	double load[3] = { 0, 0, 0 };

	if (getloadavg(load, 3) == -1)
		load[0] = load[1] = load[2] = 0;
	return (json_pack("{s:i, s:[f, f, f]}", "cores", (int)sysconf(_SC_NPROCESSORS_ONLN),
	    "avgLoad", load[0], load[1], load[2]));
}

/* A line such as "MemTotal:  1234 kB" of a file below /proc, in bytes; 0: none. */
static json_int_t
proc_bytes(const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	char line[256];
	long long kb = 0;
	size_t n = strlen(name);

	if (f == NULL)
		return (0);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, n) == 0 && line[n] == ':') {
			kb = atoll(line + n + 1);
			break;
		}
	fclose(f);
	return ((json_int_t)kb * 1024);
}

static json_t *
about_memory(struct request *r)
{
	static const char *const names[][2] = {
		{ "total", "MemTotal" }, { "free", "MemFree" }, { "available", "MemAvailable" },
		{ "active", "Active" }, { "swaptotal", "SwapTotal" }, { "swapfree", "SwapFree" },
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(o, names[i][0],
		    json_integer(proc_bytes("/proc/meminfo", names[i][1])));
	json_object_set_new(o, "used", json_integer(
	    json_integer_value(json_object_get(o, "total")) -
	    json_integer_value(json_object_get(o, "free"))));
	json_object_set_new(o, "swapused", json_integer(
	    json_integer_value(json_object_get(o, "swaptotal")) -
	    json_integer_value(json_object_get(o, "swapfree"))));
	return (o);
}

static json_t *
about_disk(struct request *r)
{
	struct conf *conf = ops_conf(r->ops);
	const char *path = conf_str(conf, STORAGE_PATH);
	struct statvfs v;
	json_t *o = NULL;

	if (statvfs(path, &v) == 0)
		o = json_pack("{s:s, s:I, s:I}", "path", path, "size",
		    (json_int_t)(v.f_blocks * v.f_frsize), "available",
		    (json_int_t)(v.f_bavail * v.f_frsize));
	conf_free(conf);
	return (o != NULL ? o : json_null());
}

static json_t *
about_hubleaf(struct request *r)
{
	return (json_pack("{s:s, s:i, s:I, s:I}", "version", PACKAGE_VERSION, "pid", (int)getpid(),
	    "uptime_ms", (json_int_t)((mono_us() - r->ops->started_us) / 1000), "memory",
	    proc_bytes("/proc/self/status", "VmRSS")));
}

static json_t *
about_nats(struct request *r)
{
	json_t *o = cluster_servers(r->ops->cluster);

	return (o != NULL ? o : json_object());
}

static const struct {
	const char	*name;
	json_t		*(*get)(struct request *r);
} abouts[] = {
	{ "system", about_system }, { "time", about_time }, { "cpu", about_cpu },
	{ "memory", about_memory }, { "disk", about_disk }, { "hubleaf", about_hubleaf },
	{ "nats", about_nats },
};

/* Whether the list is not there, or has the name. */
static int
wanted(const json_t *list, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), name) == 0)
			return (1);
	return (list == NULL);
}

static void
system_information(struct request *r)
{
	struct faults f = { 0 };
	const json_t *list = field_array(&f, r->body, "attributes", 0);
	json_t *o;

	if (op_faults(r, &f))
		return;
	o = json_object();
	for (size_t i = 0; i < sizeof(abouts) / sizeof(abouts[0]); i++)
		if (wanted(list, abouts[i].name))
			json_object_set_new(o, abouts[i].name, abouts[i].get(r));
	reply_json(r, 200, o);
}

static void
registration_info(struct request *r)
{
	reply_json(r, 200, json_pack("{s:b, s:s, s:n, s:n}", "registered", 0, "version",
	    PACKAGE_VERSION, "ram_allocation", "license_expiration_date"));
}

const struct op ops_node[] = {
	{ "system_information", "systemInformation", RIGHT_SUPER, ON_WORKER, system_information },
	{ "registration_info", "registrationInfo", RIGHT_ANYONE, ON_HTTP, registration_info },
	{ NULL }
};
