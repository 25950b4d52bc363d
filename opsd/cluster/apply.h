#ifndef HL_APPLY_H
#define HL_APPLY_H

#include "common/base/frame.h"
#include "opsd/cluster/cursors.h"
#include "opsd/store/commit.h"

/* What came from a peer, on its way into the rows. Jobs for commit_submit. */
struct apply {
	struct commit_job job; /* first; remote */
	uint8_t peer[NODE_ID_LEN];
	struct shard stream;                  /* of a frame: of the peer's streams */
	uint64_t stream_seq;                  /* in that; 0: it did not come from there */
	struct buf bytes;                     /* a frame, or an answer */
	const struct cursors_question *asked; /* of an answer: what it answers; borrowed */
	int answered;                         /* an answer came */
	int vouched; /* its carrier vouches for the peer: it brings its own transactions alone */
};

/* One that does not come from a stream came over a link, which vouches for the peer. */
struct apply *apply_frame_new(const uint8_t *peer, struct shard stream, uint64_t stream_seq,
    const void *p, size_t n);
/* p NULL: no answer came.  The question is to live as long. */
struct apply *apply_answer_new(const struct cursors_question *q, int vouched, const void *p,
    size_t n);
void apply_free(struct apply *a);

#endif
