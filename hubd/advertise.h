#ifndef HL_ADVERTISE_H
#define HL_ADVERTISE_H

/*
 * Under which name other hubs should know one that listens at `listen` and shows the certificate
 * (PEM) of this path: they are told of it by others, and would otherwise dial the address that it
 * was seen with, which the certificate may not have.  The only address in the certificate, if that
 * is this host's; when it has none, the first name that leads to this host alone.  Loopback counts
 * only when that is where it listens.  NULL when there is none, with *why if then no address can be
 * right (else NULL).  Looks names up, for two seconds at most.  Caller frees both.
 */
char *advertise_name(const char *cert_path, const char *listen, char **why);

#endif
