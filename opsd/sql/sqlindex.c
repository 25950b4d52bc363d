#include "config.h"

#include <string.h>

#include "common/base/mem.h"
#include "opsd/sql/sql_priv.h"

#define INDEX_COST   4    /* a row by its key, against one in passing */
#define LOOKS_MAX    3000 /* rows counted for one statement's look at a table */
#define NO_CONDITION (-1)

/* What is asked of one column: places in aConstraint, or NO_CONDITION. */
struct conditions {
	int equal, lower, upper;
};

struct chooser {
	struct sqltable *t;
	sqlite3_index_info *info;
	uint64_t total, looks;
	int limited; /* not all rows may be wanted */
	/* the best one so far */
	int way;
	size_t col;
	struct conditions asked;
	uint64_t rows;
	double cost;
};

/* ---- ranges ---- */

static void
begin_range(const struct sqltable *t, const struct sqlcolumn *c, struct range *r)
{
	range_all(r, t->t, &c->field);
}

/* What all keys of the range begin with, which its lower bound is before it is narrowed. */
static void
take_prefix(const struct range *whole, struct buf *b)
{
	buf_clear(b);
	buf_add(b, whole->from.data, whole->from.len);
}

/* The keys of one value. */
static void
one_value(struct range *r, const struct scalar *sc)
{
	take_prefix(r, &r->to);
	key_bound(&r->from, sc);
	key_bound(&r->to, sc);
	buf_u8(&r->to, 0xff);
	r->single = 1;
	r->narrowed = 1;
}

/* A boolean is found as the number that SQLite takes it for. */
static int
boolean_of(const struct scalar *sc, struct scalar *boolean)
{
	int64_t i;

	if (sc->rank != RANK_NUMBER || !scalar_is_integer(sc, &i) || (i != 0 && i != 1))
		return (0);
	*boolean = (struct scalar){ .rank = i == 1 ? RANK_TRUE : RANK_FALSE };
	return (1);
}

static size_t
equal_ranges(const struct sqltable *t, const struct sqlcolumn *c, sqlite3_value *v,
    struct range *out)
{
	struct scalar sc, boolean;

	/* Nothing equals null, and there are no bytes. */
	if (sqlvalue_scalar(&sc, v) == -1 || sc.rank == RANK_NULL)
		return (0);
	begin_range(t, c, &out[0]);
	one_value(&out[0], &sc);
	if (c->field.kind == FIELD_KEY || !boolean_of(&sc, &boolean))
		return (1);
	begin_range(t, c, &out[1]);
	one_value(&out[1], &boolean);
	return (2);
}

/* 0: nothing is beyond it. */
static int
lower_bound(struct range *r, sqlite3_value *v, int after)
{
	struct scalar sc;

	if (sqlvalue_scalar(&sc, v) == -1 || sc.rank == RANK_NULL)
		return (0);
	key_bound(&r->from, &sc);
	if (after && sc.n < KEY_TEXT_MAX)
		buf_u8(&r->from, 0xff);
	r->narrowed = 1;
	return (1);
}

/* Null is less than nothing; bytes, which nothing here is, are more than all else. */
static int
upper_bound(struct range *r, const struct buf *prefix, sqlite3_value *v, int before)
{
	struct scalar sc;

	if (sqlvalue_scalar(&sc, v) == -1)
		return (1);
	if (sc.rank == RANK_NULL)
		return (0);
	buf_clear(&r->to);
	buf_add(&r->to, prefix->data, prefix->len);
	key_bound(&r->to, &sc);
	if (!before || sc.n >= KEY_TEXT_MAX)
		buf_u8(&r->to, 0xff);
	r->narrowed = 1;
	return (1);
}

size_t
sqlindex_ranges(const struct sqltable *t, int way, sqlite3_value **args, struct range *out)
{
	const struct sqlcolumn *c = &t->cols[way >> WAY_BITS];
	struct buf prefix = { 0 };
	int any = 1;

	if ((way & WAY_EQUAL) != 0)
		return (equal_ranges(t, c, args[0], out));
	begin_range(t, c, out);
	take_prefix(out, &prefix);
	if ((way & (WAY_FROM | WAY_AFTER)) != 0)
		any = lower_bound(out, *args++, (way & WAY_AFTER) != 0);
	if (any && (way & (WAY_TO | WAY_BEFORE)) != 0)
		any = upper_bound(out, &prefix, *args, (way & WAY_BEFORE) != 0);
	buf_free(&prefix);
	if (any)
		return (1);
	range_free(out);
	return (0);
}

/* ---- what an index is good for ---- */

