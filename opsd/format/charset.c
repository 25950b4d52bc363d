#include "config.h"

#include "opsd/format/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"

#define PIECE   4096
#define WINDOWS "CP1252"

struct charset {
	iconv_t cd;   /* (iconv_t)-1: windows-1252, read here */
	char rest[8]; /* the begin of a character */
	size_t nrest;
};

/* As browsers take these names; latin1 is what is sent as such. */
static const char *const names[][2] = {
	{ "utf-8", CHARSET_UTF8 },
	{ "utf8", CHARSET_UTF8 },
	{ "utf-16", CHARSET_UTF16 },
	{ "utf-16le", "UTF-16LE" },
	{ "utf-16be", "UTF-16BE" },
	{ "windows-1252", WINDOWS },
	{ "cp1252", WINDOWS },
	{ "latin1", WINDOWS },
	{ "iso-8859-1", WINDOWS },
	{ "ascii", WINDOWS },
	{ "us-ascii", WINDOWS },
	{ "windows-1250", "CP1250" },
	{ "windows-1251", "CP1251" },
	{ "windows-1253", "CP1253" },
	{ "windows-1254", "CP1254" },
	{ "windows-1255", "CP1255" },
	{ "windows-1256", "CP1256" },
	{ "windows-1257", "CP1257" },
	{ "windows-1258", "CP1258" },
	{ "iso-8859-2", "ISO-8859-2" },
	{ "iso-8859-5", "ISO-8859-5" },
	{ "iso-8859-7", "ISO-8859-7" },
	{ "iso-8859-9", "ISO-8859-9" },
	{ "iso-8859-15", "ISO-8859-15" },
	{ "ibm850", "IBM850" },
	{ "macintosh", "MACINTOSH" },
	{ "koi8-r", "KOI8-R" },
	{ "shift_jis", "CP932" },
	{ "euc-jp", "EUC-JP" },
	{ "euc-kr", "CP949" },
	{ "gbk", "GB18030" },
	{ "gb18030", "GB18030" },
	{ "big5", "BIG5-HKSCS" },
};

const char *
charset_find(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(names[i][0], name) == 0)
			return (names[i][1]);
	return (NULL);
}

struct charset *
charset_new(const char *name)
{
	struct charset *c = xcalloc(1, sizeof(*c));

	c->cd = (iconv_t)-1;
	if (strcmp(name, WINDOWS) == 0)
		return (c);
	if ((c->cd = iconv_open(CHARSET_UTF8, name)) != (iconv_t)-1)
		return (c);
	free(c);
	return (NULL);
}

void
charset_free(struct charset *c)
{
	if (c == NULL)
		return;
	if (c->cd != (iconv_t)-1)
		iconv_close(c->cd);
	free(c);
}

/* As much of the text as there are whole characters of. */
static int
decode_whole(struct charset *c, char **p, size_t *n, struct buf *out)
{
	char piece[PIECE], *to;
	size_t room, rc;

	do {
		to = piece;
		room = sizeof(piece);
		rc = iconv(c->cd, p, n, &to, &room);
		buf_add(out, piece, sizeof(piece) - room);
	} while (rc == (size_t)-1 && errno == E2BIG);
	return (rc == (size_t)-1 && errno != EINVAL ? -1 : 0);
}

/* The character that was begun, byte by byte; -1 when it becomes none. */
static int
decode_rest(struct charset *c, char **p, size_t *n, struct buf *out)
{
	char *at;
	size_t left;

	while (c->nrest > 0 && *n > 0) {
		if (c->nrest == sizeof(c->rest))
			return (-1);
		c->rest[c->nrest++] = *(*p)++;
		--*n;
		at = c->rest;
		left = c->nrest;
		if (decode_whole(c, &at, &left, out) == -1)
			return (-1);
		memmove(c->rest, at, left);
		c->nrest = left;
	}
	return (0);
}

int
charset_decode(struct charset *c, const void *bytes, size_t n, struct buf *out)
{
	char *p = (char *)(uintptr_t)bytes;

	if (c->cd == (iconv_t)-1) {
		charset_windows(out, bytes, n);
		return (0);
	}
	if (decode_rest(c, &p, &n, out) == -1 || decode_whole(c, &p, &n, out) == -1 ||
	    n > sizeof(c->rest))
		return (-1);
	if (n > 0)
		memcpy(c->rest, p, n);
	c->nrest = n > 0 ? n : c->nrest;
	return (0);
}

int
charset_end(const struct charset *c)
{
	return (c->nrest == 0 ? 0 : -1);
}

static void
put_utf8(struct buf *out, uint32_t ch)
{
	if (ch >= 0x800) {
		buf_u8(out, (uint8_t)(0xe0 | ch >> 12));
		buf_u8(out, (uint8_t)(0x80 | (ch >> 6 & 0x3f)));
	} else
		buf_u8(out, (uint8_t)(0xc0 | ch >> 6));
	buf_u8(out, (uint8_t)(0x80 | (ch & 0x3f)));
}

void
charset_windows(struct buf *out, const char *p, size_t n)
{
	static const uint16_t high[32] = { 0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020,
		0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018,
		0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153,
		0x9d, 0x17e, 0x178 };

	for (size_t i = 0; i < n; i++) {
		uint8_t ch = (uint8_t)p[i];

		if (ch < 0x80)
			buf_u8(out, ch);
		else
			put_utf8(out, ch < 0xa0 ? high[ch - 0x80] : ch);
	}
}
