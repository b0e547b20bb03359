/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/revoke.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/toy_cipher.h"

/* What a node takes from notices and sync_ans, in whatever order they come. */
static char folder[64];
static struct kgr_state opened;
static struct kgr_node *node;
static struct kgr_pair *pair;

static enum kgr_error open_store(bool create)
{
    struct kgr_page_keys keys = toy_keys();
    enum kgr_error err = kgr_node_store_open(&opened, folder, &keys, 1, create, NULL);

    node->db = opened.db;
    return err;
}

static int setup(void **state)
{
    struct kgr_nid self, peer;

    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/kgr-revoke.XXXXXX");
    node = calloc(1, sizeof(*node));
    if (node == NULL || mkdtemp(folder) == NULL || open_store(true) != KGR_OK ||
        kgr_nid_set(&self, "N1", 2) != KGR_OK || kgr_nid_set(&peer, "N2", 2) != KGR_OK ||
        kgr_pairs_init(&node->pairs, &self) != KGR_OK)
        return -1;
    return kgr_pairs_ensure(&node->pairs, &pair, &peer, false) == KGR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    kgr_pairs_deinit(&node->pairs);
    kgr_state_close(&opened);
    free(node);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static bool hear(enum kgr_pair_status status, uint64_t word, uint64_t floor)
{
    bool changed = false;

    assert_int_equal(kgr_revoke_hear(node, pair, status, word, floor, &changed, NULL), KGR_OK);
    return changed;
}

static enum kgr_error read_row(void *arg, const struct kgr_pair_row *row, struct kgr_diag *diag)
{
    struct kgr_pair_row *out = arg;

    (void)diag;
    *out = *row;
    return KGR_OK;
}

/* What stands on the disk is what the node believes. */
static void assert_pair(enum kgr_pair_status status, uint64_t word, uint64_t floor)
{
    struct kgr_pair_row row = {0};

    assert_int_equal(pair->status, status);
    assert_true(pair->word == word);
    assert_true(pair->floor == floor);
    kgr_state_close(&opened);
    assert_int_equal(open_store(false), KGR_OK);
    assert_int_equal(kgr_pair_each(node->db, read_row, &row, NULL), KGR_OK);
    assert_int_equal(row.status, status);
    assert_true(row.word == word);
    assert_true(row.floor == floor);
}

static void older_words_change_nothing(void **state)
{
    (void)state;
    assert_true(hear(KGR_PAIR_ALLOWED, 5, 0));
    assert_true(hear(KGR_PAIR_DENIED, 7, 0));
    assert_false(hear(KGR_PAIR_ALLOWED, 5, 0)); /* a sync_ans that the notice overtook */
    assert_false(hear(KGR_PAIR_REVOKED, 6, 9));
    assert_false(hear(KGR_PAIR_DENIED, 7, 0)); /* again */
    assert_pair(KGR_PAIR_DENIED, 7, 0);
    assert_true(hear(KGR_PAIR_ALLOWED, 8, 0));
    assert_pair(KGR_PAIR_ALLOWED, 8, 0);
}

/* Or a key that is due would wait for the next synchronisation, hours away. */
static void another_status_has_renewal_decide_anew(void **state)
{
    (void)state;
    assert_true(hear(KGR_PAIR_DENIED, 5, 0));
    pair->renewal.deadline_ms = UINT64_MAX;
    assert_false(hear(KGR_PAIR_DENIED, 5, 0));
    assert_true(pair->renewal.deadline_ms == UINT64_MAX);
    assert_true(hear(KGR_PAIR_ALLOWED, 6, 0));
    assert_true(pair->renewal.deadline_ms == 0);
}

static void floor_stays_when_the_pair_is_allowed_again(void **state)
{
    (void)state;
    assert_true(hear(KGR_PAIR_REVOKED, 3, 4));
    assert_true(hear(KGR_PAIR_ALLOWED, 5, 4));
    assert_true(hear(KGR_PAIR_DENIED, 6, 0));
    assert_pair(KGR_PAIR_DENIED, 6, 4);
    /* Heard only at the end: all that was before is revoked all the same. */
    assert_true(hear(KGR_PAIR_ALLOWED, 9, 7));
    assert_pair(KGR_PAIR_ALLOWED, 9, 7);
}

static void pair_that_the_ks_names_no_more_keeps_its_word(void **state)
{
    (void)state;
    assert_true(hear(KGR_PAIR_ALLOWED, 5, 0));
    assert_true(hear(KGR_PAIR_UNNAMED, 5, 0));
    assert_pair(KGR_PAIR_UNNAMED, 5, 0);
    assert_false(hear(KGR_PAIR_ALLOWED, 4, 0));
    assert_true(hear(KGR_PAIR_ALLOWED, 5, 0));
    assert_pair(KGR_PAIR_ALLOWED, 5, 0);
}

static void word_of_the_end_is_kept(void **state)
{
    uint64_t word = 1;

    (void)state;
    assert_int_equal(kgr_revoke_load(node->db, &word, NULL), KGR_OK);
    assert_true(word == 0);
    assert_true(hear(KGR_PAIR_ALLOWED, 5, 0));
    assert_int_equal(kgr_meta_set_u64(node->db, KGR_META_REVOKED, 9, NULL), KGR_OK);
    assert_int_equal(kgr_meta_set(node->db, KGR_META_NODE, kgr_slice("N1", 2), NULL), KGR_OK);
    assert_int_equal(kgr_meta_set(node->db, KGR_META_TOPIC2, kgr_slice("t", 1), NULL), KGR_OK);
    assert_int_equal(kgr_node_store_drop_all(node->db, NULL), KGR_OK);
    kgr_state_close(&opened);
    assert_int_equal(open_store(false), KGR_OK);
    assert_int_equal(kgr_revoke_load(node->db, &word, NULL), KGR_OK);
    assert_true(word == 9);
    assert_int_equal(kgr_pair_each(node->db, read_row, NULL, NULL), KGR_OK); /* none: no call */
    size_t len = 0;
    char text[8];
    assert_int_equal(kgr_meta_get(node->db, KGR_META_NODE, text, sizeof(text), &len, NULL), KGR_OK);
    assert_int_equal(kgr_meta_get(node->db, KGR_META_TOPIC2, text, sizeof(text), &len, NULL),
                     KGR_ERR_NO_KEY);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(older_words_change_nothing),
        TEST(another_status_has_renewal_decide_anew),
        TEST(floor_stays_when_the_pair_is_allowed_again),
        TEST(pair_that_the_ks_names_no_more_keeps_its_word),
        TEST(word_of_the_end_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
