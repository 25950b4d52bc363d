#include "config.h"

#include "hubd/mesh.h"

#include <stdlib.h>

/* Answers of other nodes: what is taken from one fits what the view wants. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mesh *m = mesh_new("n1");
	char *instance = NULL;
	json_t *pong = mesh_read_pong(data, n, &instance);
	json_t *statsz = mesh_read_statsz(data, n);

	if ((pong == NULL) != (instance == NULL))
		abort();
	if (pong != NULL)
		mesh_on_pong(m, 1, 1, pong, instance);
	if (statsz != NULL)
		mesh_on_statsz(m, 1, statsz);
	json_decref(mesh_connected(m, 0));
	json_decref(pong);
	json_decref(statsz);
	free(instance);
	mesh_free(m);
	return (0);
}
