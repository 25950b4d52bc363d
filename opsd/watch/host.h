#ifndef HL_HOST_H
#define HL_HOST_H

#include <jansson.h>

/*
 * The machine and its processes as the kernel tells, for system_information.  Objects,
 * new references; what the kernel does not tell is left out.
 */
json_t *host_system(void);
json_t *host_time(void);
json_t *host_cpu(void); /* the load is that since the call before */
json_t *host_memory(void);
json_t *host_disk(const char *path); /* the file system of path, and all disks' I/O */
json_t *host_network(void);
json_t *host_process(int pid); /* NULL: there is none */
json_t *host_threads(void);    /* of this process */

/* The first line of a small file, without its end; NULL: none.  Caller frees. */
char *host_line(const char *path);

#endif
