#include "config.h"

#include "common/ipc/svc.h"
#include "leafd/leaf.h"

int
main(int argc, char *argv[])
{
	struct svc *svc = svc_init("leafd", ROLE_LEAFD, argc, argv);
	struct leaf *leaf = leaf_start(svc);

	svc_ready(svc);
	svc_run(svc);
	leaf_stop(leaf);
	svc_free(svc);
	return (0);
}
