#include "config.h"

#include "test/unit/cursormodel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/cursor.h"

#define KEYS    6
#define LOG_MAX 120
#define FLIGHTS 12
#define ASKED   4
#define PIECE   3 /* entries of a frame or an answer; rows of a chunk */
#define TABLE   7u

struct item {               /* an entry of the peer's log */
	struct log_entry e; /* its table is TABLE, or another one's */
	int key;
	uint64_t stamp;  /* of the row: ms * 1000 and a count */
	uint64_t fit_ms; /* cannot be applied before */
	int ahead;       /* and why: a clock */
	int needed;      /* by the subscription */
};

struct peer_side {
	struct item log[LOG_MAX];
	size_t n;
	uint64_t trimmed, incarnation, life;
	struct log_pos head;
	uint64_t rows[KEYS], fit[KEYS];
};

struct flight { /* a frame, or the entries of an answer */
	uint64_t incarnation;
	struct item items[PIECE];
	size_t n;
};

struct asked {
	struct catchup_question q;
	uint8_t key; /* of q */
	struct cursor_event answer;
	uint8_t next; /* of that */
	struct flight entries;
	int served;
	uint64_t rows[KEYS], fit[KEYS];
	int from, to; /* rows of those keys */
};

struct here { /* what is on disk */
	struct buf cursor;
	uint64_t rows[KEYS];
};

struct cursormodel {
	uint32_t (*choose)(void *arg, uint32_t n);
	void *arg;
	uint64_t ms, count, turns;
	struct peer_side peer, old; /* an older copy of it */
	int has_old, unsubscribed;
	struct flight flights[FLIGHTS];
	size_t nflights;
	struct asked asked[ASKED];
	size_t nasked;
	struct cursor *cur;
	struct here here, backup;
	uint64_t seen_seq, seen_incarnation;
	char fault[200];
};

static int tracing;

void
cursormodel_trace(int on)
{
	tracing = on;
}

static uint32_t
choose(struct cursormodel *m, uint32_t n)
{
	return (m->choose(m->arg, n));
}

static void
wrong(struct cursormodel *m, const char *what)
{
	const struct cursor_view *v = cursor_view(m->cur);

	if (m->fault[0] == '\0')
		snprintf(m->fault, sizeof(m->fault), "%s: %s at %llu of incarnation %llu", what,
		    cursor_phase_name(cursor_phase(m->cur)), (unsigned long long)v->seq,
		    (unsigned long long)v->incarnation);
}

/* ---- the peer ---- */

static struct item *
item_at(struct peer_side *p, uint64_t seq)
{
	return (seq >= 1 && seq <= p->n ? &p->log[seq - 1] : NULL);
}

/* As txlog_has. */
static int
has(struct peer_side *p, uint64_t incarnation, uint64_t seq, uint64_t mark)
{
	struct item *i = item_at(p, seq);

	if (incarnation != p->incarnation)
		return (incarnation < p->incarnation);
	return (seq == 0 || (i != NULL && i->e.mark == mark));
}

static void
fly(struct cursormodel *m, const struct item *item)
{
	struct flight *f = m->nflights > 0 ? &m->flights[m->nflights - 1] : NULL;

	if (f != NULL && f->incarnation == m->peer.incarnation && f->n < PIECE &&
	    choose(m, 2) == 0 && f->items[f->n - 1].e.seq == item->e.prev &&
	    f->items[f->n - 1].e.mark == item->e.prev_mark) {
		f->items[f->n++] = *item;
		return;
	}
	if (m->nflights == FLIGHTS) { /* the oldest is lost */
		memmove(m->flights, m->flights + 1, sizeof(m->flights[0]) * (FLIGHTS - 1));
		m->nflights--;
	}
	m->flights[m->nflights++] = (struct flight){
		.incarnation = m->peer.incarnation,
		.items = { *item },
		.n = 1,
	};
}

