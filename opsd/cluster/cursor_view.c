#include "config.h"

#include "opsd/cluster/cursor_view.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static const char *const state_names[] = { "live", "fetch", "copy", "clock", "failed", "recover",
	"queued", "new" };

const char *
cursor_view_state(enum cursor_state s)
{
	return (state_names[s]);
}

int
cursor_view_settled(const struct cursor_view *v)
{
	return (!v->copying && !v->leans && v->from_ms == 0 && v->incarnation != 0 &&
	    v->state != CURSOR_NEW);
}

uint64_t
cursor_view_total(const struct cursor_view *v)
{
	return (v->peer_rows == 0 || v->peer_rows > v->copied ? v->peer_rows : v->copied);
}

void
cursor_view_copy(struct cursor_view *to, const struct cursor_view *v)
{
	*to = *v;
	to->database = xstrdup(v->database);
	to->name = xstrdup(v->name);
	to->why = xstrdup(v->why);
	to->next_key = v->next_len > 0 ? xmemdup(v->next_key, v->next_len) : NULL;
}

void
cursor_view_clear(struct cursor_view *v)
{
	free(v->database);
	free(v->name);
	free(v->why);
	free(v->next_key);
}

void
cursor_view_free(struct cursor_view *v)
{
	if (v == NULL)
		return;
	cursor_view_clear(v);
	free(v);
}

void
cursor_view_write(const struct cursor_view *v, struct buf *b)
{
	buf_u8(b, CURSOR_FORMAT);
	buf_u8(b, (uint8_t)v->state);
	buf_str(b, v->database);
	buf_str(b, v->name);
	buf_u64(b, v->incarnation);
	buf_u64(b, v->seq);
	buf_u64(b, v->mark);
	buf_u64(b, v->ms);
	buf_u64(b, v->came_ms);
	buf_u64(b, v->from_ms);
	buf_u8(b, (uint8_t)v->copying);
	buf_u8(b, (uint8_t)v->beside);
	buf_u32(b, (uint32_t)v->chunks);
	buf_u8(b, (uint8_t)v->recovering);
	buf_blob(b, v->next_key, v->next_len);
	buf_str(b, v->why != NULL ? v->why : "");
	buf_u64(b, v->copied);
	buf_u64(b, v->since_ms);
	buf_u8(b, (uint8_t)(v->whole | v->leans << 1));
	buf_u64(b, v->whole_ms);
	buf_add(b, v->leans_on, NODE_ID_LEN);
}

int
cursor_view_read(struct cursor_view *v, struct rd *r)
{
	const uint8_t *next, *on;
	uint8_t format = rd_u8(r), whole;

	v->state = rd_u8(r);
	v->database = rd_str(r);
	v->name = rd_str(r);
	v->incarnation = rd_u64(r);
	v->seq = rd_u64(r);
	v->mark = rd_u64(r);
	v->ms = rd_u64(r);
	v->came_ms = rd_u64(r);
	v->from_ms = rd_u64(r);
	v->copying = rd_u8(r);
	v->beside = rd_u8(r);
	v->chunks = (int)rd_u32(r);
	v->recovering = rd_u8(r);
	next = rd_blob(r, &v->next_len);
	v->next_key = v->next_len > 0 ? xmemdup(next, v->next_len) : NULL;
	v->why = rd_str(r);
	v->copied = rd_u64(r);
	v->since_ms = rd_u64(r);
	whole = rd_u8(r);
	v->whole = whole & 1;
	v->leans = whole >> 1;
	v->whole_ms = rd_u64(r);
	on = rd_bytes(r, NODE_ID_LEN);
	if (on != NULL)
		memcpy(v->leans_on, on, NODE_ID_LEN);
	if (v->why[0] == '\0') {
		free(v->why);
		v->why = NULL;
	}
	return (rd_done(r) && format == CURSOR_FORMAT && v->state <= CURSOR_QUEUED ? 0 : -1);
}
