#ifndef HL_CERT_H
#define HL_CERT_H

/* The keys and certificates that a node makes for itself. */

/* A P-256 key and a self-signed certificate (serverAuth, clientAuth, CN and SAN = name, ten
 * years) at the two paths, unless both exist; -1 on failure with *err. */
int cert_make(const char *key_path, const char *cert_path, const char *name, char **err);

/* The same, anew each time, for routes whose ends do not verify each other: nats-server
 * checks who connects in any case, so these are signed by an authority whose key is no
 * secret.  They encrypt; they prove nothing. */
int cert_make_open(const char *key_path, const char *cert_path, const char *ca_path,
    const char *name, char **err);

#endif
