#include "config.h"

#include "opsd/op/op_record.h"

#include <stdlib.h>
#include <string.h>

#include "common/tls/crypto.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op_permission.h"
#include "opsd/op/op_table.h"
#include "opsd/store/attrtype.h"
#include "opsd/store/key.h"
#include "opsd/store/keygen.h"
#include "opsd/store/record.h"
#include "opsd/store/value.h"

/* How each operation says what it did. */
static const struct verb {
	const char *past, *written;
	int skipped; /* says which were skipped */
} verbs[] = {
	[TXN_INSERT] = { "inserted", "inserted_hashes", 1 },
	[TXN_UPDATE] = { "updated", "update_hashes", 1 },
	[TXN_UPSERT] = { "upserted", "upserted_hashes", 0 },
	[TXN_DELETE] = { "deleted", "deleted_hashes", 1 },
};

static void
text_keys(struct buf *out, const struct write *w, int applied)
{
	struct buf scratch = { 0 };
	struct scalar sc;
	size_t at;

	buf_u8(out, '[');
	at = out->len;
	for (uint32_t i = 0; i < w->n; i++) {
		const struct write_record *rec = &w->recs[i];

		if (rec->applied != applied ||
		    scalar_from_key(&sc, w->bytes.data + rec->key_at, rec->key_len, &scratch) == -1)
			continue;
		if (out->len > at)
			buf_u8(out, ',');
		value_text_scalar(out, &sc);
	}
	buf_u8(out, ']');
	buf_free(&scratch);
}

static void
reply_written(struct request *r, const struct write *w)
{
	const struct verb *v = &verbs[w->op];
	struct buf out = { 0 };
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n; i++)
		n += w->recs[i].applied;
	if (w->op == TXN_DELETE)
		buf_addf(&out, "{\"message\":\"%u of %u %s successfully deleted\"", n, w->n,
		    w->n == 1 ? "record" : "records");
	else
		buf_addf(&out, "{\"message\":\"%s %u of %u records\"", v->past, n, w->n);
	buf_addf(&out, ",\"%s\":", v->written);
	text_keys(&out, w, 1);
	if (v->skipped) {
		buf_addf(&out, ",\"skipped_hashes\":");
		text_keys(&out, w, 0);
	}
	buf_u8(&out, '}');
	reply_text(r, 200, &out);
}

static void
op_record_done_cb(struct commit_job *j)
{
	struct write *w = (struct write *)j;
	struct request *r = j->arg;

	if (j->status != 200)
		reply_error(r, j->status, "%s", j->error != NULL ? j->error : "not written");
	else
		reply_written(r, w);
	write_free(w);
}

static void
submit_write(struct request *r, struct write *w)
{
	w->job.done = op_record_done_cb;
	w->job.arg = r;
	commit_submit(r->ops->data.commit, &w->job);
}

/* What the checks of one request's records share. */
struct checks {
	struct request *r;
	const struct table *table;
	enum txn_op op;
	json_t *new_names; /* attributes that the table has not */
	int counts;        /* keys that are made are numbers; -1: not looked yet */
};

/* 0, or -1 with the request answered.  Takes what is wrong. */
static int
refuse_wrong(struct checks *c, char *wrong)
{
	if (wrong == NULL)
		return (0);
	reply_error(c->r, 400, "%s", wrong);
	free(wrong);
	return (-1);
}

static int
is_new_name(struct checks *c, const char *name)
{
	const struct attribute *a = table_attr(c->table, name, strlen(name));

	return (a == NULL && json_object_get(c->new_names, name) == NULL);
}

/* A name that the table does not know yet. */
static int
check_new_name(struct checks *c, const char *name)
{
	if (refuse_wrong(c, record_name_fault(name)) == -1)
		return (-1);
	json_object_set_new(c->new_names, name, json_null());
	if (c->table->nattrs + json_object_size(c->new_names) >
	    c->r->ops->data.live.max_attributes) {
		reply_error(c->r, 400, TABLE_WOULD_HAVE, c->table->database, c->table->name,
		    (unsigned long long)c->r->ops->data.live.max_attributes);
		return (-1);
	}
	return (0);
}

/* The value is none of the type that the attribute was declared with: -1, and 400 is answered. */
static int
check_type(struct checks *c, size_t i, const char *name, const json_t *v)
{
	const struct attribute *a = table_attr(c->table, name, strlen(name));
	char *must = a != NULL && !a->hidden ? attrtype_fault(a->type, v) : NULL;

	if (must == NULL)
		return (0);
	reply_error(c->r, 400, "'records[%zu].%s' %s: it is declared %s", i, name, must, a->type);
	free(must);
	return (-1);
}

/* A column of the key.  Takes the name. */
static int
refuse_column(struct checks *c, char *name)
{
	reply_error(c->r, 400,
	    "a record of '%s' needs '%s', or its key '%s', which is made of its columns",
	    c->table->name, name, c->table->primary_key);
	free(name);
	return (-1);
}

/* The record's key; without one, or with empty text, it is made here or by the commit; -1 with the request answered. */
static int
check_record_key(struct checks *c, json_t *record)
{
	json_t *key = json_object_get(record, c->table->primary_key);
	char uuid[37], *missing = NULL;

	if (json_is_string(key) && json_string_length(key) == 0) {
		json_object_del(record, c->table->primary_key);
		key = NULL;
	}
	if (key == NULL && (key = keygen_joined(c->table, record, &missing)) != NULL)
		json_object_set_new(record, c->table->primary_key, key);
	if (missing != NULL)
		return (refuse_column(c, missing));
	if (key == NULL && c->op == TXN_UPDATE) {
		reply_error(c->r, 400,
		    "a valid hash attribute must be provided with update "
		    "record, check log for more info");
		return (-1);
	}
	if (key != NULL)
		return (refuse_wrong(c, record_key_fault(key)));
	if (c->counts == -1)
		c->counts = keygen_counts(&c->r->ops->data, c->table);
	if (c->counts)
		return (0);
	crypto_uuid(uuid);
	json_object_set_new(record, c->table->primary_key, json_string(uuid));
	return (0);
}

