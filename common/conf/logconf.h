#ifndef HL_LOGCONF_H
#define HL_LOGCONF_H

#include "common/conf/conf.h"

/* The log as the configuration has it; `name` is the daemon's. */
void logconf_apply(const char *name, const struct conf *c);

#endif
