#include "config.h"

#include "opsd/op/linkroutes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/conf/repconf.h"

#define PORT_DIGITS 5

/* What says where a route leads, and not what is special about it. */
static const char *const place_fields[] = { "hostname", "url", "port" };

int
linkroutes_is(const json_t *route)
{
	return (json_object_get(route, "hostname") != NULL ||
	    json_object_get(route, "url") != NULL || json_is_string(route));
}

/* ---- reading ---- */

/* Digits in a string count as a number, as in routes of the NATS mesh. */
static void
cast_port(json_t *route)
{
	const char *text = json_string_value(json_object_get(route, "port"));
	size_t n = text != NULL ? strlen(text) : 0;

	if (n > 0 && n <= PORT_DIGITS && strspn(text, "0123456789") == n)
		json_object_set_new(route, "port", json_integer(atoi(text)));
}

void
linkroutes_check_starts(struct faults *f, const char *name, const json_t *routes)
{
	const json_t *route;
	const char *text;
	char *at;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)routes, i, route) {
		if ((text = json_string_value(json_object_get(route, "startTime"))) == NULL)
			continue;
		at = xasprintf("%s[%zu].startTime", name, i);
		field_date_not_future(f, at, text);
		free(at);
	}
}

json_t *
linkroutes_read(struct faults *f, size_t i, const json_t *given)
{
	json_t *route = json_deep_copy(given);
	char *name = xasprintf("routes[%zu]", i);

	cast_port(route);
	fault_lines(f, repconf_route_fault(name, route));
	free(name);
	return (route);
}

/* ---- which is which ---- */

static int
same_place(const struct repconf_route *a, const struct repconf_route *b)
{
	return (strcasecmp(a->host, b->host) == 0 && a->port == b->port && a->secure == b->secure);
}

size_t
linkroutes_find(const struct conf *c, const json_t *list, const json_t *route)
{
	struct repconf_route wanted, one;
	const json_t *r;
	size_t i;

	if (repconf_route(c, route, &wanted) == -1)
		return (json_array_size(list));
	json_array_foreach(list, i, r)
		if (repconf_route(c, r, &one) == 0 && same_place(&one, &wanted))
			break;
	return (i);
}

/* ---- putting one in ---- */

static json_t *
special_fields(const json_t *route)
{
	json_t *o = json_is_object(route) ? json_copy((json_t *)(uintptr_t)route) : json_object();

	for (size_t i = 0; i < sizeof(place_fields) / sizeof(place_fields[0]); i++)
		json_object_del(o, place_fields[i]);
	return (o);
}

static int
same_path(const struct conf *c, const json_t *a, const json_t *b)
{
	struct repconf_route one, other;

	return (repconf_route(c, a, &one) == 0 && repconf_route(c, b, &other) == 0 &&
	    strcmp(one.path, other.path) == 0);
}

/* The route with all that is special; new reference. */
static json_t *
with_special(const json_t *route, json_t *special)
{
	json_t *o;

	if (json_is_object(route))
		o = json_copy((json_t *)(uintptr_t)route);
	else if (json_object_size(special) == 0)
		return (json_deep_copy(route));
	else
		o = json_pack("{s:O}", "url", route);
	json_object_update(o, special);
	return (o);
}

int
linkroutes_put(const struct conf *c, json_t *list, const json_t *route)
{
	size_t at = linkroutes_find(c, list, route);
	json_t *had, *before, *special;
	int changed;

	if (at == json_array_size(list)) {
		json_array_append(list, (json_t *)(uintptr_t)route);
		return (1);
	}
	had = json_array_get(list, at);
	before = special_fields(had);
	special = json_copy(before);
	json_object_update_new(special, special_fields(route));
	changed = !json_equal(special, before) || !same_path(c, had, route);
	if (changed)
		json_array_set_new(list, at, with_special(route, special));
	json_decref(before);
	json_decref(special);
	return (changed);
}