static int
has_rank(const struct sqltable *t, const struct sqlcolumn *c, uint8_t rank)
{
	struct range r;
	int has;

	begin_range(t, c, &r);
	take_prefix(&r, &r.to);
	buf_u8(&r.from, rank);
	buf_u8(&r.to, (uint8_t)(rank + 1));
	has = range_count(&r, t->sql->data->store, t->sql->snap, 1) > 0;
	range_free(&r);
	return (has);
}

/*
 * Whether the index has all values, in SQLite's order: to SQLite booleans are numbers, arrays
 * and objects are text.
 */
static int
in_sql_order(const struct sqltable *t, const struct sqlcolumn *c)
{
	if (c->field.kind == FIELD_KEY)
		return (1);
	return (c->field.attr->whole && !has_rank(t, c, RANK_FALSE) && !has_rank(t, c, RANK_TRUE) &&
	    !has_rank(t, c, RANK_DEEP));
}

static int
is_indexed(const struct sqlcolumn *c)
{
	return (c->field.attr != NULL && field_indexed(&c->field));
}

/* ---- what is asked ---- */

static struct conditions
column_asked(const struct chooser *ch, size_t col)
{
	struct conditions a = { NO_CONDITION, NO_CONDITION, NO_CONDITION };

	for (int i = 0; i < ch->info->nConstraint; i++) {
		if (!ch->info->aConstraint[i].usable ||
		    ch->info->aConstraint[i].iColumn != (int)col)
			continue;
		switch (ch->info->aConstraint[i].op) {
		case SQLITE_INDEX_CONSTRAINT_EQ:
			a.equal = i;
			break;
		case SQLITE_INDEX_CONSTRAINT_GT:
		case SQLITE_INDEX_CONSTRAINT_GE:
			a.lower = i;
			break;
		case SQLITE_INDEX_CONSTRAINT_LT:
		case SQLITE_INDEX_CONSTRAINT_LE:
			a.upper = i;
			break;
		default:
			break;
		}
	}
	return (a);
}

static int
op_is(const struct chooser *ch, int i, int op)
{
	return (i != NO_CONDITION && ch->info->aConstraint[i].op == op);
}

static int
way_asked(const struct chooser *ch, const struct conditions *a)
{
	if (a->equal != NO_CONDITION)
		return (WAY_EQUAL);
	return (op_is(ch, a->lower, SQLITE_INDEX_CONSTRAINT_GE) * WAY_FROM |
	    op_is(ch, a->lower, SQLITE_INDEX_CONSTRAINT_GT) * WAY_AFTER |
	    op_is(ch, a->upper, SQLITE_INDEX_CONSTRAINT_LE) * WAY_TO |
	    op_is(ch, a->upper, SQLITE_INDEX_CONSTRAINT_LT) * WAY_BEFORE);
}

/* The values that are compared with, where they are known; their number, or -1. */
static int
known_values(const struct chooser *ch, const struct conditions *a, sqlite3_value **values)
{
	const int places[] = { a->equal, a->lower, a->upper };
	int n = 0;

	for (size_t i = 0; i < 3 && !(i > 0 && a->equal != NO_CONDITION); i++) {
		if (places[i] == NO_CONDITION)
			continue;
		if (sqlite3_vtab_rhs_value(ch->info, places[i], &values[n]) != SQLITE_OK)
			return (-1);
		n++;
	}
	return (n);
}

/* Of values that only the other table of a join has. */
static uint64_t
guess_rows(const struct chooser *ch, size_t col, int way)
{
	int both = (way & (WAY_FROM | WAY_AFTER)) != 0 && (way & (WAY_TO | WAY_BEFORE)) != 0;

	if ((way & WAY_EQUAL) != 0)
		return (col == ch->t->key ? 1 : 10 + ch->total / 1000);
	return (1 + ch->total / (both ? 16 : 4));
}

static uint64_t
rows_of(struct chooser *ch, size_t col, int way, const struct conditions *a)
{
	sqlite3_value *values[2];
	struct range ranges[2];
	uint64_t rows = 0;
	size_t n;

	if (known_values(ch, a, values) == -1)
		return (guess_rows(ch, col, way));
	n = sqlindex_ranges(ch->t, (int)(col << WAY_BITS) | way, values, ranges);
	for (size_t i = 0; i < n; i++) {
		rows += range_estimate(&ranges[i], ch->t->t, ch->t->sql->data->store,
		    ch->t->sql->snap, &ch->looks);
		range_free(&ranges[i]);
	}
	return (rows);
}

/* ---- the choice ---- */

