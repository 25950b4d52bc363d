#include "config.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/op/op.h"
#include "test/fuzz/node.h"

/*
 * Requests to a real opsd.  Each line of the input is a body; "r " before it: from a
 * user whose role has some rights, "n " from nobody; others from a super_user, "c ", "m "
 * and "v " in CBOR, MessagePack and for CSV.  Every one has an answer that can be read,
 * with a status that fits; nobody gets what they may not.
 *
 * "~/ in a body is a folder of ours: requests name no other.
 */

#define LINES_MAX 16
#define DEPTH_MAX 1000
#define RENEW     1000 /* inputs between two starts of the node */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* In a row that only super users may see; not known before, so in no input. */
static char secret[33];
static char role_id[64];

static const char *const tables[] = {
	"{\"operation\":\"create_table\",\"database\":\"dev\",\"table\":\"dog\",\"primary_key\":\"id\","
	"\"attributes\":[{\"name\":\"name\"},{\"name\":\"age\",\"indexed\":true}]}",
	"{\"operation\":\"create_table\",\"database\":\"dev\",\"table\":\"secret\","
	"\"primary_key\":\"id\"}",
	"{\"operation\":\"insert\",\"database\":\"dev\",\"table\":\"dog\",\"records\":["
	"{\"id\":1,\"name\":\"Rex\",\"age\":4},{\"id\":2,\"name\":\"Bo\",\"age\":7,\"tail\":null},"
	"{\"id\":\"k\",\"name\":\"\",\"age\":1.5,\"tags\":[1,\"a\",{\"b\":true}]}]}",
};

static const char role[] =
    "{\"operation\":\"add_role\",\"role\":\"reader\",\"permission\":{\"dev\":"
    "{\"tables\":{\"dog\":{\"read\":true,\"insert\":true,\"update\":true,\"delete\":true,"
    "\"attribute_permissions\":[]}}}}}";
static const char user[] = "{\"operation\":\"add_user\",\"username\":\"reader\","
			   "\"password\":\"reader\",\"role\":\"reader\",\"active\":true}";

/* ---- the node's state ---- */

static int
ask(const char *body, struct answer *a)
{
	node_ask(AS_SUPER, format_type(FORMAT_JSON), body, strlen(body), a);
	return (a->status);
}

/* Caller frees the answer. */
static void
must(const char *body, struct answer *a)
{
	if (ask(body, a) != 200)
		fatalx("%s\n%d %s", body, a->status, a->text);
}

/* What requests drop comes back. */
static void
fill_tables(void)
{
	char *body = xasprintf("{\"operation\":\"upsert\",\"database\":\"dev\","
			       "\"table\":\"secret\",\"records\":[{\"id\":1,\"name\":\"%s\"}]}",
	    secret);
	struct answer a;
	size_t i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		ask(tables[i], &a);
		answer_free(&a);
	}
	ask(body, &a);
	answer_free(&a);
	free(body);
}

static void
make_csv(void)
{
	char *path = xasprintf("%s/dogs.csv", node_files());
	FILE *f = fopen(path, "we");

	if (f == NULL || fputs("id,name,age\n1,Rex,5\nx,\"a\n\"\"b\",\n", f) == EOF ||
	    fclose(f) != 0)
		fatal("%s", path);
	free(path);
}

static void
fill(void)
{
	struct answer a;
	json_t *made;

	make_csv();
	fill_tables();
	must(role, &a);
	made = json_loads(a.text, 0, NULL);
	snprintf(role_id, sizeof(role_id), "%s", json_string_value(json_object_get(made, "id")));
	json_decref(made);
	answer_free(&a);
	must(user, &a);
	answer_free(&a);
}

/* Sometimes it stops and starts on what inputs have left, then on nothing. */
static void
renew(void)
{
	static unsigned inputs;

	if (inputs++ % RENEW != 0)
		return;
	if (inputs > 1) {
		node_stop();
		node_start();
		node_stop();
		node_wipe();
	} else
		crypto_random_hex(secret, 16);
	node_start();
	fill();
}

/* ---- what is not asked ---- */

static int
is(const json_t *body, const char *name, const char *text)
{
	const char *s = json_string_value(json_object_get(body, name));

	return (s != NULL && strcmp(s, text) == 0);
}

/* A path elsewhere. */
static int
elsewhere(const json_t *body, const char *name, const char *here)
{
	const char *s = json_string_value(json_object_get(body, name));

	return (s != NULL && (strncmp(s, here, strlen(here)) != 0 || strstr(s, "..") != NULL));
}

static int
sets_rights(const json_t *body)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)body, name, v)
		if (strcasestr(name, "auth") != NULL || strcasestr(name, "storage") != NULL)
			return (1);
	return (0);
}

/* It would change the rights that are checked here, stop us, or reach other programs. */
static int
harms(const struct op *op, const json_t *body)
{
	if (strncmp(op->name, "restart", 7) == 0 || strcmp(op->name, "renew_node_id") == 0)
		return (1);
	if (strstr(op->name, "_user") != NULL || strstr(op->name, "_role") != NULL)
		return (is(body, "username", "reader") || is(body, "role", "reader") ||
		    is(body, "id", role_id));
	if (strcmp(op->name, "set_configuration") == 0)
		return (sets_rights(body));
	return (is(body, "table", "hdb_user") || is(body, "table", "hdb_role") ||
	    elsewhere(body, "path", node_files()) || elsewhere(body, "file_path", node_files()) ||
	    elsewhere(body, "csv_url", "http://127.0.0.1:1/"));
}

/* ---- requests ---- */