static void
peer_writes(struct cursormodel *m)
{
	struct peer_side *p = &m->peer;
	struct item *i = &p->log[p->n];
	uint32_t what = choose(m, 16);

	if (p->n == LOG_MAX)
		return;
	*i = (struct item){
		.e = { .seq = p->n + 1,
		    .mark = p->life << 32 | ++m->count,
		    .ms = m->ms,
		    .table = choose(m, 3) == 0 ? TABLE + 1 : TABLE },
		.key = (int)choose(m, KEYS),
		.needed = 1,
		.stamp = (m->ms - choose(m, 2000)) * 1000 + m->count % 1000,
	};
	p->n++;
	if (i->e.table != TABLE)
		return;
	i->e.prev = p->head.seq;
	i->e.prev_mark = p->head.mark;
	if (what < 2) {
		i->fit_ms = m->ms + 1500;
		i->ahead = what == 0;
	}
	if (i->stamp > p->rows[i->key]) {
		p->rows[i->key] = i->stamp;
		p->fit[i->key] = i->ahead ? i->fit_ms : 0;
	}
	p->head = (struct log_pos){ i->e.seq, i->e.mark, i->e.ms };
	fly(m, i);
}

static void
peer_trims(struct cursormodel *m)
{
	uint64_t upto = m->peer.trimmed + choose(m, 20);

	m->peer.trimmed = upto < m->peer.n ? upto : m->peer.n;
}

static void
peer_is_put_back(struct cursormodel *m)
{
	struct peer_side *was = xmalloc(sizeof(*was));

	*was = m->peer;
	if (m->has_old)
		m->peer = m->old;
	m->peer.life = was->life + 1;
	for (size_t i = 0; i < m->peer.n && i < was->n; i++)
		if (m->peer.log[i].e.mark == was->log[i].e.mark)
			m->peer.log[i].needed = was->log[i].needed;
	free(was);
}

static void
peer_begins_anew(struct cursormodel *m, uint64_t seen)
{
	if (m->peer.incarnation <= seen)
		m->peer.incarnation = seen + 1;
}

/* ---- its answers ---- */

static void
serve_log(struct cursormodel *m, struct asked *a)
{
	struct peer_side *p = &m->peer;
	struct item *oldest = item_at(p, p->trimmed + 1);
	uint64_t seq = a->q.after > p->trimmed ? a->q.after : p->trimmed;
	uint64_t scanned = seq + 1 + choose(m, 20);

	if (a->q.from_ms != 0 && p->trimmed > 0 &&
	    (oldest == NULL || oldest->e.ms > a->q.from_ms)) {
		a->answer.kind = ON_REFUSED;
		a->answer.status = 410;
		return;
	}
	while (seq < p->n && a->entries.n < PIECE && seq < scanned) {
		struct item *i = item_at(p, ++seq);

		if (i->e.table == TABLE && i->e.ms >= a->q.from_ms)
			a->entries.items[a->entries.n++] = *i;
	}
	a->answer.kind = ON_LOG;
	a->answer.upto = seq > a->q.after ? seq : a->q.after;
	a->answer.stalled = a->answer.upto <= a->q.after;
	a->answer.done = a->answer.upto >= p->head.seq;
	a->answer.count = (uint32_t)a->entries.n;
	if (a->entries.n > 0)
		a->answer.before = (struct log_pos){
			a->entries.items[0].e.prev,
			a->entries.items[0].e.prev_mark,
			0,
		};
}

static void
serve_rows(struct cursormodel *m, struct asked *a)
{
	int from = a->q.klen > 0 ? a->key + 1 : 0;

	a->from = from;
	a->to = from + 1 + (int)choose(m, PIECE);
	if (a->to > KEYS)
		a->to = KEYS;
	memcpy(a->rows, m->peer.rows, sizeof(a->rows));
	memcpy(a->fit, m->peer.fit, sizeof(a->fit));
	a->answer.kind = ON_ROWS;
	a->answer.done = a->to == KEYS;
	a->next = (uint8_t)(a->to - 1);
}

