/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/fast.h"

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/node/node.h"
#include "agent/wire/ipc_etm.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Workers beside a loop: no TPM, no socket; the keys are given to the table as if a TPM had unsealed them. */

#define WORKERS   3u
#define ARENA_LEN (1024 * 1024)
#define LIFETIME  1000u

static struct kgr_settings settings;
static struct kgr_node node;
static struct kgr_views views;
static struct kgr_pair *pair;
static struct kgr_ring_key *key;
static struct kgr_software_key *software; /* as a keyset holds it; NULL: closed */
static atomic_bool allowed = true;
static uint32_t rights = KGR_RIGHTS_ALL;     /* while allowed */
static _Atomic uint64_t stored_ceiling;      /* "on disk" */
static _Atomic uint64_t in_request[WORKERS]; /* odd: in one */

struct kgr_software_key *__wrap_kgr_keyset_hold(struct kgr_keyset *keyset);
struct kgr_software_key *__wrap_kgr_keyset_hold(struct kgr_keyset *keyset)
{
    (void)keyset;
    return software == NULL ? NULL : kgr_software_key_hold(software);
}

bool __wrap_kgr_principal_allows(struct kgr_principal *principal, const char *peer,
                                 enum kgr_right right);
bool __wrap_kgr_principal_allows(struct kgr_principal *principal, const char *peer,
                                 enum kgr_right right)
{
    (void)principal;
    (void)peer;
    return atomic_load(&allowed) && (rights & KGR_RIGHT_BIT(right)) != 0;
}

/* As workers have it: waits for those who are in a request, then frees. */
static enum kgr_error retire(void *ctx, kgr_loop_fn *fn, void *arg)
{
    (void)ctx;
    for (size_t i = 0; i < WORKERS; i++) {
        uint64_t seen = atomic_load(&in_request[i]);

        while (seen % 2 == 1 && atomic_load(&in_request[i]) == seen)
            (void)sched_yield();
    }
    fn(arg);
    return KGR_OK;
}

static struct kgr_software_key *make_software(void)
{
    static const uint8_t bytes[48] = {1, 2, 3};
    struct kgr_software_key *made = NULL;

    assert_int_equal(kgr_software_key_new(&made, KGR_SUITE_AES128_SHA256, kgr_slice(bytes, 16),
                                          kgr_slice(bytes + 16, 32)),
                     KGR_OK);
    return made;
}

static void publish(void)
{
    kgr_views_publish(&views, &node);
}

static int begin(void **state)
{
    struct kgr_nid self = {"N1"};
    struct kgr_nid peer = {"N2"};

    (void)state;
    settings = (struct kgr_settings){.overlap_s = 100, .budget = UINT64_C(1) << 32};
    memset(&node, 0, sizeof(node));
    memset(&views, 0, sizeof(views));
    node.settings = &settings;
    node.sync.lease_ms = kgr_clock_boot_ms() + 1000000;
    views.retire = retire;
    allowed = true;
    rights = KGR_RIGHTS_ALL;
    stored_ceiling = 0;
    assert_int_equal(kgr_pairs_init(&node.pairs, &self), KGR_OK);
    assert_int_equal(kgr_pairs_ensure(&node.pairs, &pair, &peer, false), KGR_OK);
    pair->status = KGR_PAIR_ALLOWED;
    pair->ex.s.current.generation = 1;
    key = calloc(1, sizeof(*key));
    assert_non_null(key);
    key->generation = 1;
    key->suite = KGR_SUITE_AES128_SHA256;
    key->own_role = 1;
    key->born_ms = kgr_clock_boot_ms();
    key->lifetime_s = LIFETIME;
    assert_int_equal(kgr_ring_put(node.pairs.ring, &peer, KGR_RING_CURRENT, key), KGR_OK);
    assert_non_null(kgr_pair_add_records(pair, 1));
    software = make_software();
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_views_deinit(&views);
    kgr_software_key_free(software);
    software = NULL;
    kgr_pairs_deinit(&node.pairs);
    return 0;
}

