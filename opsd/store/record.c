#include "config.h"

#include "opsd/store/record.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "opsd/store/value.h"

#define KEY_USER_MAX   250 /* bytes of a key given by a user */
#define NAME_MAX_BYTES 250

/* What of the text may be shown: at most n bytes, no half characters. */
static int
shown_length(const char *s, size_t n)
{
	size_t len = strnlen(s, n + 1);

	if (len <= n)
		return ((int)len);
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return ((int)n);
}

char *
record_key_fault(const json_t *key)
{
	struct buf text = { 0 };
	char *fault;

	if (json_is_number(key))
		return (NULL);
	if (!json_is_string(key) || json_string_length(key) == 0 ||
	    (json_string_length(key) == 4 && strcmp(json_string_value(key), "null") == 0)) {
		if (json_is_string(key))
			buf_addf(&text, "%s", json_string_value(key));
		else
			value_text_json(&text, key);
		buf_u8(&text, '\0');
		fault = xasprintf("Invalid hash value: '%.*s' is not a valid hash attribute "
				  "value, check log for more info",
		    shown_length((const char *)text.data, KEY_USER_MAX), (const char *)text.data);
		buf_free(&text);
		return (fault);
	}
	if (json_string_length(key) > KEY_USER_MAX)
		return (xasprintf("transaction aborted due to record(s) with a hash value "
				  "that exceeds %d bytes, check log for more info",
		    KEY_USER_MAX));
	if (memchr(json_string_value(key), '/', json_string_length(key)) != NULL)
		return (xstrdup("transaction aborted due to record(s) with a hash value "
				"that contains a forward slash, check log for more info"));
	return (NULL);
}

char *
record_name_fault(const char *name)
{
	size_t n = strlen(name);

	if (n == 0)
		return (xstrdup("transaction aborted due to record(s) with an attribute name that "
				"is null, undefined or empty string"));
	if (n > NAME_MAX_BYTES)
		return (xasprintf("transaction aborted due to attribute name %s being too long. "
				  "Attribute names cannot be longer than %d bytes.",
		    name, NAME_MAX_BYTES));
	if (strpbrk(name, "/`") != NULL)
		return (xstrdup("Attribute names cannot include backticks or forward slashes"));
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return (xasprintf("Invalid attribute name: '%s'", name));
	return (NULL);
}
