#include "config.h"

#include "opsd/watch/host.h"

#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

char *
host_line(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[4096], *got;

	if (f == NULL)
		return (NULL);
	got = fgets(line, sizeof(line), f);
	fclose(f);
	if (got == NULL)
		return (NULL);
	line[strcspn(line, "\n")] = '\0';
	return (xstrdup(line));
}

/* The value of "name: value" or name="value", as text; NULL: no such line.  Caller frees. */
static char *
file_value(const char *path, const char *name, char sign)
{
	FILE *f = fopen(path, "re");
	char line[4096], *found = NULL;
	size_t n = strlen(name);

	while (f != NULL && found == NULL && fgets(line, sizeof(line), f) != NULL) {
		char *p = line + n;

		if (strncmp(line, name, n) != 0)
			continue;
		p += strspn(p, " \t");
		if (*p != sign)
			continue;
		p++;
		p += strspn(p, " \t\"");
		p[strcspn(p, "\"\n")] = '\0';
		found = xstrdup(p);
	}
	if (f != NULL)
		fclose(f);
	return (found);
}

static void
put_text(json_t *o, const char *name, char *text)
{
	if (text != NULL)
		json_object_set_new(o, name, json_string(text));
	free(text);
}

json_t *
host_system(void)
{
	json_t *o = json_object();
	struct utsname u;

	if (uname(&u) == -1)
		return (o);
	put_text(o, "platform", xstrdup("linux"));
	put_text(o, "distro", file_value("/etc/os-release", "NAME", '='));
	put_text(o, "release", file_value("/etc/os-release", "VERSION_ID", '='));
	put_text(o, "codename", file_value("/etc/os-release", "VERSION_CODENAME", '='));
	put_text(o, "kernel", xstrdup(u.release));
	put_text(o, "arch", xstrdup(u.machine));
	put_text(o, "hostname", xstrdup(u.nodename));
	return (o);
}

json_t *
host_time(void)
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

/* ---- processors ---- */

struct ticks {
	unsigned long long user, system, idle, all;
};

static struct ticks
read_ticks(void)
{
	unsigned long long v[8] = { 0 };
	struct ticks t = { 0 };
	char *line = host_line("/proc/stat");

	if (line != NULL)
		sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
		    &v[3], &v[4], &v[5], &v[6], &v[7]);
	free(line);
	t.user = v[0] + v[1];
	t.system = v[2] + v[5] + v[6];
	t.idle = v[3] + v[4];
	t.all = t.user + t.system + t.idle + v[7];
	return (t);
}

static double
percent_of(unsigned long long part, unsigned long long of)
{
	return (of > 0 ? 100.0 * (double)part / (double)of : 0);
}

static json_t *
current_load(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct ticks last;
	struct ticks now = read_ticks(), was;
	double load[3] = { 0, 0, 0 }, idle;
	unsigned long long all;

	pthread_mutex_lock(&lock);
	was = last;
	last = now;
	pthread_mutex_unlock(&lock);
	if (getloadavg(load, 3) == -1)
		load[0] = load[1] = load[2] = 0;
	all = now.all - was.all;
	idle = percent_of(now.idle - was.idle, all);
	return (json_pack("{s:f, s:[f, f, f], s:f, s:f, s:f, s:f}", "avgload", load[0], "avgloads",
	    load[0], load[1], load[2], "currentload", all > 0 ? 100.0 - idle : 0.0,
	    "currentload_user", percent_of(now.user - was.user, all), "currentload_system",
	    percent_of(now.system - was.system, all), "currentload_idle", idle));
}

