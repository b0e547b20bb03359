/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/nksk_renewal.h"

#include "agent/wire/common.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PLAIN   KGR_REKEY_WANTED
#define STORAGE (KGR_REKEY_WANTED | KGR_REKEY_STORAGE)

static struct kgr_nksk_renewal renewal;
static uint64_t now;
static uint8_t wanted;
static uint8_t exchange[KGR_NKSK_ID_LEN];
static uint8_t nonce[KGR_NKSK_NONCE_LEN];
static uint8_t done[KGR_NKSK_HASH_LEN];
static uint8_t other[KGR_NKSK_HASH_LEN];

static int setup(void **state)
{
    const struct kgr_nksk_state idle = {.phase = KGR_NKSK_IDLE};

    (void)state;
    memset(exchange, 1, sizeof(exchange));
    memset(nonce, 2, sizeof(nonce));
    memset(done, 3, sizeof(done));
    memset(other, 4, sizeof(other));
    wanted = PLAIN;
    now = 1000;
    kgr_nksk_restart(&renewal, &idle, false);
    return 0;
}

static enum kgr_nksk_action happen_with(enum kgr_nksk_event_type type, const uint8_t *nonce_n,
                                        const uint8_t *transcript)
{
    struct kgr_nksk_event event = {
        .type = type,
        .now_ms = now,
        .wanted = wanted,
        .exchange = exchange,
        .nonce_n = nonce_n,
        .topic2 = other,
        .req_hash = other,
        .nonce_ks = other,
        .topic1 = other,
        .key_id = other,
        .proof = other,
        .done = done,
        .transcript = transcript,
    };

    return kgr_nksk_step(&renewal, &event);
}

static enum kgr_nksk_action happen(enum kgr_nksk_event_type type)
{
    return happen_with(type, nonce, done);
}

/* The process dies; what was persisted comes back as the bytes that the database had. */
static void restart(bool placed)
{
    uint8_t bytes[KGR_NKSK_STATE_BYTES_MAX];
    struct kgr_nksk_state s;
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_nksk_state_encode(&wr, &renewal.s);
    assert_true(kgr_wr_ok(&wr));
    assert_int_equal(kgr_nksk_state_decode(&s, kgr_wr_slice(&wr)), KGR_OK);
    assert_memory_equal(&s, &renewal.s, sizeof(s));
    kgr_nksk_restart(&renewal, &s, placed);
}

static void reach_asking(void)
{
    (void)happen(KGR_NKSK_SYNCED);
    assert_int_equal(happen(KGR_NKSK_WANT), KGR_NKSK_DO_PREPARE);
    if (wanted == PLAIN) {
        assert_int_equal(happen(KGR_NKSK_PREPARED), KGR_NKSK_DO_STORE);
    } else {
        assert_int_equal(happen(KGR_NKSK_PREPARED), KGR_NKSK_DO_PLACE);
        assert_int_equal(happen(KGR_NKSK_PLACED), KGR_NKSK_DO_SEND_REQ);
    }
    assert_int_equal(renewal.s.phase, KGR_NKSK_ASKING);
}

static void reach_proving(void)
{
    reach_asking();
    assert_int_equal(happen(KGR_NKSK_CHALLENGE), KGR_NKSK_DO_WORK);
    assert_int_equal(happen(KGR_NKSK_ACCEPTED), KGR_NKSK_DO_ACCEPT);
    assert_int_equal(renewal.s.phase, KGR_NKSK_PROVING);
}

static void whole_way_renews(void **state)
{
    (void)state;
    reach_proving();
    assert_int_equal(happen(KGR_NKSK_DONE), KGR_NKSK_DO_FINISH);
    assert_int_equal(renewal.s.phase, KGR_NKSK_IDLE);
    assert_int_equal(renewal.s.wanted, 0);
    assert_int_equal(happen(KGR_NKSK_DONE), KGR_NKSK_DO_IGNORE);
    assert_true(renewal.deadline_ms == UINT64_MAX);
}

static void whole_way_renews_with_a_storage_key(void **state)
{
    (void)state;
    wanted = STORAGE;
    reach_proving();
    assert_true(renewal.s.storage);
    assert_int_equal(happen(KGR_NKSK_DONE), KGR_NKSK_DO_FINISH);
}

static void lost_frames_are_repeated(void **state)
{
    (void)state;
    reach_asking();
    assert_int_equal(happen(KGR_NKSK_TIMER), KGR_NKSK_DO_NOTHING);
    now = renewal.deadline_ms;
    assert_int_equal(happen(KGR_NKSK_TIMER), KGR_NKSK_DO_SEND_REQ);
    (void)happen(KGR_NKSK_CHALLENGE);
    assert_int_equal(happen(KGR_NKSK_CHALLENGE), KGR_NKSK_DO_IGNORE);
    (void)happen(KGR_NKSK_ACCEPTED);
    now = renewal.deadline_ms;
    assert_int_equal(happen(KGR_NKSK_TIMER), KGR_NKSK_DO_SEND_PROOF);
    assert_int_equal(happen(KGR_NKSK_CHALLENGE), KGR_NKSK_DO_IGNORE);
}

