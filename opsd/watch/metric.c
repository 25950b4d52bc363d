#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "opsd/watch/metrics_priv.h"

/* The text format of a page of metrics, line by line. */

void
metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP hubleaf_%s %s\n# TYPE hubleaf_%s %s\n", name, help, name, type);
}

/* In quotes; backslash, quote and newline are escaped. */
static void
put_label(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%s=\"", name);
	for (const char *p = value; *p != '\0'; p++)
		if (*p == '\n')
			buf_add(out, "\\n", 2);
		else {
			if (*p == '\\' || *p == '"')
				buf_add(out, "\\", 1);
			buf_add(out, p, 1);
		}
	buf_add(out, "\"", 1);
}

void
metric_line(struct buf *out, const char *name, double value, ...)
{
	const char *key, *sep = "{";
	va_list ap;

	buf_addf(out, "hubleaf_%s", name);
	va_start(ap, value);
	for (; (key = va_arg(ap, const char *)) != NULL; sep = ",") {
		buf_addf(out, "%s", sep);
		put_label(out, key, va_arg(ap, const char *));
	}
	va_end(ap);
	/* Whole numbers as such: that is what most of them are. */
	if (fabs(value) < 1e15 && value == floor(value))
		buf_addf(out, "%s %.0f\n", *sep == ',' ? "}" : "", value);
	else
		buf_addf(out, "%s %.15g\n", *sep == ',' ? "}" : "", value);
}

void
metric_one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	metric_head(out, name, type, help);
	metric_line(out, name, value, NULL);
}
