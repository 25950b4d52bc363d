#ifndef HL_FIRSTUSER_H
#define HL_FIRSTUSER_H

/*
 * At the start: the roles super_user and cluster_user, and the users of the environment
 * or of systemd's credentials, when absent.  -1 with *err.
 */
struct data;

int firstuser_make(struct data *data, char **err);

#endif
