#ifndef HL_PROCESSES_H
#define HL_PROCESSES_H

struct watch;

/* The node's processes: its three daemons and the two servers. */
#define PROCESSES 5

struct process {
	const char *role; /* "opsd", "hubd", "leafd", "hub server", "leaf server" */
	int pid;          /* 0: not known to run */
};

void processes(struct watch *w, struct process p[PROCESSES]);

#endif
