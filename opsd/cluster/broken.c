#include "config.h"

#include "opsd/cluster/broken.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/seal.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the brakes */
static struct log_brake brakes[BROKEN_KINDS] = { { .most = 10 }, { .most = 10 }, { .most = 10 } };

const char *
broken_name(enum broken_kind kind)
{
	static const char *const names[] = { "frame", "answer", "question" };

	return (names[kind]);
}

uint64_t
broken_count(struct broken *b, enum broken_kind kind)
{
	return (atomic_load_explicit(&b->n[kind], memory_order_relaxed));
}

void
broken_note(struct replication *rep, enum broken_kind kind, const uint8_t *peer, const char *which,
    const void *p, size_t n)
{
	char *who = peer != NULL ? nodes_shown(rep->nodes, peer) : xstrdup("?");
	char *why = seal_fault(p, n);

	atomic_fetch_add_explicit(&rep->broken.n[kind], 1, memory_order_relaxed);
	pthread_mutex_lock(&lock);
	log_braked(&brakes[kind], LOG_WARN, "%s of node %s (%s) is dropped: %s", broken_name(kind),
	    who, which, why);
	pthread_mutex_unlock(&lock);
	free(who);
	free(why);
}
