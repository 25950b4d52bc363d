#include "config.h"

#include <err.h>
#include <inttypes.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "test/bench/sample.h"

/*
 * raw: the limits beside replication.  One message a row, published into a
 * stream on one node's leaf server and read by an ordered consumer on the other
 * node's, through the same servers and links as the nodes' own traffic.
 *
 *	raw flow URL URL DOMAIN SECONDS		messages a second, published and read at once
 *	raw latency URL URL DOMAIN SECONDS RATE	median and 99th percentile, microseconds
 *	raw read URL URL DOMAIN N		messages a second of N that wait in the stream
 */
#define STREAM       "BENCH"
#define SUBJECT      "bench.rows"
#define PENDING      4096
#define STALL_US     30000000
#define MESSAGES_MAX 50000000

struct raw {
	natsConnection *from, *to;
	jsCtx *out, *in;
	natsSubscription *sub;
	uint64_t sent;
	uint64_t *took_us; /* or NULL */
	size_t took_max;
	_Atomic uint64_t came, last_us;
};

static void
must(natsStatus s, const char *what)
{
	if (s != NATS_OK)
		errx(1, "%s: %s", what, natsStatus_GetText(s));
}

static natsConnection *
connect_to(const char *url)
{
	natsConnection *c = NULL;

	must(natsConnection_ConnectTo(&c, url), url);
	return (c);
}

static void
raw_message_cb(natsConnection *c, natsSubscription *sub, natsMsg *m, void *arg)
{
	struct raw *r = arg;
	uint64_t sent_us, now = mono_us(), n = r->came;

	if ((size_t)natsMsg_GetDataLength(m) >= sizeof(sent_us) && n < r->took_max) {
		memcpy(&sent_us, natsMsg_GetData(m), sizeof(sent_us));
		r->took_us[n] = now - sent_us;
	}
	r->last_us = now;
	r->came = n + 1;
	natsMsg_Destroy(m);
}

static void
raw_open(struct raw *r, const char *from, const char *to, const char *domain)
{
	const char *subjects[] = { SUBJECT };
	jsStreamConfig cfg;
	jsOptions o;
	jsErrCode code = 0;

	r->from = connect_to(from);
	r->to = connect_to(to);
	jsOptions_Init(&o);
	o.PublishAsync.MaxPending = PENDING;
	o.PublishAsync.StallWait = 10000;
	must(natsConnection_JetStream(&r->out, r->from, &o), "JetStream");
	jsOptions_Init(&o);
	o.Domain = domain;
	o.Wait = 10000;
	must(natsConnection_JetStream(&r->in, r->to, &o), "JetStream");
	js_DeleteStream(r->out, STREAM, NULL, &code);
	jsStreamConfig_Init(&cfg);
	cfg.Name = STREAM;
	cfg.Subjects = subjects;
	cfg.SubjectsLen = 1;
	cfg.Storage = js_FileStorage;
	must(js_AddStream(NULL, r->out, &cfg, NULL, &code), "stream");
}

static void
raw_subscribe(struct raw *r)
{
	jsSubOptions o;
	jsErrCode code = 0;

	jsSubOptions_Init(&o);
	o.Ordered = true;
	o.Stream = STREAM;
	must(js_Subscribe(&r->sub, r->in, SUBJECT, raw_message_cb, r, NULL, &o, &code), "consumer");
	must(natsSubscription_SetPendingLimits(r->sub, -1, -1), "limits");
}

static void
raw_close(struct raw *r)
{
	jsErrCode code = 0;

	natsSubscription_Destroy(r->sub);
	js_DeleteStream(r->out, STREAM, NULL, &code);
	jsCtx_Destroy(r->in);
	jsCtx_Destroy(r->out);
	natsConnection_Destroy(r->to);
	natsConnection_Destroy(r->from);
	free(r->took_us);
	nats_Close();
}

static void
raw_send(struct raw *r)
{
	char message[SAMPLE_MESSAGE] = "";
	uint64_t now = mono_us();

	memcpy(message, &now, sizeof(now));
	must(js_PublishAsync(r->out, SUBJECT, message, sizeof(message), NULL), "publish");
	r->sent++;
}

static void
raw_sent(struct raw *r)
{
	jsPubOptions o;

	jsPubOptions_Init(&o);
	o.MaxWait = 60000;
	must(js_PublishAsyncComplete(r->out, &o), "acknowledgements");
}

static void
raw_await(struct raw *r)
{
	uint64_t began = mono_us();

	while (r->came < r->sent) {
		if (mono_us() - began > STALL_US && mono_us() - r->last_us > STALL_US)
			errx(1, "%" PRIu64 " of %" PRIu64 " messages came", (uint64_t)r->came,
			    r->sent);
		usleep(500);
	}
}

static double
a_second(uint64_t n, uint64_t us)
{
	return ((double)n * 1e6 / (double)us);
}

static void
flow(struct raw *r, double seconds)
{
	uint64_t began, until;

	raw_subscribe(r);
	began = mono_us();
	until = began + (uint64_t)(seconds * 1e6);
	while (mono_us() < until && r->sent < MESSAGES_MAX)
		raw_send(r);
	raw_sent(r);
	raw_await(r);
	printf("%.0f\n", a_second(r->came, r->last_us - began));
}

static void
latency(struct raw *r, double seconds, double rate)
{
	uint64_t began = mono_us(), n = (uint64_t)(seconds * rate);

	r->took_max = n;
	r->took_us = xcalloc(n, sizeof(*r->took_us));
	raw_subscribe(r);
	while (r->sent < n) {
		while (r->sent < n && (double)r->sent * 1e6 <= (double)(mono_us() - began) * rate)
			raw_send(r);
		usleep(250);
	}
	raw_sent(r);
	raw_await(r);
	printf("%.0f", sample_quantile(r->took_us, n, 500));
	printf(" %.0f\n", sample_quantile(r->took_us, n, 990));
}

static void
read_all(struct raw *r, uint64_t n)
{
	uint64_t began;

	while (r->sent < n)
		raw_send(r);
	raw_sent(r);
	began = mono_us();
	raw_subscribe(r);
	raw_await(r);
	printf("%.0f\n", a_second(n, r->last_us - began));
}

int
main(int argc, char *argv[])
{
	struct raw r = { 0 };
	const char *mode = argc > 5 ? argv[1] : "";
	double n = argc > 5 ? atof(argv[5]) : 0, rate = argc > 6 ? atof(argv[6]) : 0;

	if (n <= 0 || n > MESSAGES_MAX || (strcmp(mode, "latency") == 0 && rate <= 0))
		errx(2, "usage: raw flow|latency|read URL URL DOMAIN SECONDS|N [RATE]");
	raw_open(&r, argv[2], argv[3], argv[4]);
	if (strcmp(mode, "flow") == 0)
		flow(&r, n);
	else if (strcmp(mode, "latency") == 0)
		latency(&r, n, rate);
	else if (strcmp(mode, "read") == 0)
		read_all(&r, (uint64_t)n);
	else
		errx(2, "%s: not known", mode);
	raw_close(&r);
	return (0);
}
