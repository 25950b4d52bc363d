#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/job/fetch.h"
#include "opsd/pki/enrol.h"

/*
 * enrol HOST PORT VERIFY HOSTNAME ID AUTHORIZATION: asks a node to sign a certificate, as a
 * node that joins does; AUTHORIZATION is JSON.  Prints {status, error} or what it got.
 */
int
main(int argc, char *argv[])
{
	struct enrolled got = { 0 };
	json_t *given, *out;
	char *err = NULL;
	int status = 400;

	if (argc != 7 || fetch_start(&err) == -1)
		return (2);
	given = json_loads(argv[6], JSON_DECODE_ANY, NULL);
	struct enrol e = {
		.host = argv[1],
		.port = atoi(argv[2]),
		.verify_tls = strcmp(argv[3], "true") == 0,
		.hostname = argv[4],
		.node = argv[5],
		.authorization = enrol_authorization(given, &err),
	};

	if (e.authorization != NULL)
		status = enrol_run(&e, &got, &err);
	out = json_pack("{s:i, s:s*, s:s*, s:s*, s:O*, s:s*}", "status", status, "error", err,
	    "certificate", got.pair.certificate, "key", got.pair.key, "authorities",
	    got.authorities, "node", got.node);
	json_dumpf(out, stdout, 0);
	json_decref(out);
	json_decref(given);
	enrol_clear(&got);
	mem_wipe((char *)(uintptr_t)e.authorization);
	free(err);
	return (0);
}
