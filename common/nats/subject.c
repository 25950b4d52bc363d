#include "config.h"

#include "common/nats/subject.h"

#include <string.h>

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

static char *
subject_of(const char *prefix, const char *node)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s", prefix);
	subject_token(&b, node);
	return (subject_done(&b));
}

char *
subject_txn(const char *node, const char *database, const char *table)
{
	struct buf b = { 0 };

	buf_addf(&b, "hl.txn.");
	subject_token(&b, node);
	buf_u8(&b, '.');
	subject_token(&b, database);
	buf_u8(&b, '.');
	subject_or_any(&b, table);
	return (subject_done(&b));
}

char *
subject_req(const char *node, const char *verb)
{
	struct buf b = { 0 };

	buf_addf(&b, "hl.req.");
	subject_token(&b, node);
	buf_u8(&b, '.');
	subject_or_any(&b, verb);
	return (subject_done(&b));
}

char *
subject_catchup(const char *node)
{
	return (subject_of("hl.catchup.", node));
}

char *
subject_stream(const char *node)
{
	return (subject_of("HL_", node));
}
