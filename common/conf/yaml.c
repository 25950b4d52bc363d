#include "config.h"

#include "common/conf/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/words.h"

#define YAML_MAX	(4u << 20)
#define YAML_DEPTH	32

/* The parser's way: what it reads, and where a fault goes. */
struct yaml_in {
	const char	*name;		/* file, or "yaml" */
	char		**err;
	json_t		*lines;		/* of keys; NULL: not asked for */
	struct buf	 at;		/* the dotted name of what is read */
};

static json_t *yaml_node(struct yaml_in *, struct fy_node *, int);

static json_t *
yaml_fault(struct yaml_in *in, const char *what)
{
	if (*in->err == NULL)
		*in->err = xasprintf("%s: %s", in->name, what);
	return (NULL);
}

static json_t *
yaml_fault_at(struct yaml_in *in, struct fy_node *node, const char *what)
{
	struct fy_token		*token = node != NULL ? fy_node_get_scalar_token(node) : NULL;
	const struct fy_mark	*mark = token != NULL ? fy_token_start_mark(token) : NULL;

	if (mark == NULL)
		return (yaml_fault(in, what));
	if (*in->err == NULL)
		*in->err = xasprintf("%s:%d: %s", in->name, mark->line + 1, what);
	return (NULL);
}

static int
yaml_is_one_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(s, *words) == 0)
			return (1);
	return (0);
}

/* The length of a run of digits. */
static size_t
yaml_digits(const char *s)
{
	return (strspn(s, "0123456789"));
}

static int
yaml_is_int(const char *s)
{
	s += *s == '-' || *s == '+';
	return (*s != '\0' && s[yaml_digits(s)] == '\0');
}

static int
yaml_is_float(const char *s)
{
	size_t	whole, part = 0;

	s += *s == '-' || *s == '+';
	whole = yaml_digits(s);
	s += whole;
	if (*s == '.') {
		part = yaml_digits(++s);
		s += part;
	}
	if (whole + part == 0)
		return (0);
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (yaml_digits(s) == 0)
			return (0);
		s += yaml_digits(s);
	}
	return (*s == '\0');
}

static json_t *
yaml_radix(const char *s)
{
	const char	*set;
	int		 radix;

	if (strncmp(s, "0x", 2) == 0) {
		set = "0123456789abcdefABCDEF";
		radix = 16;
	} else if (strncmp(s, "0o", 2) == 0) {
		set = "01234567";
		radix = 8;
	} else
		return (NULL);
	s += 2;
	if (*s == '\0' || s[strspn(s, set)] != '\0')
		return (NULL);
	return (json_integer(strtoll(s, NULL, radix)));
}

/* NULL: it is text. */
static json_t *
yaml_plain(const char *s)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", NULL };
	long long	 i;
	double		 d;

	if (yaml_is_one_of(s, nulls))
		return (json_null());
	if (yaml_is_one_of(s, trues))
		return (json_true());
	if (yaml_is_one_of(s, falses))
		return (json_false());
	if (yaml_is_int(s)) {
		errno = 0;
		i = strtoll(s, NULL, 10);
		if (errno == 0)
			return (json_integer(i));
	}
	if (yaml_is_float(s)) {
		d = strtod(s, NULL);
		return (isfinite(d) ? json_real(d) : NULL);
	}
	return (yaml_radix(s));
}

static json_t *
yaml_scalar(struct yaml_in *in, struct fy_node *node)
{
	size_t		 n = 0, tag_len = 0;
	const char	*s = fy_node_get_scalar(node, &n);
	const char	*tag = fy_node_get_tag(node, &tag_len);
	enum fy_node_style style = fy_node_get_style(node);
	json_t		*v = NULL;
	char		*text;

	if (s == NULL)
		return (json_null());
	if ((style == FYNS_PLAIN || style == FYNS_ANY) && tag == NULL && memchr(s, 0, n) == NULL) {
		text = xstrndup(s, n);
		v = yaml_plain(text);
		free(text);
	}
	if (v == NULL)
		v = json_stringn(s, n);
	return (v != NULL ? v : yaml_fault_at(in, node, "text is not valid UTF-8"));
}

static json_t *
yaml_sequence(struct yaml_in *in, struct fy_node *node, int depth)
{
	json_t		*list = json_array(), *v;
	struct fy_node	*item;
	void		*iter = NULL;

	while ((item = fy_node_sequence_iterate(node, &iter)) != NULL) {
		if ((v = yaml_node(in, item, depth + 1)) == NULL) {
			json_decref(list);
			return (NULL);
		}
		json_array_append_new(list, v);
	}
	return (list);
}

