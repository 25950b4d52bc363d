/*
 * A network for tests: hosts, each a network namespace with a TAP device in it, and frames that pass from one
 * to another by rules of what goes wrong on the way.
 *
 *	netswitch SOCKET SEED NAMESPACE...	runs it; hosts are numbered from 1, and have tap0
 *	netswitch SOCKET COMMAND		says it to the one that runs, and prints what it says
 *
 * A command is `FROM TO KEY=VALUE...`, with 0 for all hosts, `reset`, for all rules at once, or `counts`: how many
 * frames came, were lost, came twice and were overtaken.  The keys:
 *	cut	1: nothing passes
 *	dial	0: no TCP connection may be begun
 *	delay	of each frame, in ms
 *	jitter	up to so many ms more, so that frames overtake each other
 *	loss	how many of 1000 frames are lost
 *	twice	how many of 1000 frames come twice
 * A rule has a generator of its own, which begins with the seed.
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX     16
#define FRAME_MAX     2048
#define WAITING_MAX   16384 /* beyond it frames are lost, as in any switch */
#define AT_ONCE       64
#define ETHERNET_LEN  14
#define ETHERNET_IPV4 0x0800
#define IP_TCP        6
#define TCP_FLAGS     13
#define TCP_SYN       0x02
#define TCP_ACK       0x10

struct net_rule {
	unsigned cut, dial, delay, jitter, loss, twice;
	uint64_t random;
};

struct net_frame {
	uint64_t due, nr; /* nr: those of the same moment keep their order */
	unsigned from, to;
	size_t len;
	uint8_t data[FRAME_MAX];
};

struct net_switch {
	unsigned n;
	int taps[HOSTS_MAX];
	int control;
	uint64_t seed, nframes;
	uint64_t came, lost, doubled, overtaken;
	uint64_t last[HOSTS_MAX][HOSTS_MAX]; /* nr of the last that arrived */
	struct net_rule rules[HOSTS_MAX][HOSTS_MAX];
	struct net_frame *heap[WAITING_MAX];
	size_t nheap;
};

/* ---- chance and time ---- */

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
}

/* splitmix64 */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (x ^ x >> 31);
}

static int
falls_within(struct net_rule *r, unsigned of_thousand)
{
	return (of_thousand > 0 && next_random(&r->random) % 1000 < of_thousand);
}

/* ---- frames that wait ---- */

static int
is_sooner(const struct net_frame *a, const struct net_frame *b)
{
	return (a->due != b->due ? a->due < b->due : a->nr < b->nr);
}

