#include "config.h"

#include "opsd/cluster/sums.h"

#include "common/tls/crypto.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"

struct store_iter *
sums_rows(struct store *s, uint32_t table, const uint8_t *after, size_t alen, const uint8_t *last,
    size_t llen)
{
	struct buf lower = { 0 }, upper = { 0 };
	struct store_iter *it;

	key_row(&lower, table, after, alen);
	if (alen > 0)
		buf_u8(&lower, 0); /* just after it */
	if (llen > 0) {
		key_row(&upper, table, last, llen);
		buf_u8(&upper, 0);
	} else
		key_table_end(&upper, table);
	it = store_iter_new(s, NULL, CF_ROWS, lower.data, lower.len, upper.data, upper.len);
	store_iter_first(it);
	buf_free(&lower);
	buf_free(&upper);
	return (it);
}

static int
is_visible(const uint8_t *p, size_t n)
{
	struct row row = { 0 };
	int yes = row_load(&row, p, n) == 0 && row_visible(&row);

	row_free(&row);
	return (yes);
}

void
sum_add(struct sum *s, struct store_iter *it)
{
	size_t klen, n;
	const uint8_t *key = store_iter_key(it, &klen) + 4, *p = store_iter_value(it, &n);

	klen -= 4;
	buf_clear(&s->scratch);
	buf_add(&s->scratch, s->sum, sizeof(s->sum));
	buf_strn(&s->scratch, key, klen);
	buf_blob(&s->scratch, p, n);
	crypto_sha256(s->scratch.data, s->scratch.len, s->sum);
	buf_clear(&s->last);
	buf_add(&s->last, key, klen);
	s->n++;
	s->visible += (uint32_t)is_visible(p, n);
	s->bytes += klen + n;
	store_iter_next(it);
}

void
sum_free(struct sum *s)
{
	buf_free(&s->last);
	buf_free(&s->scratch);
}
