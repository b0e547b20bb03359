/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/node/service/parts.h"

/* Whoever uses a key spends its budget (docs/protocol.md, section 6.3). */

/* The machine of the renewal looks at the count so often on the way through a budget. */
#define LOOKS 64u

static enum kgr_error reserve(struct kgr_service *service, const struct kgr_nid *peer,
                              struct kgr_pair_records *records, uint64_t reserved,
                              struct kgr_diag *diag)
{
    enum kgr_error err =
        kgr_generation_blocks(service->node->db, peer, records->generation, reserved, diag);

    if (err == KGR_OK)
        kgr_budget_raise(&records->budget, reserved);
    else
        kgr_error_log("state_not_written", "what=budget peer=%s reason=\"%s\"", peer->s,
                      kgr_diag_text(diag, err));
    return err;
}

static void look(struct kgr_service *service, struct kgr_pair *pair)
{
    kgr_renewal_look(pair);
    service->node->due = true;
}

/* use_blocks counts blocks, and reserves as often as workers were faster. */
static enum kgr_error use_blocks(struct kgr_service *service, const struct kgr_nid *peer,
                                 struct kgr_pair_records *records, uint64_t blocks,
                                 struct kgr_diag *diag)
{
    uint64_t limit = service->node->settings->budget;
    enum kgr_error err = KGR_OK;
    uint64_t reserved = 0;

    while (err == KGR_OK && !kgr_budget_use(&records->budget, UINT64_MAX, blocks)) {
        uint32_t steps =
            kgr_reserve_next(&records->reserve_budget, KGR_BUDGET_STEPS, kgr_clock_boot_ms());

        if (kgr_budget_need(&records->budget, limit, blocks, steps, &reserved))
            err = reserve(service, peer, records, reserved, diag);
    }
    return err;
}

enum kgr_error kgr_service_spend(struct kgr_service *service, const struct kgr_nid *peer,
                                 uint64_t generation, uint64_t blocks, enum kgr_use use,
                                 struct kgr_diag *diag)
{
    struct kgr_pair *pair = kgr_pairs_find(&service->node->pairs, peer);
    struct kgr_pair_records *records =
        pair == NULL ? NULL : kgr_pair_find_records(pair, generation);
    uint64_t limit = service->node->settings->budget;
    uint64_t step = limit / LOOKS > 0 ? limit / LOOKS : 1;
    uint64_t before;
    enum kgr_error err;

    if (records == NULL)
        return KGR_OK;
    before = records->budget.used;
    if (use == KGR_USE_SEND && kgr_budget_is_spent(&records->budget, limit, blocks)) {
        look(service, pair);
        return kgr_diag_set(diag, KGR_ERR_BUDGET,
                            "%s: generation %llu has used up its budget of %llu blocks", peer->s,
                            (unsigned long long)generation, (unsigned long long)limit);
    }
    err = use_blocks(service, peer, records, blocks, diag);
    if (err == KGR_OK && before / step != records->budget.used / step)
        look(service, pair);
    return err;
}

void kgr_service_refill_budget(struct kgr_service *service, struct kgr_pair *pair,
                               struct kgr_pair_records *records)
{
    struct kgr_diag diag = {{0}};

    if (!kgr_budget_is_low(&records->budget))
        return;
    /* Workers cannot look, and this comes often enough: at least with every 64th part of a budget. */
    look(service, pair);
    (void)reserve(service, &pair->ex.s.peer, records,
                  kgr_budget_more(&records->budget, service->node->settings->budget,
                                  kgr_reserve_next(&records->reserve_budget, KGR_BUDGET_STEPS,
                                                   kgr_clock_boot_ms())),
                  &diag);
}
