#include "config.h"

#include "common/conf/logconf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/base/logfile.h"
#include "common/base/mem.h"

/* What was set last, as text: a file is not opened anew for nothing. */
static char *last;

static void
set_file(const char *name, const struct conf *c)
{
	const char *old = conf_str(c, LOG_ROTATE_PATH);
	int rotate = conf_bool(c, LOG_ROTATE);
	struct logfile_opts o = {
		.dir = conf_str(c, LOG_ROOT),
		.name = name,
		.old_dir = old != NULL ? old : conf_str(c, LOG_ROOT),
		.max_bytes = rotate ? (uint64_t)conf_int(c, LOG_ROTATE_SIZE) : 0,
		.interval_s = rotate ? (uint64_t)conf_int(c, LOG_ROTATE_INTERVAL) : 0,
		.keep = (unsigned)conf_int(c, LOG_ROTATE_KEEP),
		.retention_s = (uint64_t)conf_int(c, LOG_ROTATE_RETENTION),
	};
	char *now = xasprintf("%d %s %s %llu %llu %u %llu", conf_bool(c, LOG_FILE), o.dir,
	    o.old_dir, (unsigned long long)o.max_bytes, (unsigned long long)o.interval_s, o.keep,
	    (unsigned long long)o.retention_s);

	if (last != NULL && strcmp(last, now) == 0) {
		free(now);
		return;
	}
	free(last);
	last = now;
	if (!conf_bool(c, LOG_FILE)) {
		logfile_set(NULL);
		return;
	}
	(void)mkdir(o.dir, 0700);
	(void)mkdir(o.old_dir, 0700);
	if (logfile_set(&o) == 0)
		return;
	log_set_std(1);
	log_error("log: %s/%s.log", o.dir, name);
}

void
logconf_apply(const char *name, const struct conf *c)
{
	int level = log_level_of(conf_str(c, LOGGING_LEVEL));

	log_set_level(level != -1 ? (enum log_level)level : LOG_INFO);
	log_set_node(conf_str(c, CL_NODENAME));
	log_set_std(conf_bool(c, LOG_STD));
	set_file(name, c);
}
