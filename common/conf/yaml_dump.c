#include "config.h"

#include "common/conf/yaml_priv.h"

#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/words.h"

/* YAML out, in block style. */

static void yaml_put(struct buf *, const json_t *, int, int);

static void
yaml_indent(struct buf *b, int depth)
{
	buf_addf(b, "%*s", depth * 2, "");
}

/* Words that stay what they are without quotes. */
static int
yaml_is_bare(const char *s, size_t n)
{
	size_t i;
	json_t *v;

	if (n == 0 || memchr(s, 0, n) != NULL || strchr("-.+", s[0]) != NULL || yaml_is_float(s))
		return (0);
	for (i = 0; i < n; i++)
		if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') &&
		    (s[i] == '\0' || strchr("_-./+", s[i]) == NULL))
			return (0);
	v = yaml_plain(s);
	json_decref(v);
	return (v == NULL && strcasecmp(s, "yes") != 0 && strcasecmp(s, "no") != 0 &&
	    strcasecmp(s, "on") != 0 && strcasecmp(s, "off") != 0 && strcasecmp(s, "y") != 0 &&
	    strcasecmp(s, "n") != 0);
}

/*
 * In double quotes; what YAML does not call printable is escaped.  jansson
 * has checked the UTF-8: C1 controls are C2 80..9F, the line separators and
 * the byte order mark are E2 80 A8/A9 and EF BB BF.
 */
static void
yaml_quote(struct buf *b, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;

	buf_u8(b, '"');
	for (; p < end; p++) {
		if (*p == '"' || *p == '\\') {
			buf_addf(b, "\\%c", *p);
		} else if (*p == '\n') {
			buf_addf(b, "\\n");
		} else if (*p < 0x20 || *p == 0x7f) {
			buf_addf(b, "\\x%02x", *p);
		} else if (*p == 0xc2 && end - p > 1 && p[1] < 0xa0) {
			buf_addf(b, "\\x%02x", *++p);
		} else if (*p == 0xe2 && end - p > 2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
			buf_addf(b, "\\u20%02x", p[2] - 0x80);
			p += 2;
		} else if (*p == 0xef && end - p > 2 && p[1] == 0xbb && p[2] == 0xbf) {
			buf_addf(b, "\\ufeff");
			p += 2;
		} else if (*p == 0xef && end - p > 2 && p[1] == 0xbf && p[2] >= 0xbe) {
			buf_addf(b, "\\uff%02x", p[2] + 0x40);
			p += 2;
		} else {
			buf_u8(b, *p);
		}
	}
	buf_u8(b, '"');
}

/* All of it is printable as it is, where yaml_quote escapes. */
static int
yaml_is_printable(const char *s, size_t n)
{
	struct buf quoted = { 0 };
	size_t len = n + 2; /* with the quotes, and what is escaped but printable */
	int is;

	for (size_t i = 0; i < n; i++)
		len += s[i] == '"' || s[i] == '\\' || s[i] == '\n';
	yaml_quote(&quoted, s, n);
	is = quoted.len == len;
	buf_free(&quoted);
	return (is);
}

/* Lines; a blank at the first one's start would be taken for its indentation. */
static int
yaml_is_lines(const char *s, size_t n)
{
	return (n > 1 && memchr(s, '\n', n) != NULL && strchr(" \n", s[0]) == NULL &&
	    yaml_is_printable(s, n));
}

/* As a literal block, below "key:" or "-"; what follows the last line end ends with the line. */
static void
yaml_put_lines(struct buf *b, const char *s, size_t n, int depth)
{
	const char *stop, *end = s + n;

	buf_addf(b, end[-1] != '\n' ? "|-" : end[-2] != '\n' ? "|" : "|+");
	for (; s < end; s = stop + 1) {
		stop = memchr(s, '\n', (size_t)(end - s));
		stop = stop != NULL ? stop : end;
		buf_u8(b, '\n');
		if (stop > s)
			yaml_indent(b, depth);
		buf_add(b, s, (size_t)(stop - s));
	}
}

static void
yaml_put_text(struct buf *b, const char *s, size_t n)
{
	if (yaml_is_bare(s, n))
		buf_add(b, s, n);
	else
		yaml_quote(b, s, n);
}

static void
yaml_put_real(struct buf *b, double d)
{
	char text[WORDS_REAL];

	words_real(text, d);
	buf_addf(b, "%s%s", text, strpbrk(text, ".e") != NULL ? "" : ".0");
}

/* After "key:" or "-"; ends the line. */
static void
yaml_put_leaf(struct buf *b, const json_t *v, int depth)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		buf_addf(b, "{}");
		break;
	case JSON_ARRAY:
		buf_addf(b, "[]");
		break;
	case JSON_STRING:
		if (depth > 0 && yaml_is_lines(s, n))
			yaml_put_lines(b, s, n, depth);
		else
			yaml_put_text(b, s, n);
		break;
	case JSON_INTEGER:
		buf_addf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		yaml_put_real(b, json_real_value(v));
		break;
	case JSON_TRUE:
		buf_addf(b, "true");
		break;
	case JSON_FALSE:
		buf_addf(b, "false");
		break;
	default:
		buf_addf(b, "null");
		break;
	}
	buf_u8(b, '\n');
}

static int
yaml_is_leaf(const json_t *v)
{
	return (json_object_size(v) == 0 && json_array_size(v) == 0);
}

/* `begun`: the first line's indentation is there already, after a dash. */
static void
yaml_put_object(struct buf *b, const json_t *object, int depth, int begun)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)object, key, v) {
		if (!begun)
			yaml_indent(b, depth);
		begun = 0;
		yaml_put_text(b, key, strlen(key));
		buf_u8(b, ':');
		buf_u8(b, yaml_is_leaf(v) ? ' ' : '\n');
		yaml_put(b, v, depth + 1, 0);
	}
}

static void
yaml_put_array(struct buf *b, const json_t *list, int depth, int begun)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		if (!begun)
			yaml_indent(b, depth);
		begun = 0;
		buf_addf(b, "- ");
		yaml_put(b, v, depth + 1, 1);
	}
}

static void
yaml_put(struct buf *b, const json_t *v, int depth, int begun)
{
	if (yaml_is_leaf(v))
		yaml_put_leaf(b, v, depth);
	else if (json_is_object(v))
		yaml_put_object(b, v, depth, begun);
	else
		yaml_put_array(b, v, depth, begun);
}

char *
yaml_dump(const json_t *value)
{
	struct buf b = { 0 };

	yaml_put(&b, value, 0, 0);
	buf_u8(&b, '\0');
	return ((char *)buf_take(&b, NULL));
}