static void
serve(struct cursormodel *m, struct asked *a)
{
	a->served = 1;
	a->entries.n = 0;
	a->answer.incarnation = m->peer.incarnation;
	a->answer.at = m->peer.head;
	if (m->unsubscribed) {
		a->answer.kind = ON_REFUSED;
		a->answer.status = 403;
	} else if (!has(&m->peer, a->q.incarnation, a->q.seq, a->q.mark)) {
		a->answer.kind = ON_REFUSED;
		a->answer.status = 409;
		peer_begins_anew(m, a->q.incarnation);
	} else if (a->q.kind == CATCHUP_LOG)
		serve_log(m, a);
	else
		serve_rows(m, a);
}

/* ---- this node ---- */

/* What comes before a start time is not asked for. */
static void
need_from(struct cursormodel *m, uint64_t seq, uint64_t from_ms)
{
	for (size_t i = 0; i < m->peer.n && m->peer.log[i].e.seq <= seq; i++)
		if (m->peer.log[i].e.ms < from_ms || m->peer.log[i].stamp < from_ms * 1000)
			m->peer.log[i].needed = 0;
}

static void
check(struct cursormodel *m)
{
	const struct cursor_view *v = cursor_view(m->cur);

	if (v->incarnation == m->seen_incarnation && v->seq < m->seen_seq)
		wrong(m, "it went back");
	m->seen_seq = v->seq;
	m->seen_incarnation = v->incarnation;
	if (v->copying || v->from_ms != 0 || v->state == CURSOR_NEW ||
	    v->incarnation != m->peer.incarnation ||
	    !has(&m->peer, v->incarnation, v->seq, v->mark))
		return;
	for (size_t i = 0; i < m->peer.n && m->peer.log[i].e.seq <= v->seq; i++)
		if (m->peer.log[i].e.table == TABLE && m->peer.log[i].needed &&
		    m->here.rows[m->peer.log[i].key] < m->peer.log[i].stamp)
			wrong(m, "it left something out");
}

/* What is on disk is what a restart goes on with. */
static void
check_saved(struct cursormodel *m)
{
	struct buf b = { 0 };

	if (cursor_view(m->cur)->state != CURSOR_NEW) {
		cursor_view_write(cursor_view(m->cur), &b);
		if (b.len != m->here.cursor.len || memcmp(b.data, m->here.cursor.data, b.len) != 0)
			wrong(m, "it is not on disk as it is");
	}
	buf_free(&b);
}

static void
make_cursor(struct cursormodel *m)
{
	struct cursor_view v = {
		.peer = "peer",
		.table = TABLE,
		.database = (char[]){ "d" },
		.name = (char[]){ "t" },
		.state = CURSOR_NEW,
	};

	cursor_free(m->cur);
	m->cur = cursor_new(&v);
	m->seen_seq = 0;
	buf_clear(&m->here.cursor);
}

static unsigned
happen(struct cursormodel *m, struct cursor_event e)
{
	struct cursor_now now = { m->ms, m->ms * 1000 };
	const struct cursor_view *v = cursor_view(m->cur);
	unsigned actions = cursor_on(m->cur, &e, &now);

	if (tracing)
		printf("%llu %s -> %s at %llu/%llu inc %llu from %llu chunks %d beside %d: %u\n",
		    (unsigned long long)m->ms, cursor_event_name(e.kind),
		    cursor_phase_name(cursor_phase(m->cur)), (unsigned long long)v->seq,
		    (unsigned long long)m->peer.head.seq, (unsigned long long)v->incarnation,
		    (unsigned long long)v->from_ms, v->chunks, v->beside, actions);
	if (actions & CURSOR_SAVE) {
		buf_clear(&m->here.cursor);
		cursor_view_write(cursor_view(m->cur), &m->here.cursor);
	}
	if (actions & CURSOR_REMOVE)
		make_cursor(m);
	return (actions);
}

