#include "config.h"

#include "leafd/jsack.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define ACK_PREFIX     "$JS.ACK."
#define ACK_TOKENS_V1  9
#define ACK_TOKENS_V2  11
#define ACK_TOKENS_MAX 12

/* A decimal number that ends at `end`; 0 is no sequence. */
static uint64_t
read_seq(const char *p, const char *end)
{
	uint64_t v = 0;

	if (p == end || end - p > 19)
		return (0);
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return (0);
		v = v * 10 + (uint64_t)(*p - '0');
	}
	return (v);
}

int
jsack_subject_read(const char *reply, struct jsack_seqs *out)
{
	const char *tokens[ACK_TOKENS_MAX + 1], *p;
	int n = 0, at;

	if (reply == NULL || strncmp(reply, ACK_PREFIX, strlen(ACK_PREFIX)) != 0)
		return (-1);
	for (p = reply; p != NULL; p = strchr(p, '.')) {
		if (n > 0)
			p++;
		if (n == ACK_TOKENS_MAX)
			return (-1);
		tokens[n++] = p;
	}
	if (n != ACK_TOKENS_V1 && n < ACK_TOKENS_V2)
		return (-1);
	at = n == ACK_TOKENS_V1 ? 5 : 7;
	out->stream = read_seq(tokens[at], tokens[at + 1] - 1);
	out->consumer = read_seq(tokens[at + 1], tokens[at + 2] - 1);
	return (out->stream != 0 && out->consumer != 0 ? 0 : -1);
}

static int
read_error(const void *data, size_t n, struct jsack_stored *out)
{
	json_t *root = json_loadb(data, n, 0, NULL);
	const json_t *e = json_object_get(root, "error");
	const char *why = json_string_value(json_object_get(e, "description"));
	int found = json_is_object(e);

	out->err_code = (int)json_integer_value(json_object_get(e, "err_code"));
	snprintf(out->why, sizeof(out->why), "%s", why != NULL && *why != '\0' ? why : "refused");
	json_decref(root);
	return (found ? 0 : -1);
}

/*
 * One comes for every message, so the usual answer is read without a parser.
 * Names of streams have no quotes (subject.h): a quoted key is a key.
 */
int
jsack_stored_read(const void *data, size_t n, struct jsack_stored *out)
{
	static const char seq[] = "\"seq\":", error[] = "\"error\":";
	const char *p, *q, *end = (const char *)data + n;

	memset(out, 0, sizeof(*out));
	if (n == 0)
		return (-1);
	if (memmem(data, n, error, sizeof(error) - 1) != NULL)
		return (read_error(data, n, out));
	p = memmem(data, n, seq, sizeof(seq) - 1);
	if (p == NULL)
		return (-1);
	p += sizeof(seq) - 1;
	while (p < end && *p == ' ')
		p++;
	for (q = p; q < end && *q >= '0' && *q <= '9'; q++)
		;
	out->seq = q < end ? read_seq(p, q) : 0;
	return (out->seq != 0 ? 0 : -1);
}
