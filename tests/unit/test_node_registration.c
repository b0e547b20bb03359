/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/registration.h"

#include "agent/node/machines/exchange_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_registration reg;
static uint64_t now;
static uint8_t exchange[KGR_REG_ID_LEN];
static uint8_t nonce[KGR_REG_NONCE_LEN];
static uint8_t done[KGR_REG_HASH_LEN];
static uint8_t other[KGR_REG_HASH_LEN];

static int setup(void **state)
{
    struct kgr_registration_state s = {.phase = KGR_REGISTRATION_ENROLLED};

    (void)state;
    memset(exchange, 1, sizeof(exchange));
    memset(nonce, 2, sizeof(nonce));
    memset(done, 3, sizeof(done));
    memset(other, 4, sizeof(other));
    memcpy(s.exchange, exchange, sizeof(exchange));
    memcpy(s.nonce_n, nonce, sizeof(nonce));
    kgr_registration_restart(&reg, &s);
    now = 1000;
    return 0;
}

static enum kgr_registration_action happen(enum kgr_registration_event_type type,
                                           const uint8_t *nonce_n, const uint8_t *transcript)
{
    struct kgr_registration_event event = {
        .type = type,
        .now_ms = now,
        .exchange = exchange,
        .nonce_n = nonce_n,
        .nonce_ks = other,
        .key_id = other,
        .suite = 1,
        .custody = 1,
        .proof = other,
        .done = done,
        .transcript = transcript,
    };

    return kgr_registration_step(&reg, &event);
}

static void restart(void)
{
    uint8_t bytes[KGR_STATE_BYTES_MAX];
    struct kgr_registration_state s;
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_registration_state_encode(&wr, &reg.s);
    assert_int_equal(kgr_registration_state_decode(&s, kgr_wr_slice(&wr)), KGR_OK);
    kgr_registration_restart(&reg, &s);
}

static void reach_proving(void)
{
    assert_int_equal(happen(KGR_REGISTRATION_START, NULL, NULL), KGR_REGISTRATION_DO_SEND_REQ);
    assert_int_equal(happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL), KGR_REGISTRATION_DO_WORK);
    assert_int_equal(happen(KGR_REGISTRATION_ACCEPTED, NULL, NULL), KGR_REGISTRATION_DO_SEND_PROOF);
}

static void whole_way_registers(void **state)
{
    (void)state;
    reach_proving();
    assert_int_equal(happen(KGR_REGISTRATION_DONE, nonce, done), KGR_REGISTRATION_DO_FINISH);
    assert_int_equal(reg.s.phase, KGR_REGISTRATION_REGISTERED);
    assert_int_equal(happen(KGR_REGISTRATION_DONE, nonce, done), KGR_REGISTRATION_DO_IGNORE);
    assert_true(reg.deadline_ms == UINT64_MAX);
}

static void lost_frames_are_repeated(void **state)
{
    (void)state;
    assert_int_equal(happen(KGR_REGISTRATION_START, NULL, NULL), KGR_REGISTRATION_DO_SEND_REQ);
    assert_int_equal(happen(KGR_REGISTRATION_TIMER, NULL, NULL), KGR_REGISTRATION_DO_NOTHING);
    now = reg.deadline_ms;
    assert_int_equal(happen(KGR_REGISTRATION_TIMER, NULL, NULL), KGR_REGISTRATION_DO_SEND_REQ);
    assert_int_equal(happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL), KGR_REGISTRATION_DO_WORK);
    assert_int_equal(happen(KGR_REGISTRATION_ACCEPTED, NULL, NULL), KGR_REGISTRATION_DO_SEND_PROOF);
    now = reg.deadline_ms;
    assert_int_equal(happen(KGR_REGISTRATION_TIMER, NULL, NULL), KGR_REGISTRATION_DO_SEND_PROOF);
}

static void challenge_twice_works_once(void **state)
{
    (void)state;
    (void)happen(KGR_REGISTRATION_START, NULL, NULL);
    assert_int_equal(happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL), KGR_REGISTRATION_DO_WORK);
    assert_int_equal(happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL), KGR_REGISTRATION_DO_IGNORE);
    (void)happen(KGR_REGISTRATION_ACCEPTED, NULL, NULL);
    assert_int_equal(happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL), KGR_REGISTRATION_DO_IGNORE);
}