/* What the loop does when it is woken. */
static void refill(void)
{
    struct kgr_pair_records *records = pair->records[0];

    if (!atomic_exchange(&views.wanted, false) || !atomic_exchange(&records->wanted, false))
        return;
    if (kgr_record_send_is_low(&records->send)) {
        stored_ceiling = kgr_record_send_more(&records->send, 1);
        kgr_record_send_raise(&records->send, stored_ceiling);
    }
    if (kgr_record_recv_is_low(&records->recv))
        kgr_record_recv_raise(&records->recv, kgr_record_recv_more(&records->recv, 1));
    if (kgr_budget_is_low(&records->budget))
        kgr_budget_raise(&records->budget, kgr_budget_more(&records->budget, settings.budget, 1));
}

/* What the loop does with a request that was left to it. */
static void reserve_all(void)
{
    struct kgr_pair_records *records = pair->records[0];
    uint64_t value = 0;
    bool needed = false;

    assert_int_equal(kgr_record_send_need(&records->send, 1, &needed, &value), KGR_OK);
    if (needed) {
        stored_ceiling = value;
        kgr_record_send_raise(&records->send, value);
    }
    kgr_record_recv_raise(&records->recv, kgr_record_recv_more(&records->recv, 1));
    if (kgr_budget_need(&records->budget, settings.budget, 10000, 1, &value))
        kgr_budget_raise(&records->budget, value);
}

/* Asking */

static bool ask(struct kgr_fast_scratch *scratch, uint16_t op, struct kgr_slice body,
                struct kgr_wr *reply)
{
    static char principal;
    const struct kgr_fast_request request = {
        .op = op, .body = body, .scratch = scratch, .principal = (void *)&principal};

    return kgr_fast_handle(&views, &request, reply);
}

static struct kgr_slice seal_body(uint8_t *buf, size_t cap, struct kgr_slice data)
{
    struct kgr_ipc_seal seal = {.peer = {"N2"}, .data = data};
    struct kgr_wr wr;

    kgr_wr_init(&wr, buf, cap);
    assert_int_equal(kgr_ipc_seal_encode(&wr, &seal), KGR_OK);
    return kgr_wr_slice(&wr);
}

static bool seal(struct kgr_fast_scratch *scratch, uint8_t *out, size_t cap, size_t *out_len)
{
    uint8_t buf[256];
    struct kgr_wr reply;

    kgr_wr_init(&reply, out, cap);
    if (!ask(scratch, KGR_IPC_SEAL, seal_body(buf, sizeof(buf), kgr_slice("data", 4)), &reply))
        return false;
    *out_len = reply.len;
    return true;
}

static uint64_t sequence_of(const uint8_t *record)
{
    struct kgr_rd rd;

    kgr_rd_init(&rd, record + 20, 8);
    return kgr_rd_u64(&rd);
}

/* Tests */

static void what_is_not_plain_is_left_to_the_loop(void **state)
{
    struct kgr_fast_scratch *scratch = calloc(1, sizeof(*scratch));
    uint8_t out[256];
    size_t len;

    (void)state;
    assert_non_null(scratch);
    assert_false(seal(scratch, out, sizeof(out), &len)); /* nothing published */
    publish();
    assert_false(seal(scratch, out, sizeof(out), &len)); /* no number reserved */
    reserve_all();
    assert_true(seal(scratch, out, sizeof(out), &len));
    assert_int_equal(sequence_of(out), 1);
    assert_int_equal(len, kgr_record_len(KGR_SUITE_AES128_SHA256, 4));
    allowed = false;
    assert_false(seal(scratch, out, sizeof(out), &len));
    allowed = true;
    key->lifetime_s = 0;
    publish();
    assert_false(seal(scratch, out, sizeof(out), &len)); /* expired */
    key->lifetime_s = LIFETIME;
    pair->confirmed = 2;
    publish();
    assert_false(seal(scratch, out, sizeof(out), &len)); /* the KS confirmed another */
    pair->confirmed = 1;
    node.sync.lease_ms = kgr_clock_boot_ms();
    publish();
    assert_false(seal(scratch, out, sizeof(out), &len)); /* no lease */
    node.sync.lease_ms += 100000;
    settings.budget = 1;
    publish();
    assert_false(seal(scratch, out, sizeof(out), &len)); /* the budget is spent */
    settings.budget = 1000;
    publish();
    assert_true(seal(scratch, out, sizeof(out), &len));
    node.revoked = 1;
    publish();
    assert_false(seal(scratch, out, sizeof(out), &len));
    free(scratch);
}

