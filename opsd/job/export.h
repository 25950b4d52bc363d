#ifndef HL_EXPORT_H
#define HL_EXPORT_H

#include "opsd/search/search.h"
#include "opsd/sql/sql.h"

/*
 * What a search or a statement finds, into a file, on a job's thread and piece by piece.  The file has its
 * name when it is whole and on disk; until then it is another's, and a failure removes it.
 */
struct job;

struct export
{
	struct search *search; /* not started; or: */
	struct sql *sql;       /* prepared, and export_over ends it */
	struct job *job;       /* that runs it; NULL: none yet */
	int folder;            /* a descriptor */
	char *name;
	int csv, overwrite;
};

void export_run(struct job *t, void *arg); /* a struct export */
void export_free(void *arg);
int export_over(void *arg); /* its job was stopped */

#endif
