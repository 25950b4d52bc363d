#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/job/export.h"
#include "opsd/job/files.h"
#include "opsd/op/node.h"
#include "opsd/op/op_cast.h"
#include "opsd/op/op_job.h"
#include "opsd/op/op_search.h"
#include "opsd/op/op_sql.h"

/* export_local: what a search or a statement finds, into a file on the node. */

#define NAME_MAX_BYTES 200 /* with room for what a temporary name has before and behind */

struct export_wanted {
	const char *path;
	char *name;
	int csv, overwrite;
	struct request search; /* the request as if the search had been asked for */
};

/* The file's name, with the format's ending; the caller frees. */
static char *
read_file_name(struct faults *f, const json_t *body, const char *format)
{
	const char *name = field_string(f, body, "filename", 0);
	size_t n = name != NULL ? strlen(name) : 0, ending = strlen(format) + 1;

	if (name == NULL)
		return (xasprintf("%llu.%s", (unsigned long long)wall_ms(), format));
	if (strchr(name, '/') != NULL || name[0] == '.')
		fault(f,
		    "'filename' must be a name without slashes that does not begin with a dot");
	else if (n > NAME_MAX_BYTES)
		fault(f, "'filename' length must be less than or equal to %d characters long",
		    NAME_MAX_BYTES);
	if (n > ending && name[n - ending] == '.' && strcmp(name + n - ending + 1, format) == 0)
		return (xstrdup(name));
	return (xasprintf("%s.%s", name, format));
}

static const struct op *
op_of_family(const struct op *family, const char *name)
{
	for (; family->name != NULL; family++)
		if (strcmp(family->name, name) == 0)
			return (family);
	return (NULL);
}

static void
read_inner_search(struct faults *f, struct request *r, struct request *search)
{
	json_t *body = json_object_get(r->body, "search_operation");
	const char *name = json_string_value(json_object_get(body, "operation"));

	*search = *r;
	search->body = body;
	search->op = NULL;
	if (body == NULL)
		fault(f, "'search_operation' is required");
	else if (!json_is_object(body))
		fault(f, "'search_operation' must be of type object");
	else {
		if (name != NULL && (search->op = op_of_family(ops_search, name)) == NULL)
			search->op = op_of_family(ops_sql, name);
		if (search->op == NULL)
			fault(f,
			    "'search_operation.operation' must be one of [search_by_id, "
			    "search_by_hash, search_by_value, search_by_conditions, sql]");
	}
}

static void
read_export_wanted(struct faults *f, struct request *r, struct export_wanted *w)
{
	const char *format = field_string(f, r->body, "format", 1);

	if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "csv") != 0)
		fault(f, "'format' must be one of [json, csv]");
	w->csv = format != NULL && strcmp(format, "csv") == 0;
	w->path = field_string(f, r->body, "path", 1);
	if (w->path != NULL && w->path[0] != '/')
		fault(f, "'path' must be an absolute path");
	w->name = read_file_name(f, r->body, w->csv ? "csv" : "json");
	w->overwrite = field_bool(f, r->body, "overwrite", 0) == 1;
	read_inner_search(f, r, &w->search);
}

/* What is wrong with the place, or NULL; the caller frees. */
static char *
place_fault(int folder, const struct export_wanted *w)
{
	struct stat st;

	if (faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) == -1)
		return (xasprintf("%s %s", strerror(errno), w->path));
	if (fstatat(folder, w->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return (NULL);
	if (!w->overwrite)
		return (xasprintf("%s/%s is there already: with \"overwrite\": true it is replaced",
		    w->path, w->name));
	return (S_ISREG(st.st_mode) ? NULL :
				      xasprintf("%s/%s is not a regular file", w->path, w->name));
}

static void
start_export(struct request *r, struct export_wanted *w, int folder)
{
	struct job_spec spec = {
		.type = r->op->name,
		.did = "exported",
		.run = export_run,
		.free = export_free,
	};
	struct export *ex = xcalloc(1, sizeof(*ex));

	*ex = (struct export){
		.folder = folder,
		.name = xstrdup(w->name),
		.csv = w->csv,
		.overwrite = w->overwrite,
	};
	op_cast_numbers(w->search.op, w->search.body);
	if (w->search.op == ops_sql)
		ex->sql = op_sql_read(&w->search, export_over, ex);
	else
		ex->search = op_search_read(&w->search);
	if (ex->sql == NULL && ex->search == NULL) { /* and the request is answered and gone */
		export_free(ex);
		return;
	}
	spec.arg = ex;
	op_job_start(r, &spec);
}

static void
export_local(struct request *r)
{
	struct faults f = { 0 };
	struct export_wanted w;
	char *why = NULL;
	int folder;

	read_export_wanted(&f, r, &w);
	if (faults_answer(r, &f))
		;
	else if ((folder = files_folder(&r->ops->data, w.path, &why)) == -1)
		reply_error(r, 400, "%s", why);
	else if ((why = place_fault(folder, &w)) != NULL) {
		close(folder);
		reply_error(r, 400, "%s", why);
	} else
		start_export(r, &w, folder);
	free(why);
	free(w.name);
}

const struct op ops_export[] = {
	{ "export_local", "exportLocal", RIGHT_ADMIN, ON_WORKER, export_local },
	{ NULL },
};
