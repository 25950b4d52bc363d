#include "config.h"

#include "opsd/cluster/cursor_priv.h"

/* clang-format off */

/*
 * As common/README.md explains.  A cell without a rule is nothing: what the event says is known, or
 * comes again.
 */
static const uint8_t cells[CURSOR_EVENTS][CURSOR_COLUMNS] = {
/*                        new    live    fetch  since  head   copy   clock   failed  recover  queued */
	[ON_SUBSCRIBED]   = { LIVE,  NO,     NO,    NO,    NO,    NO,    NO,     RETRY,  NO,      NO },
	[ON_SINCE]        = { BEGIN, BESIDE, BESIDE, SINCE, SINCE, BESIDE, BESIDE, EITHER, NO,      SINCE },
	[ON_ALL]          = { ALL,   COPY,   COPY,  COPY,  COPY,  COPY,  COPY,   COPY,   NO,      COPY },
	[ON_OTHER_KEY]    = { FAIL,  FAIL,   FAIL,  FAIL,  FAIL,  FAIL,  FAIL,   FAIL,   END,     FAIL },
	[ON_OWN_LOST]     = { RECOV, OWN,    OWN,   OWN,   OWN,   OWN,   OWN,    OWN,    RECOV,   OWN },
	[ON_FRAME]        = { NO,    APPLY,  APPLY, DROP,  DROP,  APPLY, APPLY,  DROP,   DROP,    DROP },
	[ON_FRAME_OLDER]  = { NO,    FETCH,  DROP,  DROP,  DROP,  DROP,  DROP,   DROP,   DROP,    DROP },
	[ON_FRAME_NEWER]  = { NO,    COPY,   COPY,  DROP,  DROP,  COPY,  COPY,   DROP,   DROP,    DROP },
	[ON_NO_ROOM]      = { NO,    FETCH,  DROP,  DROP,  DROP,  DROP,  DROP,   DROP,   DROP,    DROP },
	[ON_ENTRY]        = { NO,    MOVE,   MOVE,  NO,    NO,    MOVE,  MOVE,   MOVE,   NO,      NO },
	[ON_FRAME_END]    = { NO,    SAVE,   CHAIN, NO,    NO,    SAVE,  CHAIN,  NO,     NO,      NO },
	[ON_GAP]          = { NO,    FETCH,  SAVE,  NO,    NO,    SAVE,  SAVE,   NO,     NO,      NO },
	[ON_OTHER_LIFE]   = { NO,    FETCH,  SAVE,  NO,    NO,    SAVE,  SAVE,   NO,     NO,      NO },
	[ON_AHEAD]        = { NO,    CLOCK,  CLOCK, NO,    NO,    SAVE,  CLOCK,  CLOCK,  NO,      NO },
	[ON_UNFIT]        = { NO,    FAIL,   FAIL,  NO,    NO,    SAVE,  FAIL,   FAIL,   NO,      NO },
	[ON_ASKED]        = { NO,    NO,     ASK,   ASK,   ASK,   ASK,   ASK,    ASK,    ASK,     NO },
	[ON_NO_ANSWER]    = { NO,    NO,     LATER, LATER, LATER, LATER, LATER,  LATER,  LATER,   NO },
	[ON_UNSUBSCRIBED] = { NO,    NO,     LATER, LATER, LATER, LATER, LATER,  LATER,  LATER,   NO },
	[ON_NO_TABLE]     = { NO,    NO,     FAIL,  FAIL,  FAIL,  FAIL,  FAIL,   FAIL,   END,     NO },
	[ON_UNKNOWN]      = { NO,    NO,     LATER, LATER, LATER, LATER, LATER,  LATER,  LATER,   NO },
	[ON_TRIMMED]      = { NO,    NO,     COPY,  COPY,  LATER, LATER, COPY,   COPY,   LATER,   NO },
	[ON_LOG]          = { NO,    NO,     PLACE, PLACE, NO,    NO,    PLACE,  PLACE,  NO,      NO },
	[ON_LOG_OTHER]    = { NO,    NO,     COPY,  COPY,  NO,    NO,    COPY,   COPY,   NO,      NO },
	[ON_LOG_END]      = { NO,    NO,     DONE,  DONE,  NO,    NO,    DONE,   DONE,   NO,      NO },
	[ON_LOG_BROKEN]   = { NO,    NO,     COPY,  COPY,  NO,    NO,    COPY,   COPY,   NO,      NO },
	[ON_ROWS]         = { NO,    NO,     NO,    NO,    MERGE, MERGE, NO,     MERGE,  MERGE,   NO },
	[ON_ROWS_OTHER]   = { NO,    NO,     NO,    NO,    NO,    COPY,  NO,     COPY,   COPY,    NO },
	[ON_ROWS_UNFIT]   = { NO,    NO,     NO,    NO,    FAIL,  FAIL,  NO,     FAIL,   LATER,   NO },
	[ON_ROWS_AHEAD]   = { NO,    NO,     NO,    NO,    HOLD,  HOLD,  NO,     HOLD,   HOLD,    NO },
	[ON_MERGED]       = { NO,    NO,     NO,    NO,    TAKE,  TAKE,  NO,     TAKE,   TAKE,    NO },
	[ON_OTHER_COPIES] = { NO,    NO,     NO,    NO,    QUEUE, NO,    NO,     NO,     NO,      NO },
	[ON_PLACED]       = { NO,    NO,     NO,    NO,    GIVEN, NO,    NO,     NO,     NO,      GIVEN },
	[ON_TURN]         = { NO,    NO,     NO,    NO,    NO,    NO,    NO,     NO,     NO,      TURN },
	[ON_LEANT]        = { NO,    WHOLE,  WHOLE, NO,    NO,    WHOLE, WHOLE,  WHOLE,  NO,      NO },
	[ON_LEANT_LOST]   = { NO,    LEANT,  LEANT, NO,    NO,    LEANT, LEANT,  LEANT,  NO,      NO },
	[ON_RECALLED]     = { NO,    PART,   PART,  PART,  NO,    PART,  PART,   PART,   NO,      NO },
	[ON_HEARD]        = { HEAR,  HEAR,   HEAR,  HEAR,  HEAR,  HEAR,  HEAR,   HEAR,   HEAR,    HEAR },
	[ON_LOOKED]       = { NO,    LOOK,   NO,    NO,    NO,    NO,    NO,     NO,     NO,      NO },
	[ON_LOOKED_NEWER] = { NO,    COPY,   COPY,  COPY,  NO,    NO,    NO,     NO,     NO,      NO },
};

