/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/nksk_renewal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { NACK_SUITE = 4, NACK_CUSTODY = 5 };

static struct kgr_ks_nksk renewal;
static struct kgr_ks_nksk_request request;
static uint8_t nonce[32];
static uint8_t proof[32];
static uint8_t other[32];
static uint8_t reason;

static int setup(void **state)
{
    (void)state;
    memset(&renewal, 0, sizeof(renewal));
    memset(nonce, 1, sizeof(nonce));
    memset(proof, 2, sizeof(proof));
    memset(other, 3, sizeof(other));
    request = (struct kgr_ks_nksk_request){.sequence = 10, .suites = 3, .custodies = 5};
    memset(request.xid, 4, sizeof(request.xid));
    memset(request.hash, 5, sizeof(request.hash));
    return 0;
}

static enum kgr_ks_nksk_action happen(enum kgr_ks_nksk_event_type type,
                                      const struct kgr_ks_nksk_request *r, const uint8_t *nonce_ks,
                                      const uint8_t *transcript)
{
    struct kgr_ks_nksk_event event = {
        .type = type,
        .request = r,
        .wellformed = true,
        .own_suites = 3,
        .own_custodies = 5,
        .xid = r->xid,
        .nonce_ks = nonce_ks,
        .transcript = transcript,
    };

    return kgr_ks_nksk_step(&renewal, &event, &reason);
}

static void restart(void)
{
    struct kgr_ks_nksk_state s = renewal.s;

    kgr_ks_nksk_restart(&renewal, &s);
}

static void challenge(void)
{
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_CHALLENGE);
    assert_int_equal(happen(KGR_KS_NKSK_MADE, &request, nonce, proof), KGR_KS_NKSK_DO_KEEP);
}

static void whole_way_renews(void **state)
{
    (void)state;
    challenge();
    assert_int_equal(renewal.s.request.suite, 2);
    assert_int_equal(renewal.s.request.custody, 1);
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &request, nonce, proof), KGR_KS_NKSK_DO_PROMOTE);
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &request, nonce, proof), KGR_KS_NKSK_DO_SEND_DONE);
    restart();
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &request, nonce, proof), KGR_KS_NKSK_DO_SEND_DONE);
}

/* The KS that died with a birth under way revealed nothing; the one that died later answers as before. */
static void restarted_ks_resumes_and_makes_no_other(void **state)
{
    (void)state;
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_CHALLENGE);
    restart();
    assert_int_equal(renewal.s.phase, KGR_KS_NKSK_QUIET);
    challenge();
    restart();
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_SEND_CHAL);
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &request, nonce, proof), KGR_KS_NKSK_DO_PROMOTE);
}

static void wrong_proof_is_ignored(void **state)
{
    struct kgr_ks_nksk_request another = request;

    (void)state;
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &request, nonce, proof), KGR_KS_NKSK_DO_IGNORE);
    challenge();
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &request, other, proof), KGR_KS_NKSK_DO_IGNORE);
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &request, nonce, other), KGR_KS_NKSK_DO_IGNORE);
    another.xid[0] ^= 1;
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &another, nonce, proof), KGR_KS_NKSK_DO_IGNORE);
    assert_int_equal(renewal.s.phase, KGR_KS_NKSK_CHALLENGED);
}

static void later_request_replaces_and_a_late_one_does_not(void **state)
{
    struct kgr_ks_nksk_request another = request;

    (void)state;
    challenge();
    another.xid[0] ^= 1;
    another.hash[0] ^= 1;
    another.sequence = request.sequence - 1;
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &another, NULL, NULL), KGR_KS_NKSK_DO_IGNORE);
    another.sequence = request.sequence + 1;
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &another, NULL, NULL), KGR_KS_NKSK_DO_CHALLENGE);
    /* What stands is answered until the other is there. */
    assert_int_equal(happen(KGR_KS_NKSK_PROOF, &request, nonce, proof), KGR_KS_NKSK_DO_PROMOTE);
    assert_int_equal(happen(KGR_KS_NKSK_MADE, &another, other, other), KGR_KS_NKSK_DO_IGNORE);
}

static void challenge_made_for_another_request_is_dropped(void **state)
{
    struct kgr_ks_nksk_request another = request;

    (void)state;
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_CHALLENGE);
    another.xid[0] ^= 1;
    assert_int_equal(happen(KGR_KS_NKSK_MADE, &another, nonce, proof), KGR_KS_NKSK_DO_IGNORE);
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_IGNORE);
    assert_int_equal(happen(KGR_KS_NKSK_FAILED, &request, NULL, NULL), KGR_KS_NKSK_DO_NOTHING);
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_CHALLENGE);
}

static void answered_request_begins_nothing(void **state)
{
    (void)state;
    challenge();
    (void)happen(KGR_KS_NKSK_PROOF, &request, nonce, proof);
    request.sequence++;
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_IGNORE);
    request.hash[0] ^= 1;
    request.sequence = 1; /* of another key_id: nothing to compare */
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_CHALLENGE);
}

static void what_cannot_be_made_is_nacked(void **state)
{
    (void)state;
    request.suites = 0;
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_NACK);
    assert_int_equal(reason, NACK_SUITE);
    request.suites = 1;
    request.custodies = 0;
    assert_int_equal(happen(KGR_KS_NKSK_REQ, &request, NULL, NULL), KGR_KS_NKSK_DO_NACK);
    assert_int_equal(reason, NACK_CUSTODY);
    assert_false(renewal.job);
}

static void malformed_request_is_ignored(void **state)
{
    struct kgr_ks_nksk_event event = {
        .type = KGR_KS_NKSK_REQ, .request = &request, .own_suites = 1, .own_custodies = 1};

    (void)state;
    assert_int_equal(kgr_ks_nksk_step(&renewal, &event, &reason), KGR_KS_NKSK_DO_IGNORE);
    assert_int_equal(renewal.s.phase, KGR_KS_NKSK_QUIET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(whole_way_renews, setup),
        cmocka_unit_test_setup(restarted_ks_resumes_and_makes_no_other, setup),
        cmocka_unit_test_setup(wrong_proof_is_ignored, setup),
        cmocka_unit_test_setup(later_request_replaces_and_a_late_one_does_not, setup),
        cmocka_unit_test_setup(challenge_made_for_another_request_is_dropped, setup),
        cmocka_unit_test_setup(answered_request_begins_nothing, setup),
        cmocka_unit_test_setup(what_cannot_be_made_is_nacked, setup),
        cmocka_unit_test_setup(malformed_request_is_ignored, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
