#ifndef HL_FILTER_H
#define HL_FILTER_H

#include <jansson.h>

/*
 * Subjects of a peer's stream for a list [["db","table"],["db","*"],...], as a
 * consumer's filter_subjects: sorted, none twice, none that another covers
 * (the server refuses overlaps), one for the whole stream when there are too
 * many.  NULL when the list is not such a list.  New reference.
 */
json_t *filter_subjects(const char *peer, const json_t *tables);

#endif