static void
wrong(const struct buf *body, const struct answer *a, const char *what)
{
	fprintf(stderr, "%s: %.*s\n%d %s\n", what, (int)body->len, (const char *)body->data,
	    a->status, a->text);
	abort();
}

static int
status_fits(enum asker who, const struct op *op, int status)
{
	switch (status) {
	case 200:
	case 400:
	case 401:
	case 403:
	case 404:
	case 409:
	case 413:
	case 503:
	case 504:
		return (1);
	case 429:
		/* Logins that failed, of which the socket's are not counted. */
		return (who == AS_READER ||
		    (who == AS_NOBODY && op != NULL && op->right == RIGHT_OPEN));
	case 500:
		/* Known clients look for it there. */
		return (op != NULL &&
		    (strncmp(op->name, "search_by_", 10) == 0 ||
			strcmp(op->name, "alter_user") == 0));
	}
	return (0);
}

/* Byte by byte: libFuzzer looks at what is compared, and puts it into inputs. */
static int
shows_secret(const struct answer *a)
{
	size_t i, same = 0;

	for (i = 0; i < a->n && secret[same] != '\0'; i++)
		same = a->text[i] == secret[same] ? same + 1 : a->text[i] == secret[0];
	return (secret[same] == '\0');
}

/* JSON of any kind, too; rows may be CSV, and a backup is a tar. */
static json_t *
read_answer(enum format f, const struct op *op, const struct buf *body, const struct answer *a)
{
	char *err = NULL;
	json_t *answer;

	if (op != NULL && a->status == 200 &&
	    (f == FORMAT_CSV || strcmp(op->name, "get_backup") == 0))
		return (json_null());
	answer = format_read(f == FORMAT_CSV ? FORMAT_JSON : f, a->text, a->n, DEPTH_MAX, &err);
	if (answer == NULL)
		wrong(body, a, "cannot be read");
	return (answer);
}

static void
check(enum asker who, enum format f, const struct op *op, const struct buf *body,
    const struct answer *a)
{
	json_t *answer = read_answer(f, op, body, a);

	if (!status_fits(who, op, a->status))
		wrong(body, a, "status");
	if ((op == NULL) && a->status == 200)
		wrong(body, a, "no operation");
	if (a->status != 200 && json_object_get(answer, "error") == NULL)
		wrong(body, a, "no error");
	if (who != AS_SUPER && a->status == 200 &&
	    (op->right == RIGHT_SUPER || op->right == RIGHT_NODES))
		wrong(body, a, "is for super users");
	if (who == AS_NOBODY && a->status == 200 && op->right != RIGHT_OPEN)
		wrong(body, a, "is for users");
	if (who != AS_SUPER && shows_secret(a))
		wrong(body, a, "shows a secret");
	json_decref(answer);
}

/* The same in another format, when there is a body. */
static void
send(enum asker who, enum format f, const json_t *json, const struct buf *body, struct answer *a)
{
	struct buf out = { 0 };

	if (json == NULL || f == FORMAT_CSV)
		buf_add(&out, body->data, body->len);
	else
		format_json(f, &out, json);
	node_ask(who, format_type(f), out.data, out.len, a);
	buf_free(&out);
}

/* What it asks for, or NULL; its values, or NULL when it has none. */
static const struct op *
read_request(const struct buf *body, json_t **json)
{
	const struct scan_limits most = { DEPTH_MAX, 1000000 };
	struct inquiry a;
	const struct op *op;
	char *err = NULL, *text = xmemdup(body->data, body->len);

	op_asked(FORMAT_JSON, text, body->len, &most, &a);
	op = a.op;
	*json = op != NULL ? op_body(FORMAT_JSON, text, body->len, DEPTH_MAX, op, &err) : NULL;
	inquiry_free(&a);
	free(err);
	free(text);
	return (*json != NULL ? op : NULL);
}

static void
request(enum asker who, enum format f, const struct buf *body)
{
	struct answer a;
	json_t *json;
	const struct op *op = read_request(body, &json);

	if (op == NULL || !harms(op, json)) {
		send(who, f, json, body, &a);
		check(who, f, op, body, &a);
		if (op != NULL && a.status == 200 && strncmp(op->name, "drop_", 5) == 0)
			fill_tables();
		answer_free(&a);
	}
	json_decref(json);
}

/* A line's text with our folder in it. */
static void
line(const char *s, size_t n)
{
	static const char letters[] = "rncmv";
	static const enum format formats[] = { FORMAT_JSON, FORMAT_JSON, FORMAT_CBOR,
		FORMAT_MSGPACK, FORMAT_CSV };
	enum format f = FORMAT_JSON;
	enum asker who = AS_SUPER;
	struct buf body = { 0 };
	const char *p;

	if (n > 1 && s[1] == ' ' && s[0] != '\0' && (p = strchr(letters, s[0])) != NULL) {
		f = formats[p - letters];
		who = s[0] == 'r' ? AS_READER : s[0] == 'n' ? AS_NOBODY : AS_SUPER;
		s += 2;
		n -= 2;
	}
	while ((p = memmem(s, n, "\"~/", 3)) != NULL) {
		buf_add(&body, s, (size_t)(p - s));
		buf_addf(&body, "\"%s/", node_files());
		n -= (size_t)(p + 3 - s);
		s = p + 3;
	}
	buf_add(&body, s, n);
	request(who, f, &body);
	buf_free(&body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *s = (const char *)data, *end = s + n, *stop;
	int lines;

	renew();
	for (lines = 0; s < end && lines < LINES_MAX; lines++) {
		stop = memchr(s, '\n', (size_t)(end - s));
		stop = stop != NULL ? stop : end;
		line(s, (size_t)(stop - s));
		s = stop + (stop < end);
	}
	return (0);
}
