/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * When the key of one pair is renewed, and when the generation before it is destroyed (docs/protocol.md, section
 * 6.3). Pure: the owner brings what is the case and the time, and does what a step says. Nothing of it is
 * persistent: after a start the owner's facts lead to the same decisions.
 */
struct kgr_renewal_rules {
    uint32_t renew_at;  /* share of the lifetime and of the budget, in 1/100: below 100 */
    uint32_t overlap_s; /* how long the previous generation still receives */
    uint64_t budget;    /* blocks of 16 bytes that one generation may process */
    bool establish;     /* a first key is asked for without anybody's wish */
};

/* What the owner knows at a step. */
struct kgr_renewal_facts {
    uint64_t now_ms;
    uint32_t jitter;     /* random bits */
    uint8_t role;        /* 1 or 2 */
    bool allowed;        /* by the KS, and synchronised: a request may be sent */
    bool busy;           /* an exchange is under way */
    bool skipped;        /* a crash made records of the current generation unreadable */
    uint64_t generation; /* the current one; 0: none */
    uint64_t age_ms;
    uint64_t lifetime_ms;
    uint64_t blocks;   /* used under the current generation */
    uint64_t previous; /* generation that only receives; 0: none */
    uint64_t previous_age_ms;
    uint64_t previous_lifetime_ms;
    uint64_t peer_generation; /* the latest under which the peer is known to send; 0: unknown */
};

struct kgr_renewal {
    uint64_t generation; /* what follows is about it */
    uint32_t spread;     /* random bits, so that not all renew at once */
    bool asked;          /* by this machine, and not answered yet */
    bool warned;
    uint32_t failures;    /* of requests since the generation came */
    uint64_t since_ms;    /* when a wish without a date came up; 0: none */
    uint64_t retry_ms;    /* no request before */
    uint64_t evident_ms;  /* since when the peer is known to have gone on; 0: not known */
    uint64_t deadline_ms; /* when the next step is due; UINT64_MAX: when a fact changes */
};

enum kgr_renewal_cause { KGR_RENEWAL_FIRST = 0, KGR_RENEWAL_RENEW = 1 };

struct kgr_renewal_actions {
    bool request; /* a key, for `cause` */
    bool forget;  /* destroy the previous generation */
    bool warn;    /* the key comes to its end and was not renewed */
    enum kgr_renewal_cause cause;
};

void kgr_renewal_init(struct kgr_renewal *out);
/* kgr_renewal_step decides on the facts; out is overwritten. */
void kgr_renewal_step(struct kgr_renewal *renewal, const struct kgr_renewal_rules *rules,
                      const struct kgr_renewal_facts *facts, struct kgr_renewal_actions *out);
/* kgr_renewal_defer takes back the request of the last step: too many are under way. */
void kgr_renewal_defer(struct kgr_renewal *renewal, uint64_t until_ms);
/* kgr_renewal_ready_ms is the age at which a key of this role is renewed. */
uint64_t kgr_renewal_ready_ms(const struct kgr_renewal_rules *rules, uint8_t role,
                              uint64_t lifetime_ms, uint32_t spread);
