#ifndef HL_CALM_H
#define HL_CALM_H

/* What happens while nothing is wrong, after all the trouble; some of it must hold at once. */
void calm_writes(void); /* they arrive without a question */
/*
 * One node's table is dropped and made again, or its rows are deleted for their age, while others
 * write into it: nothing of before comes back.
 */
void calm_remake(void);
/*
 * A node is put back while nobody reaches it, writes more than it lost, and its log goes: only by
 * the life that wrote it is told what others have of that log.  What it lost comes back.
 */
void calm_put_back(void);
/* What others lack of a table leaves its log: they copy the table, while clients write. */
void calm_copy(void);
/* One or two machines need copies of a table from everybody, while it is written. */
void calm_copies(void);

#endif
