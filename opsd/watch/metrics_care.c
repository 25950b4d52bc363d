#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "opsd/auth/certends.h"
#include "opsd/cluster/warnings.h"
#include "opsd/job/backup.h"
#include "opsd/snapshot/snapshots.h"
#include "opsd/store/catalog.h"
#include "opsd/store/key.h"
#include "opsd/store/store.h"
#include "opsd/watch/metrics_priv.h"
#include "opsd/watch/watch.h"

/* What an operator has to see to: warnings, certificates, backups, how tables grow. */

#define TABLES_MAX 2000

static void
put_warned(struct watch *watch, struct buf *out)
{
	json_t *list = warnings(watch->rep), *kinds = json_object(), *w, *n;
	const char *kind;
	size_t i;

	json_array_foreach(list, i, w) {
		kind = json_string_value(json_object_get(w, "kind"));
		json_object_set_new(kinds, kind,
		    json_integer(json_integer_value(json_object_get(kinds, kind)) + 1));
	}
	metric_head(out, "warnings", "gauge", "Warnings of cluster_status, by kind.");
	json_object_foreach(kinds, kind, n)
		metric_line(out, "warnings", json_number_value(n), "kind", kind, NULL);
	json_decref(kinds);
	json_decref(list);
}

static void
put_certificates(struct watch *w, struct buf *out)
{
	json_t *list = certends(w->data), *end;
	size_t i;

	metric_head(out, "certificate_expiry_timestamp_seconds", "gauge",
	    "When a certificate that is in force ends, or the first of its file.");
	json_array_foreach(list, i, end)
		metric_line(out, "certificate_expiry_timestamp_seconds",
		    json_number_value(json_object_get(end, "ends")), "certificate",
		    json_string_value(json_object_get(end, "certificate")), "uses",
		    json_string_value(json_object_get(end, "uses")), NULL);
	json_decref(list);
}

static uint64_t
bytes_of(struct watch *w, enum store_cf cf, uint32_t table)
{
	struct buf from = { 0 }, to = { 0 };
	uint64_t n;

	buf_be32(&from, table);
	key_table_end(&to, table);
	n = store_size(w->data->store, cf, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
	return (n);
}

static void
put_tables(struct watch *w, struct buf *out)
{
	size_t n, shown;
	struct table **all = catalog_tables(w->data->catalog, NULL, &n);

	shown = n < TABLES_MAX ? n : TABLES_MAX;
	metric_head(out, "table_rows", "gauge", "Rows of a table.");
	for (size_t i = 0; i < shown; i++)
		metric_line(out, "table_rows", (double)all[i]->stat->count, "database",
		    all[i]->database, "table", all[i]->name, NULL);
	metric_head(out, "table_bytes", "gauge",
	    "About how many bytes of disk rows and indexes of a table take.");
	for (size_t i = 0; i < shown; i++)
		metric_line(out, "table_bytes",
		    (double)(bytes_of(w, CF_ROWS, all[i]->id) + bytes_of(w, CF_INDEX, all[i]->id)),
		    "database", all[i]->database, "table", all[i]->name, NULL);
	metric_one(out, "tables_left_out", "gauge",
	    "Tables without lines of their own, as there are too many.", (double)(n - shown));
	for (size_t i = 0; i < n; i++)
		table_unref(all[i]);
	free(all);
}

static void
put_snapshots(struct watch *w, struct buf *out)
{
	struct snapshots_view v;

	if (!snapshots_view(w->snapshots, &v))
		return;
	metric_head(out, "snapshot_timestamp_seconds", "gauge",
	    "When the newest snapshot that this node knows of was taken; not there when none was.");
	if (v.newest_ms != 0)
		metric_line(out, "snapshot_timestamp_seconds", (double)v.newest_ms / 1000, NULL);
	metric_head(out, "snapshot_bytes", "gauge",
	    "Of that snapshot, when it is in this node's store.");
	if (v.newest_bytes != 0)
		metric_line(out, "snapshot_bytes", (double)v.newest_bytes, NULL);
	metric_one(out, "snapshots_taken_total", "counter", "Snapshots that this node took.",
	    (double)v.taken);
	metric_one(out, "snapshots_failed_total", "counter",
	    "Times that this node could not take one.", (double)v.failed);
	metric_one(out, "snapshot_restored_tables_total", "counter",
	    "Tables of this node that began with a snapshot.", (double)v.restored_tables);
	metric_one(out, "snapshot_restored_rows_total", "counter", "Rows that these had in it.",
	    (double)v.restored_rows);
}

void
metrics_care(struct watch *w, struct buf *out)
{
	int64_t backup = backup_last(w->data);

	put_warned(w, out);
	put_certificates(w, out);
	metric_head(out, "backup_timestamp_seconds", "gauge",
	    "When get_backup last sent a whole backup; not there when it never did.");
	if (backup != -1)
		metric_line(out, "backup_timestamp_seconds", (double)backup, NULL);
	put_snapshots(w, out);
	put_tables(w, out);
}
