#ifndef HL_SNAPFILE_PRIV_H
#define HL_SNAPFILE_PRIV_H

#include "opsd/snapshot/snapfile.h"

/* What the writer and the reader share. */
#define SNAPFILE_MAGIC "HLSNAP\r\n" /* what changes the ends of lines breaks it */
#define MAGIC_LEN      8
#define BEGIN_LEN      (MAGIC_LEN + 4)
#define PIECE_LEN      9 /* before the body: kind, length, CRC */
#define SUM_LEN        32

#endif
