/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/entropy.h"

#include <math.h>
#include <string.h>

uint32_t kgr_entropy_repeat_cutoff(uint32_t centibits, uint32_t alpha)
{
    return 1 + (alpha * 100 + centibits - 1) / centibits;
}

/* P(X = k) of the binomial distribution. */
static double mass(uint32_t n, uint32_t k, double log_p, double log_q)
{
    return exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) + k * log_p +
               (n - k) * log_q);
}

uint32_t kgr_entropy_proportion_cutoff(uint32_t centibits, uint32_t alpha, uint32_t window)
{
    double p = exp2(-(double)centibits / 100.0);
    double log_p = log(p), log_q = log1p(-p), bound = exp2(-(double)alpha), tail = 0;
    uint32_t k = window;

    /* From above, so that small terms are added first. */
    for (; k > 0; k--) {
        double m = mass(window, k, log_p, log_q);

        if (tail + m > bound)
            break;
        tail += m;
    }
    /* When even a window of one value is too likely, the test cannot fail: the other one has to. */
    return 1 + k;
}

size_t kgr_entropy_block(uint32_t centibits, uint32_t bits)
{
    return ((size_t)bits * 100 + centibits - 1) / centibits;
}

static void begin(struct kgr_entropy *e)
{
    e->samples = 0;
    e->repeats = 0;
    e->seen = 0;
    e->matches = 0;
}

void kgr_entropy_init(struct kgr_entropy *e, uint32_t centibits, uint32_t alpha)
{
    memset(e, 0, sizeof *e);
    e->repeat_cutoff = kgr_entropy_repeat_cutoff(centibits, alpha);
    e->proportion_cutoff = kgr_entropy_proportion_cutoff(centibits, alpha, KGR_ENTROPY_WINDOW);
}

static bool repeats_too_often(struct kgr_entropy *e, uint8_t sample)
{
    if (e->samples > 0 && sample == e->last)
        e->repeats++;
    else
        e->repeats = 1;
    e->last = sample;
    return e->repeats >= e->repeat_cutoff;
}

static bool occurs_too_often(struct kgr_entropy *e, uint8_t sample)
{
    if (e->seen == 0) {
        e->first = sample;
        e->matches = 1;
    } else if (sample == e->first) {
        e->matches++;
    }
    e->seen = e->seen + 1 == KGR_ENTROPY_WINDOW ? 0 : e->seen + 1;
    return e->matches >= e->proportion_cutoff;
}

static bool enter(struct kgr_entropy *e, enum kgr_entropy_state state)
{
    bool changed = e->state != state;

    e->state = state;
    return changed;
}

bool kgr_entropy_feed(struct kgr_entropy *e, struct kgr_slice samples)
{
    enum kgr_entropy_state before = e->state;

    for (size_t i = 0; i < samples.len; i++) {
        bool repeats = repeats_too_often(e, samples.p[i]);
        bool biased = occurs_too_often(e, samples.p[i]);

        e->samples++;
        if (repeats || biased) {
            begin(e);
            return enter(e, repeats ? KGR_ENTROPY_REPEATS : KGR_ENTROPY_BIASED);
        }
        if (e->samples == KGR_ENTROPY_STARTUP)
            e->state = KGR_ENTROPY_GOOD;
    }
    return e->state != before;
}

bool kgr_entropy_fail(struct kgr_entropy *e, enum kgr_entropy_state state)
{
    begin(e);
    return enter(e, state);
}

bool kgr_entropy_failed(const struct kgr_entropy *e)
{
    return e->state != KGR_ENTROPY_STARTING && e->state != KGR_ENTROPY_GOOD;
}

const char *kgr_entropy_text(enum kgr_entropy_state state)
{
    static const char *const texts[] = {
        [KGR_ENTROPY_STARTING] = "in its start-up test",
        [KGR_ENTROPY_GOOD] = "good",
        [KGR_ENTROPY_REPEATS] = "failed the repetition count test",
        [KGR_ENTROPY_BIASED] = "failed the adaptive proportion test",
        [KGR_ENTROPY_BLOCKED] = "gives nothing",
        [KGR_ENTROPY_ENDED] = "has ended",
        [KGR_ENTROPY_AWAY] = "cannot be read",
    };

    return texts[state];
}
