#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/cursors_priv.h"
#include "opsd/cluster/replication.h"

/*
 * What cursors ask their peers.  One walk through a peer's log serves all that lack about the same of
 * it: those whose questions would begin within NEAR entries of each other go together, and stay
 * together, as they are answered together.  Who lacks only what is far from there does not wait
 * for them.
 */

#define ANSWER_BYTES   (1u << 20)   /* of an answer, at most */
#define QUESTION_BYTES (256u << 10) /* about as long a question may be */
#define NEAR           10000

static struct cursors_question *
question_new(struct cursors *f, const struct catchup_question *asks, struct held *const *list,
    size_t n)
{
	struct cursors_question *q = xcalloc(1, sizeof(*q));
	struct cursor_event e = { .kind = ON_ASKED, .turn = ++f->turns };

	memcpy(q->peer, list[0]->v->peer, NODE_ID_LEN);
	q->kind = asks->kind;
	q->turn = e.turn;
	q->tables = xcalloc(n, sizeof(*q->tables));
	q->n = n;
	catchup_questions_write(&q->text, asks, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		q->tables[i] = list[i]->v->table;
		cursor_on(list[i]->cursor, &e, &(struct cursor_now){ 0 });
	}
	return (q);
}

static void
put_question(struct cursors *f, const struct held *h, struct catchup_question *q)
{
	cursor_question(h->cursor, q);
	memcpy(q->asker, f->rep->data->node_id, NODE_ID_LEN);
	q->max = ANSWER_BYTES;
}

/* ---- the log ---- */

struct due_place {
	uint64_t after;
	struct held *h;
};

static int
compare_places(const void *a, const void *b)
{
	const struct due_place *x = a, *y = b;

	return (x->after < y->after ? -1 : x->after > y->after);
}

static size_t
place_bytes(const struct catchup_question *q)
{
	return (64 + q->dblen + q->nlen);
}

/* Those that are due, by where they go on; the caller frees it. */
static struct due_place *
places_due(const struct source *s, uint64_t now_us, size_t *n)
{
	struct due_place *all = xcalloc(s->n + 1, sizeof(*all));
	struct catchup_question q;

	*n = 0;
	for (struct held *h = s->cursors; h != NULL; h = h->next) {
		if (h->v->copying || !cursor_due(h->cursor, now_us))
			continue;
		cursor_question(h->cursor, &q);
		all[(*n)++] = (struct due_place){ q.after, h };
	}
	qsort(all, *n, sizeof(*all), compare_places);
	return (all);
}

/* How many of them go into one question; the last that may be asked takes whoever it can. */
static size_t
ask_together(struct cursors *f, const struct due_place *all, size_t n, int is_last,
    struct cursors_question **out)
{
	struct catchup_question *asks = xcalloc(n, sizeof(*asks));
	struct held **list = xcalloc(n, sizeof(struct held *));
	size_t k = 0, bytes = 0;

	for (; k < n && bytes < QUESTION_BYTES; k++) {
		if (!is_last && all[k].after - all[0].after > NEAR)
			break;
		list[k] = all[k].h;
		put_question(f, list[k], &asks[k]);
		bytes += place_bytes(&asks[k]);
	}
	*out = question_new(f, asks, list, k);
	free(asks);
	free(list);
	return (k);
}

static size_t
ask_logs(struct cursors *f, struct source *s, uint64_t now_us, size_t most,
    struct cursors_question **out)
{
	size_t n, done = 0, asked = 0;
	struct due_place *all;

	if (most == 0)
		return (0);
	for (all = places_due(s, now_us, &n); done < n && asked < most; asked++)
		done += ask_together(f, all + done, n - done, asked + 1 == most, &out[asked]);
	free(all);
	return (asked);
}

/* ---- rows ---- */

static size_t
ask_rows(struct cursors *f, struct source *s, uint64_t now_us, size_t most,
    struct cursors_question **out)
{
	struct catchup_question q;
	size_t asked = 0;

	for (struct held *h = s->cursors; h != NULL && asked < most; h = h->next)
		if (h->v->copying && cursor_due(h->cursor, now_us)) {
			put_question(f, h, &q);
			out[asked++] = question_new(f, &q, &h, 1);
		}
	return (asked);
}

struct cursors_question **
cursors_due(struct cursors *f, const uint8_t *peer, uint64_t now_us, size_t max, size_t logs,
    size_t *n)
{
	struct cursors_question **list = xcalloc(max + 1, sizeof(*list));
	struct source *s;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = cursors_source_find(f, peer);
	if (s != NULL) {
		*n = ask_logs(f, s, now_us, logs < max ? logs : max, list);
		*n += ask_rows(f, s, now_us, max - *n, list + *n);
	}
	pthread_mutex_unlock(&f->lock);
	return (list);
}

void
cursors_question_free(struct cursors_question *q)
{
	if (q == NULL)
		return;
	free(q->tables);
	buf_free(&q->text);
	free(q);
}
