#include "config.h"

#include "common/tls/certinfo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/pem.h"

#define CERTS_MAX 1000 /* of a file */

/* What was written to it, as text; frees it. */
static json_t *
bio_text(BIO *out)
{
	char *p;
	long n = BIO_get_mem_data(out, &p);
	json_t *v = n > 0 ? json_stringn(p, (size_t)n) : NULL;

	BIO_free(out);
	ERR_clear_error();
	return (v != NULL ? v : json_null());
}

static json_t *
name_text(const X509_NAME *name)
{
	BIO *out = BIO_new(BIO_s_mem());

	X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	return (bio_text(out));
}

/* "DNS:localhost, IP Address:127.0.0.1" */
static json_t *
alt_text(const X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());
	int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);

	if (at >= 0)
		X509V3_EXT_print(out, X509_get_ext(cert, at), 0, 0);
	return (bio_text(out));
}

static json_t *
serial_text(const X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());

	i2a_ASN1_INTEGER(out, X509_get0_serialNumber(cert));
	return (bio_text(out));
}

/* "Nov 21 08:45:00 2026 GMT" */
static json_t *
x509_time(const ASN1_TIME *t)
{
	BIO *out = BIO_new(BIO_s_mem());

	ASN1_TIME_print(out, t);
	return (bio_text(out));
}

static json_t *
pem_json(X509 *cert)
{
	char *text = pem_from_cert(cert);
	json_t *v = text != NULL ? json_string(text) : json_null();

	free(text);
	return (v);
}

/* What pins have it by. */
static json_t *
spki_text(const X509 *cert)
{
	char hash[PEM_HASH];

	return (pem_spki(X509_get0_pubkey(cert), hash) == 0 ? json_string(hash) : json_null());
}

static json_t *
cert_details(X509 *cert)
{
	uint32_t flags = X509_get_extension_flags(cert);
	json_t *details = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "issuer",
	    name_text(X509_get_issuer_name(cert)), "subject",
	    name_text(X509_get_subject_name(cert)), "subject_alt_name", alt_text(cert),
	    "serial_number", serial_text(cert), "valid_from", x509_time(X509_get0_notBefore(cert)),
	    "valid_to", x509_time(X509_get0_notAfter(cert)), "public_key_sha256", spki_text(cert));

	return (json_pack("{s:o, s:b, s:b, s:o}", "certificate", pem_json(cert), "is_authority",
	    (flags & EXFLAG_CA) != 0, "is_self_signed", (flags & EXFLAG_SS) != 0, "details",
	    details));
}

/* Frees the list. */
static json_t *
about_each(STACK_OF(X509) * certs)
{
	json_t *list = json_array();

	for (int i = 0; i < sk_X509_num(certs); i++)
		json_array_append_new(list, cert_details(sk_X509_value(certs, i)));
	sk_X509_pop_free(certs, X509_free);
	ERR_clear_error();
	return (list);
}

json_t *
certinfo_read(const char *path, char **err)
{
	BIO *in = pem_open(path);
	json_t *list;

	if (in == NULL) {
		*err = xasprintf("%s: %s", path, strerror(errno));
		return (NULL);
	}
	list = about_each(pem_read_certs(in, CERTS_MAX));
	if (json_array_size(list) > 0)
		return (list);
	json_decref(list);
	*err = xasprintf("%s: no certificate (PEM) is in it", path);
	return (NULL);
}

json_t *
certinfo_text(const char *pem)
{
	return (about_each(pem_read_certs(BIO_new_mem_buf(pem, -1), CERTS_MAX)));
}

int64_t
certinfo_ends(const char *path)
{
	STACK_OF(X509) *certs = pem_read_certs(pem_open(path), CERTS_MAX);
	int64_t first = -1, at;

	for (int i = 0; i < sk_X509_num(certs); i++) {
		at = pem_time(X509_get0_notAfter(sk_X509_value(certs, i)));
		if (at != -1 && (first == -1 || at < first))
			first = at;
	}
	sk_X509_pop_free(certs, X509_free);
	ERR_clear_error();
	return (first);
}

#define HOST_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._*"

/* NULL: it names no host. */
static json_t *
host_text(const GENERAL_NAME *name)
{
	const ASN1_STRING *s = name->type == GEN_DNS || name->type == GEN_IPADD ? name->d.ia5 :
										  NULL;
	int len = s != NULL ? ASN1_STRING_length(s) : 0;
	const unsigned char *at = s != NULL ? ASN1_STRING_get0_data(s) : NULL;
	char text[INET6_ADDRSTRLEN];
	int i;

	if (len == 0)
		return (NULL);
	if (name->type == GEN_IPADD)
		return (len != 4 && len != 16 ? NULL :
						json_string(inet_ntop(len == 4 ? AF_INET : AF_INET6,
						    at, text, sizeof(text))));
	for (i = 0; i < len; i++)
		if (at[i] == '\0' || strchr(HOST_CHARS, at[i]) == NULL)
			return (NULL);
	return (json_stringn((const char *)at, (size_t)len));
}

static json_t *
alt_hosts(const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	json_t *list = json_array(), *text;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if ((text = host_text(sk_GENERAL_NAME_value(names, i))) != NULL)
			json_array_append_new(list, text);
	GENERAL_NAMES_free(names);
	return (list);
}

/* The same of the common name, "" when it is not one. */
static void
common_name(const X509 *cert, char *out, size_t size)
{
	int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out,
	    (int)size);

	if (n <= 0 || strlen(out) != (size_t)n || strspn(out, HOST_CHARS) != (size_t)n)
		out[0] = '\0';
}

json_t *
certinfo_hosts(const X509 *cert)
{
	json_t *list = alt_hosts(cert);
	char name[256];

	if (json_array_size(list) > 0)
		return (list);
	common_name(cert, name, sizeof(name));
	if (name[0] != '\0')
		json_array_append_new(list, json_string(name));
	return (list);
}

char *
certinfo_issuer(const X509 *cert)
{
	json_t *text = name_text(X509_get_issuer_name(cert));
	char *issuer = xstrdup(json_is_string(text) ? json_string_value(text) : "");

	json_decref(text);
	return (issuer);
}

json_t *
certinfo_names(const char *path)
{
	STACK_OF(X509) *certs = pem_read_certs(pem_open(path), 1);
	json_t *list = sk_X509_num(certs) > 0 ? alt_hosts(sk_X509_value(certs, 0)) : json_array();

	sk_X509_pop_free(certs, X509_free);
	ERR_clear_error();
	return (list);
}