static int
check_record(struct checks *c, json_t *record, size_t i)
{
	const char *name;
	json_t *v;

	if (!json_is_object(record)) {
		reply_error(c->r, 400, "'records[%zu]' must be of type object", i);
		return (-1);
	}
	if (check_record_key(c, record) == -1)
		return (-1);
	json_object_foreach(record, name, v) {
		if (is_new_name(c, name) && check_new_name(c, name) == -1)
			return (-1);
		if (!value_depth_ok(v)) {
			reply_error(c->r, 400,
			    "'records[%zu].%s' is nested more than %d levels "
			    "deep",
			    i, name, VALUE_MAX_DEPTH);
			return (-1);
		}
		if (check_type(c, i, name, v) == -1)
			return (-1);
	}
	return (0);
}

static int
check_records(struct checks *c, const json_t *records)
{
	json_t *record;
	size_t i;
	int rc = 0;

	c->new_names = json_object();
	json_array_foreach(records, i, record)
		if ((rc = check_record(c, record, i)) == -1)
			break;
	json_decref(c->new_names);
	return (rc);
}

static int
add_records(struct write *w, const json_t *list, size_t max)
{
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
		if (write_add(w, e, max) == -1)
			return (-1);
	return (0);
}

/* What changes nothing is no transaction. */
static void
write_nothing(struct request *r, struct write *w)
{
	reply_written(r, w);
	write_free(w);
}

static void
write_list(struct request *r, struct table *t, enum txn_op op, const json_t *list,
    const char *field)
{
	struct write *w = write_new(t, op, r->user->name);
	size_t max = r->ops->data.live.max_transaction;

	if (add_records(w, list, max) == -1) {
		write_free(w);
		reply_error(r, 413, "'%s' exceeds the transaction limit of %zu bytes", field, max);
	} else if (w->n == 0)
		write_nothing(r, w);
	else
		submit_write(r, w);
}

/* Every attribute that is written, once; of a record with nothing in it the key.  New reference. */
static json_t *
names_written(const struct table *t, const json_t *records)
{
	json_t *names = json_object(), *record, *v;
	const char *name;
	size_t i;

	json_array_foreach(records, i, record) {
		if (json_object_size(record) == 0)
			json_object_set_new(names, t->primary_key, json_null());
		json_object_foreach(record, name, v)
			json_object_set_new(names, name, json_null());
	}
	return (names);
}

/* The table's rights and those of the attributes given; 0 with the request answered. */
static int
may_op(struct request *r, const struct table *t, enum txn_op op, const json_t *records)
{
	static const unsigned rights[] = {
		[TXN_INSERT] = MAY_INSERT,
		[TXN_UPDATE] = MAY_UPDATE,
		[TXN_UPSERT] = MAY_INSERT | MAY_UPDATE,
		[TXN_DELETE] = MAY_DELETE,
	};
	const json_t *record;
	json_t *names, *why;
	size_t i;
	int may;

	if (r->user->super_user)
		return (1);
	json_array_foreach(records, i, record)
		if ((why = permission_times_refusal(record)) != NULL) {
			reply_json(r, 403, why);
			return (0);
		}
	names = permission_listed(r->user, t) ? names_written(t, records) : NULL;
	may = op_permission_check(r, t, rights[op], names);
	json_decref(names);
	return (may);
}

void
op_record_write(struct request *r, struct table *t, enum txn_op op, const json_t *list,
    const char *field)
{
	struct checks c = { .r = r, .table = t, .op = op, .counts = -1 };
	const json_t *records = op == TXN_DELETE ? NULL : list;

	if (may_op(r, t, op, records) && (records == NULL || check_records(&c, records) == 0))
		write_list(r, t, op, list, field);
}

static void
write_records(struct request *r, enum txn_op op)
{
	struct faults f = { 0 };
	const json_t *records = field_array(&f, r->body, "records", 1);
	struct table *t = op_table_to_write(r, &f);

	if (t == NULL)
		return;
	op_record_write(r, t, op, records, "records");
	table_unref(t);
}

static void
insert_rows(struct request *r)
{
	write_records(r, TXN_INSERT);
}

static void
update_rows(struct request *r)
{
	write_records(r, TXN_UPDATE);
}

static void
upsert_rows(struct request *r)
{
	write_records(r, TXN_UPSERT);
}

static void
delete_rows(struct request *r)
{
	struct faults f = { 0 };
	const json_t *ids = field_ids(&f, r->body, KEY_TEXT_MAX);
	struct table *t;

	t = op_table_to_write(r, &f);
	if (t == NULL)
		return;
	op_record_write(r, t, TXN_DELETE, ids, "hash_values");
	table_unref(t);
}

const struct op ops_record[] = {
	{ "insert", "insert", RIGHT_TABLE, ON_ANY, insert_rows, MAY_INSERT },
	{ "update", "update", RIGHT_TABLE, ON_ANY, update_rows, MAY_UPDATE },
	{ "upsert", "upsert", RIGHT_TABLE, ON_ANY, upsert_rows, MAY_INSERT | MAY_UPDATE },
	{ "delete", "delete", RIGHT_TABLE, ON_ANY, delete_rows, MAY_DELETE },
	{ NULL },
};
