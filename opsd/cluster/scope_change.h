#ifndef HL_SCOPE_CHANGE_H
#define HL_SCOPE_CHANGE_H

#include "opsd/cluster/replication.h"

/*
 * What of this node replicates may be other than before (scope.h): cursors of tables that do no
 * more go, and peers are told soon.  Does not wait.
 */
void scope_changed(struct replication *rep);

#endif
