#include "config.h"

#include "common/tls/serial.h"

#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

int
serial_read(const char *text, char out[SERIAL_MAX])
{
	size_t n = 0;
	int digits = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	for (; *text != '\0'; text++) {
		if (*text == ':')
			continue;
		if (!isxdigit((unsigned char)*text) || n >= SERIAL_MAX - 1)
			return (-1);
		digits = 1;
		if (n > 0 || *text != '0')
			out[n++] = (char)tolower((unsigned char)*text);
	}
	if (n == 0)
		out[n++] = '0';
	out[n] = '\0';
	return (digits ? 0 : -1);
}

int
serial_of(const struct x509_st *cert, char out[SERIAL_MAX])
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = bn != NULL ? BN_bn2hex(bn) : NULL;
	int rc = hex != NULL ? serial_read(hex, out) : -1;

	OPENSSL_free(hex);
	BN_free(bn);
	ERR_clear_error();
	return (rc);
}
