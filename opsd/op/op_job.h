#ifndef HL_OP_JOB_H
#define HL_OP_JOB_H

#include "opsd/job/job.h"
#include "opsd/op/op.h"

/* Starts a job and answers {"message","job_id"}, or why not.  Never on an HTTP thread. */
void op_job_start(struct request *r, const struct job_spec *spec);

#endif
