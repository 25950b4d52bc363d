#include "config.h"

#include "common/nats/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static int
subject_plain(unsigned char ch)
{
	return ((ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') ||
	    ch == '_' || ch == '-');
}

static void
subject_token(struct buf *b, const char *name)
{
	const char *p;

	/* An empty token is no subject; a lone % is no other name's escape. */
	if (*name == '\0')
		buf_u8(b, '%');
	for (p = name; *p != '\0'; p++) {
		if (subject_plain((unsigned char)*p))
			buf_u8(b, (uint8_t)*p);
		else
			buf_addf(b, "%%%02X", (unsigned char)*p);
	}
}

static void
subject_or_any(struct buf *b, const char *name)
{
	if (strcmp(name, "*") == 0)
		buf_u8(b, '*');
	else
		subject_token(b, name);
}

static char *
subject_done(struct buf *b)
{
	buf_u8(b, '\0');
	return ((char *)buf_take(b, NULL));
}

static void
subject_parts(struct buf *b, const char *node, const char *database, const char *table)
{
	subject_token(b, node);
	buf_u8(b, '.');
	subject_token(b, database);
	buf_u8(b, '.');
	subject_or_any(b, table);
}

char *
subject_table(const char *node, const char *database, const char *table)
{
	struct buf b = { 0 };

	subject_parts(&b, node, database, table);
	return (subject_done(&b));
}

char *
subject_tables(const char *node)
{
	struct buf b = { 0 };

	subject_token(&b, node);
	buf_addf(&b, ".>");
	return (subject_done(&b));
}

static void
subject_before(struct buf *b, const struct natsconf_names *n, struct shard s)
{
	if (s.n == 1)
		buf_addf(b, "%s.txn.", n->subjects);
	else if (s.n == 0)
		buf_addf(b, "%s.shard.*.", n->subjects);
	else
		buf_addf(b, "%s.shard.%uof%u.", n->subjects, s.k + 1, s.n);
}

char *
subject_before_table(const struct natsconf_names *n, struct shard s)
{
	struct buf b = { 0 };

	subject_before(&b, n, s);
	return (subject_done(&b));
}

char *
subject_txn(const struct natsconf_names *n, const char *node, struct shard s, const char *database,
    const char *table)
{
	struct buf b = { 0 };

	subject_before(&b, n, s);
	subject_parts(&b, node, database, table);
	return (subject_done(&b));
}

char *
subject_txns(const struct natsconf_names *n, const char *node, struct shard s)
{
	struct buf b = { 0 };

	subject_before(&b, n, s);
	subject_token(&b, node);
	buf_addf(&b, ".>");
	return (subject_done(&b));
}

const char *
subject_of_table(const struct natsconf_names *n, const char *subject)
{
	size_t len = strlen(n->subjects);
	const char *which;

	if (strncmp(subject, n->subjects, len) != 0)
		return (NULL);
	if (strncmp(subject + len, ".txn.", 5) == 0)
		return (subject + len + 5);
	if (strncmp(subject + len, ".shard.", 7) != 0)
		return (NULL);
	which = strchr(subject + len + 7, '.');
	return (which != NULL ? which + 1 : NULL);
}

char *
subject_req(const struct natsconf_names *n, const char *node, const char *verb)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s.req.", n->subjects);
	subject_token(&b, node);
	buf_u8(&b, '.');
	subject_or_any(&b, verb);
	return (subject_done(&b));
}

char *
subject_catchup(const struct natsconf_names *n, const char *node)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s.catchup.", n->subjects);
	subject_token(&b, node);
	return (subject_done(&b));
}

char *
subject_word(const struct natsconf_names *n, const char *word)
{
	return (xasprintf("%s.%s", n->subjects, word));
}

char *
subject_stream(const struct natsconf_names *n, const char *node, struct shard s)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s_", n->streams);
	subject_token(&b, node);
	if (s.n > 1)
		buf_addf(&b, "+%uof%u", s.k + 1, s.n);
	return (subject_done(&b));
}

struct shard
subject_stream_shard(const struct natsconf_names *n, const char *node, const char *stream)
{
	char *of = subject_stream(n, node, (struct shard){ 0, 1 }), *name = NULL;
	struct shard s = { 0, 0 };
	size_t len = strlen(of);

	if (strncmp(stream, of, len) == 0 && sscanf(stream + len, "+%2uof%2u", &s.k, &s.n) == 2 &&
	    s.k-- > 0 && s.n > 1 && s.n <= SHARDS_MAX && s.k < s.n)
		name = subject_stream(n, node, s);
	if (name == NULL || strcmp(name, stream) != 0)
		s = (struct shard){ 0, 0 };
	free(name);
	free(of);
	return (s);
}

char *
subject_api(const struct natsconf_names *n, const char *node)
{
	const char *domain = n->external ? n->domain : node;

	return (domain != NULL ? xasprintf("$JS.%s.API", domain) : xstrdup("$JS.API"));
}
