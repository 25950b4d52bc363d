#ifndef HL_FORMATS_H
#define HL_FORMATS_H

#include <stdint.h>

/*
 * The formats that this build knows, by number: of all that nodes say to each other, and
 * of all that is in a store.  Who changes either raises it; a transaction (opsd/store/txn.h)
 * and a row (opsd/store/row.h) are in both.  Nodes whose ranges have nothing in common refuse
 * each other (opsd/cluster/compat.h), and a store of another format is not opened.
 * test/functional/raised.c has those of a build of tomorrow in their place.
 */
#define FORMATS_WIRE  9
#define FORMATS_STORE 13

struct formats {
	uint8_t wire_oldest, wire; /* frames, questions and answers: understood, and written */
	uint16_t store;
};

extern const struct formats formats;

#endif
