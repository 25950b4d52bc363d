#ifndef HL_TROUBLE_H
#define HL_TROUBLE_H

#include <stdint.h>

/* What goes wrong: when, and with whom, is drawn. */
void trouble_begin(uint64_t us); /* for so long */
int trouble_lasts(void);
void trouble_end(void); /* all is mended, and runs */

#endif
