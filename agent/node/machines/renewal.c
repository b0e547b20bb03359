/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/renewal.h"

#include "agent/node/machines/retry.h"

/* Role 2 waits so much longer, that the request of role 1 is seldom met by its own. */
#define ROLE_2_MS 2000u
/* Requests that have no date are spread over so much. */
#define SPREAD_MS 500u
/* After a request that failed: 1 s, twice as long each time, up to this. */
#define RETRY_MAX_MS 600000u

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* part is whole * spread / 2^16, for 16 of the random bits. */
static uint64_t part(uint64_t whole, uint32_t spread)
{
    return (whole >> 16) * (spread & 0xffff) + ((whole & 0xffff) * (spread & 0xffff) >> 16);
}

/*
 * What is left after renew_at is there for retries. Role 1 begins in its first sixteenth, role 2 after a quarter of it,
 * within an eighth: by then it has the key of role 1's request, or that request is in trouble.
 */
static uint64_t ready(uint64_t whole, uint32_t renew_at, uint8_t role, uint32_t spread)
{
    uint64_t rest = whole / 100 * (100 - renew_at) + whole % 100 * (100 - renew_at) / 100;

    if (role == 1)
        return whole - rest + part(rest / 16, spread);
    return whole - rest + rest / 4 + part(rest / 8, spread);
}

uint64_t kgr_renewal_ready_ms(const struct kgr_renewal_rules *rules, uint8_t role,
                              uint64_t lifetime_ms, uint32_t spread)
{
    return ready(lifetime_ms, rules->renew_at, role, spread);
}

void kgr_renewal_init(struct kgr_renewal *out)
{
    *out = (struct kgr_renewal){.deadline_ms = UINT64_MAX};
}

/* The previous generation: what may still come under it, and until when. */
static void end_overlap(struct kgr_renewal *renewal, const struct kgr_renewal_rules *rules,
                        const struct kgr_renewal_facts *facts, struct kgr_renewal_actions *out)
{
    uint64_t overlap_ms = rules->overlap_s * 1000ull;
    uint64_t last_age_ms = facts->previous_lifetime_ms + overlap_ms;
    uint64_t end_ms = facts->now_ms;

    if (facts->previous == 0)
        return;
    if (renewal->evident_ms == 0 && facts->peer_generation >= facts->generation)
        renewal->evident_ms = facts->now_ms > 0 ? facts->now_ms : 1;
    /* Its expiry ends the peer's sending, whatever the peer has heard. */
    if (facts->previous_age_ms < last_age_ms)
        end_ms += last_age_ms - facts->previous_age_ms;
    if (renewal->evident_ms != 0)
        end_ms = earlier(end_ms, renewal->evident_ms + overlap_ms);
    out->forget = facts->now_ms >= end_ms;
    if (!out->forget)
        renewal->deadline_ms = earlier(renewal->deadline_ms, end_ms);
}

/* A wish that came up now: role 2 leaves the first word to role 1. */
static uint64_t wish(struct kgr_renewal *renewal, const struct kgr_renewal_facts *facts)
{
    if (renewal->since_ms == 0)
        renewal->since_ms = facts->now_ms > 0 ? facts->now_ms : 1;
    return renewal->since_ms + (facts->role == 2 ? ROLE_2_MS : 0) + renewal->spread % SPREAD_MS;
}

/* due tells when a request is wanted; UINT64_MAX: not, as long as nothing changes. */
static uint64_t due(struct kgr_renewal *renewal, const struct kgr_renewal_rules *rules,
                    const struct kgr_renewal_facts *facts, struct kgr_renewal_actions *out)
{
    uint64_t at_ms;

    out->cause = KGR_RENEWAL_RENEW;
    if (facts->generation == 0 || facts->age_ms >= facts->lifetime_ms) {
        out->cause = facts->generation == 0 ? KGR_RENEWAL_FIRST : KGR_RENEWAL_RENEW;
        return rules->establish ? wish(renewal, facts) : UINT64_MAX;
    }
    if (facts->blocks >= ready(rules->budget, rules->renew_at, facts->role, renewal->spread))
        return facts->now_ms;
    at_ms = ready(facts->lifetime_ms, rules->renew_at, facts->role, renewal->spread);
    at_ms = at_ms <= facts->age_ms ? facts->now_ms : facts->now_ms + (at_ms - facts->age_ms);
    return facts->skipped ? earlier(at_ms, wish(renewal, facts)) : at_ms;
}

static void note_failure(struct kgr_renewal *renewal, const struct kgr_renewal_facts *facts)
{
    uint64_t delay = RETRY_MAX_MS;

    if (!renewal->asked || facts->busy)
        return;
    renewal->asked = false;
    if (renewal->failures < 10)
        delay = earlier(delay, 1000ull << renewal->failures);
    if (renewal->failures < UINT32_MAX)
        renewal->failures++;
    renewal->retry_ms = facts->now_ms + kgr_jitter_ms(delay, facts->jitter);
}

static void warn(struct kgr_renewal *renewal, const struct kgr_renewal_rules *rules,
                 const struct kgr_renewal_facts *facts, struct kgr_renewal_actions *out)
{
    uint64_t rest_ms = facts->lifetime_ms / 100 * (100 - rules->renew_at);
    uint64_t at_ms = facts->lifetime_ms - rest_ms / 3;

    if (facts->generation == 0 || renewal->warned)
        return;
    if (facts->age_ms < at_ms) {
        renewal->deadline_ms =
            earlier(renewal->deadline_ms, facts->now_ms + (at_ms - facts->age_ms));
        return;
    }
    renewal->warned = true;
    out->warn = true;
}

void kgr_renewal_step(struct kgr_renewal *renewal, const struct kgr_renewal_rules *rules,
                      const struct kgr_renewal_facts *facts, struct kgr_renewal_actions *out)
{
    uint64_t due_ms;

    *out = (struct kgr_renewal_actions){.cause = KGR_RENEWAL_RENEW};
    if (renewal->generation != facts->generation || renewal->spread == 0)
        *renewal = (struct kgr_renewal){.generation = facts->generation,
                                        .spread = facts->jitter | 0x10000};
    renewal->deadline_ms = UINT64_MAX;
    end_overlap(renewal, rules, facts, out);
    note_failure(renewal, facts);
    warn(renewal, rules, facts, out);
    if (!facts->allowed || facts->busy)
        return;
    due_ms = due(renewal, rules, facts, out);
    if (due_ms == UINT64_MAX)
        return;
    if (due_ms < renewal->retry_ms)
        due_ms = renewal->retry_ms;
    if (facts->now_ms < due_ms) {
        renewal->deadline_ms = earlier(renewal->deadline_ms, due_ms);
        return;
    }
    renewal->asked = true;
    out->request = true;
}

void kgr_renewal_defer(struct kgr_renewal *renewal, uint64_t until_ms)
{
    renewal->asked = false;
    renewal->retry_ms = until_ms;
    renewal->deadline_ms = earlier(renewal->deadline_ms, until_ms);
}
