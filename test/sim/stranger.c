#include "config.h"

#include "test/sim/stranger.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/roster.h"
#include "opsd/pki/signer.h"
#include "test/sim/keys.h"
#include "test/sim/machine.h"
#include "test/sim/world.h"

#define STRANGER "stranger"

static json_t *
forged_entry(const char *key, const struct statement *said, const struct statement *introduction)
{
	json_t *o = json_pack("{s:s, s:s, s:o}", "kind", "member", "key", key, "said",
	    statement_write(said));

	if (introduction != NULL)
		json_object_set_new(o, "introduction", statement_write(introduction));
	return (o);
}

/* It says that it is a member, and introduces itself; and that a member is none. */
static json_t *
forged_entries(const struct signer *signer, const struct machine *of)
{
	uint8_t id[NODE_ID_LEN];
	char hex[2 * NODE_ID_LEN + 1];
	json_t *self = json_pack("{s:s, s:s, s:s, s:b}", "hostname", STRANGER, "url",
	    "wss://" STRANGER ":9933", "spki", signer_spki(signer), "full", 1);
	json_t *key = json_pack("{s:s}", "spki", signer_spki(signer));
	json_t *gone = json_pack("{s:s, s:s, s:b}", "hostname", of->name, "spki", keys_spki(of),
	    "removed", 1);
	struct statement *said, *introduction, *removal;
	json_t *list;

	world_random(id, sizeof(id));
	node_id_hex(id, hex);
	said = statement_make(signer, STATEMENT_MEMBER, hex, id, wall_ms() << 16, self);
	introduction = statement_make(signer, STATEMENT_INTRODUCTION, hex, id, wall_ms() << 16,
	    key);
	removal = statement_make(signer, STATEMENT_MEMBER, of->hex, id, wall_ms() << 16, gone);
	list = json_pack("[o, o]", forged_entry(hex, said, introduction),
	    forged_entry(of->hex, removal, NULL));
	statement_free(said);
	statement_free(introduction);
	statement_free(removal);
	json_decref(self);
	json_decref(key);
	json_decref(gone);
	return (list);
}

static void
answered_cb(struct rd *body, void *arg)
{
	(void)body;
	(void)arg;
}

/* Over NATS, where nobody vouches for who asks. */
void
stranger_asks(struct machine *m, const struct machine *of)
{
	struct machine *was = machine_enter(m);
	struct signer *signer = keys_stranger();
	json_t *o = json_pack("{s:s, s:o}", "id", of->hex, "give", forged_entries(signer, of));
	struct buf b = { 0 };
	char *text;

	compat_say(o);
	text = json_dumps(o, JSON_COMPACT);
	buf_str(&b, "roster");
	buf_blob(&b, text, strlen(text));
	wire_ask(&m->hub, MSG_NODE_REQ, &b, answered_cb, NULL);
	free(text);
	json_decref(o);
	signer_free(signer);
	machine_enter(was);
}

int
stranger_is_member(const struct machine *m)
{
	struct roster_member r;

	if (!roster_by_hostname(m->rep.roster, STRANGER, &r))
		return (0);
	roster_member_clear(&r);
	return (1);
}