static void
heap_push(struct net_switch *s, struct net_frame *f)
{
	size_t i = s->nheap++;

	for (; i > 0 && is_sooner(f, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = f;
}

static struct net_frame *
heap_pop(struct net_switch *s)
{
	struct net_frame *first = s->heap[0], *last = s->heap[--s->nheap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->nheap) {
		if (child + 1 < s->nheap && is_sooner(s->heap[child + 1], s->heap[child]))
			child++;
		if (!is_sooner(s->heap[child], last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return (first);
}

static void
frame_wait(struct net_switch *s, unsigned from, unsigned to, const uint8_t *data, size_t len)
{
	struct net_rule *r = &s->rules[from][to];
	struct net_frame *f;

	if (s->nheap == WAITING_MAX || falls_within(r, r->loss)) {
		s->lost++;
		return;
	}
	if ((f = malloc(sizeof(*f))) == NULL)
		err(1, NULL);
	f->due = now_us() + r->delay * 1000;
	if (r->jitter > 0)
		f->due += next_random(&r->random) % (r->jitter * 1000);
	f->nr = s->nframes++;
	f->from = from;
	f->to = to;
	f->len = len;
	memcpy(f->data, data, len);
	heap_push(s, f);
}

/* ---- where a frame goes ---- */

static int
begins_tcp(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETHERNET_LEN, *tcp;

	if (len < ETHERNET_LEN + 20 || (frame[12] << 8 | frame[13]) != ETHERNET_IPV4 ||
	    ip[9] != IP_TCP)
		return (0);
	tcp = ip + (size_t)(ip[0] & 15) * 4;
	return (tcp + TCP_FLAGS < frame + len && (tcp[TCP_FLAGS] & (TCP_SYN | TCP_ACK)) == TCP_SYN);
}

static void
frame_pass(struct net_switch *s, unsigned from, unsigned to, const uint8_t *data, size_t len)
{
	struct net_rule *r = &s->rules[from][to];

	if (r->cut || (!r->dial && begins_tcp(data, len)))
		return;
	s->came++;
	frame_wait(s, from, to, data, len);
	if (falls_within(r, r->twice)) {
		s->doubled++;
		frame_wait(s, from, to, data, len);
	}
}

/* The last byte of an address is the host's number; who has none of ours is everybody. */
static void
frame_came(struct net_switch *s, unsigned from, const uint8_t *data, size_t len)
{
	int everybody = data[0] & 1;

	for (unsigned to = 0; to < s->n; to++)
		if (to != from && (everybody || data[5] == to + 1))
			frame_pass(s, from, to, data, len);
}

static void
read_frames(struct net_switch *s, unsigned from)
{
	uint8_t data[FRAME_MAX];
	ssize_t len;

	for (int i = 0; i < AT_ONCE; i++) {
		if ((len = read(s->taps[from], data, sizeof(data))) < ETHERNET_LEN)
			return;
		frame_came(s, from, data, (size_t)len);
	}
}

static void
frame_send(struct net_switch *s, const struct net_frame *f)
{
	uint64_t *last = &s->last[f->from][f->to];

	if (f->nr < *last)
		s->overtaken++;
	else
		*last = f->nr;
	/* A device that is full, or not up yet, loses it. */
	if (write(s->taps[f->to], f->data, f->len) == -1 && errno == EBADFD)
		errx(1, "a host is gone");
}

static void
send_due(struct net_switch *s)
{
	uint64_t now = now_us();

	while (s->nheap > 0 && s->heap[0]->due <= now) {
		struct net_frame *f = heap_pop(s);

		frame_send(s, f);
		free(f);
	}
}

/* ---- commands ---- */

static void
rules_reset(struct net_switch *s)
{
	for (unsigned from = 0; from < HOSTS_MAX; from++)
		for (unsigned to = 0; to < HOSTS_MAX; to++)
			s->rules[from][to] = (struct net_rule){
				.dial = 1,
				.random = s->seed + from * HOSTS_MAX + to,
			};
}

static unsigned *
rule_key(struct net_rule *r, const char *key, size_t len)
{
	const struct {
		const char *name;
		unsigned *value;
	} keys[] = { { "cut", &r->cut }, { "dial", &r->dial }, { "delay", &r->delay },
		{ "jitter", &r->jitter }, { "loss", &r->loss }, { "twice", &r->twice } };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strlen(keys[i].name) == len && memcmp(keys[i].name, key, len) == 0)
			return (keys[i].value);
	return (NULL);
}

static int
rule_set(struct net_rule *r, const char *word)
{
	size_t len = strcspn(word, "=");
	unsigned *value = rule_key(r, word, len);
	char *end;

	if (value == NULL || word[len] == '\0')
		return (-1);
	*value = (unsigned)strtoul(word + len + 1, &end, 10);
	return (end != word + len + 1 && *end == '\0' ? 0 : -1);
}

/* For each rule between the two; 0 is all. */
static int
rules_set(struct net_switch *s, unsigned from, unsigned to, const char *word)
{
	for (unsigned a = 0; a < s->n; a++)
		for (unsigned b = 0; b < s->n; b++)
			if ((from == 0 || from == a + 1) && (to == 0 || to == b + 1) &&
			    rule_set(&s->rules[a][b], word) == -1)
				return (-1);
	return (0);
}

/* In place of the text comes what is said to it. */
static void
obey(struct net_switch *s, char *text, size_t size)
{
	unsigned from, to;
	char *word, *rest;
	int n = 0, ok = 1;

	if (strcmp(text, "counts") == 0) {
		snprintf(text, size, "%llu %llu %llu %llu\n", (unsigned long long)s->came,
		    (unsigned long long)s->lost, (unsigned long long)s->doubled,
		    (unsigned long long)s->overtaken);
		return;
	}
	if (strcmp(text, "reset") == 0)
		rules_reset(s);
	else if (sscanf(text, "%u %u%n", &from, &to, &n) == 2 && from <= s->n && to <= s->n)
		for (rest = text + n; (word = strsep(&rest, " ")) != NULL;)
			ok = (*word == '\0' || rules_set(s, from, to, word) == 0) && ok;
	else
		ok = 0;
	snprintf(text, size, "%s\n", ok ? "ok" : "no such command");
}

static void
take_command(struct net_switch *s)
{
	int fd = accept4(s->control, NULL, NULL, SOCK_CLOEXEC);
	char text[512];
	ssize_t n;

	if (fd == -1)
		return;
	/* One write is one read, of so little. */
	if ((n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		obey(s, text, sizeof(text));
		(void)!write(fd, text, strlen(text));
	}
	close(fd);
}

static struct sockaddr_un
control_address(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sun.sun_path))
		errx(1, "%s: too long", path);
	strcpy(sun.sun_path, path);
	return (sun);
}

static int
say(const char *path, const char *command)
{
	struct sockaddr_un sun = control_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[512];
	ssize_t n;

	if (fd == -1 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    write(fd, command, strlen(command)) == -1 || (n = read(fd, text, sizeof(text) - 1)) < 0)
		err(1, "%s", path);
	text[n] = '\0';
	printf("%s", text);
	return (strcmp(text, "no such command\n") == 0);
}

/* ---- hosts ---- */

/* A device in a namespace; it stays ours when we leave it. */
static int
tap_open(const char *namespace)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = "tap0" };
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int its = open(namespace, O_RDONLY | O_CLOEXEC), tap;

	if (own == -1 || its == -1 || setns(its, CLONE_NEWNET) == -1)
		err(1, "%s", namespace);
	if ((tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) == -1 ||
	    ioctl(tap, TUNSETIFF, &r) == -1)
		err(1, "/dev/net/tun");
	if (setns(own, CLONE_NEWNET) == -1)
		err(1, "setns");
	close(own);
	close(its);
	return (tap);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un sun = control_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 || listen(fd, 8) == -1)
		err(1, "%s", path);
	return (fd);
}

