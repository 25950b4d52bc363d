#ifndef HL_TOKEN_H
#define HL_TOKEN_H

#include <jansson.h>
#include <stdint.h>

/*
 * JSON Web Tokens (RFC 7519) signed with RS256 (RFC 7518, 3.3) by the node's own key
 * pair below <rootPath>/keys: .jwtPrivate.key, encrypted with the text in .jwtPass, and
 * .jwtPublic.key.  They are made when the first token is.  No other algorithm is read.
 */
struct tokens;
struct user;

enum token_kind { TOKEN_OPERATION, TOKEN_REFRESH }; /* "sub" */
enum token_fault { TOKEN_GOOD, TOKEN_INVALID, TOKEN_EXPIRED };

struct tokens *tokens_new(const char *keys_dir);
void tokens_free(struct tokens *t);
/* A token of the user that ends after ms; the caller frees.  NULL with *err.  May take long the first time. */
char *token_make(struct tokens *t, const struct user *u, enum token_kind kind, int64_t ms,
    char **err);
/*
 * The claims of a token of that kind: new reference in *claims when it is good.  Whoever
 * gets them looks whether the user still is there and has the same mark (token_is_of).
 */
enum token_fault token_read(struct tokens *t, const char *text, enum token_kind kind,
    json_t **claims);
int token_is_of(const json_t *claims, const struct user *u);

#endif
