#include "config.h"

#include "opsd/op/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/iso.h"
#include "opsd/http/request.h"

#define FAULTS_SHOWN 32
#define AHEAD_MS     UINT64_C(300000) /* of a clock that goes wrong a little */

void
fault(struct faults *f, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (f->n++ >= FAULTS_SHOWN)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		text = NULL;
	va_end(ap);
	if (text != NULL)
		buf_addf(&f->text, "%s%s", f->text.len > 0 ? ". " : "", text);
	free(text);
}

void
fault_lines(struct faults *f, char *lines)
{
	char *line, *rest = lines;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			fault(f, "%s", line);
	free(lines);
}

int
faults_answer(struct request *r, struct faults *f)
{
	int n = f->n;

	if (n > 0)
		reply_error(r, 400, "%.*s", (int)f->text.len, (const char *)f->text.data);
	buf_free(&f->text);
	f->n = 0;
	return (n > 0);
}

/* A string that the rest of the code may take for a C string. */
static const char *
checked_string(struct faults *f, const json_t *v, const char *name)
{
	const char *s = json_string_value(v);

	if (s == NULL)
		fault(f, "'%s' must be a string", name);
	else if (s[0] == '\0' && json_string_length(v) == 0)
		fault(f, "'%s' is not allowed to be empty", name);
	else if (strlen(s) != json_string_length(v))
		fault(f, "'%s' must not contain a NUL character", name);
	else
		return (s);
	return (NULL);
}

const char *
field_database(struct faults *f, const json_t *body)
{
	const char *name = json_object_get(body, "database") != NULL ? "database" : "schema";
	const json_t *v = json_object_get(body, name);

	return (v != NULL ? checked_string(f, v, name) : "data");
}

const char *
field_string(struct faults *f, const json_t *body, const char *name, int required)
{
	const json_t *v = json_object_get(body, name);

	if (v != NULL)
		return (checked_string(f, v, name));
	if (required)
		fault(f, "'%s' is required", name);
	return (NULL);
}

json_t *
field_array(struct faults *f, const json_t *body, const char *name, int required)
{
	json_t *v = json_object_get(body, name);

	if (json_is_array(v))
		return (v);
	if (v != NULL)
		fault(f, "'%s' must be an array", name);
	else if (required)
		fault(f, "'%s' is required", name);
	return (NULL);
}

int
field_bool(struct faults *f, const json_t *body, const char *name, int required)
{
	const json_t *v = json_object_get(body, name);

	if (json_is_boolean(v))
		return (json_is_true(v));
	if (v != NULL)
		fault(f, "'%s' must be a boolean", name);
	else if (required)
		fault(f, "'%s' is required", name);
	return (-1);
}

void
field_not_future(struct faults *f, const char *name, uint64_t ms)
{
	if (ms > wall_ms() + AHEAD_MS)
		fault(f, "'%s' must not be in the future", name);
}

void
field_date_not_future(struct faults *f, const char *name, const char *text)
{
	int64_t ms = iso_ms(text, NULL);

	if (ms > 0)
		field_not_future(f, name, (uint64_t)ms);
}