static void challenge_for_another_nonce_is_ignored(void **state)
{
    (void)state;
    (void)happen(KGR_REGISTRATION_START, NULL, NULL);
    assert_int_equal(happen(KGR_REGISTRATION_CHALLENGE, other, NULL), KGR_REGISTRATION_DO_IGNORE);
    exchange[0] ^= 1;
    assert_int_equal(happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL), KGR_REGISTRATION_DO_IGNORE);
}

static void refused_challenge_leaves_the_way_open(void **state)
{
    (void)state;
    (void)happen(KGR_REGISTRATION_START, NULL, NULL);
    (void)happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL);
    assert_int_equal(happen(KGR_REGISTRATION_REFUSED, NULL, NULL), KGR_REGISTRATION_DO_NOTHING);
    assert_int_equal(reg.s.phase, KGR_REGISTRATION_ASKING);
    now = reg.deadline_ms;
    assert_int_equal(happen(KGR_REGISTRATION_TIMER, NULL, NULL), KGR_REGISTRATION_DO_SEND_REQ);
    assert_int_equal(happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL), KGR_REGISTRATION_DO_WORK);
}

static void done_with_a_wrong_transcript_is_ignored(void **state)
{
    (void)state;
    reach_proving();
    assert_int_equal(happen(KGR_REGISTRATION_DONE, nonce, other), KGR_REGISTRATION_DO_IGNORE);
    assert_int_equal(happen(KGR_REGISTRATION_DONE, other, done), KGR_REGISTRATION_DO_IGNORE);
    assert_int_equal(reg.s.phase, KGR_REGISTRATION_PROVING);
}

static void restart_at_every_persist_goes_on(void **state)
{
    (void)state;
    restart();
    assert_int_equal(happen(KGR_REGISTRATION_START, NULL, NULL), KGR_REGISTRATION_DO_SEND_REQ);
    (void)happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL);
    restart(); /* the work is lost with the process */
    assert_int_equal(happen(KGR_REGISTRATION_ACCEPTED, NULL, NULL), KGR_REGISTRATION_DO_IGNORE);
    assert_int_equal(happen(KGR_REGISTRATION_START, NULL, NULL), KGR_REGISTRATION_DO_SEND_REQ);
    (void)happen(KGR_REGISTRATION_CHALLENGE, nonce, NULL);
    (void)happen(KGR_REGISTRATION_ACCEPTED, NULL, NULL);
    restart();
    assert_int_equal(happen(KGR_REGISTRATION_START, NULL, NULL), KGR_REGISTRATION_DO_SEND_PROOF);
    assert_int_equal(happen(KGR_REGISTRATION_DONE, nonce, done), KGR_REGISTRATION_DO_FINISH);
    restart();
    assert_int_equal(happen(KGR_REGISTRATION_START, NULL, NULL), KGR_REGISTRATION_DO_NOTHING);
}

static void state_bytes_cut_or_longer_are_corrupt(void **state)
{
    uint8_t bytes[KGR_STATE_BYTES_MAX + 1] = {0};
    struct kgr_registration_state s;
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, bytes, KGR_STATE_BYTES_MAX);
    kgr_registration_state_encode(&wr, &reg.s);
    for (size_t len = 0; len <= wr.len + 1; len++)
        assert_int_equal(kgr_registration_state_decode(&s, kgr_slice(bytes, len)),
                         len == wr.len ? KGR_OK : KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(whole_way_registers, setup),
        cmocka_unit_test_setup(lost_frames_are_repeated, setup),
        cmocka_unit_test_setup(challenge_twice_works_once, setup),
        cmocka_unit_test_setup(challenge_for_another_nonce_is_ignored, setup),
        cmocka_unit_test_setup(refused_challenge_leaves_the_way_open, setup),
        cmocka_unit_test_setup(done_with_a_wrong_transcript_is_ignored, setup),
        cmocka_unit_test_setup(restart_at_every_persist_goes_on, setup),
        cmocka_unit_test_setup(state_bytes_cut_or_longer_are_corrupt, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