/* From what is on disk; what was asked is forgotten. */
static void
restart(struct cursormodel *m)
{
	struct rd r = rd_init(m->here.cursor.data, m->here.cursor.len);
	struct cursor_view v = { .peer = "peer", .table = TABLE };

	m->nasked = 0;
	if (m->here.cursor.len == 0)
		return;
	if (cursor_view_read(&v, &r) == -1)
		wrong(m, "what it wrote cannot be read");
	cursor_free(m->cur);
	m->cur = cursor_new(&v);
	cursor_view_clear(&v);
}

static void
back_up(struct cursormodel *m)
{
	buf_clear(&m->backup.cursor);
	buf_add(&m->backup.cursor, m->here.cursor.data, m->here.cursor.len);
	memcpy(m->backup.rows, m->here.rows, sizeof(m->here.rows));
}

static void
be_put_back(struct cursormodel *m)
{
	if (m->backup.cursor.len == 0)
		return;
	buf_clear(&m->here.cursor);
	buf_add(&m->here.cursor, m->backup.cursor.data, m->backup.cursor.len);
	memcpy(m->here.rows, m->backup.rows, sizeof(m->here.rows));
	m->seen_seq = 0;
	restart(m);
	happen(m, (struct cursor_event){ .kind = ON_OWN_LOST });
}

static void
begin(struct cursormodel *m)
{
	struct cursor_event e = {
		.kind = ON_SUBSCRIBED,
		.incarnation = m->peer.incarnation,
		.at = m->peer.head,
	};

	for (size_t i = 0; i < m->peer.n; i++)
		m->peer.log[i].needed = 1;
	switch (choose(m, 4)) {
	case 0:
		need_from(m, e.at.seq, m->ms + 1);
		break;
	case 1:
		e.kind = ON_SINCE;
		e.from_ms = m->ms - choose(m, 5000);
		e.copied = (int)choose(m, 2);
		need_from(m, e.at.seq, e.from_ms);
		break;
	case 2:
		e.kind = ON_OWN_LOST;
		break;
	default:
		e.kind = ON_ALL;
	}
	happen(m, e);
}

static void
call_again(struct cursormodel *m)
{
	struct cursor_event e = {
		.kind = ON_SUBSCRIBED,
		.incarnation = m->peer.incarnation,
		.at = m->peer.head,
		.from_ms = m->ms - choose(m, 5000),
	};
	const struct cursor_view *v = cursor_view(m->cur);

	if (v->state == CURSOR_NEW) {
		begin(m);
		return;
	}
	switch (choose(m, 4)) {
	case 0:
		e.kind = ON_SINCE;
		break;
	case 1:
		e.kind = ON_ALL; /* what came is gone */
		memset(m->here.rows, 0, sizeof(m->here.rows));
		break;
	case 2:
		e = (struct cursor_event){
			.kind = ON_OTHER_KEY,
			.key = "k",
			.key_len = 1,
			.own_key = "id",
		};
		break;
	default:
		break;
	}
	happen(m, e);
}

/* ---- entries and rows in ---- */

static enum cursor_event_kind
apply(struct cursormodel *m, const struct flight *f, uint32_t *applied)
{
	const struct cursor_view *v = cursor_view(m->cur);

	*applied = 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct item *it = &f->items[i];
		enum log_step step = log_step(v->seq, v->mark, &it->e);

		if (step == LOG_GAP)
			return (ON_GAP);
		if (step == LOG_OTHER)
			return (ON_OTHER_LIFE);
		if (step == LOG_SEEN)
			continue;
		if (it->fit_ms > m->ms) {
			happen(m,
			    (struct cursor_event){ .kind = it->ahead ? ON_AHEAD : ON_UNFIT,
				.count = *applied,
				.why = it->ahead ? NULL : "unfit" });
			return (CURSOR_EVENTS);
		}
		if (m->here.rows[it->key] < it->stamp)
			m->here.rows[it->key] = it->stamp;
		++*applied;
		happen(m,
		    (struct cursor_event){ .kind = ON_ENTRY,
			.at = { it->e.seq, it->e.mark, it->e.ms } });
	}
	return (ON_FRAME_END);
}

