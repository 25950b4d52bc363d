#ifndef HL_JOB_PRIV_H
#define HL_JOB_PRIV_H

#include <pthread.h>
#include <sys/queue.h>

#include "opsd/job/job.h"

/*
 * What job.c (a job's life), job_row.c (its row in hdb_job) and job_old.c (rows of jobs that ended) share.
 */
struct jobs {
	struct replication *rep;
	pthread_mutex_t lock;
	LIST_HEAD(, job) all; /* under lock */
	struct workers *threads;
	_Atomic int stopping;
	_Atomic unsigned waiting, running;
	_Atomic uint64_t forgot_us; /* when old rows were looked for last */
};

struct job {
	struct jobs *jobs;
	LIST_ENTRY(job) link;
	struct job_spec spec;
	char id[37];
	pthread_mutex_t lock; /* row and counts: the commit thread adds, too */
	json_t *row;
	struct job_counts counts;
	int counted, failed;
	uint64_t saved_us;
};

/* job_row.c */
json_t *job_row_new(const char *id, const char *user, const json_t *body, const char *type);
void job_row_time(json_t *row, const char *name); /* it is now */
void job_row_text(json_t *row, const char *name, const char *text);
/* What the row says under "progress", under the lock; NULL: nothing was counted. */
json_t *job_row_progress(const struct job *t);
void job_row_refresh(struct job *t); /* as it is now, under the lock */
void job_row_save(struct job *t);    /* waits for the disk */

/* job_old.c */
void job_old_forget(struct jobs *js); /* rows that are too old or too many; once a minute at most */
void job_old_end(struct jobs *js);    /* jobs of an earlier life did not end: now they did */

#endif
