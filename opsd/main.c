#include "config.h"

#include "common/ipc/svc.h"
#include "opsd/ops.h"

int
main(int argc, char *argv[])
{
	struct svc *svc = svc_init("opsd", ROLE_OPSD, argc, argv);
	struct ops *ops = ops_start(svc);

	svc_ready(svc); /* sockets listen, the store is open */
	svc_run(svc);   /* until SIGTERM */
	ops_stop(ops);
	svc_free(svc);
	return (0);
}