static void
frame_comes(struct cursormodel *m, const struct flight *f)
{
	struct cursor_event e = {
		.kind = choose(m, 30) == 0 ? ON_NO_ROOM : ON_FRAME,
		.incarnation = f->incarnation,
		.at = { .seq = f->items[f->n - 1].e.seq },
	};

	if (cursor_view(m->cur)->state == CURSOR_NEW || !(happen(m, e) & CURSOR_APPLY))
		return;
	e.kind = apply(m, f, &e.count);
	if (e.kind != CURSOR_EVENTS)
		happen(m, e);
}

static void
log_comes(struct cursormodel *m, struct asked *a)
{
	struct cursor_event e = a->answer;
	uint64_t from_ms = cursor_view(m->cur)->from_ms;
	enum cursor_event_kind end;

	if (!(happen(m, e) & CURSOR_APPLY))
		return;
	if (from_ms != 0 && cursor_view(m->cur)->from_ms == 0)
		need_from(m, cursor_view(m->cur)->seq, from_ms);
	end = apply(m, &a->entries, &e.count);
	if (end == CURSOR_EVENTS)
		return;
	e.kind = end == ON_FRAME_END ? ON_LOG_END : ON_LOG_BROKEN;
	e.turn = 0;
	happen(m, e);
}

static void
rows_come(struct cursormodel *m, struct asked *a)
{
	struct cursor_event e = a->answer;
	const struct cursor_view *v = cursor_view(m->cur);

	e.next_key = &a->next;
	e.next_len = 1;
	if (!(happen(m, e) & CURSOR_MERGE))
		return;
	e.turn = 0;
	for (int k = a->from; k < a->to; k++)
		if (a->fit[k] > m->ms) {
			e.kind = ON_ROWS_AHEAD;
			happen(m, e);
			return;
		}
	if (v->from_ms != 0 && v->chunks == 0 && !v->beside)
		need_from(m, e.at.seq, v->from_ms);
	for (int k = a->from; k < a->to; k++)
		if (a->rows[k] >= v->from_ms * 1000 && m->here.rows[k] < a->rows[k])
			m->here.rows[k] = a->rows[k];
	e.kind = choose(m, 40) == 0 ? ON_ROWS_UNFIT : ON_MERGED;
	e.count = (uint32_t)(a->to - a->from);
	happen(m, e);
}

/* ---- the network ---- */

static void
ask(struct cursormodel *m)
{
	struct asked *a = &m->asked[m->nasked];
	const struct cursor_view *v = cursor_view(m->cur);

	if (m->nasked == ASKED || !cursor_due(m->cur, m->ms * 1000))
		return;
	memset(a, 0, sizeof(*a));
	cursor_question(m->cur, &a->q);
	if ((a->q.kind == CATCHUP_ROWS) != (v->copying != 0))
		wrong(m, "it asks for what it does not want");
	if (a->q.klen > 0)
		a->key = a->q.key[0];
	a->answer.turn = ++m->turns;
	m->nasked++;
	happen(m, (struct cursor_event){ .kind = ON_ASKED, .turn = a->answer.turn });
}

static void
answer(struct cursormodel *m, size_t i, int lost)
{
	struct asked a = m->asked[i];

	memmove(&m->asked[i], &m->asked[i + 1], sizeof(a) * (m->nasked - i - 1));
	m->nasked--;
	if (!a.served)
		serve(m, &a);
	if (lost)
		happen(m, (struct cursor_event){ .kind = ON_NO_ANSWER, .turn = a.answer.turn });
	else if (a.answer.kind == ON_LOG)
		log_comes(m, &a);
	else if (a.answer.kind == ON_ROWS)
		rows_come(m, &a);
	else
		happen(m, a.answer);
}

