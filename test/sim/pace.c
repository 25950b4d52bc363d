#include "config.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/cluster/catchup.h"
#include "opsd/cluster/sums.h"
#include "opsd/store/txlog.h"
#include "test/sim/clients.h"
#include "test/sim/fiber.h"
#include "test/sim/machine.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

/*
 * What is done in pieces is done in many: questions ask for little, the log is read a bit at a
 * time.  And while a question is answered, others may commit.
 */
#define LITTLE   60
#define MEETS    30 /* of a hundred */
#define MEET_MAX 20

struct store_iter *__real_sums_rows(struct store *s, uint32_t table, const uint8_t *after,
    size_t alen, const uint8_t *last, size_t llen);
struct store_iter *__wrap_sums_rows(struct store *s, uint32_t table, const uint8_t *after,
    size_t alen, const uint8_t *last, size_t llen);
int __real_txlog_read_entries(struct txlog *l, struct log_read *q, struct buf *out);
int __wrap_txlog_read_entries(struct txlog *l, struct log_read *q, struct buf *out);
int __real_txlog_read(struct txlog *l, struct log_read *q, struct buf *out);
int __wrap_txlog_read(struct txlog *l, struct log_read *q, struct buf *out);
void __real_catchup_questions_write(struct buf *b, const struct catchup_question *list, uint32_t n);
void __wrap_catchup_questions_write(struct buf *b, const struct catchup_question *list, uint32_t n);

static void
others(void)
{
	if (world_chance(40))
		fiber_pause();
}

/*
 * A client writes just then: of that, nothing is among the rows that are looked at.  The log of the
 * table grows, unless the write fails or others are too slow.
 */
static void
meet(uint32_t id)
{
	struct machine *m = machine_here();
	struct table *table = catalog_by_id(m->data.catalog, id);
	int t = table != NULL ? work_table_named(table->name) : -1;

	if (t != -1 && world_chance(MEETS) && clients_write(m, t)) {
		uint64_t head = table_head(table).seq;

		for (int n = 0; n < MEET_MAX && table_head(table).seq == head; n++)
			fiber_pause();
	}
	table_unref(table);
}

struct store_iter *
__wrap_sums_rows(struct store *s, uint32_t table, const uint8_t *after, size_t alen,
    const uint8_t *last, size_t llen)
{
	struct store_iter *it;

	others();
	it = __real_sums_rows(s, table, after, alen, last, llen);
	others();
	meet(table);
	return (it);
}

int
__wrap_txlog_read_entries(struct txlog *l, struct log_read *q, struct buf *out)
{
	int n;

	if (world_chance(50))
		q->scan = world_between(LITTLE, 50 * LITTLE);
	others();
	n = __real_txlog_read_entries(l, q, out);
	others();
	return (n);
}

int
__wrap_txlog_read(struct txlog *l, struct log_read *q, struct buf *out)
{
	if (world_chance(50))
		q->scan = world_between(LITTLE, 50 * LITTLE);
	return (__real_txlog_read(l, q, out));
}

void
__wrap_catchup_questions_write(struct buf *b, const struct catchup_question *list, uint32_t n)
{
	struct catchup_question *less = xmemdup(list, n * sizeof(*list));

	if (world_chance(80))
		less->max = (uint32_t)world_between(LITTLE, 10 * LITTLE);
	__real_catchup_questions_write(b, less, n);
	free(less);
}
