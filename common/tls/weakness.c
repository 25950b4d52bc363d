#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/tls/authority.h"

/* Each guess costs half a second: what stays in reach is what everybody tries first. */
#define SHORTEST 12
#define KINDS    6 /* different characters */

/* Of lists of passwords that were found, those that are long enough; and what manuals show. */
static const char *const common[] = {
	"password1234",
	"password12345",
	"password123456",
	"passwordpassword",
	"password1password",
	"123456789012",
	"1234567890123",
	"1234567890ab",
	"1q2w3e4r5t6y",
	"1q2w3e4r5t6y7u8i",
	"qwertyuiop12",
	"qwertyuiop123",
	"qwertyuiopasdfgh",
	"qwerty123456",
	"qazwsxedcrfv",
	"q1w2e3r4t5y6",
	"administrator",
	"adminadminadmin",
	"changemechangeme",
	"changemeplease",
	"letmeinletmein",
	"iloveyou1234",
	"welcome12345",
	"unknown12345",
	"superman1234",
	"clusterpassword",
	"cluster_password",
	"cluster-password",
	"clusterpass123",
	"letscluster123!",
	"same-on-all-nodes",
	"correcthorsebatterystaple",
	"correct horse battery staple",
};

static int
kinds_of(const char *text)
{
	unsigned char seen[256] = { 0 };
	int n = 0;

	for (; *text != '\0'; text++) {
		n += !seen[(unsigned char)*text];
		seen[(unsigned char)*text] = 1;
	}
	return (n);
}

const char *
authority_weakness(const char *user, const char *password)
{
	if (strlen(password) < SHORTEST)
		return ("is shorter than 12 characters");
	if (kinds_of(password) < KINDS)
		return ("has fewer than 6 different characters");
	if (strcasecmp(password, user) == 0)
		return ("is the user's name");
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (strcasecmp(password, common[i]) == 0)
			return ("is one of those that everybody tries first");
	return (NULL);
}
