#include "config.h"

#include "test/sim/grants.h"

#include <string.h>

#include "opsd/cluster/catchup.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define TABLE_LEN 64

static int refused;
static int from_index, to_index, table; /* of what is refused */
static int by_giver;                    /* else by who would get it */

void
grants_begin(void)
{
	refused = world_chance(60);
	from_index = (int)world_below(2);
	to_index = 1 - from_index;
	table = (int)world_below((uint64_t)work_tables());
	by_giver = world_chance(50);
}

/* They are linked without anything between them, and from the beginning. */
const char *
grants_routes(void)
{
	return (!refused ? NULL :
			   "[{\"hostname\":\"n1\",\"replicates\":false},"
			   "{\"hostname\":\"n2\",\"replicates\":false}]");
}

int
grants_concern(const struct machine *m)
{
	return (refused && (m->index == from_index || m->index == to_index));
}

int
grants_between(const struct machine *a, const struct machine *b)
{
	return (a != b && grants_concern(a) && grants_concern(b));
}

int
grants_refused(const struct machine *from, const struct machine *to, int t)
{
	return (refused && t == table && from->index == from_index && to->index == to_index);
}

int
grants_refuses(const struct machine *caller, const struct machine *from, const struct machine *to,
    int t)
{
	return (grants_refused(from, to, t) && caller == (by_giver ? from : to));
}

int
grants_asked(const struct machine *caller, const struct machine *other)
{
	return (grants_between(caller, other) &&
		    caller->index == (by_giver ? to_index : from_index) ?
		table :
		-1);
}

/* ---- what crosses ---- */

static void
must_not_cross(const struct machine *from, const struct machine *to, int t, const char *what)
{
	if (grants_refused(from, to, t))
		world_fail("%s gets %s of %s from %s, which was not agreed to", to->name, what,
		    work_table(t), from->name);
}

static int
table_of_frame(const struct machine *from, const struct frame *f)
{
	struct table *t = catalog_by_id(from->data.catalog, f->table);
	int n = t != NULL ? work_table_named(t->name) : -1;

	table_unref(t);
	return (n);
}

void
grants_frame(const struct machine *from, const struct machine *to, const void *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct frame f;

	if (grants_between(from, to) && machine_alive(from) && frame_read(&r, &f) == 0 &&
	    f.count > 0)
		must_not_cross(from, to, table_of_frame(from, &f), "a frame");
}

static int
table_asked_for(const struct machine *from, const struct catchup_question *q)
{
	char name[TABLE_LEN];
	struct table *t;
	int n;

	if (q->table == 0) {
		if (q->nlen >= sizeof(name))
			return (-1);
		memcpy(name, q->name, q->nlen);
		name[q->nlen] = '\0';
		return (work_table_named(name));
	}
	t = catalog_by_id(from->data.catalog, q->table);
	n = t != NULL ? work_table_named(t->name) : -1;
	table_unref(t);
	return (n);
}

/* Its own rows, that it has lost, one may have. */
void
grants_answer(const struct machine *from, const struct machine *to, const void *question,
    size_t qlen, const void *answer, size_t alen)
{
	struct catchup_question q;
	struct catchup_answer a;

	if (!grants_between(from, to) || !machine_alive(from) ||
	    catchup_question_read(&q, question, qlen) == -1 || q.recovering ||
	    catchup_answer_read(&a, q.kind, answer, alen) == -1)
		return;
	do {
		if (a.status == 200)
			must_not_cross(from, to, table_asked_for(from, &q), "an answer");
	} while (catchup_question_next(&q) && catchup_answer_next(&a));
}
