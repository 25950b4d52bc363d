#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/format/charset.h"
#include "opsd/job/bulk.h"
#include "opsd/job/columns.h"
#include "opsd/job/fetch.h"
#include "opsd/job/files.h"
#include "opsd/op/node.h"
#include "opsd/op/op_job.h"
#include "opsd/op/op_permission.h"
#include "opsd/op/op_table.h"

/* csv_data_load, csv_file_load, csv_url_load: jobs that load CSV from wherever it is. */

#define PIECE (256u << 10)

struct load {
	struct table *table;
	struct user *user;
	enum txn_op op;
	int fd; /* -1: it is behind the URL */
	char *url;
	json_t *headers;
	uint64_t max;
	struct csv_options options;
};

static void
load_free(void *arg)
{
	struct load *l = arg;

	table_unref(l->table);
	user_unref(l->user);
	if (l->fd != -1)
		close(l->fd);
	free(l->url);
	json_decref(l->headers);
	free(l);
}

/* ---- the job ---- */

/* 0, or -1 with the job failed. */
static int
feed_file(struct job *t, struct bulk *b, const struct load *l)
{
	char *piece = xmalloc(PIECE);
	uint64_t got = 0;
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = read(l->fd, piece, PIECE)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			job_fail(t, "the file cannot be read: %s", strerror(errno));
			rc = -1;
		} else if ((got += (uint64_t)n) > l->max) {
			job_fail(t, "the file is larger than jobs.maxFileSize (%llu bytes)",
			    (unsigned long long)l->max);
			rc = -1;
		} else
			rc = bulk_feed(b, piece, (size_t)n);
	}
	free(piece);
	return (rc);
}

static int
load_data_cb(const void *p, size_t n, void *arg)
{
	return (bulk_feed(arg, p, n));
}

static int
load_stopped_cb(void *arg)
{
	return (bulk_stopped(arg));
}

static int
feed_url(struct job *t, struct bulk *b, const struct load *l)
{
	struct fetch f = {
		.url = l->url,
		.headers = l->headers,
		.max = l->max,
		.loopback = l->user->super_user,
		.data = load_data_cb,
		.stopped = load_stopped_cb,
		.arg = b,
	};
	char *err = NULL;
	int rc = fetch_run(&f, &err);

	if (rc == -1)
		job_fail(t, "'csv_url' cannot be read: %s", err);
	free(err);
	return (rc == 0 ? 0 : -1);
}

static void
load_run(struct job *t, void *arg)
{
	struct load *l = arg;
	struct bulk *b = bulk_new(t, l->table, l->op, l->user, &l->options);
	struct stat st;

	if (l->fd != -1 && fstat(l->fd, &st) == 0)
		job_progress(t, &(struct job_counts){ .total_bytes = (uint64_t)st.st_size });
	if ((l->fd != -1 ? feed_file(t, b, l) : feed_url(t, b, l)) == 0)
		bulk_end(b);
	bulk_free(b);
}

/* ---- requests ---- */

static enum txn_op
read_action(struct faults *f, const json_t *body)
{
	const json_t *v = json_object_get(body, "action");
	const char *word = json_string_value(v);

	if (v == NULL || (word != NULL && strcmp(word, "insert") == 0))
		return (TXN_INSERT);
	if (word != NULL && strcmp(word, "update") == 0)
		return (TXN_UPDATE);
	if (word == NULL || strcmp(word, "upsert") != 0)
		fault(f, "'action' is required and must be either insert, update, or upsert");
	return (TXN_UPSERT);
}

/* A character, or \t as it is typed. */
static char
read_delimiter(struct faults *f, const json_t *body)
{
	const char *text = field_string(f, body, "delimiter", 0);

	if (text == NULL)
		return ('\0');
	if (strcmp(text, "\\t") == 0)
		return ('\t');
	if (strlen(text) != 1 || !csv_delimiter_ok(text[0]))
		fault(f, "'delimiter' must be one character, no letter, digit or quote");
	return (text[0]);
}

static const char *
read_encoding(struct faults *f, const json_t *body)
{
	const char *name = field_string(f, body, "encoding", 0), *found;
	struct charset *c;

	if (name == NULL)
		return (NULL);
	if ((found = charset_find(name)) == NULL || (c = charset_new(found)) == NULL) {
		fault(f,
		    "'encoding' must be one such as utf-8, utf-16le, windows-1252 or "
		    "shift_jis");
		return (NULL);
	}
	charset_free(c);
	return (found);
}

static struct csv_options
read_options(struct faults *f, const json_t *body)
{
	return ((struct csv_options){ .delimiter = read_delimiter(f, body),
	    .encoding = read_encoding(f, body),
	    .strict = field_bool(f, body, "strict", 0) == 1 });
}

