#include "config.h"

#include <stdlib.h>

#include "opsd/cluster/gossip_page.h"
#include "opsd/cluster/roster.h"

/* What other nodes say of members: entries, which are written as they were read, and questions and answers. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint8_t own[NODE_ID_LEN] = "here-here-here-", who[NODE_ID_LEN] = "there-there-the";

static void
check_statement(const struct statement *s)
{
	char *fault = NULL;
	json_t *o;
	struct statement *again;

	if (s == NULL)
		return;
	o = statement_write(s);
	again = statement_read(o, &fault);
	if (again == NULL || statement_cmp(s, again) != 0)
		abort();
	statement_free(again);
	json_decref(o);
}

/* Signatures are not looked at: more is taken so. */
static void
check_entry(struct roster *r, const json_t *o)
{
	struct roster_facts f = { .now_ms = UINT64_C(1700000000000), .who = who };
	struct roster_offer offer = { 0 };
	char *fault = NULL;

	if (roster_offer_read(&offer, o, &fault) == -1) {
		if (fault == NULL)
			abort();
		free(fault);
		return;
	}
	check_statement(offer.said);
	check_statement(offer.introduction);
	roster_take(r, &offer, &f, &fault);
	free(fault);
	roster_offer_clear(&offer);
}

static void
check_messages(struct roster *r, const json_t *o)
{
	struct gossip_page *p = gossip_page_new(r);
	char *fault = NULL;
	json_t *answer = gossip_page_answer(r, o, &fault);

	if ((answer == NULL) != (fault != NULL))
		abort();
	free(fault);
	json_decref(answer);
	json_decref(gossip_page_question(p));
	gossip_page_answered(p, o, &fault);
	free(fault);
	json_decref(gossip_page_question(p));
	gossip_page_free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_t *o = json_loadb((const char *)data, n, 0, NULL), *one;
	struct roster *r = roster_new(own);
	size_t i;

	json_array_foreach(json_object_get(o, "give"), i, one)
		check_entry(r, one);
	check_entry(r, o);
	check_messages(r, o);
	roster_free(r);
	json_decref(o);
	return (0);
}