static struct timespec
until_due(const struct net_switch *s)
{
	uint64_t now = now_us(), us = 1000000;

	if (s->nheap > 0)
		us = s->heap[0]->due > now ? s->heap[0]->due - now : 0;
	return ((struct timespec){ (time_t)(us / 1000000), (long)(us % 1000000) * 1000 });
}

static void
turn(struct net_switch *s)
{
	struct timespec wait = until_due(s);
	struct pollfd fds[HOSTS_MAX + 1];

	for (unsigned i = 0; i < s->n; i++)
		fds[i] = (struct pollfd){ .fd = s->taps[i], .events = POLLIN };
	fds[s->n] = (struct pollfd){ .fd = s->control, .events = POLLIN };
	if (ppoll(fds, s->n + 1, &wait, NULL) == -1 && errno != EINTR)
		err(1, "ppoll");
	for (unsigned i = 0; i < s->n; i++)
		if (fds[i].revents & POLLIN)
			read_frames(s, i);
	if (fds[s->n].revents & POLLIN)
		take_command(s);
	send_due(s);
}

int
main(int argc, char **argv)
{
	static struct net_switch s;

	if (argc == 3)
		return (say(argv[1], argv[2]));
	if (argc < 4 || argc - 3 > HOSTS_MAX)
		errx(2, "usage: netswitch SOCKET SEED NAMESPACE... | SOCKET COMMAND");
	signal(SIGPIPE, SIG_IGN);
	s.seed = strtoull(argv[2], NULL, 10);
	rules_reset(&s);
	for (; s.n < (unsigned)argc - 3; s.n++)
		s.taps[s.n] = tap_open(argv[3 + s.n]);
	s.control = listen_at(argv[1]);
	for (;;)
		turn(&s);
}