json_t *
host_cpu(void)
{
	json_t *o = json_object();
	char *mhz = file_value("/proc/cpuinfo", "cpu MHz", ':');

	put_text(o, "vendor", file_value("/proc/cpuinfo", "vendor_id", ':'));
	put_text(o, "brand", file_value("/proc/cpuinfo", "model name", ':'));
	put_text(o, "family", file_value("/proc/cpuinfo", "cpu family", ':'));
	put_text(o, "model", file_value("/proc/cpuinfo", "model", ':'));
	if (mhz != NULL)
		json_object_set_new(o, "speed", json_real(strtod(mhz, NULL) / 1000));
	free(mhz);
	json_object_set_new(o, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_set_new(o, "current_load", current_load());
	return (o);
}

json_t *
host_memory(void)
{
	static const char *const names[][2] = {
		{ "total", "MemTotal" },
		{ "free", "MemFree" },
		{ "available", "MemAvailable" },
		{ "active", "Active" },
		{ "cached", "Cached" },
		{ "buffers", "Buffers" },
		{ "swaptotal", "SwapTotal" },
		{ "swapfree", "SwapFree" },
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *kb = file_value("/proc/meminfo", names[i][1], ':');

		json_object_set_new(o, names[i][0],
		    json_integer(kb != NULL ? strtoll(kb, NULL, 10) * 1024 : 0));
		free(kb);
	}
	json_object_set_new(o, "used",
	    json_integer(json_integer_value(json_object_get(o, "total")) -
		json_integer_value(json_object_get(o, "free"))));
	json_object_set_new(o, "swapused",
	    json_integer(json_integer_value(json_object_get(o, "swaptotal")) -
		json_integer_value(json_object_get(o, "swapfree"))));
	return (o);
}

/* ---- disks and network ---- */

/* Whole disks only: partitions and what is mapped to disks would count twice. */
static int
is_disk(const char *name)
{
	char *path;
	int yes;

	if (strchr(name, '/') != NULL || strncmp(name, "loop", 4) == 0 ||
	    strncmp(name, "ram", 3) == 0 || strncmp(name, "dm-", 3) == 0)
		return (0);
	path = xasprintf("/sys/block/%s", name);
	yes = access(path, F_OK) == 0;
	free(path);
	return (yes);
}

static json_t *
disk_io(json_t **bytes)
{
	unsigned long long reads = 0, writes = 0, rsectors = 0, wsectors = 0, r, rs, w, ws;
	FILE *f = fopen("/proc/diskstats", "re");
	char line[512], name[64];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*u %*u %63s %llu %*u %llu %*u %llu %*u %llu", name, &r, &rs, &w,
			&ws) == 5 &&
		    is_disk(name)) {
			reads += r;
			writes += w;
			rsectors += rs;
			wsectors += ws;
		}
	if (f != NULL)
		fclose(f);
	*bytes = json_pack("{s:I, s:I}", "rx", (json_int_t)(rsectors * 512), "wx",
	    (json_int_t)(wsectors * 512));
	return (json_pack("{s:I, s:I, s:I}", "rIO", (json_int_t)reads, "wIO", (json_int_t)writes,
	    "tIO", (json_int_t)(reads + writes)));
}

json_t *
host_disk(const char *path)
{
	json_t *bytes, *io = disk_io(&bytes), *sizes = json_array();
	struct statvfs v;

	if (statvfs(path, &v) == 0) {
		json_int_t size = (json_int_t)(v.f_blocks * v.f_frsize);
		json_int_t used = (json_int_t)((v.f_blocks - v.f_bfree) * v.f_frsize);

		json_array_append_new(sizes,
		    json_pack("{s:s, s:I, s:I, s:I, s:f}", "path", path, "size", size, "used", used,
			"available", (json_int_t)(v.f_bavail * v.f_frsize), "use",
			percent_of((unsigned long long)used, (unsigned long long)size)));
	}
	return (json_pack("{s:o, s:o, s:o}", "io", io, "read_write", bytes, "size", sizes));
}

static void
add_interface(json_t *list, json_t *stats, char *line)
{
	unsigned long long v[16];
	char *name = line + strspn(line, " "), *numbers = strchr(line, ':'), *path;
	json_t *o = json_object();

	*numbers++ = '\0';
	json_object_set_new(o, "iface", json_string(name));
	path = xasprintf("/sys/class/net/%s/address", name);
	put_text(o, "mac", host_line(path));
	free(path);
	path = xasprintf("/sys/class/net/%s/operstate", name);
	put_text(o, "operstate", host_line(path));
	free(path);
	json_array_append_new(list, o);
	for (int i = 0; i < 16; i++)
		v[i] = strtoull(numbers, &numbers, 10);
	json_array_append_new(stats,
	    json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "iface", name, "rx_bytes",
		(json_int_t)v[0], "rx_errors", (json_int_t)v[2], "rx_dropped", (json_int_t)v[3],
		"tx_bytes", (json_int_t)v[8], "tx_errors", (json_int_t)v[10], "tx_dropped",
		(json_int_t)v[11]));
}

