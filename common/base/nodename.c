#include "config.h"

#include "common/base/nodename.h"

#include <ctype.h>
#include <string.h>

int
node_name_ok(const char *name, size_t n)
{
	size_t i;

	if (name == NULL || n == 0 || n > NODE_NAME_MAX)
		return (0);
	for (i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f ||
		    strchr(".,*>", name[i]) != NULL)
			return (0);
	return (1);
}

int
node_host_ok(const char *name, size_t n)
{
	size_t i;

	if (name == NULL || n == 0 || n > NODE_NAME_MAX)
		return (0);
	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) &&
		    (strchr(".-_:%", name[i]) == NULL ||
			(name[i] == '.' && (i == 0 || i + 1 == n || name[i - 1] == '.'))))
			return (0);
	return (1);
}
