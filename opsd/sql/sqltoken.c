#include "config.h"

#include "opsd/sql/sqltoken.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"

/* As SQLite has it: also every byte of a character beyond ASCII. */
static int
in_word(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '_' || c == '$' || (unsigned char)c >= 0x80);
}

static int
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

static size_t
space_length(const char *s)
{
	const char *end;

	if (*s != '\0' && strchr(" \t\n\f\r", *s) != NULL)
		return (strspn(s, " \t\n\f\r"));
	if (s[0] == '-' && s[1] == '-')
		return (strcspn(s, "\n"));
	if (s[0] != '/' || s[1] != '*')
		return (0);
	end = strstr(s + 2, "*/");
	return (end != NULL ? (size_t)(end + 2 - s) : strlen(s));
}

/* From one quote to the other, of which two stand for one; up to the end when there is none. */
static size_t
quoted_length(const char *s, char close)
{
	size_t n = 1;

	for (; s[n] != '\0'; n++) {
		if (s[n] != close)
			continue;
		if (close == ']' || s[n + 1] != close)
			return (n + 1);
		n++;
	}
	return (n);
}

static size_t
number_length(const char *s)
{
	size_t n = 0;

	while (in_word(s[n]) || s[n] == '.' ||
	    ((s[n] == '-' || s[n] == '+') && n > 0 && (s[n - 1] == 'e' || s[n - 1] == 'E') &&
		s[1] != 'x' && s[1] != 'X'))
		n++;
	return (n);
}

static void
next_token(struct sqltoken *t, const char *s)
{
	t->s = s;
	t->n = 1;
	t->kind = TOKEN_MARK;
	if (*s == '\0') {
		t->n = 0;
		t->kind = TOKEN_END;
	} else if (*s == '\'' || ((*s == 'x' || *s == 'X') && s[1] == '\'')) {
		t->kind = TOKEN_STRING;
		t->n = *s == '\'' ? quoted_length(s, '\'') : 1 + quoted_length(s + 1, '\'');
	} else if (*s == '"' || *s == '`' || *s == '[') {
		t->kind = TOKEN_NAME;
		t->n = quoted_length(s, *s == '[' ? ']' : *s);
	} else if (is_digit(*s) || (*s == '.' && is_digit(s[1]))) {
		t->kind = TOKEN_NUMBER;
		t->n = number_length(s);
	} else if (in_word(*s)) {
		t->kind = TOKEN_WORD;
		while (in_word(s[t->n]))
			t->n++;
	}
}

struct sqltoken *
sqltoken_all(const char *sql, size_t *n)
{
	struct sqltoken *all = NULL;
	size_t room = 0, skip;

	*n = 0;
	for (;;) {
		while ((skip = space_length(sql)) > 0)
			sql += skip;
		if (*n == room) {
			room = room == 0 ? 64 : 2 * room;
			all = xrealloc(all, room * sizeof(*all));
		}
		next_token(&all[*n], sql);
		if (all[*n].kind == TOKEN_END)
			return (all);
		sql += all[(*n)++].n;
	}
}

int
sqltoken_is(const struct sqltoken *t, const char *word)
{
	return (t->kind == TOKEN_WORD && strlen(word) == t->n &&
	    strncasecmp(t->s, word, t->n) == 0);
}

int
sqltoken_mark(const struct sqltoken *t, char c)
{
	return (t->kind == TOKEN_MARK && *t->s == c);
}

int
sqltoken_is_name(const struct sqltoken *t)
{
	return (t->kind == TOKEN_WORD || t->kind == TOKEN_NAME);
}

char *
sqltoken_name(const struct sqltoken *t)
{
	char *name = xmalloc(t->n + 1), close;
	size_t n = 0;

	if (t->kind != TOKEN_NAME) {
		memcpy(name, t->s, t->n);
		name[t->n] = '\0';
		return (name);
	}
	close = *t->s == '[' ? ']' : *t->s;
	for (size_t i = 1; i < t->n && !(i == t->n - 1 && t->s[i] == close); i++) {
		name[n++] = t->s[i];
		if (t->s[i] == close)
			i++;
	}
	name[n] = '\0';
	return (name);
}
