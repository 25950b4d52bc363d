#ifndef HL_NET_H
#define HL_NET_H

#include <stddef.h>
#include <stdint.h>

/*
 * What lies between each two machines.  Messages are late, are lost, come twice and overtake
 * each other; a link may be cut, or carry questions but nothing of a stream.
 */
struct machine;

struct net_pair {
	int cut;                /* alike from both sides */
	int stalled;            /* from the first to the second: neither stream nor catch-up */
	unsigned lost, doubled; /* percent of the messages */
	unsigned damaged;       /* of those with rows or transactions */
	uint64_t least_us, most_us;
};

struct net_pair *net_pair(const struct machine *from, const struct machine *to);
void net_cut(struct machine *a, struct machine *b, int cut);
int net_open(const struct machine *a, const struct machine *b);
/* And NATS goes that way. */
int net_meshed(const struct machine *a, const struct machine *b);
int net_lost(const struct machine *from, const struct machine *to);
int net_doubled(const struct machine *from, const struct machine *to);
/* Perhaps some of its bytes come otherwise than they were sent. */
void net_damage(const struct machine *from, const struct machine *to, uint8_t *p, size_t n);
uint64_t net_delay(const struct machine *from, const struct machine *to);
void net_heal(void); /* all of it: whole, quick, and nothing is lost */
/* For all that is not cut. */
void net_trouble(unsigned lost, unsigned doubled, uint64_t most_us);
void net_noise(unsigned damaged);

/* ---- questions and their answers (carry.c) ---- */

struct buf;

/*
 * opsd's call `id` over `c`, a question to the node: handed to that node's opsd as `type`, or
 * lost.  Takes the body.  The answer, or that there was none in time, goes back.
 */
struct chan;
void carry(struct chan *c, uint32_t id, const char *node, uint16_t type, struct buf *body,
    unsigned timeout_ms);
uint64_t carry_catchups(void); /* how many there were */

#endif
