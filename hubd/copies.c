#include "config.h"

#include "hubd/copies.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "hubd/mesh.h"

#define INSTANCES_MAX 8192

struct instance {
	char *key; /* as its hubd gave it */
	char *name, *node_id;
	uint64_t first, last; /* rounds that it answered */
	uint64_t seen;
	UT_hash_handle hh;
};

struct copies {
	struct instance own; /* not among the others */
	struct instance *others;
};

struct copies *
copies_new(const char *name, const char *node_id, const char *instance)
{
	struct copies *c = xcalloc(1, sizeof(*c));

	c->own = (struct instance){
		.key = xstrdup(instance),
		.name = xstrdup(name),
		.node_id = xstrdup(node_id),
		.last = UINT64_MAX,
		.seen = UINT64_MAX,
	};
	return (c);
}

static void
instance_clear(struct instance *i)
{
	free(i->key);
	free(i->name);
	free(i->node_id);
}

static void
drop_instance(struct copies *c, struct instance *i)
{
	HASH_DEL(c->others, i);
	instance_clear(i);
	free(i);
}

void
copies_free(struct copies *c)
{
	if (c == NULL)
		return;
	copies_forget(c, UINT64_MAX);
	instance_clear(&c->own);
	free(c);
}

static struct instance *
instance_get(struct copies *c, const char *key, uint64_t round)
{
	struct instance *i;

	HASH_FIND_STR(c->others, key, i);
	if (i != NULL || HASH_COUNT(c->others) >= INSTANCES_MAX)
		return (i);
	i = xcalloc(1, sizeof(*i));
	i->key = xstrdup(key);
	i->first = i->last = round;
	HASH_ADD_KEYPTR(hh, c->others, i->key, strlen(i->key), i);
	return (i);
}

static void
set_text(char **at, const char *text)
{
	if (*at != NULL && strcmp(*at, text) == 0)
		return;
	free(*at);
	*at = xstrdup(text);
}

void
copies_on_pong(struct copies *c, uint64_t now, uint64_t round, const char *name,
    const char *node_id, const char *instance)
{
	struct instance *i;

	if (strcmp(instance, c->own.key) == 0 || (i = instance_get(c, instance, round)) == NULL)
		return;
	set_text(&i->name, name);
	set_text(&i->node_id, node_id);
	if (round < i->first)
		i->first = round;
	if (round > i->last)
		i->last = round;
	i->seen = now;
}

static int
are_two(const struct instance *a, const struct instance *b)
{
	return (a->first <= b->last && b->first <= a->last);
}

static int
by_id(const void *a, const void *b)
{
	return (strcmp((*(struct instance *const *)a)->node_id,
	    (*(struct instance *const *)b)->node_id));
}

static int
by_name(const void *a, const void *b)
{
	return (strcmp((*(struct instance *const *)a)->name, (*(struct instance *const *)b)->name));
}

/* Takes the names. */
static void
add_conflict(json_t *list, const struct instance *of, int id, json_t *names, int own)
{
	json_t *o = json_pack("{s:s, s:o, s:b}", "same", id ? "id" : "name", "nodes",
	    mesh_sorted(names), "own", own);

	if (id)
		json_object_set_new(o, "node_id", json_string(of->node_id));
	json_array_append_new(list, o);
}

static void
add_name(json_t *names, const char *name)
{
	json_t *n;
	size_t i;

	json_array_foreach(names, i, n)
		if (strcmp(json_string_value(n), name) == 0)
			return;
	json_array_append_new(names, json_string(name));
}

/* n instances with one id, or one name: which of them are there at the same time? */
static void
compare_instances(const struct copies *c, json_t *list, struct instance **all, size_t n, int id)
{
	json_t *names = json_array();
	int own = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++) {
			/* Copies with one name are told once. */
			if (!are_two(all[i], all[k]) || (!id && by_id(&all[i], &all[k]) == 0))
				continue;
			add_name(names, all[i]->name);
			add_name(names, all[k]->name);
			own |= all[i] == &c->own || all[k] == &c->own;
		}
	if (json_array_size(names) > 0)
		add_conflict(list, all[0], id, names, own);
	else
		json_decref(names);
}

static void
compare_all(const struct copies *c, json_t *list, struct instance **all, size_t n, int id)
{
	int (*order)(const void *, const void *) = id ? by_id : by_name;
	size_t begin, end;

	qsort(all, n, sizeof(*all), order);
	for (begin = 0; begin < n; begin = end) {
		for (end = begin + 1; end < n && order(&all[begin], &all[end]) == 0; end++)
			continue;
		if (end - begin > 1 && (!id || all[begin]->node_id[0] != '\0'))
			compare_instances(c, list, all + begin, end - begin, id);
	}
}

json_t *
copies_found(struct copies *c, uint64_t since)
{
	struct instance **all = xcalloc(HASH_COUNT(c->others) + 1, sizeof(*all)), *i;
	json_t *list = json_array();
	size_t n = 0;

	all[n++] = &c->own;
	for (i = c->others; i != NULL; i = i->hh.next)
		if (i->seen >= since)
			all[n++] = i;
	compare_all(c, list, all, n, 1);
	compare_all(c, list, all, n, 0);
	free(all);
	return (list);
}

void
copies_forget(struct copies *c, uint64_t since)
{
	struct instance *i, *tmp;

	HASH_ITER(hh, c->others, i, tmp)
		if (i->seen < since)
			drop_instance(c, i);
}
