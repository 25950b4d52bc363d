#ifndef HL_SCAN_H
#define HL_SCAN_H

#include <jansson.h>
#include <stdint.h>

/*
 * What a body has, found without making values of it: how many there are, how deep they are
 * nested, and the members of the body itself that say what is asked for.  No I/O.
 */
struct scan_limits {
	int depth;
	uint64_t values;
};

struct scan_level {
	uint64_t left;  /* items or pairs that come */
	char map, open; /* open: as many as come */
	char named;     /* in a map: the value of a name comes next */
};

struct scan {
	struct scan_limits most;
	uint64_t values;
	uint64_t boxes; /* arrays and objects among them */
	/*
	 * An object: texts of the body's own members, long ones cut; its arrays and objects,
	 * empty.  Of a body that is none it stays empty.
	 */
	json_t *top;
	const char *why; /* the first fault */
	int too_many;    /* values: that is the fault */
	/* within */
	struct scan_level *levels;
	int depth;
	char name[40]; /* of a member of the body; "": none that counts */
};

void scan_begin(struct scan *s, const struct scan_limits *most);
void scan_end(struct scan *s); /* frees what it holds */
void scan_fault(struct scan *s, const char *why);
uint64_t scan_bytes(const struct scan *s); /* about what its values will take */
int scan_is_whole(const struct scan *s);   /* one value, with all that is in it */

/* ---- the pieces, one after the other, as a reader of a format finds them ---- */

int scan_wants_name(const struct scan *s);
int scan_in(const struct scan *s, int map); /* it is in a map, or in an array, of as many as come */
int scan_wants_text(const struct scan *s);  /* a text that comes next may be one that counts */
void scan_text(struct scan *s, const char *p, size_t n); /* a value or a name */
void scan_value(struct scan *s);                         /* neither text nor of others */
void scan_enter(struct scan *s, int map, int open, uint64_t n);
void scan_leave(struct scan *s); /* an open one */

/* ---- the formats; what is wrong is in s->why ---- */

/*
 * Halves of surrogate pairs, as JavaScript writes them into text, become U+FFFD in place, and a
 * mark of byte order in front becomes blanks.  Where the fault is in *at.
 */
void scan_json(struct scan *s, char *p, size_t n, size_t *at);
void scan_packed(struct scan *s, uint8_t *p, size_t n);
void scan_cbor(struct scan *s, uint8_t *p, size_t n);
/* The same halves in a text of these two: nowhere else, as numbers may have these bytes. */
void scan_mend(const char *text, size_t n);

#endif
