#ifndef HL_FOLDERCONF_H
#define HL_FOLDERCONF_H

/* For tests: a configuration of defaults alone, whose root is the test's folder; anew for each test. */

#include "common/conf/conf.h"
#include "test/unit/folder.h"

static struct conf *c;

static inline int
folder_conf_new(void **state)
{
	char *argv[] = { (char *)"x", (char *)"--ROOTPATH", folder, NULL }, *err = NULL;

	(void)state;
	c = conf_load(NULL, 3, argv, &err);
	return (c != NULL ? 0 : -1);
}

static inline int
folder_conf_free(void **state)
{
	(void)state;
	conf_free(c);
	return (0);
}

#endif