/* Into a key, whose line is kept; how long the name was before. */
static size_t
yaml_enter(struct yaml_in *in, struct fy_node *key, const char *name)
{
	const struct fy_mark	*mark = fy_token_start_mark(fy_node_get_scalar_token(key));
	size_t			 was = in->at.len;

	buf_addf(&in->at, "%s%s", was > 0 ? "." : "", name);
	if (in->lines != NULL && mark != NULL)
		json_object_setn_new(in->lines, (const char *)in->at.data, in->at.len,
		    json_integer(mark->line + 1));
	return (was);
}

static int
yaml_pair(struct yaml_in *in, struct fy_node_pair *pair, json_t *object, int depth)
{
	struct fy_node	*key = fy_node_pair_key(pair);
	const char	*s = NULL;
	char		*name;
	size_t		 n = 0, was;
	json_t		*v;
	int		 r = -1;

	if (key != NULL && fy_node_is_scalar(key) && !fy_node_is_alias(key))
		s = fy_node_get_scalar(key, &n);
	if (s == NULL || memchr(s, 0, n) != NULL) {
		yaml_fault_at(in, key, "a key must be a word");
		return (-1);
	}
	name = xstrndup(s, n);
	was = yaml_enter(in, key, name);
	if (json_object_get(object, name) != NULL)
		yaml_fault_at(in, key, "this key is there twice");
	else if ((v = yaml_node(in, fy_node_pair_value(pair), depth + 1)) != NULL &&
	    (r = json_object_set_new(object, name, v)) == -1)
		yaml_fault_at(in, key, "a key is not valid UTF-8");
	in->at.len = was;
	free(name);
	return (r);
}

static json_t *
yaml_mapping(struct yaml_in *in, struct fy_node *node, int depth)
{
	json_t			*object = json_object();
	struct fy_node_pair	*pair;
	void			*iter = NULL;

	while ((pair = fy_node_mapping_iterate(node, &iter)) != NULL) {
		if (yaml_pair(in, pair, object, depth) == -1) {
			json_decref(object);
			return (NULL);
		}
	}
	return (object);
}

static json_t *
yaml_node(struct yaml_in *in, struct fy_node *node, int depth)
{
	if (node == NULL)
		return (json_null());
	if (depth > YAML_DEPTH)
		return (yaml_fault_at(in, node, "nested too deep"));
	/* An alias in an alias in an alias fills any memory; a configuration needs none. */
	if (fy_node_is_alias(node))
		return (yaml_fault_at(in, node, "aliases are not supported"));
	switch (fy_node_get_type(node)) {
	case FYNT_SEQUENCE:
		return (yaml_sequence(in, node, depth));
	case FYNT_MAPPING:
		return (yaml_mapping(in, node, depth));
	default:
		return (yaml_scalar(in, node));
	}
}

/* The first complaint of the library, as "name:line: what". */
static void
yaml_diag_fault(struct yaml_in *in, struct fy_diag *diag)
{
	struct fy_diag_error	*e;
	void			*iter = NULL;

	e = fy_diag_errors_iterate(diag, &iter);
	if (*in->err != NULL)
		return;
	if (e == NULL || e->msg == NULL)
		yaml_fault(in, "not valid YAML");
	else
		*in->err = xasprintf("%s:%d: %s", in->name, e->line, e->msg);
}

static json_t *
yaml_document(struct yaml_in *in, struct fy_parser *parser)
{
	struct fy_document	*doc = fy_parse_load_document(parser), *more;
	struct fy_node		*root;
	json_t			*v;

	if (doc == NULL)
		return (fy_parser_get_stream_error(parser) ? NULL : json_object());
	root = fy_document_root(doc);
	v = yaml_node(in, root, 0);
	if (json_is_null(v))
		v = json_object();
	fy_parse_document_destroy(parser, doc);
	if (v == NULL)
		return (NULL);
	if ((more = fy_parse_load_document(parser)) != NULL) {
		fy_parse_document_destroy(parser, more);
		yaml_fault(in, "more than one document");
	} else if (!fy_parser_get_stream_error(parser)) {
		return (v);
	}
	json_decref(v);
	return (NULL);
}

