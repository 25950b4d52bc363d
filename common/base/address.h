#ifndef HL_ADDRESS_H
#define HL_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

/* Addresses of hosts as text. */

#define ADDRESS_TEXT 80 /* of IPv6 with an interface, and a port */

int address_ok(const char *text);               /* it is one, of IPv4 or IPv6 */
int address_is_any(const char *host, size_t n); /* every address of the machine, or "" */
/* "host:port", what has colons in brackets; the caller frees. */
char *address_join(const char *host, unsigned port);
/* A socket's, as address_join has it; one of IPv4 that came in by IPv6 as the former. */
void address_text(const struct sockaddr *sa, socklen_t len, char out[ADDRESS_TEXT]);
/* What is one host's of it: all of IPv4, /64 of IPv6.  -1: it is no address, or NULL. */
int address_net(const char *text, uint8_t net[8]);

#endif
