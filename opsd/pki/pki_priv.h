#ifndef HL_PKI_PRIV_H
#define HL_PKI_PRIV_H

#include <pthread.h>

#include "opsd/pki/keyfiles.h"
#include "opsd/pki/pki.h"

struct pki {
	struct data *data;
	struct ledger *ledger;
	struct joins *joins;
	char *dir;               /* rootPath/keys */
	_Atomic uint64_t shown;  /* how often what we show was written */
	pthread_mutex_t files;   /* reading what is missing and making it is one step */
	pthread_mutex_t signing; /* looking whose a name is and signing for it is one step */
};

/* Our authority and its key, made when missing; 0, or -1 with *err. */
int pki_own_authority(struct pki *p, struct keypair *out, char **err);

/* 1: what pki_adopt has kept is shown, for that hostname; 0: it is not; keyfiles_clear. */
int pki_shows_kept(struct pki *p, const char *hostname, struct keypair *out);

/* Records of LEDGER_ISSUED: the end of its time; whether it was never used; whether the node had it before. */
int64_t issue_until(const json_t *record);
int issue_is_too_late(const json_t *issued, uint64_t now_ms);
int issue_is_shown(const json_t *issued);

#endif