static void
try_column(struct chooser *ch, size_t col)
{
	const struct sqlcolumn *c = &ch->t->cols[col];
	struct conditions a = column_asked(ch, col);
	int way = way_asked(ch, &a);
	uint64_t rows;
	double cost;

	if (way == 0 || (way != WAY_EQUAL && !in_sql_order(ch->t, c)))
		return;
	rows = rows_of(ch, col, way, &a);
	cost = (double)(rows + 1) * (c->field.kind == FIELD_KEY ? 1 : INDEX_COST);
	if (cost >= ch->cost)
		return;
	ch->way = way;
	ch->col = col;
	ch->asked = a;
	ch->rows = rows;
	ch->cost = cost;
}

/* The column whose order is asked for, where one order is all that counts; ncols: none. */
static size_t
order_column(const struct chooser *ch)
{
	const struct sqlite3_index_info *info = ch->info;
	size_t col;

	if (info->nOrderBy < 1)
		return (ch->t->ncols);
	col = (size_t)info->aOrderBy[0].iColumn;
	/* Keys are all different: what comes behind them decides nothing. */
	return (col < ch->t->ncols && (info->nOrderBy == 1 || col == ch->t->key) ? col :
										   ch->t->ncols);
}

/* By an index that has the order, rather than by all rows, when few of them may do. */
static void
try_order(struct chooser *ch, size_t col)
{
	const struct sqlcolumn *c = &ch->t->cols[col];

	if (!ch->limited || ch->way != 0 || !is_indexed(c) || !in_sql_order(ch->t, c))
		return;
	ch->col = col;
}

static void
take_order(struct chooser *ch, size_t col)
{
	if (col != ch->col || (ch->way & WAY_EQUAL) != 0 || !in_sql_order(ch->t, &ch->t->cols[col]))
		return;
	ch->info->orderByConsumed = 1;
	ch->way |= WAY_ORDER;
	if (ch->info->aOrderBy[0].desc)
		ch->way |= WAY_BACK;
}

static void
take_conditions(struct chooser *ch)
{
	const int places[] = { ch->asked.equal, ch->asked.lower, ch->asked.upper };
	int n = 0;

	for (size_t i = 0; i < 3 && !(i > 0 && (ch->way & WAY_EQUAL) != 0); i++)
		if (places[i] != NO_CONDITION)
			ch->info->aConstraintUsage[places[i]].argvIndex = ++n;
}

/* For EXPLAIN: "key id: >= ? and < ?", "index on age, backwards". */
static char *
way_words(const struct chooser *ch)
{
	const struct sqlcolumn *c = &ch->t->cols[ch->col];
	int from = ch->way & (WAY_FROM | WAY_AFTER), to = ch->way & (WAY_TO | WAY_BEFORE);

	if ((ch->way & ~(WAY_ORDER | WAY_BACK)) == 0 && ch->col == ch->t->key)
		return (sqlite3_mprintf("all rows%s",
		    (ch->way & WAY_BACK) != 0 ? ", backwards" : ""));
	return (sqlite3_mprintf("%s %s%s%s%s%s%s", ch->col == ch->t->key ? "key" : "index on",
	    c->name, (ch->way & WAY_EQUAL) != 0 ? " = ?" : "",
	    (from & WAY_FROM) != 0 ? " >= ?" :
		(from != 0)        ? " > ?" :
				     "",
	    from != 0 && to != 0 ? " and" : "",
	    (to & WAY_TO) != 0 ? " <= ?" :
		(to != 0)      ? " < ?" :
				 "",
	    (ch->way & WAY_BACK) != 0 ? ", backwards" : ""));
}

static int
is_limited(const sqlite3_index_info *info)
{
	for (int i = 0; i < info->nConstraint; i++)
		if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT)
			return (1);
	return (0);
}

int
sqlindex_best(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
	struct sqltable *t = ((struct sqlvtab *)vtab)->t;
	struct chooser ch = {
		.t = t,
		.info = info,
		.total = range_total(t->t),
		.looks = LOOKS_MAX,
		.limited = is_limited(info),
		.col = t->key,
		.asked = { NO_CONDITION, NO_CONDITION, NO_CONDITION },
	};
	size_t order = order_column(&ch);

	ch.rows = ch.total;
	ch.cost = (double)ch.total + 2;
	for (size_t i = 0; i < t->ncols; i++)
		if (is_indexed(&t->cols[i]))
			try_column(&ch, i);
	if (order < t->ncols) {
		try_order(&ch, order);
		take_order(&ch, order);
	}
	take_conditions(&ch);
	if (ch.col == t->key && (ch.way & WAY_EQUAL) != 0)
		info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
	info->idxNum = (int)(ch.col << WAY_BITS) | ch.way;
	info->idxStr = way_words(&ch);
	info->needToFreeIdxStr = 1;
	info->estimatedCost = ch.cost;
	info->estimatedRows = (sqlite3_int64)ch.rows;
	return (info->idxStr != NULL ? SQLITE_OK : SQLITE_NOMEM);
}
