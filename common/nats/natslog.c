#include "config.h"

#include "common/nats/natslog.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/nats/handshake.h"

#define LINE_LEN     4096  /* a longer log line is cut up */
#define WARN_SPAN_MS 10000 /* so many of its warnings in this time go to our log */
#define WARN_MAX     20

/* Its log */

static int
is_noise(const char *text)
{
	/* What our configuration means to do, said at each start. */
	static const char *const noise[] = { "Plaintext passwords detected",
		"Maximum payloads over", "TLS certificate chain and hostname of solicited" };
	size_t i;

	for (i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (strstr(text, noise[i]) != NULL)
			return (1);
	return (0);
}

/* Servers that quarrel say so thousands of times a second. */
static int
may_warn(struct natslog *l)
{
	uint64_t now = mono_us();

	if (now - l->warn_since > WARN_SPAN_MS * 1000) {
		if (l->warns > WARN_MAX)
			log_warnx("%s server: %u more warnings left out", l->name,
			    l->warns - WARN_MAX);
		l->warn_since = now;
		l->warns = 0;
	}
	return (++l->warns <= WARN_MAX);
}

/* "[123] [INF] text" */
static void
natslog_line(struct natslog *l, const char *line)
{
	static const char *const bad[] = { "[WRN] ", "[ERR] ", "[FTL] " };
	const char *text = strstr(line, "] [");
	size_t i;
	int warn = text == NULL && strncmp(line, "nats-server: ", 13) == 0;
	int fatal_one;

	text = text != NULL ? text + 2 : line;
	fatal_one = warn || strncmp(text, "[FTL] ", 6) == 0;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strncmp(text, bad[i], 6) == 0)
			warn = 1;
	if (text[0] == '[' && strlen(text) > 6)
		text += 6;
	handshakes_line(l->handshakes, mono_us(), text);
	leaflinks_line(l->leaflinks, text);
	/* It ends with what is fatal. */
	if (warn && !is_noise(text) && may_warn(l))
		log_line(fatal_one ? LOG_ERROR : LOG_WARN, "%s server: %s", l->name, text);
	else
		log_debug("%s server: %s", l->name, text);
}

/* One byte of its output. */
static void
natslog_byte(struct natslog *l, char c)
{
	if (c != '\n' && l->line.len < LINE_LEN) {
		buf_u8(&l->line, c == '\0' ? '?' : (uint8_t)c);
		return;
	}
	if (l->line.len > 0) {
		buf_u8(&l->line, 0);
		natslog_line(l, (const char *)l->line.data);
	}
	buf_clear(&l->line);
	if (c != '\n')
		buf_u8(&l->line, (uint8_t)c);
}

void
natslog_add(struct natslog *l, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		natslog_byte(l, text[i]);
}
