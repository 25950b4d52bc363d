#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "opsd/store/txn.h"

/* Transactions from peers: what is valid is read to its end, and merges into any row. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct txn t;
	struct txn_record rec = { 0 };
	struct row all = { 0 };
	struct buf b = { 0 };

	if (txn_read(&t, data, n) == -1) {
		free(txn_fault(data, n));
		return (0);
	}
	if (t.kind == TXN_WRITE) {
		while (txn_next(&t, &rec) == 1)
			row_merge(&all, &rec.row);
		row_encode(&all, &b);
	}
	buf_free(&b);
	row_free(&all);
	row_free(&rec.row);
	return (0);
}