#define OF(right) KGR_RIGHT_BIT(KGR_RIGHT_##right)

/* Is the request answered by whoever has just these rights, and by nobody who lacks one of them? */
static void needs(uint32_t needed, uint16_t op, const struct kgr_wr *body)
{
    struct kgr_fast_scratch *scratch = calloc(1, sizeof(*scratch));
    uint8_t out[1024];
    struct kgr_wr reply;

    assert_non_null(scratch);
    assert_true(kgr_wr_ok(body));
    kgr_wr_init(&reply, out, sizeof(out));
    rights = needed;
    assert_true(ask(scratch, op, kgr_wr_slice(body), &reply));
    for (unsigned int right = 0; right < KGR_NUM_RIGHTS; right++) {
        if ((needed & KGR_RIGHT_BIT(right)) == 0)
            continue;
        rights = KGR_RIGHTS_ALL & ~KGR_RIGHT_BIT(right);
        kgr_wr_init(&reply, out, sizeof(out));
        assert_false(ask(scratch, op, kgr_wr_slice(body), &reply));
        assert_int_equal(reply.len, 0);
    }
    rights = KGR_RIGHTS_ALL;
    free(scratch);
}

static void cipher_needs(uint32_t needed, int mode, int direction)
{
    const struct kgr_ipc_cipher cipher = {.key = {.peer = {"N2"}},
                                          .direction = (uint8_t)direction,
                                          .mode = (uint8_t)mode,
                                          .data = kgr_slice("sixteen bytes...", 16)};
    uint8_t buf[256];
    struct kgr_wr wr;

    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_cipher_encode(&wr, &cipher), KGR_OK);
    needs(needed, KGR_IPC_CIPHER, &wr);
}

static void batch_needs(uint32_t needed, uint16_t op, struct kgr_slice data)
{
    const struct kgr_ipc_batch batch = {.peer = {"N2"}, .stored = true, .num = 1};
    const struct kgr_ipc_batch_item item = {.data = data};
    uint8_t buf[256];
    struct kgr_wr wr;

    kgr_wr_init(&wr, buf, sizeof(buf));
    kgr_ipc_batch_head_write(&wr, &batch);
    kgr_ipc_batch_item_write(&wr, &item);
    needs(needed, op, &wr);
}

static void record_needs(uint32_t needed, uint16_t op, struct kgr_slice data)
{
    const struct kgr_ipc_seal seal = {.peer = {"N2"}, .stored = true, .data = data};
    uint8_t buf[256];
    struct kgr_wr wr;

    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_seal_encode(&wr, &seal), KGR_OK);
    needs(needed, op, &wr);
}