json_t *
host_network(void)
{
	json_t *list = json_array(), *stats = json_array();
	FILE *f = fopen("/proc/net/dev", "re");
	char line[1024];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strchr(line, ':') != NULL)
			add_interface(list, stats, line);
	if (f != NULL)
		fclose(f);
	return (json_pack("{s:o, s:o}", "interfaces", list, "stats", stats));
}

/* ---- processes ---- */

struct proc_stat {
	char name[32], state;
	unsigned long long user, system, started;
	long threads, pages;
};

/* The name may hold blanks and brackets: it ends at the last one. */
static int
read_stat(const char *path, struct proc_stat *p)
{
	char *line = host_line(path), *open, *close;
	int ok = 0;

	memset(p, 0, sizeof(*p));
	if (line != NULL && (open = strchr(line, '(')) != NULL &&
	    (close = strrchr(line, ')')) != NULL && close > open) {
		*close = '\0';
		snprintf(p->name, sizeof(p->name), "%s", open + 1);
		ok = sscanf(close + 1,
			 " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu "
			 "%*d %*d %*d %*d %ld %*d %llu %*u %ld",
			 &p->state, &p->user, &p->system, &p->threads, &p->started, &p->pages) == 6;
	}
	free(line);
	return (ok);
}

static double
cpu_seconds(const struct proc_stat *p)
{
	return ((double)(p->user + p->system) / (double)sysconf(_SC_CLK_TCK));
}

/* Blanks for the zeros between arguments. */
static char *
command_line(int pid)
{
	char *path = xasprintf("/proc/%d/cmdline", pid), text[1024];
	FILE *f = fopen(path, "re");
	size_t n = 0;

	free(path);
	if (f != NULL) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	while (n > 0 && text[n - 1] == '\0')
		n--;
	text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (iscntrl((unsigned char)text[i]))
			text[i] = ' ';
	return (xstrdup(text));
}

json_t *
host_process(int pid)
{
	char *path = xasprintf("/proc/%d/stat", pid), *command;
	struct proc_stat p;
	struct sysinfo si = { 0 };
	double alive, memory;
	json_t *o;
	int ok = read_stat(path, &p);

	free(path);
	if (!ok || sysinfo(&si) == -1)
		return (NULL);
	memory = (double)p.pages * (double)sysconf(_SC_PAGESIZE);
	alive = (double)si.uptime - (double)p.started / (double)sysconf(_SC_CLK_TCK);
	command = command_line(pid);
	o = json_pack("{s:i, s:s, s:s, s:I, s:f, s:f, s:f, s:I, s:I}", "pid", pid, "name", p.name,
	    "state",
	    p.state == 'R'     ? "running" :
		p.state == 'Z' ? "zombie" :
				 "sleeping",
	    "threads", (json_int_t)p.threads, "cpu",
	    alive > 0 ? 100 * cpu_seconds(&p) / alive : 0.0, "cpu_seconds", cpu_seconds(&p), "mem",
	    100 * memory / ((double)si.totalram * si.mem_unit), "memory", (json_int_t)memory,
	    "uptime", (json_int_t)(alive > 0 ? alive : 0));
	json_object_set_new(o, "command", json_string(command));
	free(command);
	return (o);
}

json_t *
host_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	json_t *list = json_array();
	struct dirent *e;
	struct proc_stat p;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char *path = xasprintf("/proc/self/task/%s/stat", e->d_name);

		if (e->d_name[0] != '.' && read_stat(path, &p))
			json_array_append_new(list,
			    json_pack("{s:i, s:s, s:s, s:f}", "threadId", atoi(e->d_name), "name",
				p.name, "state", p.state == 'R' ? "running" : "sleeping",
				"cpu_seconds", cpu_seconds(&p)));
		free(path);
	}
	if (d != NULL)
		closedir(d);
	return (list);
}
