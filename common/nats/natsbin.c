#include "config.h"

#include "common/nats/natsbin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"

/* Looking for the binary */

static char *
find_in_path(void)
{
	const char *path = getenv("PATH"), *end;
	char *file;

	for (; path != NULL && *path != '\0'; path = *end == ':' ? end + 1 : end) {
		end = strchrnul(path, ':');
		if (*path != '/')
			continue;
		file = xasprintf("%.*s/nats-server", (int)(end - path), path);
		if (access(file, X_OK) == 0)
			return (file);
		free(file);
	}
	return (NULL);
}

char *
natsbin_find(const char *configured, char **err)
{
	static const char *const places[] = { PKGLIBEXECDIR "/nats-server", BUILT_NATS_SERVER };
	char *file;
	size_t i;

	if (configured != NULL) {
		if (access(configured, X_OK) == 0)
			return (xstrdup(configured));
		*err = xasprintf("natsServer.path %s: %s", configured, strerror(errno));
		return (NULL);
	}
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i][0] != '\0' && access(places[i], X_OK) == 0)
			return (xstrdup(places[i]));
	if ((file = find_in_path()) == NULL)
		*err = xasprintf("no nats-server: neither " PKGLIBEXECDIR
				 "/nats-server nor one in PATH");
	return (file);
}

static int
too_old(const char *version)
{
	/* the first without known holes */
	static const int good[3] = { 2, 10, 27 };
	int v[3] = { 0 }, i;

	if (sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]) != 3)
		return (1);
	for (i = 0; i < 3; i++)
		if (v[i] != good[i])
			return (v[i] < good[i]);
	return (0);
}

/* "nats-server: v2.10.27" */
char *
natsbin_version(const char *path, int status, const char *said, int allow_old, char **err)
{
	char version[32] = "";

	if (status != 0 || sscanf(said, "nats-server: v%31[0-9a-zA-Z.-]", version) != 1) {
		*err = xasprintf("%s is not a nats-server that runs here: %s", path, said);
		return (NULL);
	}
	if (too_old(version) && !allow_old) {
		*err = xasprintf("%s is nats-server %s: 2.10.27 is the oldest without known holes",
		    path, version);
		return (NULL);
	}
	return (xstrdup(version));
}