static void every_request_needs_its_rights(void **state)
{
    static const int modes[] = {KGR_TPM_ECB, KGR_TPM_CBC, KGR_TPM_CTR, KGR_TPM_CFB, KGR_TPM_OFB};
    const struct kgr_ipc_mac mac = {.key = {.peer = {"N2"}}, .data = kgr_slice("data", 4)};
    struct kgr_ipc_etm etm = {.key = {.peer = {"N2"}}, .data = kgr_slice("data", 4)};
    struct kgr_fast_scratch *scratch = calloc(1, sizeof(*scratch));
    struct kgr_ipc_etm_reply sealed;
    uint8_t buf[256], etm_out[256], record[256];
    struct kgr_wr wr, reply;
    const struct kgr_ipc_seal seal = {.peer = {"N2"}, .stored = true, .data = kgr_slice("data", 4)};
    size_t record_length;

    (void)state;
    assert_non_null(scratch);
    publish();
    reserve_all();
    for (size_t i = 0; i < KGR_ARRAY_LEN(modes); i++) {
        bool blocks = modes[i] == KGR_TPM_ECB || modes[i] == KGR_TPM_CBC;

        cipher_needs(OF(ENCRYPT), modes[i], KGR_TPM_ENCRYPT);
        cipher_needs(blocks ? OF(DECRYPT) : OF(ENCRYPT), modes[i], KGR_TPM_DECRYPT);
    }
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_mac_encode(&wr, &mac), KGR_OK);
    needs(OF(SIGN), KGR_IPC_MAC, &wr);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_etm_encode(&wr, false, &etm), KGR_OK);
    needs(OF(ENCRYPT) | OF(SIGN), KGR_IPC_ETM, &wr);
    kgr_wr_init(&reply, etm_out, sizeof(etm_out));
    assert_true(ask(scratch, KGR_IPC_ETM, kgr_wr_slice(&wr), &reply));
    assert_int_equal(kgr_ipc_etm_reply_decode(&sealed, kgr_wr_slice(&reply)), KGR_OK);
    etm.data = kgr_slice(sealed.sealed.p, 16);
    etm.tag = kgr_slice(sealed.sealed.p + 16, 16);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_etm_encode(&wr, true, &etm), KGR_OK);
    needs(OF(DECRYPT) | OF(SIGN), KGR_IPC_ETM_OPEN, &wr);
    record_needs(OF(SEAL), KGR_IPC_SEAL, kgr_slice("data", 4));
    batch_needs(OF(SEAL), KGR_IPC_SEAL_BATCH, kgr_slice("data", 4));
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_seal_encode(&wr, &seal), KGR_OK);
    kgr_wr_init(&reply, record, sizeof(record));
    assert_true(ask(scratch, KGR_IPC_SEAL, kgr_wr_slice(&wr), &reply));
    record_length = reply.len;
    key->own_role = 2; /* as the peer has it */
    publish();
    record_needs(OF(OPEN), KGR_IPC_OPEN, kgr_slice(record, record_length));
    batch_needs(OF(OPEN), KGR_IPC_OPEN_BATCH, kgr_slice(record, record_length));
    free(scratch);
}

static void only_changes_are_published(void **state)
{
    const struct kgr_snapshot *first;

    (void)state;
    publish();
    first = views.current;
    publish();
    assert_ptr_equal(views.current, first);
    pair->confirmed = 1; /* says nothing new: generation 1 is current */
    publish();
    assert_ptr_equal(views.current, first);
    key->born_ms--;
    publish();
    assert_ptr_not_equal(views.current, first);
    first = views.current;
    kgr_software_key_free(software);
    software = make_software();
    publish();
    assert_ptr_not_equal(views.current, first);
}

static size_t room(void)
{
    size_t len = ARENA_LEN;
    void *p;

    while ((p = kgr_secret_alloc(len)) == NULL)
        len -= 32;
    kgr_secret_free(p);
    return len;
}

/* Threads */

struct worker {
    pthread_t thread;
    unsigned int index;
    uint64_t *sequences;
    size_t num;
    bool failed;
};

static struct worker workers[WORKERS];
static atomic_bool stop;
static atomic_bool revoked;

