/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/schema.h"
#include "tests/support/toy_cipher.h"

static char folder[64];
static struct kgr_state opened;
static struct kgr_db *db;               /* of opened */
static struct kgr_generation_row *rows; /* as read */
static size_t num_rows;

static enum kgr_error open_store(bool create)
{
    struct kgr_page_keys keys = toy_keys();
    enum kgr_error err = kgr_node_store_open(&opened, folder, &keys, 1, create, NULL);

    db = opened.db;
    return err;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/kgr-store.XXXXXX");
    rows = calloc(4, sizeof(*rows));
    num_rows = 0;
    if (rows == NULL || mkdtemp(folder) == NULL)
        return -1;
    return open_store(true) == KGR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    kgr_state_close(&opened);
    free(rows);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void reopen(void)
{
    kgr_state_close(&opened);
    assert_int_equal(open_store(false), KGR_OK);
}

static void open_without_create_finds_nothing(void **state)
{
    struct kgr_page_keys keys = toy_keys();
    struct kgr_state other = {0};

    (void)state;
    assert_int_equal(kgr_node_store_open(&other, "/nonexistent", &keys, 1, false, NULL),
                     KGR_ERR_NO_KEY);
    assert_null(other.db);
}

static void meta_set_get_erase(void **state)
{
    uint8_t out[8];
    size_t len = 0;
    uint64_t n = 0;

    (void)state;
    assert_int_equal(kgr_meta_get(db, "x", out, sizeof(out), &len, NULL), KGR_ERR_NO_KEY);
    assert_int_equal(kgr_meta_set(db, "x", kgr_slice("12345", 5), NULL), KGR_OK);
    assert_int_equal(kgr_meta_set(db, "x", kgr_slice("678", 3), NULL), KGR_OK);
    reopen();
    assert_int_equal(kgr_meta_get(db, "x", out, sizeof(out), &len, NULL), KGR_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(out, "678", 3);
    assert_int_equal(kgr_meta_get(db, "x", out, 2, &len, NULL), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_meta_get_exact(db, "x", out, 4, NULL), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_meta_get_u64(db, "x", &n, NULL), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_meta_set_u64(db, "x", UINT64_MAX, NULL), KGR_OK);
    assert_int_equal(kgr_meta_get_u64(db, "x", &n, NULL), KGR_OK);
    assert_true(n == UINT64_MAX);
    assert_int_equal(kgr_meta_erase(db, "x", NULL), KGR_OK);
    assert_int_equal(kgr_meta_get_u64(db, "x", &n, NULL), KGR_ERR_NO_KEY);
}

static void window_round_trip(void **state)
{
    const uint8_t key_id[KGR_KEY_ID_LEN] = {7};
    struct kgr_window window = {.epoch = UINT32_MAX, .highest = UINT32_MAX, .seen = UINT64_MAX};
    struct kgr_window read = {.epoch = 5};

    (void)state;
    assert_int_equal(kgr_window_load(db, &read, key_id, NULL), KGR_OK);
    assert_int_equal(read.epoch, 0);
    assert_int_equal(kgr_window_save(db, key_id, &window, NULL), KGR_OK);
    reopen();
    assert_int_equal(kgr_window_load(db, &read, key_id, NULL), KGR_OK);
    assert_int_equal(read.epoch, UINT32_MAX);
    assert_int_equal(read.highest, UINT32_MAX);
    assert_true(read.seen == UINT64_MAX);
}

static void fill_blobs(struct kgr_key_blobs *blobs, uint8_t fill)
{
    struct kgr_tpm_blob *blob[] = {&blobs->enc, &blobs->mac};

    for (size_t i = 0; i < 2; i++) {
        blob[i]->pub.len = (uint16_t)(80 + i);
        memset(blob[i]->pub.bytes, fill, blob[i]->pub.len);
        blob[i]->priv.len = (uint16_t)(140 + i);
        memset(blob[i]->priv.bytes, fill + 1, blob[i]->priv.len);
    }
}

static void nksk_round_trip(void **state)
{
    struct kgr_nksk_row *row = calloc(2, sizeof(*row));

    (void)state;
    assert_non_null(row);
    row[0] = (struct kgr_nksk_row){.key_id = {1}, .suite = 2, .custody = 1};
    fill_blobs(&row[0].blobs, 0x10);
    assert_int_equal(kgr_nksk_load(db, &row[1], row[0].key_id, NULL), KGR_ERR_NO_KEY);
    assert_int_equal(kgr_nksk_save(db, &row[0], NULL), KGR_OK);
    reopen();
    assert_int_equal(kgr_nksk_load(db, &row[1], row[0].key_id, NULL), KGR_OK);
    assert_int_equal(row[1].suite, 2);
    assert_memory_equal(&row[0].blobs, &row[1].blobs, sizeof(row[0].blobs));
    free(row);
}

static enum kgr_error collect(void *arg, const struct kgr_generation_row *row,
                              struct kgr_diag *diag)
{
    (void)arg;
    (void)diag;
    assert_true(num_rows < 4);
    rows[num_rows++] = *row;
    return KGR_OK;
}

static void read_rows(void)
{
    num_rows = 0;
    assert_int_equal(kgr_generation_each(db, collect, NULL, NULL), KGR_OK);
}

static void insert(uint64_t generation, enum kgr_ring_place place)
{
    struct kgr_generation_row *row = calloc(1, sizeof(*row));

    assert_non_null(row);
    assert_int_equal(kgr_nid_set(&row->peer, "peer", 4), KGR_OK);
    row->place = place;
    row->offer.generation = generation;
    row->offer.suite = KGR_SUITE_AES128_SHA256;
    fill_blobs(&row->blobs, (uint8_t)generation);
    assert_int_equal(kgr_generation_insert(db, row, NULL), KGR_OK);
    free(row);
}

static void promotion_moves_all_three(void **state)
{
    struct kgr_nid peer;
    struct kgr_exchange_offer offer = {.generation = 1, .suite = KGR_SUITE_AES128_SHA256};

    (void)state;
    assert_int_equal(kgr_nid_set(&peer, "peer", 4), KGR_OK);
    for (offer.generation = 1; offer.generation <= 3; offer.generation++) {
        insert(offer.generation, KGR_RING_CANDIDATE);
        offer.topic_peer[0] = (uint8_t)offer.generation;
        assert_int_equal(kgr_generation_promote(db, &peer, &offer, NULL), KGR_OK);
    }
    reopen();
    read_rows();
    assert_int_equal(num_rows, 2); /* the first is gone */
    assert_int_equal(rows[0].place, KGR_RING_CURRENT);
    assert_int_equal(rows[0].offer.generation, 3);
    assert_int_equal(rows[0].offer.topic_peer[0], 3);
    assert_int_equal(rows[0].blobs.enc.pub.bytes[0], 3);
    assert_int_equal(rows[1].place, KGR_RING_PREVIOUS);
    assert_int_equal(rows[1].offer.generation, 2);
    assert_int_equal(kgr_generation_promote(db, &peer, &offer, NULL), KGR_ERR_CORRUPT);
}

static void one_generation_never_stands_twice(void **state)
{
    struct kgr_generation_row *row = calloc(1, sizeof(*row));

    (void)state;
    assert_non_null(row);
    insert(1, KGR_RING_CURRENT);
    assert_int_equal(kgr_nid_set(&row->peer, "peer", 4), KGR_OK);
    row->place = KGR_RING_CANDIDATE;
    row->offer.generation = 1;
    fill_blobs(&row->blobs, 9);
    assert_int_equal(kgr_generation_insert(db, row, NULL), KGR_ERR_EXISTS);
    free(row);
}

static void ceilings_and_windows_round_trip(void **state)
{
    struct kgr_nid peer;
    uint64_t seen[KGR_RECORD_WINDOW / 64];

    (void)state;
    memset(seen, 0xa5, sizeof(seen));
    assert_int_equal(kgr_nid_set(&peer, "peer", 4), KGR_OK);
    insert(1, KGR_RING_CURRENT);
    assert_int_equal(kgr_generation_ceilings(db, &peer, 1, UINT64_MAX, 2048, seen, NULL), KGR_OK);
    read_rows();
    assert_true(rows[0].send_ceiling == UINT64_MAX);
    assert_true(rows[0].recv_ceiling == 2048);
    assert_true(rows[0].has_seen);
    assert_memory_equal(rows[0].seen, seen, sizeof(seen));
    assert_int_equal(kgr_generation_forget_seen(db, NULL), KGR_OK);
    assert_int_equal(kgr_generation_blocks(db, &peer, 1, UINT64_C(1) << 32, NULL), KGR_OK);
    read_rows();
    assert_false(rows[0].has_seen);
    assert_true(rows[0].recv_ceiling == 2048);
    assert_true(rows[0].blocks == UINT64_C(1) << 32);
}

static void damaged_rows_are_corrupt(void **state)
{
    static const char *const spoil[] = {
        "UPDATE generations SET offer = x'0102'",
        "UPDATE generations SET generation = 2",
        "UPDATE generations SET place = 7",
        "UPDATE generations SET enc_public = x''",
        "UPDATE generations SET mac_private = zeroblob(5000)",
        "UPDATE generations SET peer = 'no nid'",
        "UPDATE generations SET seen = x'00'",
    };

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(spoil); i++) {
        struct kgr_diag diag = {{0}};

        assert_int_equal(kgr_node_store_drop_pairs(db, NULL), KGR_OK);
        insert(1, KGR_RING_CURRENT);
        assert_int_equal(kgr_db_exec(db, spoil[i], NULL), KGR_OK);
        num_rows = 0;
        assert_int_equal(kgr_generation_each(db, collect, NULL, &diag), KGR_ERR_CORRUPT);
        assert_true(strlen(diag.text) > 0);
    }
}

static void state_of_a_newer_program_is_refused(void **state)
{
    struct kgr_diag diag = {{0}};
    struct kgr_page_keys keys = toy_keys();

    (void)state;
    assert_int_equal(kgr_db_exec(db, "PRAGMA user_version = 99", NULL), KGR_OK);
    kgr_state_close(&opened);
    assert_int_equal(kgr_node_store_open(&opened, folder, &keys, 1, false, &diag), KGR_ERR_VERSION);
    assert_non_null(strstr(diag.text, "agent.db: version 99 was written by a newer program"));
    /* Nor by init. */
    assert_int_equal(kgr_node_store_open(&opened, folder, &keys, 1, true, NULL), KGR_ERR_VERSION);
}

static void schema_of_older_states_stands(void **state)
{
    static const uint64_t known[] = {0xcbda11c71dd8dd7e, 0x49bfe1ec5371660d, 0xc93cbb95b0770837};

    (void)state;
    assert_schema_steps(&kgr_node_schema, known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(state_of_a_newer_program_is_refused, setup, teardown),
        cmocka_unit_test(schema_of_older_states_stands),
        cmocka_unit_test_setup_teardown(open_without_create_finds_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(meta_set_get_erase, setup, teardown),
        cmocka_unit_test_setup_teardown(window_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(nksk_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(promotion_moves_all_three, setup, teardown),
        cmocka_unit_test_setup_teardown(one_generation_never_stands_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(ceilings_and_windows_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_rows_are_corrupt, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