static json_t *
yaml_read(const char *name, const char *text, size_t n, json_t *lines, char **err)
{
	struct yaml_in		 in = { .name = name, .err = err, .lines = lines };
	struct fy_diag_cfg	 dcfg;
	struct fy_diag		*diag;
	struct fy_parse_cfg	 cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG };
	struct fy_parser	*parser;
	json_t			*v = NULL;

	*err = NULL;
	/* The library ends a document silently at the first wrong byte. */
	if ((v = json_stringn(text, n)) == NULL)
		return (yaml_fault(&in, "is not UTF-8 text"));
	json_decref(v);
	v = NULL;
	fy_diag_cfg_default(&dcfg);
	dcfg.fp = NULL;
	if ((diag = fy_diag_create(&dcfg)) == NULL)
		return (yaml_fault(&in, "no memory"));
	fy_diag_set_collect_errors(diag, true);
	cfg.diag = diag;
	if ((parser = fy_parser_create(&cfg)) == NULL) {
		yaml_fault(&in, "no memory");
	} else {
		/* The library makes something of an empty string that is not a document. */
		if (n == 0)
			v = json_object();
		else if (fy_parser_set_string(parser, text, n) == 0)
			v = yaml_document(&in, parser);
		if (v == NULL)
			yaml_diag_fault(&in, diag);
		fy_parser_destroy(parser);
	}
	fy_diag_destroy(diag);
	buf_free(&in.at);
	return (v);
}

json_t *
yaml_parse(const char *text, char **err)
{
	return (yaml_read("yaml", text, strlen(text), NULL, err));
}

static int
yaml_slurp(FILE *f, struct buf *b)
{
	size_t	n;

	do {
		buf_reserve(b, 16384);
		n = fread(b->data + b->len, 1, 16384, f);
		b->len += n;
		if (b->len > YAML_MAX) {
			errno = EFBIG;
			return (-1);
		}
	} while (n > 0);
	return (ferror(f) ? -1 : 0);
}

static json_t *
yaml_file(const char *path, json_t *lines, char **err)
{
	struct buf	 b = { 0 };
	json_t		*v = NULL;
	FILE		*f = fopen(path, "re");

	*err = NULL;
	if (f == NULL || yaml_slurp(f, &b) == -1)
		*err = xasprintf("%s: cannot read: %s", path, strerror(errno));
	else if (memchr(b.data, 0, b.len) != NULL)
		*err = xasprintf("%s: is not UTF-8 text", path);
	else
		v = yaml_read(path, (const char *)b.data, b.len, lines, err);
	if (f != NULL)
		fclose(f);
	buf_free(&b);
	return (v);
}

json_t *
yaml_load(const char *path, char **err)
{
	return (yaml_file(path, NULL, err));
}

json_t *
yaml_load_lines(const char *path, json_t **lines, char **err)
{
	*lines = json_object();
	return (yaml_file(path, *lines, err));
}

/* Words that stay what they are without quotes. */
static int
yaml_is_bare(const char *s, size_t n)
{
	size_t	i;
	json_t	*v;

	if (n == 0 || memchr(s, 0, n) != NULL || strchr("-.+", s[0]) != NULL || yaml_is_float(s))
		return (0);
	for (i = 0; i < n; i++)
		if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') && (s[i] == '\0' || strchr("_-./+", s[i]) == NULL))
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
	const unsigned char	*p = (const unsigned char *)s, *end = p + n;

	buf_u8(b, '"');
	for (; p < end; p++) {
		if (*p == '"' || *p == '\\') {
			buf_addf(b, "\\%c", *p);
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
	char	text[WORDS_REAL];

	words_real(text, d);
	buf_addf(b, "%s%s", text, strpbrk(text, ".e") != NULL ? "" : ".0");
}

static void yaml_put(struct buf *, const json_t *, int, int);

static void
yaml_indent(struct buf *b, int depth)
{
	buf_addf(b, "%*s", depth * 2, "");
}

/* After "key:" or "-"; ends the line. */
static void
yaml_put_leaf(struct buf *b, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		buf_addf(b, "{}");
		break;
	case JSON_ARRAY:
		buf_addf(b, "[]");
		break;
	case JSON_STRING:
		yaml_put_text(b, json_string_value(v), json_string_length(v));
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
	const char	*key;
	json_t		*v;

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
	json_t	*v;
	size_t	 i;

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
		yaml_put_leaf(b, v);
	else if (json_is_object(v))
		yaml_put_object(b, v, depth, begun);
	else
		yaml_put_array(b, v, depth, begun);
}

char *
yaml_dump(const json_t *value)
{
	struct buf	b = { 0 };

	yaml_put(&b, value, 0, 0);
	buf_u8(&b, '\0');
	return ((char *)buf_take(&b, NULL));
}
