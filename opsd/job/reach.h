#ifndef HL_REACH_H
#define HL_REACH_H

/*
 * Which addresses the node fetches from for its users: none that only the machine or its
 * link can reach, as metadata of clouds and services without passwords are there.
 */
struct sockaddr;

/*
 * What kind of address that is, which is not reached: "link-local", "metadata" of a cloud,
 * or "loopback" unless `loopback` is set; NULL: it is reached.  IPv4 within IPv6, as a
 * translator or a tunnel takes it out, is taken as what it is.
 */
const char *reach_refusal(const struct sockaddr *address, int loopback);

#endif