/* clang-format on */

enum cursor_rule
cursor_table_rule(enum cursor_event_kind kind, enum cursor_column at)
{
	return (cells[kind][at]);
}

/* ---- the table in words ---- */

#define RULE_WORD(id, word, fn) [id] = word,
static const char *const words[CURSOR_RULE_COUNT] = { CURSOR_RULES(RULE_WORD) };

static const char *const column_names[CURSOR_COLUMNS] = {
	"new",
	"live",
	"fetch",
	"since",
	"head",
	"copy",
	"clock",
	"failed",
	"recover",
	"queued",
};

static const char *const event_names[CURSOR_EVENTS] = {
	[ON_SUBSCRIBED] = "subscribed",
	[ON_SINCE] = "subscribed since",
	[ON_ALL] = "made anew",
	[ON_OTHER_KEY] = "other key",
	[ON_OWN_LOST] = "own writes lost",
	[ON_FRAME] = "frame",
	[ON_FRAME_OLDER] = "older frame",
	[ON_FRAME_NEWER] = "newer frame",
	[ON_NO_ROOM] = "disk full",
	[ON_ENTRY] = "entry applied",
	[ON_FRAME_END] = "frame applied",
	[ON_GAP] = "gap",
	[ON_OTHER_LIFE] = "other life",
	[ON_AHEAD] = "entry ahead",
	[ON_UNFIT] = "entry unfit",
	[ON_ASKED] = "asked",
	[ON_NO_ANSWER] = "no answer",
	[ON_REFUSED] = "refused",
	[ON_UNSUBSCRIBED] = "403",
	[ON_NO_TABLE] = "404",
	[ON_UNKNOWN] = "409",
	[ON_TRIMMED] = "410",
	[ON_LOG] = "log",
	[ON_LOG_OTHER] = "other log",
	[ON_LOG_END] = "log applied",
	[ON_LOG_BROKEN] = "log broken",
	[ON_ROWS] = "rows",
	[ON_ROWS_OTHER] = "other rows",
	[ON_ROWS_UNFIT] = "rows unfit",
	[ON_ROWS_AHEAD] = "rows ahead",
	[ON_MERGED] = "rows merged",
	[ON_OTHER_COPIES] = "other copies",
	[ON_PLACED] = "placed",
	[ON_TURN] = "its turn",
	[ON_LEANT] = "leant",
	[ON_LEANT_LOST] = "leant, lost",
	[ON_RECALLED] = "recalled",
	[ON_HEARD] = "heard",
	[ON_LOOKED] = "looked",
	[ON_LOOKED_NEWER] = "looked, newer",
};

const char *
cursor_phase_name(size_t phase)
{
	return (phase < CURSOR_COLUMNS ? column_names[phase] : NULL);
}

const char *
cursor_event_name(enum cursor_event_kind kind)
{
	return (event_names[kind]);
}

const char *
cursor_rule_name(size_t phase, enum cursor_event_kind kind)
{
	return (words[cells[kind][phase]]);
}
