#include "config.h"

#include "test/sim/mesh.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "test/sim/machine.h"
#include "test/sim/net.h"
#include "test/sim/world.h"

static uint64_t questions;

uint64_t
mesh_questions(void)
{
	return (questions);
}

static void
say_cb(void *arg)
{
	struct machine *m = arg;
	json_t *nodes = json_array(), *ids = json_array(), *o;
	struct buf b = { 0 };
	char *text;

	for (int i = 0; i < nmachines; i++)
		if (&machines[i] != m && net_meshed(m, &machines[i])) {
			json_array_append_new(nodes, json_string(machines[i].name));
			json_array_append_new(ids, json_string(machines[i].hex));
		}
	o = json_pack("{s:{s:s}, s:o, s:o, s:[], s:[]}", "server", "status", "running", "nodes",
	    nodes, "ids", ids, "conflicts", "doubled");
	text = json_dumps(o, JSON_COMPACT);
	buf_blob(&b, text, strlen(text));
	wire_tell(&m->hub, MSG_MESH, &b);
	free(text);
	json_decref(o);
}

void
mesh_changed(struct machine *m)
{
	if (m->up)
		world_at(world_between(1000, 1500000), m, say_cb, m, NULL);
}

static void
take_question(struct machine *m, uint32_t id, struct buf *body)
{
	struct rd r = rd_init(body->data, body->len);
	char *node = rd_str(&r), *verb = rd_str(&r);
	unsigned timeout_ms = rd_u32(&r);
	size_t n;
	const uint8_t *p = rd_blob(&r, &n);
	struct buf b = { 0 };

	if (!rd_done(&r))
		world_fail("%s: PEER_REQ cannot be read", m->name);
	questions++;
	buf_str(&b, verb);
	buf_blob(&b, p, n);
	carry(&m->hub, id, node, MSG_NODE_REQ, &b, timeout_ms);
	free(node);
	free(verb);
}

void
mesh_take(struct machine *m, uint32_t id, uint16_t type, struct buf *body)
{
	if (type == MSG_PEER_REQ)
		take_question(m, id, body);
	else if (type != MSG_SETTINGS)
		world_fail("%s: hubd is sent %s", m->name, proto_name(type));
}
