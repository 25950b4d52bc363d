#ifndef HL_QUIET_H
#define HL_QUIET_H

/* Until nothing happens any more but statuses: in bounded time, or the run has failed. */
void quiet_reach(void);
void quiet_all_up(void); /* until all machines are up with their leafd */

#endif
