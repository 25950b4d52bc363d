#ifndef HL_BASIC_H
#define HL_BASIC_H

/*
 * What follows "Basic " in an Authorization header (RFC 7617): the name, with what it is
 * in allocated together; *password points behind it.  NULL: it is none.
 */
char *basic_read(const char *encoded, char **password);
void basic_free(char *name, char *password); /* as they were given; wipes them */

#endif
