#include "config.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/sql/sqltoken.h"
#include "test/fuzz/node.h"

/*
 * Statements to a real opsd, each first from a user whose role has some rights, then from a
 * super_user.  Every one has an answer with a status that fits, and nobody sees what they may not.
 */
#define WORDS_MAX 400
#define RENEW     4000 /* inputs between two starts of the node */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

static const char secret[] = "zq81kx";

static const char *const start[] = {
	"{\"operation\":\"create_table\",\"database\":\"dev\",\"table\":\"dog\",\"primary_key\":\"id\","
	"\"attributes\":[{\"name\":\"name\"},{\"name\":\"age\",\"indexed\":true}]}",
	"{\"operation\":\"create_table\",\"table\":\"secret\",\"primary_key\":\"id\"}",
	"{\"operation\":\"insert\",\"database\":\"dev\",\"table\":\"dog\",\"records\":["
	"{\"id\":1,\"name\":\"Rex\",\"age\":4,\"pin\":\"zq81kx\"},{\"id\":2,\"name\":\"Bo\",\"age\":7},"
	"{\"id\":\"k\",\"name\":\"\",\"age\":1.5,\"tags\":[1,\"a\",{\"b\":true}],\"good\":true}]}",
	"{\"operation\":\"insert\",\"table\":\"secret\",\"records\":[{\"id\":1,\"name\":\"zq81kx\"}]}",
	"{\"operation\":\"add_role\",\"role\":\"reader\",\"permission\":{\"dev\":{\"tables\":{\"dog\":"
	"{\"read\":true,\"insert\":true,\"update\":true,\"delete\":true,\"attribute_permissions\":["
	"{\"attribute_name\":\"name\",\"read\":true,\"insert\":true,\"update\":true},"
	"{\"attribute_name\":\"age\",\"read\":true,\"insert\":true,\"update\":true},"
	"{\"attribute_name\":\"tags\",\"read\":true,\"insert\":true,\"update\":true}]}}}}}",
	"{\"operation\":\"add_user\",\"username\":\"reader\",\"password\":\"reader\",\"role\":\"reader\","
	"\"active\":true}",
	"{\"operation\":\"set_configuration\",\"sql_timeout\":1,\"sql_maxRows\":10000,"
	"\"sql_maxMemory\":16777216}",
};

static void
renew(void)
{
	static unsigned inputs;
	struct answer a;

	if (inputs++ % RENEW != 0)
		return;
	if (inputs > 1) {
		node_stop();
		node_wipe();
	}
	node_start();
	for (size_t i = 0; i < sizeof(start) / sizeof(start[0]); i++) {
		node_ask(AS_SUPER, "application/json", start[i], strlen(start[i]), &a);
		if (a.status != 200)
			fatalx("%s\n%d %s", start[i], a.status, a.text);
		answer_free(&a);
	}
}

static int
status_fits(int status)
{
	static const int fit[] = { 200, 400, 403, 404, 408, 413 };

	for (size_t i = 0; i < sizeof(fit) / sizeof(fit[0]); i++)
		if (status == fit[i])
			return (1);
	return (0);
}

static void
check(enum asker who, const char *body, const struct answer *a)
{
	const char *what = NULL;

	if (!status_fits(a->status))
		what = "status";
	else if (a->status != 200 && strstr(a->text, "\"error\"") == NULL)
		what = "no error";
	/* Who says it may hear it. */
	else if (who == AS_READER && strstr(body, secret) == NULL &&
	    strstr(a->text, secret) != NULL)
		what = "shows a secret";
	if (what == NULL)
		return;
	fprintf(stderr, "%s: %s\n%d %s\n", what, body, a->status, a->text);
	abort();
}

static void
ask(enum asker who, const char *body)
{
	struct answer a;

	node_ask(who, "application/json", body, strlen(body), &a);
	check(who, body, &a);
	answer_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_t *text = json_stringn((const char *)data, n);
	json_t *request = json_pack("{s:s, s:o*}", "operation", "sql", "sql", text);
	char *body;

	renew();
	if (text != NULL) {
		body = json_dumps(request, JSON_COMPACT);
		ask(AS_READER, body);
		ask(AS_SUPER, body);
		free(body);
	}
	json_decref(request);
	return (0);
}

/* ---- mutations: words go, come, change places ---- */

static const char *const words[] = { "SELECT", "FROM", "WHERE", "dev.dog", "secret",
	"system.hdb_user", "*", ",", "(", ")", "AND", "OR", "NOT", "NULL", "IS", "IN", "LIKE",
	"'%'", "BETWEEN", "JOIN", "LEFT JOIN", "ON", "USING (id)", "GROUP BY", "HAVING", "ORDER BY",
	"DESC", "LIMIT", "OFFSET", "DISTINCT", "UNION", "EXCEPT", "id", "name", "age", "pin",
	"tags", "good", "rowid", "count(*)", "group_concat(pin)", "max(name)", "json_each(tags)",
	"json_extract(tags, '$[0]')", "WITH x AS", "RECURSIVE", "INSERT INTO", "VALUES", "UPDATE",
	"SET", "DELETE FROM", "REPLACE INTO", "TRUE", "FALSE", "=", "<", ">=", "||", "1", "-1",
	"9223372036854775807", "1e308", "''", "x'00'", "a", "AS", "CASE WHEN", "THEN", "ELSE",
	"END", "EXISTS", "EXPLAIN", "__createdtime__", "hex(zeroblob(99))", "row_number() OVER ()",
	"INDEXED BY", "COLLATE NOCASE", "sqlite_master", "main.", ";", "--", "/*" };

static unsigned
random_below(unsigned *seed, size_t n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (n == 0 ? 0 : (*seed >> 8) % (unsigned)n);
}

static void
put_word(struct buf *out, const char *s, size_t n)
{
	buf_add(out, s, n);
	buf_u8(out, ' ');
}

/* One change in about sixteen words. */
static void
change_words(struct buf *out, const struct sqltoken *all, size_t n, unsigned *seed)
{
	const char *word;

	for (size_t i = 0; i < n; i++) {
		word = words[random_below(seed, sizeof(words) / sizeof(words[0]))];
		switch (random_below(seed, 64)) {
		case 0:
			put_word(out, word, strlen(word));
			break;
		case 1:
			put_word(out, word, strlen(word));
			put_word(out, all[i].s, all[i].n);
			break;
		case 2:
			break;
		case 3:
			put_word(out, all[random_below(seed, n)].s, 1);
			break;
		default:
			put_word(out, all[i].s, all[i].n);
		}
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	char *text = xmalloc(n + 1);
	struct sqltoken *all;
	struct buf out = { 0 };
	size_t count;

	memcpy(text, data, n);
	text[n] = '\0';
	all = sqltoken_all(text, &count);
	change_words(&out, all, count < WORDS_MAX ? count : WORDS_MAX, &seed);
	n = out.len < max ? out.len : max;
	if (n > 0)
		memcpy(data, out.data, n);
	buf_free(&out);
	free(all);
	free(text);
	return (n);
}
