#include "config.h"

#include "leafd/filter.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/nats/subject.h"

#define FILTER_MAX 200

static int
compare_subjects(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

static int
is_wild(const char *subject)
{
	return (subject[strlen(subject) - 1] == '*');
}

/* Whether "a.b.*" is there for "a.b.c". */
static int
is_covered(const char *subject, char **all, size_t n)
{
	char *wild;
	int found;

	if (is_wild(subject))
		return (0);
	wild = xasprintf("%.*s.*", (int)(strrchr(subject, '.') - subject), subject);
	found = bsearch(&wild, all, n, sizeof(*all), compare_subjects) != NULL;
	free(wild);
	return (found);
}

static json_t *
whole_stream(const char *peer)
{
	char *whole = subject_tables(peer);
	json_t *out = json_pack("[s]", whole);

	free(whole);
	return (out);
}

static json_t *
drop_covered(const char *peer, char **all, size_t n)
{
	json_t *out = json_array();
	size_t i;

	qsort(all, n, sizeof(*all), compare_subjects);
	for (i = 0; i < n; i++) {
		if ((i > 0 && strcmp(all[i], all[i - 1]) == 0) || is_covered(all[i], all, n))
			continue;
		json_array_append_new(out, json_string(all[i]));
	}
	if (json_array_size(out) <= FILTER_MAX)
		return (out);
	json_decref(out);
	return (whole_stream(peer));
}

/* All tables of all databases are among them. */
static int
is_whole(const json_t *tables)
{
	const char *database;
	json_t *t;
	size_t i;

	json_array_foreach(tables, i, t) {
		database = json_string_value(json_array_get(t, 0));
		if (database != NULL && strcmp(database, "*") == 0)
			return (1);
	}
	return (0);
}

/* All of a database may be in each. */
static int
is_in(struct shard s, const char *database, const char *table)
{
	return (s.n == 1 || strcmp(table, "*") == 0 ||
	    shard_of(database, strlen(database), table, strlen(table), s.n) == s.k);
}

json_t *
filter_subjects(const char *peer, struct shard s, const json_t *tables)
{
	size_t i, n = json_array_size(tables), made = 0;
	char **all = xcalloc(n, sizeof(*all));
	json_t *out = NULL;
	const json_t *t;
	const char *database, *table;

	for (i = 0; i < n; i++) {
		t = json_array_get(tables, i);
		database = json_string_value(json_array_get(t, 0));
		table = json_string_value(json_array_get(t, 1));
		if (database == NULL || table == NULL)
			break;
		if (is_in(s, database, table))
			all[made++] = subject_table(peer, database, table);
	}
	if (json_is_array(tables) && i == n)
		out = is_whole(tables) ? whole_stream(peer) : drop_covered(peer, all, made);
	while (made > 0)
		free(all[--made]);
	free(all);
	return (out);
}

int
filter_has(const json_t *filters, const struct natsconf_names *names, const char *subject)
{
	const char *table = subject_of_table(names, subject), *text;
	const json_t *f;
	size_t i, n;

	json_array_foreach(filters, i, f) {
		text = json_string_value(f);
		n = strlen(text);
		if (table != NULL &&
		    (strcmp(text, table) == 0 ||
			(is_wild(text) && strncmp(text, table, n - 1) == 0)))
			return (1);
	}
	return (0);
}

int
filter_has_most(const json_t *filters, const struct natsconf_names *names, const json_t *subjects)
{
	json_int_t all = 0, others = 0;
	const char *subject;
	json_t *count;

	json_object_foreach((json_t *)(uintptr_t)subjects, subject, count) {
		all += json_integer_value(count);
		others += filter_has(filters, names, subject) ? 0 : json_integer_value(count);
	}
	return (others <= all / FILTER_WASTE);
}

void
filter_put(json_t *config, const struct natsconf_names *names, const char *peer, struct shard s,
    const json_t *filters, int whole)
{
	json_t *list = json_array(), *f;
	char *all = subject_txns(names, peer, s), *before = subject_before_table(names, s);
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)filters, i, f)
		json_array_append_new(list, json_sprintf("%s%s", before, json_string_value(f)));
	if (whole)
		json_object_set_new(config, "filter_subject", json_string(all));
	else if (json_array_size(list) == 1)
		json_object_set(config, "filter_subject", json_array_get(list, 0));
	else
		json_object_set(config, "filter_subjects", list);
	json_decref(list);
	free(before);
	free(all);
}
