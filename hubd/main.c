#include "config.h"

#include "common/ipc/svc.h"
#include "hubd/hub.h"

int
main(int argc, char *argv[])
{
	struct svc *svc = svc_init("hubd", ROLE_HUBD, argc, argv);
	struct hub *hub = hub_start(svc);

	svc_ready(svc);
	svc_run(svc);
	hub_stop(hub);
	svc_free(svc);
	return (0);
}
