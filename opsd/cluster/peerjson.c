#include "config.h"

#include "opsd/cluster/peerjson.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/settings.h"

/* How many values there can be at most: what begins one, or follows one, outside of texts. */
static size_t
count_values(const char *text, size_t n)
{
	size_t values = 1;
	int in_text = 0;

	for (size_t i = 0; i < n; i++) {
		if (in_text && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_text = !in_text;
		else if (!in_text)
			values += text[i] == ',' || text[i] == '[' || text[i] == '{';
	}
	return (values);
}

json_t *
peerjson_load(const char *text, size_t n, size_t flags)
{
	return (count_values(text, n) <= PEERJSON_VALUES ? json_loadb(text, n, flags, NULL) : NULL);
}

void
peerjson_in(struct peerjson *w, const char *list, size_t i)
{
	size_t n = strlen(w->at);

	snprintf(w->at + n, sizeof(w->at) - n, "%s[%zu].", list, i);
}

void
peerjson_out(struct peerjson *w)
{
	size_t n = strlen(w->at);

	while (n > 0 && (n == strlen(w->at) || w->at[n - 1] != '.'))
		n--;
	w->at[n] = '\0';
}

void
peerjson_fault(struct peerjson *w, const char *field, const char *format, ...)
{
	char *why;
	va_list ap;

	if (w->fault != NULL)
		return;
	va_start(ap, format);
	if (vasprintf(&why, format, ap) == -1)
		fatal("vasprintf");
	va_end(ap);
	w->fault = xasprintf("'%s%s' %s", w->at, field, why);
	free(why);
}

/* The field if it is of the kind; else NULL, with a fault. */
static json_t *
peerjson_field(struct peerjson *w, const json_t *o, const char *field, json_type kind,
    const char *words)
{
	json_t *v = json_object_get(o, field);

	if (v == NULL)
		peerjson_fault(w, field, "is required");
	else if (json_typeof(v) != kind)
		peerjson_fault(w, field, "must be %s", words);
	else
		return (v);
	return (NULL);
}

const char *
peerjson_text(struct peerjson *w, const json_t *o, const char *field)
{
	const json_t *v = peerjson_field(w, o, field, JSON_STRING, "a string");
	const char *text = json_string_value(v);

	if (text == NULL || strlen(text) == json_string_length(v))
		return (text);
	peerjson_fault(w, field, "must not contain a NUL character");
	return (NULL);
}

int
peerjson_flag(struct peerjson *w, const json_t *o, const char *field)
{
	if (json_is_false(json_object_get(o, field)))
		return (0);
	return (peerjson_field(w, o, field, JSON_TRUE, "true or false") != NULL);
}

uint64_t
peerjson_bits(struct peerjson *w, const json_t *o, const char *field)
{
	return ((uint64_t)json_integer_value(peerjson_field(w, o, field, JSON_INTEGER,
	    "an integer")));
}

uint64_t
peerjson_number(struct peerjson *w, const json_t *o, const char *field, uint64_t max)
{
	uint64_t v = peerjson_bits(w, o, field);

	if (v <= max)
		return (v);
	peerjson_fault(w, field, "must be from 0 to %llu", (unsigned long long)max);
	return (0);
}

json_t *
peerjson_object(struct peerjson *w, const json_t *o, const char *field)
{
	return (peerjson_field(w, o, field, JSON_OBJECT, "an object"));
}

json_t *
peerjson_list(struct peerjson *w, const json_t *o, const char *field, size_t max)
{
	json_t *v = peerjson_field(w, o, field, JSON_ARRAY, "an array");

	if (json_array_size(v) <= max)
		return (v);
	peerjson_fault(w, field, "must contain at most %zu items", max);
	return (NULL);
}

void
peerjson_numbers(struct peerjson *w, const json_t *v, const char *field, uint64_t *into, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *number = json_array_get(v, i);

		into[i] = (uint64_t)json_integer_value(number);
		if (!json_is_integer(number) || json_array_size(v) != n)
			peerjson_fault(w, field, "must be an array of %zu integers", n);
	}
}

int
peerjson_is_of(const json_t *o, const uint8_t *id)
{
	uint8_t said[NODE_ID_LEN];

	return (id == NULL ||
	    (node_id_read(json_string_value(json_object_get(o, "id")), said) == 0 &&
		memcmp(said, id, NODE_ID_LEN) == 0));
}

void
peerjson_node(struct peerjson *w, const json_t *o, uint8_t id[NODE_ID_LEN], char **name)
{
	const char *hex = peerjson_text(w, o, "id"), *text = peerjson_text(w, o, "name");

	if (hex != NULL && node_id_read(hex, id) == -1)
		peerjson_fault(w, "id", "must be %d hexadecimal digits", 2 * NODE_ID_LEN);
	if (text != NULL && !node_name_ok(text, strlen(text)) && !node_host_ok(text, strlen(text)))
		peerjson_fault(w, "name",
		    "must be 1 to %d characters without ',', '*', '>', white space and control "
		    "characters",
		    NODE_NAME_MAX);
	*name = xstrdup(text);
}

json_t *
peerjson_info(struct peerjson *w, const json_t *o)
{
	json_t *v = json_object_get(o, "system_info");

	return (v == NULL || json_is_null(v) ? NULL : peerjson_object(w, o, "system_info"));
}
