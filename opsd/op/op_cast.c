#include "config.h"

#include "opsd/op/op_cast.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/op/opdoc.h"
#include "opsd/store/value.h"

/* The number that the text is in JSON; NULL: none. */
static json_t *
number_of(const json_t *v)
{
	const char *text = json_string_value(v);
	json_t *n;

	if (text == NULL || (text[0] != '-' && (text[0] < '0' || text[0] > '9')))
		return (NULL);
	n = json_loadb(text, json_string_length(v), JSON_DECODE_ANY, NULL);
	if (json_is_number(n))
		return (n);
	json_decref(n);
	return (NULL);
}

static void
cast_number(json_t *object, const char *name)
{
	json_t *n = number_of(json_object_get(object, name));

	if (n != NULL)
		json_object_set_new(object, name, n);
}

void
op_cast_numbers(const struct op *op, json_t *body)
{
	const struct op_doc *doc = opdoc_find(op->name);
	const struct op_field *f = doc != NULL ? doc->fields : NULL;
	const char *dot;
	char *outer;

	for (; f != NULL && f->name != NULL; f++) {
		if (f->kind != KIND_NUMBER || strchr(f->name, '[') != NULL)
			continue;
		if ((dot = strchr(f->name, '.')) == NULL) {
			cast_number(body, f->name);
			continue;
		}
		outer = xstrndup(f->name, (size_t)(dot - f->name));
		cast_number(json_object_get(body, outer), dot + 1);
		free(outer);
	}
}

void
op_cast_names(json_t *body)
{
	static const char *const names[] = { "database", "schema", "table" };
	struct buf text = { 0 };
	json_t *v;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!json_is_number(v = json_object_get(body, names[i])))
			continue;
		buf_clear(&text);
		value_text_json(&text, v);
		json_object_set_new(body, names[i],
		    json_stringn((const char *)text.data, text.len));
	}
	buf_free(&text);
}
