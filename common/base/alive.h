#ifndef HL_ALIVE_H
#define HL_ALIVE_H

/*
 * WATCHDOG=1, as sd_notify(3) sends it, but whoever watches may stand still himself: it waits
 * for nobody, and at most one waits there to be read.  On the loop's thread only.
 */
void alive_say(void);

#endif
