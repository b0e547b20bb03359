/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/frames.h"

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/store/store.h"
#include "agent/seal/seal.h"
#include "agent/seal/software.h"
#include "agent/tpm/tpm.h"
#include "agent/tpm/worker.h"
#include "tests/support/swtpm.h"
#include "tests/support/toy_cipher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The receive and send paths under keys of NTAG's kind, which need no TPM objects, with a real worker. */
static struct swtpm swtpm;
static char folder[64];
static struct kgr_tpm_worker *worker;
static struct kgr_state opened;
static struct kgr_db *db; /* of opened */
static struct kgr_frames frames;
static struct kgr_software_key *ks_key; /* the KS's copy of the keys */
static uint64_t now;
static uint8_t *secret;
static const uint8_t key_id[KGR_KEY_ID_LEN] = {1, 2, 3};

static size_t num_taken;
static uint8_t taken[256];
static size_t taken_len;
static enum kgr_error answer; /* of on_frame */
static enum kgr_frame_set expected_set;
static uint8_t published[512];
static size_t published_len;

static enum kgr_error publish(void *arg, const uint8_t topic[KGR_TOPIC_LEN], struct kgr_slice frame)
{
    (void)arg;
    assert_int_equal(topic[0], 9);
    assert_true(frame.len <= sizeof(published));
    memcpy(published, frame.p, frame.len);
    published_len = frame.len;
    return KGR_OK;
}

static enum kgr_error on_frame(void *arg, const struct kgr_frame_in *frame)
{
    (void)arg;
    num_taken++;
    assert_int_equal(frame->set, expected_set);
    assert_true(frame->body.len <= sizeof(taken));
    kgr_copy(taken, frame->body.p, frame->body.len);
    taken_len = frame->body.len;
    return answer;
}

static void notify(void *arg)
{
    (void)arg;
}

static struct kgr_software_key *make_key(void)
{
    struct kgr_software_key *key = NULL;

    assert_int_equal(kgr_software_key_new(&key, KGR_SUITE_AES128_SHA256, kgr_slice(secret, 16),
                                          kgr_slice(secret + 16, 32)),
                     KGR_OK);
    return key;
}

static void begin(void)
{
    struct kgr_frames_owner owner = {
        .worker = worker, .db = db, .epoch = 7, .publish = publish, .on_frame = on_frame};

    kgr_frames_init(&frames, &owner, now);
    assert_int_equal(kgr_frames_set_software(&frames, KGR_FRAME_NTAG, KGR_SUITE_AES128_SHA256,
                                             key_id, make_key(), NULL),
                     KGR_OK);
}

static int group_setup(void **state)
{
    struct kgr_page_keys keys = toy_keys();
    struct kgr_tpm *tpm = NULL;

    (void)state;
    if (kgr_arena_init(512 * 1024) != KGR_OK)
        return -1;
    kgr_log_set_level(KGR_LOG_ERROR);
    swtpm_start(&swtpm);
    (void)snprintf(folder, sizeof(folder), "/tmp/kgr-frames.XXXXXX");
    if (mkdtemp(folder) == NULL || kgr_tpm_open(&tpm, swtpm.tcti, NULL) != KGR_OK ||
        kgr_tpm_worker_start(&worker, tpm, 64, notify, NULL) != KGR_OK)
        return -1;
    secret = kgr_secret_alloc(48);
    if (secret == NULL || kgr_node_store_open(&opened, folder, &keys, 1, true, NULL) != KGR_OK)
        return -1;
    db = opened.db;
    kgr_random(secret, 48);
    ks_key = make_key();
    return 0;
}

static int group_teardown(void **state)
{
    char command[128];

    (void)state;
    kgr_tpm_worker_stop(worker);
    kgr_software_key_free(ks_key);
    kgr_state_close(&opened);
    swtpm_stop(&swtpm);
    kgr_secret_free(secret);
    kgr_arena_deinit();
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(kgr_db_exec(db, "DELETE FROM windows", NULL), KGR_OK);
    now = kgr_clock_boot_ms();
    num_taken = 0;
    answer = KGR_OK;
    expected_set = KGR_FRAME_NTAG;
    published_len = 0;
    begin();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kgr_frames_deinit(&frames);
    return 0;
}

/* A frame as the KS would send it. */
struct made {
    uint8_t bytes[512];
    size_t len;
};

