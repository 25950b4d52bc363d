#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/words.h"
#include "common/conf/conf_priv.h"

/* Variables of the environment that are meant for us and are none that we know. */

extern char **environ;

#define NEAR 2 /* letters that may be wrong in a name without a section */

/* What is read besides keys. */
static const char *const others[] = { "HDB_ADMIN_USERNAME", "HDB_ADMIN_PASSWORD",
	"CLUSTERING_PASSWORD", "HUBLEAF_CONFIG", "CLI_TARGET_USERNAME", "CLI_TARGET_PASSWORD" };

static int
is_other(const char *name)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(name, others[i]) == 0)
			return (1);
	return (0);
}

/* "CLUSTERING_X": that others call theirs so is not likely. */
static int
in_section(const char *name)
{
	size_t n = strcspn(name, "_");
	char *first = xstrndup(name, n);
	int is = name[n] == '_' && conf_is_section(first);

	free(first);
	return (is);
}

/* The name that is meant, in capitals; NULL: none of ours.  The caller frees. */
static char *
meant_name(const char *name)
{
	char *nearest = conf_upper(conf_nearest(name));
	unsigned d = words_distance(name, nearest),
		 limit = in_section(name) ? (unsigned)strlen(name) / 3 : NEAR;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (words_distance(name, others[i]) < d) {
			d = words_distance(name, others[i]);
			free(nearest);
			nearest = xstrdup(others[i]);
		}
	/* Of a short name, a few letters are most of it. */
	if (d <= limit && 3 * d < strlen(name))
		return (nearest);
	free(nearest);
	return (NULL);
}

/* As we write ours: capitals and blanks for dots. */
static int
is_like_ours(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return (n >= 6 && name[n] == '\0');
}

char *
conf_env_warnings(void)
{
	struct buf lines = { 0 };
	char *name, *near, *text;

	for (char **e = environ; e != NULL && *e != NULL; e++) {
		name = xstrndup(*e, strcspn(*e, "="));
		near = is_like_ours(name) && conf_find(name) == -1 && !is_other(name) ?
		    meant_name(name) :
		    NULL;
		if (near != NULL)
			conf_fault(&lines,
			    "environment variable '%s' is not known, did you mean "
			    "'%s'?",
			    name, near);
		free(near);
		free(name);
	}
	conf_faults(&lines, &text);
	return (text);
}
