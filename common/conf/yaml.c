#include "config.h"

#include "common/conf/yaml_priv.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

/* YAML in, by libfyaml. */

#define YAML_MAX   (4u << 20)
#define YAML_DEPTH 32

/* The parser's way: what it reads, and where a fault goes. */
struct yaml_in {
	const char *name; /* file, or "yaml" */
	char **err;
	json_t *lines; /* of keys; NULL: not asked for */
	struct buf at; /* the dotted name of what is read */
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
	struct fy_token *token = node != NULL ? fy_node_get_scalar_token(node) : NULL;
	const struct fy_mark *mark = token != NULL ? fy_token_start_mark(token) : NULL;

	if (mark == NULL)
		return (yaml_fault(in, what));
	if (*in->err == NULL)
		*in->err = xasprintf("%s:%d: %s", in->name, mark->line + 1, what);
	return (NULL);
}

static json_t *
yaml_scalar(struct yaml_in *in, struct fy_node *node)
{
	size_t n = 0, tag_len = 0;
	const char *s = fy_node_get_scalar(node, &n);
	const char *tag = fy_node_get_tag(node, &tag_len);
	enum fy_node_style style = fy_node_get_style(node);
	json_t *v = NULL;
	char *text;

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
	json_t *list = json_array(), *v;
	struct fy_node *item;
	void *iter = NULL;

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
	const struct fy_mark *mark = fy_token_start_mark(fy_node_get_scalar_token(key));
	size_t was = in->at.len;

	buf_addf(&in->at, "%s%s", was > 0 ? "." : "", name);
	if (in->lines != NULL && mark != NULL)
		json_object_setn_new(in->lines, (const char *)in->at.data, in->at.len,
		    json_integer(mark->line + 1));
	return (was);
}

static int
yaml_pair(struct yaml_in *in, struct fy_node_pair *pair, json_t *object, int depth)
{
	struct fy_node *key = fy_node_pair_key(pair);
	const char *s = NULL;
	char *name;
	size_t n = 0, was;
	json_t *v;
	int r = -1;

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
	json_t *object = json_object();
	struct fy_node_pair *pair;
	void *iter = NULL;

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
	struct fy_diag_error *e;
	void *iter = NULL;

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
	struct fy_document *doc = fy_parse_load_document(parser), *more;
	struct fy_node *root;
	json_t *v;

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

json_t *
yaml_read(const char *name, const char *text, size_t n, json_t *lines, char **err)
{
	struct yaml_in in = { .name = name, .err = err, .lines = lines };
	struct fy_diag_cfg dcfg;
	struct fy_diag *diag;
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG };
	struct fy_parser *parser;
	json_t *v = NULL;

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

static int
yaml_slurp(FILE *f, struct buf *b)
{
	size_t n;

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

json_t *
yaml_load(const char *path, json_t **lines, char **err)
{
	struct buf b = { 0 };
	json_t *v = NULL;
	FILE *f = fopen(path, "re");

	*err = NULL;
	*lines = json_object();
	if (f == NULL || yaml_slurp(f, &b) == -1)
		*err = xasprintf("%s: cannot read: %s", path, strerror(errno));
	else if (memchr(b.data, 0, b.len) != NULL)
		*err = xasprintf("%s: is not UTF-8 text", path);
	else
		v = yaml_read(path, (const char *)b.data, b.len, *lines, err);
	if (f != NULL)
		fclose(f);
	buf_free(&b);
	return (v);
}