static struct made make(uint8_t type, uint8_t role, uint32_t epoch, uint32_t counter)
{
    struct made m;
    struct kgr_frame_header header = {.type = type,
                                      .suite = KGR_SUITE_AES128_SHA256,
                                      .role = role,
                                      .epoch = epoch,
                                      .counter = counter};
    struct kgr_seal_key key = kgr_software_key_seal(ks_key);
    struct kgr_frame_layout layout;
    struct kgr_wr wr;

    memcpy(header.key_id, key_id, KGR_KEY_ID_LEN);
    kgr_wr_init(&wr, m.bytes, sizeof(m.bytes));
    assert_int_equal(kgr_frame_layout(&layout, &wr, &header, 5), KGR_OK);
    kgr_random(layout.iv, KGR_IV_LEN);
    assert_int_equal(kgr_seal_encrypt(&key, layout.body, layout.tag, layout.iv, layout.aad,
                                      kgr_slice("hello", 5)),
                     KGR_OK);
    m.len = wr.len;
    return m;
}

static void drain(void)
{
    while (frames.num_jobs > 0)
        (void)kgr_tpm_worker_drain(worker);
}

static void receive(const struct made *m)
{
    kgr_frames_receive(&frames, kgr_slice(m->bytes, m->len), now);
    drain();
}

static void assert_refused(enum kgr_frame_cause cause, uint64_t count)
{
    assert_true(frames.refused[cause] == count);
    assert_true(kgr_frames_refused(&frames) == count);
    assert_int_equal(num_taken, 0);
}

static void receive_good_frame_taken(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);

    (void)state;
    receive(&m);
    assert_int_equal(num_taken, 1);
    assert_int_equal(taken_len, 5);
    assert_memory_equal(taken, "hello", 5);
    assert_true(kgr_frames_refused(&frames) == 0);
}

static void receive_copy_replay(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);

    (void)state;
    receive(&m);
    receive(&m);
    assert_int_equal(num_taken, 1);
    assert_true(frames.refused[KGR_REFUSED_REPLAY] == 1);
}

static void receive_copies_at_once_one_taken(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);

    (void)state;
    for (int i = 0; i < 3; i++) /* all before the first is verified */
        kgr_frames_receive(&frames, kgr_slice(m.bytes, m.len), now);
    drain();
    assert_int_equal(num_taken, 1);
    assert_true(frames.refused[KGR_REFUSED_REPLAY] == 2);
}

static void receive_copy_after_restart_replay(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 3, 9);
    struct made old = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 2, 10);

    (void)state;
    receive(&m);
    kgr_frames_deinit(&frames);
    begin();
    num_taken = 0;
    receive(&m);
    receive(&old);
    assert_refused(KGR_REFUSED_REPLAY, 2);
}

static void receive_every_byte_spoiled_refused(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);

    (void)state;
    for (size_t i = 0; i < m.len; i++) {
        struct made spoiled = m;

        spoiled.bytes[i] ^= 1;
        now += 1000; /* the bucket is not what is tested here */
        receive(&spoiled);
    }
    assert_int_equal(num_taken, 0);
    assert_true(kgr_frames_refused(&frames) == m.len);
    /* Nothing of it changed the window. */
    receive(&m);
    assert_int_equal(num_taken, 1);
}

static void receive_cut_or_longer_size(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);
    struct made other = m;

    (void)state;
    for (other.len = 0; other.len < m.len; other.len++)
        receive(&other);
    other.len = m.len + 1;
    receive(&other);
    assert_refused(KGR_REFUSED_SIZE, m.len + 1);
}

static void receive_wrong_type_or_role_type(void **state)
{
    (void)state;
    for (uint8_t type = 1; type <= 24; type++) {
        struct made m = make(type, KGR_ROLE_KS, 1, type);

        if (type != KGR_FRAME_REG_CHAL && type != KGR_FRAME_NACK)
            receive(&m);
    }
    for (uint8_t role = 1; role <= 3; role++) {
        struct made m = make(KGR_FRAME_REG_CHAL, role, 1, role);

        if (role != KGR_ROLE_KS)
            receive(&m);
    }
    assert_refused(KGR_REFUSED_TYPE, 24);
}

static void install(enum kgr_frame_set set, uint8_t id)
{
    uint8_t other_id[KGR_KEY_ID_LEN] = {id};

    assert_int_equal(
        kgr_frames_set_software(&frames, set, KGR_SUITE_AES128_SHA256, other_id, make_key(), NULL),
        KGR_OK);
}