static void
frame_arrives(struct cursormodel *m)
{
	size_t i = m->nflights > 0 ? choose(m, choose(m, 2) ? (uint32_t)m->nflights : 1) : 0;
	struct flight f;

	if (m->nflights == 0)
		return;
	f = m->flights[i];
	if (choose(m, 6) != 0) { /* else it comes once more */
		memmove(&m->flights[i], &m->flights[i + 1], sizeof(f) * (m->nflights - i - 1));
		m->nflights--;
	}
	if (choose(m, 6) != 0) /* else it is lost */
		frame_comes(m, &f);
}

static void
status(struct cursormodel *m)
{
	const struct cursor_view *v = cursor_view(m->cur);

	if (v->state == CURSOR_NEW)
		return;
	if (!has(&m->peer, v->incarnation, v->seq, v->mark))
		peer_begins_anew(m, v->incarnation);
	happen(m, (struct cursor_event){ .kind = ON_HEARD, .at = m->peer.head, .rows = KEYS });
	happen(m, (struct cursor_event){ .kind = ON_LOOKED, .incarnation = m->peer.incarnation });
}

/* ---- the whole ---- */

struct cursormodel *
cursormodel_new(uint32_t (*chooser)(void *arg, uint32_t n), void *arg)
{
	struct cursormodel *m = xcalloc(1, sizeof(*m));

	m->choose = chooser;
	m->arg = arg;
	m->ms = 100000;
	m->peer.incarnation = 10;
	m->peer.life = 1;
	make_cursor(m);
	for (uint32_t n = choose(m, 12); n > 0; n--)
		peer_writes(m);
	begin(m);
	return (m);
}

void
cursormodel_free(struct cursormodel *m)
{
	cursor_free(m->cur);
	buf_free(&m->here.cursor);
	buf_free(&m->backup.cursor);
	free(m);
}

const char *
cursormodel_fault(const struct cursormodel *m)
{
	return (m->fault[0] != '\0' ? m->fault : NULL);
}

static void
trouble(struct cursormodel *m)
{
	switch (choose(m, 9)) {
	case 0:
		peer_trims(m);
		break;
	case 1:
		m->old = m->peer;
		m->has_old = 1;
		break;
	case 2:
		peer_is_put_back(m);
		break;
	case 3:
		m->unsubscribed = !m->unsubscribed;
		break;
	case 4:
		restart(m);
		break;
	case 5:
		back_up(m);
		break;
	case 6:
		be_put_back(m);
		break;
	default:
		call_again(m);
	}
}

void
cursormodel_step(struct cursormodel *m)
{
	m->ms += 10 + choose(m, 300);
	switch (choose(m, 12)) {
	case 0:
	case 1:
	case 2:
		peer_writes(m);
		break;
	case 3:
	case 4:
	case 5:
		frame_arrives(m);
		break;
	case 6:
	case 7:
		ask(m);
		break;
	case 8:
		if (m->nasked > 0)
			serve(m, &m->asked[choose(m, (uint32_t)m->nasked)]);
		break;
	case 9:
		if (m->nasked > 0)
			answer(m, choose(m, (uint32_t)m->nasked), choose(m, 5) == 0);
		break;
	case 10:
		status(m);
		break;
	default:
		trouble(m);
	}
	check(m);
	check_saved(m);
}

/* What was in flight is lost; then nothing is. */
void
cursormodel_rest(struct cursormodel *m)
{
	const struct cursor_view *v;

	m->unsubscribed = 0;
	m->nflights = 0;
	for (int i = 0; i < 150; i++) {
		m->ms += 1100;
		if (cursor_view(m->cur)->state == CURSOR_NEW)
			begin(m);
		ask(m);
		while (m->nasked > 0)
			answer(m, 0, 0);
		if (i % 3 == 0)
			status(m);
		check(m);
		check_saved(m);
	}
	v = cursor_view(m->cur);
	if (v->state != CURSOR_LIVE || v->seq != m->peer.head.seq || v->mark != m->peer.head.mark)
		wrong(m, "it does not come to rest");
}
