#include "config.h"

#include "common/nats/subject.h"

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

char *
subject_txn(const struct natsconf_names *n, const char *node, const char *database,
    const char *table)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s.txn.", n->subjects);
	subject_parts(&b, node, database, table);
	return (subject_done(&b));
}

char *
subject_txns(const struct natsconf_names *n, const char *node)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s.txn.", n->subjects);
	subject_token(&b, node);
	buf_addf(&b, ".>");
	return (subject_done(&b));
}

const char *
subject_of_table(const struct natsconf_names *n, const char *subject)
{
	size_t len = strlen(n->subjects);

	if (strncmp(subject, n->subjects, len) != 0 || strncmp(subject + len, ".txn.", 5) != 0)
		return (NULL);
	return (subject + len + 5);
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
subject_stream(const struct natsconf_names *n, const char *node)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s_", n->streams);
	subject_token(&b, node);
	return (subject_done(&b));
}

char *
subject_api(const struct natsconf_names *n, const char *node)
{
	const char *domain = n->external ? n->domain : node;

	return (domain != NULL ? xasprintf("$JS.%s.API", domain) : xstrdup("$JS.API"));
}
