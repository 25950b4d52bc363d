#ifndef HL_PEER_VIEW_H
#define HL_PEER_VIEW_H

#include <jansson.h>
#include <stdint.h>

struct positions;

/* What is known of a peer from the status exchange; copies. */
struct peer_view {
	int reachable;
	double latency_ms;  /* -1: never answered */
	int64_t skew_ms;    /* its clock minus ours */
	uint64_t uptime_ms; /* of the peer */
	uint64_t seen_ms;   /* when it last answered, wall clock */
	uint64_t clock_ms;  /* its clock then; 0: never */
	int cluster_port, api_port;
	json_t *system_info;        /* new reference or NULL */
	struct positions *received; /* what it has of ours; or NULL */
	uint64_t incarnation;       /* of our log */
	unsigned snapshot_rank;     /* 0: it takes none (replication.h) */
	uint64_t snapshot_ms;       /* the newest snapshot that it knows of, 0: none */
	char *refused;              /* why nothing goes to it or from it (compat.h), or NULL */
};
void peer_view_clear(struct peer_view *v);
/* The last entry of our table that it has, 0: none; ms, unless NULL: that entry's commit time. */
uint64_t peer_view_has(const struct peer_view *v, uint32_t table, uint64_t *ms);

#endif
