#ifndef HL_CHANGE_H
#define HL_CHANGE_H

#include "test/sim/machine.h"

/*
 * What becomes of machines and tables: others join, one is installed anew, one is put back
 * from an older copy of itself, tables are dropped and made again.  Each keeps right what
 * may be expected then (work.h, shape.h).
 */
void change_begin(const struct machine_opts *o);
void change_join(void);
void change_install_anew(void);
void change_back_up(struct machine *m);
void change_restore(void);
void change_restore_alone(struct machine *m); /* with no link to others */
void change_clone(void);
/*
 * Own writes that one lost are with those that only get: what these write over them meanwhile
 * does not come back.
 */
int change_must_not_write(const struct machine *m);
void change_part(struct machine *m); /* a peer of it goes, perhaps with what it lost */
void change_drop_table(void);
void change_remake_table(struct machine *m, int t); /* dropped, and at once made again */
void change_drop_attribute(void);
void change_forget(struct machine *m, int t);     /* rows of one node go, or have gone (upkeep.h) */
int change_was_put_back(const struct machine *m); /* ever */
int change_forgot(const struct machine *m,
    int t);                 /* some did, once, or the table, or an attribute */
void change_complete(void); /* tables that are away are made again */

#endif
