#include "config.h"

#include "common/nats/nkey.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SEED_LEN   58 /* characters of base32 */
#define SEED_BYTES 36 /* two of prefix, the key, two of CRC */
#define KEY_BYTES  32
#define SEED_USER  "SU"
#define USER       (20 << 3) /* the byte that makes a public key begin with U */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* CRC-16/XMODEM. */
static uint16_t
crc_xmodem(const uint8_t *p, size_t n)
{
	uint16_t crc = 0;

	while (n-- > 0) {
		crc ^= (uint16_t)(*p++ << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
	}
	return (crc);
}

/* -1: a character is none of base32's. */
static int
base32_read(const char *s, size_t n, uint8_t *out, size_t most)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t at = 0;
	const char *digit;

	for (; n > 0; s++, n--) {
		if (*s == '\0' || (digit = strchr(digits, *s)) == NULL)
			return (-1);
		bits = (bits << 5 | (uint32_t)(digit - digits)) & 0xfff;
		have += 5;
		if (have >= 8 && at < most) {
			have -= 8;
			out[at++] = (uint8_t)(bits >> have);
		}
	}
	return (0);
}

static void
base32_text(const uint8_t *p, size_t n, char *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (; n > 0; p++, n--) {
		bits = (bits << 8 | *p) & 0xffff;
		for (have += 8; have >= 5; have -= 5)
			*out++ = digits[bits >> (have - 5) & 31];
	}
	if (have > 0)
		*out++ = digits[bits << (5 - have) & 31];
	*out = '\0';
}

static int
public_of(const uint8_t seed[KEY_BYTES], uint8_t out[KEY_BYTES])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, KEY_BYTES);
	size_t n = KEY_BYTES;
	int fine = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &n) == 1 && n == KEY_BYTES;

	EVP_PKEY_free(key);
	return (fine ? 0 : -1);
}

static int
seed_read(const char *s, uint8_t seed[KEY_BYTES])
{
	uint8_t raw[SEED_BYTES];
	int fine;

	/* Its CRC comes in the order of little-endian machines. */
	fine = base32_read(s, SEED_LEN, raw, sizeof(raw)) == 0 &&
	    crc_xmodem(raw, SEED_BYTES - 2) == (raw[SEED_BYTES - 2] | raw[SEED_BYTES - 1] << 8);
	if (fine)
		memcpy(seed, raw + 2, KEY_BYTES);
	OPENSSL_cleanse(raw, sizeof(raw));
	return (fine ? 0 : -1);
}

int
nkey_public(const char *text, char out[NKEY_PUBLIC_LEN])
{
	uint8_t seed[KEY_BYTES], raw[1 + KEY_BYTES + 2] = { USER };
	const char *s = text;
	uint16_t crc;
	int rc;

	while ((s = strstr(s, SEED_USER)) != NULL && seed_read(s, seed) == -1)
		s++;
	if (s == NULL)
		return (-1);
	rc = public_of(seed, raw + 1);
	OPENSSL_cleanse(seed, sizeof(seed));
	crc = crc_xmodem(raw, 1 + KEY_BYTES);
	raw[1 + KEY_BYTES] = (uint8_t)crc;
	raw[2 + KEY_BYTES] = (uint8_t)(crc >> 8);
	base32_text(raw, sizeof(raw), out);
	return (rc);
}