/* Under the key_id {id}. */
static struct made make_under(uint8_t id, uint8_t type, uint32_t epoch, uint32_t counter)
{
    struct made m;
    uint8_t other_id[KGR_KEY_ID_LEN] = {id};
    struct kgr_frame_header header = {.type = type,
                                      .suite = KGR_SUITE_AES128_SHA256,
                                      .role = KGR_ROLE_KS,
                                      .epoch = epoch,
                                      .counter = counter};
    struct kgr_seal_key key = kgr_software_key_seal(ks_key);
    struct kgr_frame_layout layout;
    struct kgr_wr wr;

    memcpy(header.key_id, other_id, sizeof(other_id));
    kgr_wr_init(&wr, m.bytes, sizeof(m.bytes));
    assert_int_equal(kgr_frame_layout(&layout, &wr, &header, 5), KGR_OK);
    kgr_random(layout.iv, KGR_IV_LEN);
    assert_int_equal(kgr_seal_encrypt(&key, layout.body, layout.tag, layout.iv, layout.aad,
                                      kgr_slice("hello", 5)),
                     KGR_OK);
    m.len = wr.len;
    return m;
}

/* Both NKSKs receive, each in a window of its own, until the new one is in force; then the old is a stranger. */
static void renewed_key_takes_the_place_of_the_old(void **state)
{
    struct made old = make_under(70, KGR_FRAME_SYNC_ANS, 5, 9);
    struct made late = make_under(70, KGR_FRAME_SYNC_ANS, 5, 10);
    struct made new = make_under(80, KGR_FRAME_NKSK_DONE, 1, 1);
    struct made again = make_under(80, KGR_FRAME_NKSK_DONE, 1, 1);
    struct made challenge = make_under(80, KGR_FRAME_NKSK_CHAL, 1, 2);
    const uint8_t topic[KGR_TOPIC_LEN] = {9};
    const uint8_t xid[KGR_XID_LEN] = {1};

    (void)state;
    install(KGR_FRAME_NKSK, 70);
    install(KGR_FRAME_NEXT, 80);
    expected_set = KGR_FRAME_NKSK;
    receive(&old);
    expected_set = KGR_FRAME_NEXT;
    receive(&new);
    assert_int_equal(num_taken, 2);
    receive(&challenge); /* comes under the one in force only */
    assert_true(frames.refused[KGR_REFUSED_TYPE] == 1);
    assert_int_equal(kgr_frames_send(&frames, KGR_FRAME_NEXT, topic, KGR_FRAME_NKSK_PROOF, xid,
                                     kgr_slice("hello", 5), NULL),
                     KGR_OK);
    assert_int_equal(kgr_frames_count(&frames, KGR_FRAME_NEXT), 1);
    assert_int_equal(kgr_frames_count(&frames, KGR_FRAME_NKSK), 0);
    kgr_frames_promote(&frames);
    assert_int_equal(kgr_frames_count(&frames, KGR_FRAME_NKSK), 1);
    assert_int_equal(kgr_frames_count(&frames, KGR_FRAME_NEXT), 0);
    receive(&late);
    assert_true(frames.refused[KGR_REFUSED_KEY] == 1);
    receive(&again); /* its window came with it */
    assert_true(frames.refused[KGR_REFUSED_REPLAY] == 1);
    expected_set = KGR_FRAME_NKSK;
    receive(&challenge);
    assert_int_equal(num_taken, 3);
    kgr_frames_promote(&frames); /* without another: nothing */
    assert_int_equal(kgr_frames_count(&frames, KGR_FRAME_NKSK), 1);
}

/* A frame of the old one that was on its way through the TPM when it was replaced. */
static void frame_of_a_key_replaced_meanwhile_is_refused(void **state)
{
    struct made old = make_under(70, KGR_FRAME_SYNC_ANS, 5, 9);

    (void)state;
    install(KGR_FRAME_NKSK, 70);
    install(KGR_FRAME_NEXT, 80);
    kgr_frames_receive(&frames, kgr_slice(old.bytes, old.len), now);
    kgr_frames_promote(&frames);
    drain();
    assert_refused(KGR_REFUSED_REPLAY, 1);
}

