/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW     1000u
#define EXPIRES 2000u

static uint8_t bytes[8][32]; /* eight different values */

static struct kgr_registry_event request(size_t ek, size_t storage, size_t id)
{
    return (struct kgr_registry_event){
        .type = KGR_REGISTRY_REQ,
        .now_s = NOW,
        .xid = bytes[id],
        .request = bytes[id],
        .ek = bytes[ek],
        .storage = bytes[storage],
        .wellformed = true,
        .suites = 1,
        .custodies = 1,
        .own_suites = 1,
        .own_custodies = 1,
    };
}

static struct kgr_registry_event made(size_t id, size_t nonce)
{
    return (struct kgr_registry_event){.type = KGR_REGISTRY_MADE,
                                       .now_s = NOW,
                                       .request = bytes[id],
                                       .nonce_ks = bytes[nonce],
                                       .transcript = bytes[nonce]};
}

static struct kgr_registry_event proof(size_t id, size_t nonce, size_t transcript)
{
    return (struct kgr_registry_event){.type = KGR_REGISTRY_PROOF,
                                       .now_s = NOW,
                                       .xid = bytes[id],
                                       .nonce_ks = bytes[nonce],
                                       .transcript = bytes[transcript]};
}

/* Whether a step of this event has the action; *reg goes on. */
static bool does(struct kgr_registry *reg, struct kgr_registry_event event,
                 enum kgr_registry_action_type type)
{
    struct kgr_registry_actions actions;

    kgr_registry_step(reg, &event, &actions);
    for (size_t i = 0; i < actions.num; i++) {
        if (actions.list[i].type == KGR_REGISTRY_DO_PERSIST)
            assert_int_equal(i, 0); /* before whatever it makes true */
        if (actions.list[i].type == type)
            return true;
    }
    return false;
}

static void challenge(struct kgr_registry *reg)
{
    kgr_registry_init(reg, EXPIRES, NULL);
    assert_true(does(reg, request(0, 1, 2), KGR_REGISTRY_DO_CHALLENGE));
    assert_true(does(reg, made(2, 3), KGR_REGISTRY_DO_SEND_CHAL));
}

static void registry_straight_way_registers(void **state)
{
    struct kgr_registry reg;

    (void)state;
    challenge(&reg);
    assert_true(does(&reg, proof(2, 3, 3), KGR_REGISTRY_DO_ERASE_NTAG));
    assert_int_equal(reg.s.phase, KGR_REGISTRY_REGISTERED);
    assert_true(does(&reg, proof(2, 3, 3), KGR_REGISTRY_DO_SEND_DONE));
    assert_false(does(&reg, proof(2, 3, 3), KGR_REGISTRY_DO_ERASE_NTAG));
}

static void registry_same_request_gets_the_stored_answer(void **state)
{
    struct kgr_registry reg;

    (void)state;
    challenge(&reg);
    assert_true(does(&reg, request(0, 1, 2), KGR_REGISTRY_DO_SEND_CHAL));
    assert_false(does(&reg, request(0, 1, 2), KGR_REGISTRY_DO_CHALLENGE));
}

static void registry_one_challenge_at_a_time(void **state)
{
    struct kgr_registry reg;

    (void)state;
    kgr_registry_init(&reg, EXPIRES, NULL);
    assert_true(does(&reg, request(0, 1, 2), KGR_REGISTRY_DO_CHALLENGE));
    assert_false(does(&reg, request(0, 1, 2), KGR_REGISTRY_DO_CHALLENGE));
    assert_false(does(&reg, request(0, 1, 4), KGR_REGISTRY_DO_CHALLENGE));
}

static void registry_other_tpm_alarms_and_changes_nothing(void **state)
{
    struct kgr_registry reg, before;

    (void)state;
    challenge(&reg);
    before = reg;
    assert_true(does(&reg, request(5, 1, 4), KGR_REGISTRY_DO_ALARM));
    assert_true(does(&reg, request(0, 5, 4), KGR_REGISTRY_DO_ALARM));
    assert_memory_equal(&before, &reg, sizeof reg);
}

static void registry_binding_survives_a_crash_before_the_challenge(void **state)
{
    struct kgr_registry reg, again;

    (void)state;
    kgr_registry_init(&reg, EXPIRES, NULL);
    assert_true(does(&reg, request(0, 1, 2), KGR_REGISTRY_DO_PERSIST));
    kgr_registry_restart(&again, &reg.s);
    assert_true(does(&again, request(5, 6, 4), KGR_REGISTRY_DO_ALARM));
    assert_true(does(&again, request(0, 1, 2), KGR_REGISTRY_DO_CHALLENGE));
}

static void registry_named_ek_is_the_only_one(void **state)
{
    struct kgr_registry reg;

    (void)state;
    kgr_registry_init(&reg, EXPIRES, bytes[0]);
    assert_true(does(&reg, request(5, 1, 2), KGR_REGISTRY_DO_ALARM));
    assert_false(reg.s.bound);
    assert_true(does(&reg, request(0, 1, 2), KGR_REGISTRY_DO_CHALLENGE));
}