/* The table to load into and how; NULL with the request answered. */
static struct load *
load_new(struct request *r, struct faults *f)
{
	struct load *l;
	enum txn_op op = read_action(f, r->body);
	struct csv_options o = read_options(f, r->body);
	struct table *t = op_table_to_write(r, f);
	struct conf *conf;

	if (t == NULL)
		return (NULL);
	if (!op_permission_check(r, t, MAY_INSERT | MAY_UPDATE, NULL)) {
		table_unref(t);
		return (NULL);
	}
	conf = data_conf(&r->ops->data);
	l = xcalloc(1, sizeof(*l));
	l->table = t;
	l->user = user_ref(r->user);
	l->op = op;
	l->options = o;
	l->fd = -1;
	l->max = (uint64_t)conf_int(conf, JOBS_MAX_FILE);
	conf_free(conf);
	return (l);
}

static void
load_start(struct request *r, struct load *l)
{
	struct job_spec spec = {
		.type = r->op->name,
		.did = "loaded",
		.run = load_run,
		.free = load_free,
		.arg = l,
	};

	op_job_start(r, &spec);
}

/*
 * Starts the job, unless its header says that nothing could come of it.  That of what is
 * behind a URL is looked at by the job alone.
 */
static void
check_and_start(struct request *r, struct load *l)
{
	json_t *why = NULL;
	int status = columns_check(l->fd, &l->options, l->table, r->ops->data.live.max_attributes,
	    l->op, l->user, r->ops->data.live.max_transaction, &why);

	if (status == 200) {
		load_start(r, l);
		return;
	}
	reply_json(r, status, why);
	load_free(l);
}

static void
refuse_load(struct request *r, struct load *l, int status, char *why)
{
	reply_error(r, status, "%s", why);
	free(why);
	load_free(l);
}

/* What is in a request is UTF-8 already: read as anything else it would be other text. */
static void
check_own_encoding(struct faults *f, const json_t *body)
{
	const char *name = json_string_value(json_object_get(body, "encoding"));
	const char *found = name != NULL ? charset_find(name) : NULL;

	if (found != NULL && strcmp(found, CHARSET_UTF8) != 0)
		fault(f,
		    "'encoding' must be utf-8 with 'data', as all of a request is; csv_file_load "
		    "reads others");
}

static void
csv_data_load(struct request *r)
{
	struct faults f = { 0 };
	const json_t *data = json_object_get(r->body, "data");
	struct load *l;
	char *why = NULL;
	int status;

	if (data == NULL)
		fault(&f, "'data' is required");
	else if (!json_is_string(data))
		fault(&f, "'data' must be a string");
	else if (json_string_length(data) == 0)
		fault(&f, "'data' is not allowed to be empty");
	check_own_encoding(&f, r->body);
	if ((l = load_new(r, &f)) == NULL)
		return;
	/* It may wait long: not in memory. */
	l->fd = files_spool(&r->ops->data, json_string_value(data), json_string_length(data),
	    &status, &why);
	if (l->fd == -1)
		refuse_load(r, l, status, why);
	else
		check_and_start(r, l);
}

static void
csv_file_load(struct request *r)
{
	struct faults f = { 0 };
	const char *path = field_string(&f, r->body, "file_path", 1);
	struct load *l = load_new(r, &f);
	char *why = NULL;

	if (l == NULL)
		return;
	l->fd = files_open(&r->ops->data, path, l->max, &why);
	if (l->fd == -1)
		refuse_load(r, l, 400, why);
	else
		check_and_start(r, l);
}

static void
csv_url_load(struct request *r)
{
	struct faults f = { 0 };
	const char *url = field_string(&f, r->body, "csv_url", 1);
	const json_t *headers = json_object_get(r->body, "passthrough_headers");
	char *why = fetch_headers_fault(headers);
	struct load *l;

	if (url != NULL && !fetch_url_ok(url))
		fault(&f, "'csv_url' must be a valid url");
	if (why != NULL)
		fault(&f, "%s", why);
	free(why);
	if ((l = load_new(r, &f)) == NULL)
		return;
	l->url = xstrdup(url);
	l->headers = json_deep_copy(headers);
	load_start(r, l);
}

const struct op ops_load[] = {
	{ "csv_data_load", "csvDataLoad", RIGHT_TABLE, ON_WORKER, csv_data_load },
	{ "csv_file_load", "csvFileLoad", RIGHT_TABLE, ON_WORKER, csv_file_load },
	{ "csv_url_load", "csvURLLoad", RIGHT_TABLE, ON_WORKER, csv_url_load },
	{ NULL },
};
