#include "config.h"

#include "opsd/op/op_search_priv.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define SLICE_US 2000
#define ROW_ROOM 4096 /* for the row that makes a piece full */

/* A search whose rows are sent: whole, when they are few, else in pieces as they are found. */
struct answering {
	struct request *r;
	struct search *search;
	enum format format;
	int begun;
	int passes; /* MessagePack: 1 while rows are counted, 2 after that */
};

/* A piece of the result is there.  MessagePack has to know first how many rows follow. */
static void
answer_piece(struct answering *a)
{
	if (a->format == FORMAT_MSGPACK && a->passes == 0) {
		search_count(a->search);
		a->passes = 1;
		return;
	}
	if (a->passes == 1)
		return;
	if (!a->begun)
		reply_begin(a->r, 200, format_type(a->format));
	a->begun = 1;
	reply_more(a->r, search_out(a->search));
}

/* 1 when that was all. */
static int
answer_last(struct answering *a)
{
	if (a->passes == 1) {
		a->passes = 2;
		if (search_again(a->search) == 0)
			return (0);
		reply_error(a->r, 400,
		    "there are more rows than MessagePack can count, use limit "
		    "and offset");
	} else if (a->begun) {
		reply_more(a->r, search_out(a->search));
		reply_end(a->r);
	} else
		reply_body(a->r, 200, format_type(a->format), search_out(a->search));
	return (1);
}

static void
answer_failure(struct answering *a)
{
	if (a->begun) {
		log_warnx("search: %s", search_error(a->search));
		reply_abort(a->r);
	} else
		reply_error(a->r, search_status(a->search), "%s", search_error(a->search));
}

/* One slice; 1 when the request has its answer, or nobody who wants it. */
static int
answer_step(struct answering *a)
{
	if (request_gone(a->r)) {
		reply_abort(a->r);
		return (1);
	}
	/* A piece at once, not grown and copied: what growing leaves free is in pieces, too. */
	if (a->begun)
		buf_reserve(search_out(a->search), SEARCH_PIECE + ROW_ROOM);
	switch (search_step(a->search, SLICE_US)) {
	case SEARCH_MORE:
		if (search_out(a->search)->len > SEARCH_PIECE || a->begun)
			answer_piece(a);
		return (0);
	case SEARCH_DONE:
		return (answer_last(a));
	default:
		answer_failure(a);
		return (1);
	}
}

static void
op_search_again_cb(struct request *r, void *arg)
{
	struct answering *a = arg;

	if (!answer_step(a)) {
		request_again(r, op_search_again_cb, a);
		return;
	}
	search_free(a->search);
	free(a);
}

static void
start_search(struct request *r, struct search *s)
{
	struct answering *a;

	if (s == NULL)
		return;
	a = xcalloc(1, sizeof(*a));
	*a = (struct answering){ .r = r, .search = s, .format = request_format(r, 1) };
	search_format(s, a->format);
	search_start(s);
	op_search_again_cb(r, a);
}

static void
search_by_id(struct request *r)
{
	start_search(r, ask_by_id(r, 400));
}

static void
search_by_hash(struct request *r)
{
	/* Known clients look for 500. */
	start_search(r, ask_by_id(r, 500));
}

static void
search_by_value(struct request *r)
{
	start_search(r, ask_by_value(r));
}

static void
search_by_conditions(struct request *r)
{
	start_search(r, ask_by_conditions(r));
}

struct search *
op_search_read(struct request *r)
{
	if (r->op->run == search_by_id || r->op->run == search_by_hash)
		return (ask_by_id(r, 400));
	if (r->op->run == search_by_value)
		return (ask_by_value(r));
	return (ask_by_conditions(r));
}

const struct op ops_search[] = {
	{ "search_by_id", "searchByHash", RIGHT_TABLE, ON_HTTP, search_by_id },
	{ "search_by_hash", "searchByHash", RIGHT_TABLE, ON_HTTP, search_by_hash },
	{ "search_by_value", "searchByValue", RIGHT_TABLE, ON_HTTP, search_by_value },
	{ "search_by_conditions", "searchByConditions", RIGHT_TABLE, ON_HTTP,
	    search_by_conditions },
	{ NULL },
};
