#include "config.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/lite/lite.h"
#include "opsd/watch/metrics_priv.h"
#include "opsd/watch/watch.h"

/* SQLite files of applications. */

struct metric_file {
	char *database, *path;
	int ok;
	struct lite_figures n;
};

struct metric_files {
	struct metric_file *list;
	size_t n;
};

static void
keep_file_cb(void *arg, const char *database, const char *path, int ok,
    const struct lite_figures *figures)
{
	struct metric_files *f = arg;

	f->list = xrealloc(f->list, (f->n + 1) * sizeof(*f->list));
	f->list[f->n++] = (struct metric_file){ xstrdup(database), xstrdup(path), ok, *figures };
}

enum file_figure {
	FILE_OK,
	FILE_LOG,
	FILE_OLDEST,
	FILE_PENDING,
	FILE_REFUSED,
	FILE_WAL,
	FILE_BYTES,
	FILE_CAPTURED,
	FILE_APPLIED,
	FILE_BUSY,
	FILE_FIGURES
};

static double
file_figure(const struct metric_file *f, enum file_figure which)
{
	const double values[FILE_FIGURES] = {
		[FILE_OK] = f->ok,
		[FILE_LOG] = (double)f->n.log,
		[FILE_OLDEST] = (double)f->n.oldest_ms / 1000,
		[FILE_PENDING] = (double)f->n.queued,
		[FILE_REFUSED] = (double)f->n.refused,
		[FILE_WAL] = (double)f->n.wal_bytes,
		[FILE_BYTES] = (double)f->n.file_bytes,
		[FILE_CAPTURED] = (double)f->n.captured,
		[FILE_APPLIED] = (double)f->n.applied,
		[FILE_BUSY] = (double)f->n.busy,
	};

	return (values[which]);
}

void
metrics_files(struct watch *w, struct buf *out)
{
	static const struct {
		const char *name, *type, *help;
	} figures[FILE_FIGURES] = {
		[FILE_OK] = { "sqlite_ok", "gauge",
		    "1: the SQLite file is replicated, all of it." },
		[FILE_LOG] = { "sqlite_log_rows", "gauge",
		    "Changes of the application that are not taken yet." },
		[FILE_OLDEST] = { "sqlite_log_oldest_seconds", "gauge", "How old the oldest is." },
		[FILE_PENDING] = { "sqlite_pending_rows", "gauge",
		    "Rows that the file does not have as they are in the database." },
		[FILE_REFUSED] = { "sqlite_refused_rows", "gauge",
		    "Rows that the file or the database does not take." },
		[FILE_WAL] = { "sqlite_wal_bytes", "gauge", "The file's write-ahead log." },
		[FILE_BYTES] = { "sqlite_file_bytes", "gauge", "The file." },
		[FILE_CAPTURED] = { "sqlite_captured_rows_total", "counter",
		    "Rows that came from the application." },
		[FILE_APPLIED] = { "sqlite_applied_rows_total", "counter",
		    "Rows that were written into the file." },
		[FILE_BUSY] = { "sqlite_busy_total", "counter",
		    "Times that the node did not get the file, as the application had it." },
	};
	struct metric_files f = { 0 };

	lite_each(w->lite, keep_file_cb, &f);
	for (int i = 0; i < FILE_FIGURES; i++) {
		metric_head(out, figures[i].name, figures[i].type, figures[i].help);
		for (size_t k = 0; k < f.n; k++)
			metric_line(out, figures[i].name,
			    file_figure(&f.list[k], (enum file_figure)i), "database",
			    f.list[k].database, "path", f.list[k].path, NULL);
	}
	for (size_t k = 0; k < f.n; k++) {
		free(f.list[k].database);
		free(f.list[k].path);
	}
	free(f.list);
}