static void receive_unknown_key_key(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);

    (void)state;
    kgr_frames_drop(&frames, KGR_FRAME_NTAG);
    receive(&m);
    assert_refused(KGR_REFUSED_KEY, 1);
}

static void receive_key_dropped_meanwhile_refused(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);

    (void)state;
    kgr_frames_receive(&frames, kgr_slice(m.bytes, m.len), now);
    kgr_frames_drop(&frames, KGR_FRAME_NTAG);
    drain();
    assert_int_equal(num_taken, 0);
    assert_true(kgr_frames_refused(&frames) == 1);
}

static void receive_flood_rate(void **state)
{
    struct made forged = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);

    (void)state;
    forged.bytes[forged.len - 1] ^= 1;
    for (int i = 0; i < 100; i++)
        receive(&forged);
    assert_true(frames.refused[KGR_REFUSED_TAG] == 40);
    assert_true(frames.refused[KGR_REFUSED_RATE] == 60);
    now += 1010; /* the bucket is some ms younger than now was */
    for (int i = 0; i < 30; i++)
        receive(&forged);
    assert_true(frames.refused[KGR_REFUSED_TAG] == 60);
}

static void receive_malformed_body_body_and_window_stays(void **state)
{
    struct made m = make(KGR_FRAME_REG_CHAL, KGR_ROLE_KS, 1, 1);
    struct kgr_window window;

    (void)state;
    answer = KGR_ERR_CORRUPT;
    receive(&m);
    assert_true(frames.refused[KGR_REFUSED_BODY] == 1);
    assert_int_equal(kgr_window_load(db, &window, key_id, NULL), KGR_OK);
    assert_int_equal(window.epoch, 0);
}

static void send_is_what_the_ks_opens(void **state)
{
    static const uint8_t topic[KGR_TOPIC_LEN] = {9};
    static const uint8_t xid[KGR_XID_LEN] = {5};
    struct kgr_seal_key key = kgr_software_key_seal(ks_key);
    uint64_t sequences[2];
    uint8_t plain[64];
    uint8_t ivs[2][KGR_IV_LEN];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct kgr_frame frame;

        published_len = 0;
        assert_int_equal(kgr_frames_send(&frames, KGR_FRAME_NTAG, topic, KGR_FRAME_REG_REQ, xid,
                                         kgr_slice("ask", 3), &sequences[i]),
                         KGR_OK);
        while (published_len == 0)
            (void)kgr_tpm_worker_drain(worker);
        assert_int_equal(kgr_frame_parse(&frame, published, published_len), KGR_FRAME_FINE);
        assert_int_equal(frame.header.role, KGR_ROLE_NODE);
        assert_int_equal(frame.header.epoch, 7);
        assert_int_equal(frame.header.counter, i + 1);
        assert_true(kgr_frame_sequence(&frame.header) == sequences[i]);
        memcpy(ivs[i], frame.iv, KGR_IV_LEN);
        assert_int_equal(
            kgr_seal_decrypt(&key, plain, &len, frame.iv, frame.aad, frame.body, frame.tag),
            KGR_OK);
        assert_int_equal(len, 3);
        assert_memory_equal(plain, "ask", 3);
    }
    assert_memory_not_equal(ivs[0], ivs[1], KGR_IV_LEN);
}

static void send_without_keys_state(void **state)
{
    static const uint8_t topic[KGR_TOPIC_LEN];

    (void)state;
    assert_int_equal(kgr_frames_send(&frames, KGR_FRAME_NKSK, topic, KGR_FRAME_SYNC_REQ, topic,
                                     kgr_slice("x", 1), NULL),
                     KGR_ERR_STATE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(receive_good_frame_taken),
        TEST(receive_copy_replay),
        TEST(receive_copies_at_once_one_taken),
        TEST(receive_copy_after_restart_replay),
        TEST(receive_every_byte_spoiled_refused),
        TEST(receive_cut_or_longer_size),
        TEST(receive_wrong_type_or_role_type),
        TEST(renewed_key_takes_the_place_of_the_old),
        TEST(frame_of_a_key_replaced_meanwhile_is_refused),
        TEST(receive_unknown_key_key),
        TEST(receive_key_dropped_meanwhile_refused),
        TEST(receive_flood_rate),
        TEST(receive_malformed_body_body_and_window_stays),
        TEST(send_is_what_the_ks_opens),
        TEST(send_without_keys_state),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