static void registry_malformed_publics_ignored(void **state)
{
    struct kgr_registry_event event = request(0, 1, 2);
    struct kgr_registry reg;

    (void)state;
    kgr_registry_init(&reg, EXPIRES, NULL);
    event.wellformed = false;
    assert_true(does(&reg, event, KGR_REGISTRY_DO_IGNORED));
    assert_false(reg.s.bound);
}

static void registry_wrong_proof_ignored(void **state)
{
    struct kgr_registry reg;

    (void)state;
    challenge(&reg);
    assert_true(does(&reg, proof(4, 3, 3), KGR_REGISTRY_DO_IGNORED));
    assert_true(does(&reg, proof(2, 4, 3), KGR_REGISTRY_DO_IGNORED));
    assert_true(does(&reg, proof(2, 3, 4), KGR_REGISTRY_DO_IGNORED));
    assert_int_equal(reg.s.phase, KGR_REGISTRY_CHALLENGED);
}

static void registry_incapable_node_refused_without_binding(void **state)
{
    struct kgr_registry_event event = request(0, 1, 2);
    struct kgr_registry reg;

    (void)state;
    kgr_registry_init(&reg, EXPIRES, NULL);
    event.suites = 2;
    assert_true(does(&reg, event, KGR_REGISTRY_DO_SEND_NACK));
    event = request(0, 1, 2);
    event.custodies = 2; /* mixed is nothing that one end can be */
    assert_true(does(&reg, event, KGR_REGISTRY_DO_SEND_NACK));
    assert_false(reg.s.bound);
}

static void registry_custody_is_that_of_both_ends(void **state)
{
    static const struct {
        uint8_t node, own, custody;
    } cases[] = {{1, 1, 1}, {1, 4, 2}, {4, 1, 2}, {4, 4, 3}};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        struct kgr_registry_event event = request(0, 1, 2);
        struct kgr_registry reg;

        kgr_registry_init(&reg, EXPIRES, NULL);
        event.custodies = cases[i].node;
        event.own_custodies = cases[i].own;
        assert_true(does(&reg, event, KGR_REGISTRY_DO_CHALLENGE));
        assert_int_equal(reg.s.custody, cases[i].custody);
    }
}

static void registry_expiry_ends_it_in_every_open_state(void **state)
{
    struct kgr_registry_event event = {.type = KGR_REGISTRY_TIMER, .now_s = EXPIRES};
    struct kgr_registry reg;

    (void)state;
    kgr_registry_init(&reg, EXPIRES, NULL);
    assert_true(does(&reg, event, KGR_REGISTRY_DO_ERASE_NTAG));
    challenge(&reg);
    event = proof(2, 3, 3);
    event.now_s = EXPIRES;
    assert_true(does(&reg, event, KGR_REGISTRY_DO_ERASE_NTAG));
    assert_int_equal(reg.s.phase, KGR_REGISTRY_EXPIRED);
    assert_true(does(&reg, request(0, 1, 2), KGR_REGISTRY_DO_IGNORED));
    /* A job that ends afterwards revives nothing. */
    kgr_registry_init(&reg, EXPIRES, NULL);
    assert_true(does(&reg, request(0, 1, 2), KGR_REGISTRY_DO_CHALLENGE));
    event = (struct kgr_registry_event){.type = KGR_REGISTRY_TIMER, .now_s = EXPIRES};
    assert_true(does(&reg, event, KGR_REGISTRY_DO_ERASE_NTAG));
    assert_false(does(&reg, made(2, 3), KGR_REGISTRY_DO_SEND_CHAL));
    assert_int_equal(reg.s.phase, KGR_REGISTRY_EXPIRED);
}

/* Random events, restarts from the last persisted copy: no other TPM is ever challenged or registered. */
static void registry_revoked_name_keeps_its_tpm_and_removed_does_not(void **state)
{
    struct kgr_registry reg, again;

    (void)state;
    kgr_registry_init(&reg, EXPIRES, NULL);
    (void)does(&reg, request(1, 2, 3), KGR_REGISTRY_DO_CHALLENGE);
    kgr_registry_end(&reg, false);
    assert_int_equal(reg.s.phase, KGR_REGISTRY_REVOKED);
    assert_false(does(&reg, made(3, 4), KGR_REGISTRY_DO_KEEP)); /* was under way */
    assert_true(does(&reg, request(1, 2, 3), KGR_REGISTRY_DO_IGNORED));
    assert_false(kgr_registry_renew(&again, &reg.s, EXPIRES, bytes[5]));
    assert_true(kgr_registry_renew(&again, &reg.s, EXPIRES, NULL));
    assert_true(again.s.pinned);
    assert_true(does(&again, request(5, 6, 3), KGR_REGISTRY_DO_ALARM));
    /* The pin outlives credentials that nobody used. */
    again.s.phase = KGR_REGISTRY_EXPIRED;
    assert_true(kgr_registry_renew(&reg, &again.s, EXPIRES, NULL));
    assert_true(does(&reg, request(5, 6, 3), KGR_REGISTRY_DO_ALARM));
    assert_true(does(&reg, request(1, 6, 3), KGR_REGISTRY_DO_CHALLENGE));
    kgr_registry_end(&reg, true);
    assert_true(kgr_registry_renew(&again, &reg.s, EXPIRES, NULL));
    assert_false(again.s.pinned);
    assert_true(does(&again, request(5, 6, 3), KGR_REGISTRY_DO_CHALLENGE));
}

