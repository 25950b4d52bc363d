#ifndef HL_PASSED_H
#define HL_PASSED_H

/*
 * Listening sockets that systemd has bound and passed to this process (sd_listen_fds(3)), for
 * ports that its user may not bind.  The loop's thread; they stay when it begins anew.
 */
struct sockaddr;

void passed_read(void); /* once, before anything else has descriptors */
/*
 * A copy of the one that is bound where `want` would be, for evconnlistener, which closes it; -1:
 * there is none.  One for all addresses of IPv6 that takes IPv4 as well is also one for all of that.
 */
int passed_open(const struct sockaddr *want);
/* The ports are known, and open: what was not asked for is said in the log, and closed. */
void passed_close_rest(void);
/* The next thing is execve: the program gets what this one has. */
void passed_hand_on(void);

#endif
