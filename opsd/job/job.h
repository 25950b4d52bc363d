#ifndef HL_JOB_H
#define HL_JOB_H

#include <jansson.h>
#include <stdint.h>

/*
 * Jobs: what takes longer than a request may.  Each is a row of hdb_job, which says how
 * far it is, and runs on one of the room's own threads; so many wait.  A node that stops
 * ends them, one that starts says of those that it finds that they ended.
 */
struct group;
struct jobs;
struct replication;
struct job; /* a job while it is worked on */

struct job_spec {
	const char *type;    /* as get_job shows it: the operation's name */
	const char *message; /* of the answer, or NULL: "Starting job with id <id>" */
	const char *did;     /* what it does to records: "loaded"; NULL: it counts none */
	void (*run)(struct job *t, void *arg); /* on a thread that may block */
	void (*free)(void *arg);               /* called once, whatever happens; or NULL */
	void *arg;
};

struct jobs *jobs_start(struct replication *rep, char **err); /* NULL with *err */
/*
 * Tells those that run and waits for them: nobody may start one any more, the commit
 * thread must run.
 */
void jobs_stop(struct jobs *js);
/* A job's row is written once a second at most: what it counted since goes into this copy. */
void jobs_refresh(struct jobs *js, json_t *row);

/* How many run and wait now; any thread. */
void jobs_count(struct jobs *js, unsigned *running, unsigned *waiting);
/*
 * Write the row of what that user asks for by this body, and run it soon: 200 with the
 * job's id, or 503 and the like with *err; then the spec is freed.  Waits for the disk:
 * never on an HTTP thread.
 */
#define JOB_ID_SIZE 37
int job_start(struct jobs *js, const char *user, const json_t *body, const struct job_spec *spec,
    char id[JOB_ID_SIZE], char **err);

/*
 * The same for work that its own request carries, on threads of its own: the row is
 * written and says that it runs; run and free of the spec are not called.  NULL with
 * *status and *err.  Both wait for the disk.
 */
struct job *job_begin(struct jobs *js, const char *user, const json_t *body,
    const struct job_spec *spec, int *status, char **err);
void job_finish(struct job *t);

/*
 * For `run`, on its thread.  How it ended: the last of job_message and job_fail holds;
 * with neither it is "Successfully completed job: <id>".
 */
struct replication *job_rep(struct job *t);
const char *job_id(const struct job *t);
void job_message(struct job *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void job_fail(struct job *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void job_fail_json(struct job *t, json_t *why); /* an object as message; takes it */
int job_failed(const struct job *t);
int job_stopping(const struct job *t); /* the node stops: the job should end */
/* The same, but the job has failed with that and must return. */
int job_stopped(struct job *t);

/* How far it is: added to what was, shown in the row's "progress". */
struct job_counts {
	uint64_t records, did, skipped, bytes, total_bytes;
};
/* The row is written once a second at most. */
void job_progress(struct job *t, const struct job_counts *more);
/* The same in the batch of what was done, on the commit thread: it is exact after any crash. */
void job_progress_in(struct job *t, struct group *g, const struct job_counts *more);
struct job_counts job_counts(struct job *t);

#endif