static void registry_proof_is_a_hash_or_a_maker(void **state)
{
    struct kgr_registry_event event = request(1, 2, 3);
    struct kgr_registry reg, again;

    (void)state;
    event.only_proven = true;
    kgr_registry_init(&reg, EXPIRES, NULL);
    assert_true(does(&reg, event, KGR_REGISTRY_DO_UNPROVEN));
    assert_true(does(&reg, event, KGR_REGISTRY_DO_SEND_NACK));
    assert_false(reg.s.bound);
    event.certified = true;
    assert_true(does(&reg, event, KGR_REGISTRY_DO_CHALLENGE));
    assert_true(reg.s.proven);
    /* The same chip under a revoked name is as proven as it was. */
    kgr_registry_end(&reg, false);
    assert_true(kgr_registry_renew(&again, &reg.s, EXPIRES, NULL));
    event.certified = false;
    assert_true(does(&again, event, KGR_REGISTRY_DO_CHALLENGE));
    /* The AC's hash will do; the hash that only pins a revoked name proves nothing. */
    kgr_registry_init(&reg, EXPIRES, bytes[1]);
    assert_true(does(&reg, event, KGR_REGISTRY_DO_CHALLENGE));
    assert_true(reg.s.proven);
    kgr_registry_init(&reg, EXPIRES, NULL);
    assert_true(does(&reg, request(1, 2, 3), KGR_REGISTRY_DO_CHALLENGE));
    assert_false(reg.s.proven);
    kgr_registry_end(&reg, false);
    assert_true(kgr_registry_renew(&again, &reg.s, EXPIRES, NULL));
    assert_true(does(&again, event, KGR_REGISTRY_DO_UNPROVEN));
}

static void registry_random_never_serves_a_second_tpm(void **state)
{
    (void)state;
    srandom(11);
    for (int run = 0; run < 5000; run++) {
        struct kgr_registry reg;
        struct kgr_registry_state disk;
        size_t bound = 0;

        kgr_registry_init(&reg, EXPIRES, NULL);
        disk = reg.s;
        for (int i = 0; i < 40; i++) {
            struct kgr_registry_actions actions;
            struct kgr_registry_event event;
            size_t ek = random() % 2 == 0 ? 4 : 5;

            switch (random() % 5) {
            case 0:
            case 1:
                event = request(ek, 1, 2);
                break;
            case 2:
                event = made(2, 3);
                break;
            case 3:
                event = proof(2, 3, 3);
                break;
            default:
                kgr_registry_restart(&reg, &disk);
                continue;
            }
            kgr_registry_step(&reg, &event, &actions);
            for (size_t a = 0; a < actions.num; a++) {
                if (actions.list[a].type == KGR_REGISTRY_DO_PERSIST)
                    disk = reg.s;
                if (actions.list[a].type != KGR_REGISTRY_DO_CHALLENGE)
                    continue;
                assert_true(bound == 0 || bound == ek);
                bound = ek;
            }
        }
        if (reg.s.phase == KGR_REGISTRY_REGISTERED)
            assert_memory_equal(reg.s.ek, bytes[bound], 32);
    }
}

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++)
        memset(bytes[i], (int)i + 1, sizeof bytes[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_straight_way_registers),
        cmocka_unit_test(registry_same_request_gets_the_stored_answer),
        cmocka_unit_test(registry_one_challenge_at_a_time),
        cmocka_unit_test(registry_other_tpm_alarms_and_changes_nothing),
        cmocka_unit_test(registry_binding_survives_a_crash_before_the_challenge),
        cmocka_unit_test(registry_named_ek_is_the_only_one),
        cmocka_unit_test(registry_malformed_publics_ignored),
        cmocka_unit_test(registry_wrong_proof_ignored),
        cmocka_unit_test(registry_incapable_node_refused_without_binding),
        cmocka_unit_test(registry_custody_is_that_of_both_ends),
        cmocka_unit_test(registry_expiry_ends_it_in_every_open_state),
        cmocka_unit_test(registry_revoked_name_keeps_its_tpm_and_removed_does_not),
        cmocka_unit_test(registry_proof_is_a_hash_or_a_maker),
        cmocka_unit_test(registry_random_never_serves_a_second_tpm),
    };

    return cmocka_run_group_tests(tests, fill, NULL);
}
