#ifndef HL_SQLTOKEN_H
#define HL_SQLTOKEN_H

#include <stddef.h>

/*
 * The words of a statement, as SQLite parts them (https://www.sqlite.org/lang_keywords.html,
 * https://www.sqlite.org/lang_expr.html#literal_values_constants_).  No I/O.
 */
enum sqltoken_kind {
	TOKEN_END,
	TOKEN_WORD,   /* a name or a keyword */
	TOKEN_NAME,   /* a name in "", `` or [] */
	TOKEN_STRING, /* '...', x'...' */
	TOKEN_NUMBER,
	TOKEN_MARK, /* one character of anything else */
};

struct sqltoken {
	enum sqltoken_kind kind;
	const char *s; /* borrowed from the statement */
	size_t n;
};

/* All of them, with a TOKEN_END behind; the caller frees.  Comments are left out. */
struct sqltoken *sqltoken_all(const char *sql, size_t *n);
/* A word, in any case. */
int sqltoken_is(const struct sqltoken *t, const char *word);
int sqltoken_mark(const struct sqltoken *t, char c);
int sqltoken_is_name(const struct sqltoken *t); /* TOKEN_WORD or TOKEN_NAME */
char *sqltoken_name(const struct sqltoken *t);  /* without quotes; the caller frees */

#endif
