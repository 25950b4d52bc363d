#include "config.h"

#include "common/base/jsonlist.h"

int
jsonlist_has(const json_t *list, const json_t *value)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_equal(v, value))
			return (1);
	return (0);
}
