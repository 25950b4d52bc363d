#include "config.h"

#include "opsd/http/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/value.h"

/* Answers whose body is one JSON value. */

/* {"<key>": text} */
static __attribute__((format(printf, 4, 0))) void
reply_pair(struct request *r, int status, const char *key, const char *fmt, va_list ap)
{
	struct buf out = { 0 };
	char *text;

	if (vasprintf(&text, fmt, ap) == -1)
		text = xstrdup("out of memory");
	buf_addf(&out, "{\"%s\":", key);
	value_text_string(&out, text, strlen(text));
	buf_add(&out, "}", 1);
	free(text);
	reply_text(r, status, &out);
}

void
reply_message(struct request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply_pair(r, 200, "message", fmt, ap);
	va_end(ap);
}

void
reply_error(struct request *r, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply_pair(r, status, "error", fmt, ap);
	va_end(ap);
}

void
reply_failed(struct request *r, int status, char *err)
{
	reply_error(r, status, "%s", err != NULL ? err : "not written");
	free(err);
}

void
reply_json(struct request *r, int status, json_t *body)
{
	struct buf out = { 0 };

	value_text_json(&out, body);
	json_decref(body);
	reply_text(r, status, &out);
}
