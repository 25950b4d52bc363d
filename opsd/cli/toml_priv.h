#ifndef HL_TOML_PRIV_H
#define HL_TOML_PRIV_H

#include <jansson.h>

/* What toml.c (tables, keys, values) and toml_text.c (texts in quotes) share. */
struct toml {
	const char *name;
	const char *p, *end;
	unsigned line, depth;
	json_t *root;
	json_t *
	    made; /* tables that a header or an inline one has made, by address: not to be added to */
	char *err; /* the first fault; NULL: none yet */
};

/* toml.c */
void toml_fault(struct toml *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int toml_next(const struct toml *t, const char *text); /* it is there */
int toml_take(struct toml *t, const char *text);       /* and passed; 0: it is not there */
void toml_blanks(struct toml *t);                      /* passed */
int toml_newline(struct toml *t);                      /* an end of the line is there and passed */

/* toml_text.c */
/* A text in quotes, with `lines` also in three of them; NULL without a fault: there is none. */
json_t *toml_quoted(struct toml *t, int lines);

#endif