static void wish_before_the_synchronisation_waits_and_survives(void **state)
{
    (void)state;
    assert_int_equal(happen(KGR_NKSK_CONNECTED), KGR_NKSK_DO_NOTHING);
    assert_int_equal(happen(KGR_NKSK_WANT), KGR_NKSK_DO_PERSIST);
    assert_int_equal(happen(KGR_NKSK_WANT), KGR_NKSK_DO_NOTHING);
    restart(false);
    assert_int_equal(happen(KGR_NKSK_SYNCED), KGR_NKSK_DO_PREPARE);
    assert_int_equal(happen(KGR_NKSK_SYNCED), KGR_NKSK_DO_NOTHING);
}

static void restart_while_asking_sends_the_same_again(void **state)
{
    (void)state;
    reach_asking();
    restart(false);
    assert_int_equal(happen(KGR_NKSK_CONNECTED), KGR_NKSK_DO_NOTHING);
    assert_int_equal(happen(KGR_NKSK_SYNCED), KGR_NKSK_DO_SEND_REQ);
    assert_memory_equal(renewal.s.exchange, exchange, sizeof(exchange));
}

static void restart_with_the_storage_key_placed_or_not(void **state)
{
    (void)state;
    wanted = STORAGE;
    reach_asking();
    restart(true);
    assert_int_equal(happen(KGR_NKSK_SYNCED), KGR_NKSK_DO_SEND_REQ);
    restart(false);
    assert_int_equal(renewal.s.phase, KGR_NKSK_IDLE);
    assert_int_equal(renewal.s.wanted, STORAGE);
    assert_int_equal(happen(KGR_NKSK_SYNCED), KGR_NKSK_DO_PREPARE);
}

/* The KS may have changed and know the old NKSK no more: no synchronisation will ever succeed before the proof. */
static void proof_does_not_wait_for_a_synchronisation(void **state)
{
    (void)state;
    reach_proving();
    restart(false);
    assert_int_equal(happen(KGR_NKSK_CONNECTED), KGR_NKSK_DO_SEND_PROOF);
    (void)happen(KGR_NKSK_LOST);
    assert_true(renewal.deadline_ms == UINT64_MAX);
    assert_int_equal(happen(KGR_NKSK_TIMER), KGR_NKSK_DO_NOTHING);
    assert_int_equal(happen(KGR_NKSK_CONNECTED), KGR_NKSK_DO_SEND_PROOF);
}

static void frame_under_the_new_key_ends_it(void **state)
{
    (void)state;
    assert_int_equal(happen(KGR_NKSK_HEARD), KGR_NKSK_DO_NOTHING);
    reach_proving();
    assert_int_equal(happen(KGR_NKSK_HEARD), KGR_NKSK_DO_FINISH);
}

static void wrong_answers_are_ignored(void **state)
{
    (void)state;
    reach_asking();
    assert_int_equal(happen_with(KGR_NKSK_CHALLENGE, other, NULL), KGR_NKSK_DO_IGNORE);
    assert_int_equal(happen(KGR_NKSK_DONE), KGR_NKSK_DO_IGNORE);
    (void)happen(KGR_NKSK_CHALLENGE);
    (void)happen(KGR_NKSK_ACCEPTED);
    assert_int_equal(happen_with(KGR_NKSK_DONE, nonce, other), KGR_NKSK_DO_IGNORE);
    assert_int_equal(happen_with(KGR_NKSK_DONE, other, done), KGR_NKSK_DO_IGNORE);
    exchange[0] ^= 1;
    assert_int_equal(happen(KGR_NKSK_DONE), KGR_NKSK_DO_IGNORE);
    exchange[0] ^= 1;
    assert_int_equal(happen(KGR_NKSK_DONE), KGR_NKSK_DO_FINISH);
}

static void refused_challenge_leaves_the_way_open(void **state)
{
    (void)state;
    reach_asking();
    (void)happen(KGR_NKSK_CHALLENGE);
    assert_int_equal(happen(KGR_NKSK_REFUSED), KGR_NKSK_DO_NOTHING);
    assert_int_equal(happen(KGR_NKSK_CHALLENGE), KGR_NKSK_DO_WORK);
}