static void start(void *(*run)(void *arg))
{
    stop = false;
    revoked = false;
    for (unsigned int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.index = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
}

static void join(void)
{
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (size_t i = 0; i < WORKERS; i++)
        assert_false(workers[i].failed);
}

#define TAKEN_EACH 6000u

static size_t seal_many(struct worker *worker, struct kgr_fast_scratch *scratch, uint8_t *out,
                        size_t cap)
{
    uint8_t body[512];
    struct kgr_ipc_batch batch = {.peer = {"N2"}, .num = 7};
    const struct kgr_ipc_batch_item item = {.data = kgr_slice("data", 4)};
    struct kgr_wr wr;
    struct kgr_wr reply;
    struct kgr_rd rd;

    kgr_wr_init(&wr, body, sizeof(body));
    kgr_ipc_batch_head_write(&wr, &batch);
    for (size_t i = 0; i < batch.num; i++)
        kgr_ipc_batch_item_write(&wr, &item);
    kgr_wr_init(&reply, out, cap);
    if (!ask(scratch, KGR_IPC_SEAL_BATCH, kgr_wr_slice(&wr), &reply))
        return 0;
    kgr_rd_init(&rd, out, reply.len);
    for (size_t i = 0; i < batch.num; i++)
        worker->sequences[worker->num + i] = sequence_of(kgr_ipc_sealed_read(&rd).p);
    worker->failed = worker->failed || !kgr_rd_done(&rd);
    return batch.num;
}

static void *take_numbers(void *arg)
{
    struct worker *worker = arg;
    struct kgr_fast_scratch *scratch = calloc(1, sizeof(*scratch));
    uint8_t out[2048];
    size_t len;

    worker->sequences = calloc(TAKEN_EACH + 8, sizeof(uint64_t));
    while (worker->num < TAKEN_EACH) {
        size_t taken = 0;

        atomic_fetch_add(&in_request[worker->index], 1);
        if (worker->num % 3 == 0)
            taken = seal_many(worker, scratch, out, sizeof(out));
        else if (seal(scratch, out, sizeof(out), &len)) {
            worker->sequences[worker->num] = sequence_of(out);
            taken = 1;
        }
        atomic_fetch_add(&in_request[worker->index], 1);
        for (size_t i = 0; i < taken; i++)
            if (worker->sequences[worker->num + i] > atomic_load(&stored_ceiling))
                worker->failed = true; /* a crash now, and it would be used again */
        worker->num += taken;
        if (taken == 0)
            (void)sched_yield();
    }
    free(scratch);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void no_number_is_used_twice_nor_before_it_is_stored(void **state)
{
    uint64_t *all;
    size_t num = 0;
    bool busy = true;

    (void)state;
    reserve_all();
    publish();
    start(take_numbers);
    while (busy) {
        refill();
        reserve_all();
        (void)sched_yield();
        busy = pair->records[0]->send.next <= (uint64_t)WORKERS * TAKEN_EACH;
    }
    join();
    all = calloc((size_t)WORKERS * (TAKEN_EACH + 8), sizeof(*all));
    assert_non_null(all);
    for (size_t i = 0; i < WORKERS; i++) {
        memcpy(all + num, workers[i].sequences, workers[i].num * sizeof(*all));
        num += workers[i].num;
        free(workers[i].sequences);
    }
    qsort(all, num, sizeof(*all), by_value);
    for (size_t i = 1; i < num; i++)
        assert_true(all[i - 1] < all[i]);
    kgr_record_send_restart(&pair->records[0]->send, stored_ceiling); /* a crash */
    assert_true(pair->records[0]->send.next > all[num - 1]);
    free(all);
}

#define RECORDS 600u
static uint8_t records[RECORDS][96];
static size_t record_len;
static atomic_uint accepted[RECORDS];

static void *open_all(void *arg)
{
    struct worker *worker = arg;
    struct kgr_fast_scratch *scratch = calloc(1, sizeof(*scratch));
    uint8_t buf[256];
    uint8_t out[256];

    for (unsigned int i = 0; i < RECORDS; i++) {
        struct kgr_wr reply;

        kgr_wr_init(&reply, out, sizeof(out));
        if (ask(scratch, KGR_IPC_OPEN,
                seal_body(buf, sizeof(buf), kgr_slice(records[i], record_len)), &reply)) {
            worker->failed = worker->failed || reply.len != 4 || memcmp(out, "data", 4) != 0;
            atomic_fetch_add(&accepted[i], 1);
        }
    }
    free(scratch);
    return NULL;
}

static void every_record_opens_once_on_all_threads_together(void **state)
{
    struct kgr_fast_scratch *scratch = calloc(1, sizeof(*scratch));

    (void)state;
    assert_non_null(scratch);
    reserve_all();
    publish();
    for (unsigned int i = 0; i < RECORDS; i++)
        assert_true(seal(scratch, records[i], sizeof(records[i]), &record_len));
    free(scratch);
    /* The other end's part. */
    key->own_role = 2;
    publish();
    start(open_all);
    join();
    for (unsigned int i = 0; i < RECORDS; i++)
        assert_int_equal(accepted[i], 1);
    assert_true(pair->records[0]->heard);
    assert_true(pair->records[0]->wanted);
}

static void *seal_until_stopped(void *arg)
{
    struct worker *worker = arg;
    struct kgr_fast_scratch *scratch = calloc(1, sizeof(*scratch));
    uint8_t out[256];
    size_t len;

    while (!atomic_load(&stop)) {
        bool over = atomic_load(&revoked);
        bool done;

        atomic_fetch_add(&in_request[worker->index], 1);
        done = seal(scratch, out, sizeof(out), &len);
        atomic_fetch_add(&in_request[worker->index], 1);
        worker->num += done;
        worker->failed = worker->failed || (over && done);
        if (!done)
            (void)sched_yield();
    }
    free(scratch);
    return NULL;
}

static void revocation_counts_from_the_next_request_and_the_key_is_wiped(void **state)
{
    size_t without;
    size_t busy = 0;

    (void)state;
    kgr_software_key_free(software);
    software = NULL;
    without = room();
    for (int round = 0; round < 20; round++) {
        software = make_software();
        pair->status = KGR_PAIR_ALLOWED;
        publish();
        reserve_all();
        start(seal_until_stopped);
        for (int i = 0; i < 20; i++) {
            refill();
            reserve_all();
            (void)sched_yield();
        }
        kgr_software_key_free(software); /* as kgr_keyset_close does */
        software = NULL;
        pair->status = KGR_PAIR_REVOKED;
        publish();
        atomic_store(&revoked, true);
        assert_int_equal(room(), without); /* though workers are busy */
        (void)sched_yield();
        atomic_store(&stop, true);
        join();
        for (size_t i = 0; i < WORKERS; i++)
            busy += workers[i].num;
    }
    assert_true(busy > 0);
}

static void a_destroyed_generation_is_used_no_more_before_the_next_publication(void **state)
{
    struct kgr_fast_scratch *scratch = calloc(1, sizeof(*scratch));
    uint8_t out[256];
    size_t len;

    (void)state;
    assert_non_null(scratch);
    publish();
    reserve_all();
    assert_true(seal(scratch, out, sizeof(out), &len));
    kgr_pair_drop_records(pair, 1);
    assert_false(seal(scratch, out, sizeof(out), &len));
    free(scratch);
}

static int open_arena(void **state)
{
    (void)state;
    return kgr_arena_init(ARENA_LEN) == KGR_OK ? 0 : -1;
}

static int close_arena(void **state)
{
    (void)state;
    kgr_arena_deinit();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_plain_is_left_to_the_loop, begin, end),
        cmocka_unit_test_setup_teardown(every_request_needs_its_rights, begin, end),
        cmocka_unit_test_setup_teardown(only_changes_are_published, begin, end),
        cmocka_unit_test_setup_teardown(no_number_is_used_twice_nor_before_it_is_stored, begin,
                                        end),
        cmocka_unit_test_setup_teardown(every_record_opens_once_on_all_threads_together, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            revocation_counts_from_the_next_request_and_the_key_is_wiped, begin, end),
        cmocka_unit_test_setup_teardown(
            a_destroyed_generation_is_used_no_more_before_the_next_publication, begin, end),
    };

    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
