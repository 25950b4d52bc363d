#include "config.h"

#include "opsd/cluster/status.h"

#include <stdlib.h>

/* Questions and answers of other nodes: what is read is written as it was read, and read again the same. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_question(const json_t *o)
{
	struct status_question q, again;
	char *fault = NULL;
	json_t *first, *second;

	if (status_question_read(&q, o, &fault) == -1) {
		if (fault == NULL)
			abort();
		free(fault);
		return;
	}
	first = status_question_write(&q);
	if (status_question_read(&again, first, &fault) == -1)
		abort();
	second = status_question_write(&again);
	if (!json_equal(first, second))
		abort();
	json_decref(first);
	json_decref(second);
	status_question_clear(&q);
	status_question_clear(&again);
}

static void
check_answer(const json_t *o)
{
	struct status_answer a, again;
	char *fault = NULL;
	json_t *first, *second;

	if (status_answer_read(&a, o, &fault) == -1) {
		if (fault == NULL)
			abort();
		free(fault);
		return;
	}
	first = status_answer_write(&a);
	if (status_answer_read(&again, first, &fault) == -1)
		abort();
	second = status_answer_write(&again);
	if (!json_equal(first, second))
		abort();
	json_decref(first);
	json_decref(second);
	status_answer_clear(&a);
	status_answer_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_t *o = json_loadb((const char *)data, n, 0, NULL);

	check_question(o);
	check_answer(o);
	json_decref(o);
	return (0);
}