static void nack_ends_asking_and_never_proving(void **state)
{
    (void)state;
    reach_asking();
    assert_int_equal(happen(KGR_NKSK_NACK), KGR_NKSK_DO_ABANDON);
    assert_int_equal(renewal.s.phase, KGR_NKSK_IDLE);
    reach_proving();
    assert_int_equal(happen(KGR_NKSK_NACK), KGR_NKSK_DO_IGNORE);
    assert_int_equal(renewal.s.phase, KGR_NKSK_PROVING);
}

static void failing_tpm_ends_the_wish(void **state)
{
    (void)state;
    wanted = STORAGE;
    (void)happen(KGR_NKSK_SYNCED);
    (void)happen(KGR_NKSK_WANT);
    assert_int_equal(happen(KGR_NKSK_FAILED), KGR_NKSK_DO_ABANDON);
    assert_int_equal(renewal.s.wanted, 0);
    assert_int_equal(happen(KGR_NKSK_FAILED), KGR_NKSK_DO_IGNORE);
    (void)happen(KGR_NKSK_WANT);
    (void)happen(KGR_NKSK_PREPARED);
    assert_int_equal(happen(KGR_NKSK_FAILED), KGR_NKSK_DO_ABANDON);
    assert_int_equal(renewal.s.phase, KGR_NKSK_IDLE);
}

static void wish_for_more_is_kept_and_for_less_is_satisfied(void **state)
{
    (void)state;
    reach_proving();
    assert_int_equal(happen(KGR_NKSK_WANT), KGR_NKSK_DO_NOTHING);
    wanted = STORAGE;
    assert_int_equal(happen(KGR_NKSK_WANT), KGR_NKSK_DO_PERSIST);
    assert_int_equal(happen(KGR_NKSK_DONE), KGR_NKSK_DO_FINISH);
    assert_int_equal(renewal.s.wanted, STORAGE);
    assert_int_equal(happen(KGR_NKSK_SYNCED), KGR_NKSK_DO_PREPARE);
    assert_int_equal(happen(KGR_NKSK_PREPARED), KGR_NKSK_DO_PLACE);
    assert_int_equal(renewal.s.wanted, 0);
    wanted = PLAIN;
    assert_int_equal(happen(KGR_NKSK_WANT), KGR_NKSK_DO_NOTHING);
}

static void age_is_spread_by_key_id(void **state)
{
    uint8_t key_id[KGR_NKSK_ID_LEN] = {0};

    (void)state;
    assert_int_equal(kgr_nksk_due_s(key_id, 1000), 750);
    key_id[0] = 20;
    assert_int_equal(kgr_nksk_due_s(key_id, 1000), 950);
    for (unsigned int i = 0; i < 256; i++) {
        key_id[0] = (uint8_t)i;
        assert_in_range(kgr_nksk_due_s(key_id, 100 * 365 * 86400ull), 75 * 365 * 86400ull,
                        95 * 365 * 86400ull);
    }
}

static void damaged_state_is_refused(void **state)
{
    uint8_t bytes[KGR_NKSK_STATE_BYTES_MAX];
    struct kgr_nksk_state s;
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_nksk_state_encode(&wr, &renewal.s);
    for (size_t len = 0; len < wr.len; len++)
        assert_int_equal(kgr_nksk_state_decode(&s, kgr_slice(bytes, len)), KGR_ERR_CORRUPT);
    bytes[1] = KGR_NKSK_PROVING + 1;
    assert_int_equal(kgr_nksk_state_decode(&s, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    bytes[1] = 0;
    bytes[2] = KGR_REKEY_STORAGE;
    assert_int_equal(kgr_nksk_state_decode(&s, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(whole_way_renews, setup),
        cmocka_unit_test_setup(whole_way_renews_with_a_storage_key, setup),
        cmocka_unit_test_setup(lost_frames_are_repeated, setup),
        cmocka_unit_test_setup(wish_before_the_synchronisation_waits_and_survives, setup),
        cmocka_unit_test_setup(restart_while_asking_sends_the_same_again, setup),
        cmocka_unit_test_setup(restart_with_the_storage_key_placed_or_not, setup),
        cmocka_unit_test_setup(proof_does_not_wait_for_a_synchronisation, setup),
        cmocka_unit_test_setup(frame_under_the_new_key_ends_it, setup),
        cmocka_unit_test_setup(wrong_answers_are_ignored, setup),
        cmocka_unit_test_setup(refused_challenge_leaves_the_way_open, setup),
        cmocka_unit_test_setup(nack_ends_asking_and_never_proving, setup),
        cmocka_unit_test_setup(failing_tpm_ends_the_wish, setup),
        cmocka_unit_test_setup(wish_for_more_is_kept_and_for_less_is_satisfied, setup),
        cmocka_unit_test_setup(age_is_spread_by_key_id, setup),
        cmocka_unit_test_setup(damaged_state_is_refused, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
