#include "config.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "opsd/cluster/daemons_priv.h"

#define ASK_US    2000000
#define SILENT_US 10000000 /* without an answer: it hangs */
#define STEP_US   1000000  /* two ticks that are further apart: it was us who stood still */
#define START_US  10000000 /* away for longer: it is not just starting */

void
pulse_init(struct daemons *d)
{
	d->beat_us = mono_us();
	d->hub_pulse = (struct pulse){ .role = ROLE_HUBD, .away_us = d->beat_us };
	d->leaf_pulse = (struct pulse){ .role = ROLE_LEAFD, .away_us = d->beat_us };
}

/* An answer, or its connection ended. */
static void
ponged_cb(struct rd *body, void *arg)
{
	struct pulse *p = arg;

	p->asking = 0;
}

static void
ask_pulse(struct pulse *p, struct chan *ch, uint64_t now)
{
	if (now - p->asked_us < ASK_US)
		return;
	p->asked_us = now;
	p->silent_us = 0;
	p->asking = 1;
	chan_call(ch, MSG_PING, NULL, 0, ponged_cb, p);
}

/* What waits for it fails at once, as it would if the process had ended. */
static void
let_go(struct daemons *d, struct pulse *p, struct chan *ch)
{
	log_errorx("%s does not answer for %u s: it counts as away until it connects anew",
	    role_name(p->role), (unsigned)(SILENT_US / 1000000));
	chan_hang_up(ch);
	pthread_mutex_lock(&d->lock);
	p->hung = 1;
	pthread_mutex_unlock(&d->lock);
}

static void
beat_one(struct daemons *d, struct pulse *p, struct chan *ch, uint64_t now, uint64_t step)
{
	if (ch == NULL)
		return;
	if (!p->asking) {
		ask_pulse(p, ch, now);
		return;
	}
	p->silent_us += step;
	if (p->silent_us > SILENT_US)
		let_go(d, p, ch);
}

void
pulse_beat(struct daemons *d)
{
	uint64_t now = mono_us(), step = now - d->beat_us;

	d->beat_us = now;
	if (step > STEP_US)
		step = STEP_US;
	beat_one(d, &d->hub_pulse, d->hub, now, step);
	beat_one(d, &d->leaf_pulse, d->leaf, now, step);
}

void
pulse_up(struct pulse *p)
{
	p->away_us = 0;
	p->hung = 0;
}

void
pulse_down(struct pulse *p)
{
	p->away_us = mono_us();
}

const char *
daemons_fault(struct daemons *d, enum role role)
{
	const struct pulse *p = role == ROLE_HUBD ? &d->hub_pulse : &d->leaf_pulse;
	const char *fault = NULL;

	pthread_mutex_lock(&d->lock);
	if (p->away_us != 0 && p->hung)
		fault = "does not answer";
	else if (p->away_us != 0 && mono_us() - p->away_us > START_US)
		fault = "is not connected with opsd";
	pthread_mutex_unlock(&d->lock);
	return (fault);
}
