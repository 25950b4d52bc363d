#include "config.h"

#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/statement.h"
#include "opsd/pki/signer.h"

/*
 * statement FILES BY KIND KEY AHEAD FIELDS [N]: what a member of that id says, signed with FILES.key;
 * AHEAD is in milliseconds.  In FIELDS, "@SPKI" stands for the hash of that key.  Prints it as an entry
 * of a question "roster"; with N, an array of so many with the keys KEY1 to KEYN, in hex.
 */
static enum statement_kind
kind_of(const char *name)
{
	for (int i = 0; i < STATEMENT_KINDS; i++)
		if (strcmp(statement_kind_name((enum statement_kind)i), name) == 0)
			return ((enum statement_kind)i);
	errx(2, "%s: no such kind", name);
}

static json_t *
fields_of(const char *text, const char *spki)
{
	const char *at = strstr(text, "@SPKI");
	char *all = at == NULL ? xstrdup(text) :
				 xasprintf("%.*s%s%s", (int)(at - text), text, spki, at + 5);
	json_t *o = json_loads(all, 0, NULL);

	if (o == NULL)
		errx(2, "%s: no JSON", all);
	free(all);
	return (o);
}

static json_t *
entry_of(const struct signer *signer, enum statement_kind kind, const char *key, const uint8_t *by,
    uint64_t ms, const json_t *fields)
{
	struct statement *s = statement_make(signer, kind, key, by, ms << 16, fields);
	json_t *o;

	if (s == NULL)
		errx(2, "%s: it is no statement", key);
	o = json_pack("{s:o}", kind == STATEMENT_INTRODUCTION ? "introduction" : "said",
	    statement_write(s));
	statement_free(s);
	return (o);
}

int
main(int argc, char *argv[])
{
	char *path, *pem;
	struct signer *signer;
	uint8_t by[NODE_ID_LEN];
	json_t *fields, *all;

	if (argc < 7 || node_id_read(argv[2], by) == -1)
		errx(2, "usage: statement FILES BY KIND KEY AHEAD FIELDS [N]");
	path = xasprintf("%s.key", argv[1]);
	pem = file_read(path, 1 << 20, NULL);
	if (pem == NULL || (signer = signer_new(pem)) == NULL)
		errx(2, "%s: no key", path);
	fields = fields_of(argv[6], signer_spki(signer));
	const enum statement_kind kind = kind_of(argv[3]);
	const uint64_t ms = wall_ms() + (uint64_t)atoll(argv[5]);

	if (argc == 7)
		all = entry_of(signer, kind, argv[4], by, ms, fields);
	else {
		all = json_array();
		for (int i = 1; i <= atoi(argv[7]); i++) {
			char *key = xasprintf("%s%x", argv[4], (unsigned)i);

			json_array_append_new(all, entry_of(signer, kind, key, by, ms, fields));
			free(key);
		}
	}
	json_dumpf(all, stdout, JSON_COMPACT);
	json_decref(all);
	json_decref(fields);
	signer_free(signer);
	mem_wipe(pem);
	free(path);
	return (0);
}
