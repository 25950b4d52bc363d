#include "config.h"

#include "opsd/format/scan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "opsd/store/packed.h"

#define TEXT_KEPT    1024 /* bytes of a member's text */
#define MEMBERS_KEPT 64   /* and those without which nothing is known */
#define VALUE_BYTES  64
#define BOX_BYTES    128 /* beyond that, as jansson keeps them */

void
scan_begin(struct scan *s, const struct scan_limits *most)
{
	memset(s, 0, sizeof(*s));
	s->most = *most;
	s->top = json_object();
	s->levels = xcalloc((size_t)most->depth, sizeof(*s->levels));
}

void
scan_end(struct scan *s)
{
	json_decref(s->top);
	free(s->levels);
}

void
scan_fault(struct scan *s, const char *why)
{
	if (s->why == NULL)
		s->why = why;
}

uint64_t
scan_bytes(const struct scan *s)
{
	return (s->values * VALUE_BYTES + s->boxes * BOX_BYTES);
}

int
scan_is_whole(const struct scan *s)
{
	return (s->depth == 0 && s->values > 0);
}

static struct scan_level *
top_level(const struct scan *s)
{
	return (s->depth > 0 ? &s->levels[s->depth - 1] : NULL);
}

int
scan_wants_name(const struct scan *s)
{
	const struct scan_level *l = top_level(s);

	return (l != NULL && l->map && !l->named);
}

int
scan_in(const struct scan *s, int map)
{
	const struct scan_level *l = top_level(s);

	return (l != NULL && l->open && l->map == map);
}

static int
is_member(const struct scan *s)
{
	return (s->depth == 1 && s->levels[0].map && s->name[0] != '\0');
}

int
scan_wants_text(const struct scan *s)
{
	return (s->depth == 1 && s->levels[0].map && (!s->levels[0].named || s->name[0] != '\0'));
}

static void
close_whole(struct scan *s)
{
	struct scan_level *l;

	while ((l = top_level(s)) != NULL && !l->open && l->left == 0 && !l->named)
		s->depth--;
}

/* A value begins; 0 when it may. */
static int
begin_value(struct scan *s)
{
	struct scan_level *l = top_level(s);

	if (++s->values > s->most.values) {
		s->too_many = 1;
		scan_fault(s, "there are too many values");
	}
	if (scan_wants_name(s))
		scan_fault(s, "a name is no text");
	if (s->why != NULL)
		return (-1);
	if (l != NULL) {
		l->named = 0;
		l->left -= !l->open;
	}
	return (0);
}

static int
is_kept_always(const char *name)
{
	static const char *const names[] = { "operation", "database", "schema", "table" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return (1);
	return (0);
}

/* Takes the reference; NULL: the member says nothing here. */
static void
keep_value(struct scan *s, json_t *v)
{
	json_object_del(s->top, s->name);
	if (v != NULL && (json_object_size(s->top) < MEMBERS_KEPT || is_kept_always(s->name)))
		json_object_set_new(s->top, s->name, v);
	else
		json_decref(v);
	s->name[0] = '\0';
}

static void
keep_name(struct scan *s, const char *p, size_t n)
{
	s->name[0] = '\0';
	if (n >= sizeof(s->name) || memchr(p, '\0', n) != NULL)
		return;
	memcpy(s->name, p, n);
	s->name[n] = '\0';
}

/* Of long ones what fits, in whole characters. */
static json_t *
kept_text(const char *p, size_t n)
{
	if (n > TEXT_KEPT)
		for (n = TEXT_KEPT; n > 0 && ((unsigned char)p[n] & 0xc0) == 0x80; n--)
			;
	return (json_stringn(p, n));
}

void
scan_text(struct scan *s, const char *p, size_t n)
{
	int member = is_member(s);

	if (scan_wants_name(s)) {
		if (s->depth == 1)
			keep_name(s, p, n);
		top_level(s)->named = 1;
		return;
	}
	if (begin_value(s) == -1)
		return;
	if (member)
		keep_value(s, kept_text(p, n));
	close_whole(s);
}

void
scan_value(struct scan *s)
{
	int member = is_member(s);

	if (begin_value(s) == -1)
		return;
	if (member)
		keep_value(s, NULL);
	close_whole(s);
}

void
scan_enter(struct scan *s, int map, int open, uint64_t n)
{
	int member = is_member(s);

	if (s->depth == s->most.depth)
		scan_fault(s, "nested too deep");
	if (begin_value(s) == -1)
		return;
	if (member)
		keep_value(s, map ? json_object() : json_array());
	s->boxes++;
	s->levels[s->depth++] = (struct scan_level){
		.left = n,
		.map = (char)map,
		.open = (char)open,
	};
	close_whole(s);
}

void
scan_leave(struct scan *s)
{
	struct scan_level *l = top_level(s);

	if (l == NULL || !l->open || l->named) {
		scan_fault(s, "an end of nothing");
		return;
	}
	s->depth--;
	close_whole(s);
}

/* ED A0 80 to ED BF BF. */
void
scan_mend(const char *text, size_t n)
{
	/* Of a body that the caller may change. */
	char *p = (char *)(uintptr_t)text, *end = p + n;

	while ((p = memchr(p, '\xed', (size_t)(end - p))) != NULL && end - p >= 3) {
		if (((unsigned char)p[1] & 0xe0) == 0xa0 && ((unsigned char)p[2] & 0xc0) == 0x80)
			memcpy(p, "\xef\xbf\xbd", 3);
		p++;
	}
}

void
scan_packed(struct scan *s, uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct packed t;

	while (s->why == NULL && !scan_is_whole(s)) {
		if (packed_any(&r, &t) == -1)
			scan_fault(s, "it is broken, or has bytes or extensions");
		else if (t.kind == PACKED_TEXT) {
			scan_mend(t.s, t.n);
			scan_text(s, t.s, t.n);
		} else if (t.kind == PACKED_ARRAY || t.kind == PACKED_MAP)
			scan_enter(s, t.kind == PACKED_MAP, 0, t.n);
		else
			scan_value(s);
	}
	if (!rd_done(&r))
		scan_fault(s, "there is something behind it");
}
