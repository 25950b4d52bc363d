#ifndef HL_CERTPEM_H
#define HL_CERTPEM_H

/*
 * Certificates that somebody sends as text (PEM), and the key of the first of them.  No
 * I/O.  Errors go on from a field's name, as in "'certificate' has expired", and never
 * show anything of a key.
 */
struct certpem;

/* One at least, all of them valid now; NULL with *err.  What else is in the text is left out. */
struct certpem *certpem_new(const char *text, char **err);
void certpem_free(struct certpem *p);

int certpem_is_authority(const struct certpem *p);             /* all of them may sign others */
int certpem_serves(const struct certpem *p, int as_client);    /* the first, as server or client */
int certpem_covers(const struct certpem *p, const char *host); /* a name or an address */
/* -1 with *err: there is none, it is of another certificate, or of a kind not taken here. */
int certpem_take_key(struct certpem *p, const char *text, char **err);

/* All of it, the key at the end; mem_wipe it. */
char *certpem_text(const struct certpem *p);

#endif
