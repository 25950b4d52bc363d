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
void change_back_up(void);
void change_restore(void);
void change_drop_table(void);
void change_drop_attribute(void);
void change_complete(void);		/* tables that are away are made again */

#endif
