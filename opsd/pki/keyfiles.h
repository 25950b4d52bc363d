#ifndef HL_KEYFILES_H
#define HL_KEYFILES_H

/*
 * The files below rootPath/keys: ca.key and ca.crt, the node's own authority, and
 * replication.pem, the certificate that it shows on links, what leads to its authority, and
 * its key, in one file so that they change together.  All are of the owner alone, and whole
 * after any crash: an authority whose certificate is missing gets another of the same key.
 */
#define KEYFILES_NODE "replication.pem"

/* A certificate, with what leads to its authority if that is needed, and its key: PEM. */
struct keypair {
	char *certificate, *key;
};
void keyfiles_clear(struct keypair *k);

/* 1: it is there, or has been made; 0: it is not there; -1 with *err.  `dir` is the folder. */
int keyfiles_authority(const char *dir, int make, struct keypair *out, char **err);
int keyfiles_node(const char *dir, struct keypair *out, char **err);
/* Any two files, or one with both in it, as an operator has named them.  1, or -1 with *err. */
int keyfiles_read(const char *cert_path, const char *key_path, struct keypair *out, char **err);

/* The hash of the key of a file's first certificate (PEM_HASH); -1: none can be read. */
int keyfiles_pin(const char *cert_path, char out[65]);

/* On disk when it returns; -1 with *err. */
int keyfiles_put_node(const char *dir, const struct keypair *k, char **err);
void keyfiles_drop_node(const char *dir); /* another is made when it is asked for */

#endif
