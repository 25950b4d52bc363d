#ifndef HL_WORKER_H
#define HL_WORKER_H

/* Threads for what may block. */
struct workers;

struct workers *workers_start(unsigned threads, char **err); /* NULL with *err */
/* Runs what is queued, then ends the threads; later work is refused. */
void workers_stop(struct workers *w);
/* fn(arg) on one of the threads, soon; when stopping, on the caller's. */
void workers_run(struct workers *w, void (*fn)(void *arg), void *arg);
/* As workers_run, but -1 and no call when stopping or when `most` wait already. */
int workers_try(struct workers *w, unsigned most, void (*fn)(void *arg), void *arg);

#endif
