/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/nksk_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/server/store/pairs.h"
#include "tests/support/schema.h"
#include "tests/support/toy_cipher.h"

static char folder[64];
static struct kgr_state opened;
static struct kgr_ks_nksk_row row, read_back;

static int setup(void **state)
{
    struct kgr_page_keys keys = toy_keys();

    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/kgr-nksks.XXXXXX");
    memset(&row, 0, sizeof(row));
    if (mkdtemp(folder) == NULL)
        return -1;
    return kgr_ks_store_open(&opened, folder, &keys, 1, true, NULL) == KGR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    kgr_state_close(&opened);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void fill_blob(struct kgr_tpm_blob *blob, int byte)
{
    blob->pub.len = 40;
    memset(blob->pub.bytes, byte, blob->pub.len);
    blob->priv.len = 90;
    memset(blob->priv.bytes, byte + 1, blob->priv.len);
}

static void fill_challenged(void)
{
    struct kgr_ks_nksk_request *r = &row.state.request;

    assert_int_equal(kgr_nid_set(&row.nid, "gateway-1", 9), KGR_OK);
    row.born_s = 1000;
    row.wanted = 3;
    row.state.phase = KGR_KS_NKSK_CHALLENGED;
    memset(r->xid, 1, sizeof(r->xid));
    memset(r->hash, 2, sizeof(r->hash));
    r->sequence = UINT64_C(0x100000007);
    r->storage = true;
    r->suites = r->suite = 1;
    r->custodies = r->custody = 1;
    memset(row.state.nonce_ks, 3, sizeof(row.state.nonce_ks));
    memset(row.state.proof, 4, sizeof(row.state.proof));
    memset(row.topic1, 5, sizeof(row.topic1));
    memset(row.topic2, 6, sizeof(row.topic2));
    memset(row.key_id, 7, sizeof(row.key_id));
    row.storage.len = 80;
    memset(row.storage.bytes, 8, row.storage.len);
    fill_blob(&row.blobs.enc, 9);
    fill_blob(&row.blobs.mac, 11);
}

static void load(void)
{
    assert_int_equal(kgr_ks_nksk_load(opened.db, &read_back, &row.nid, NULL), KGR_OK);
}

static void challenge_comes_back_as_it_was(void **state)
{
    const struct kgr_slice body = kgr_slice("challenge", 9);
    uint8_t *out = NULL;
    size_t len = 0;
    bool known = false;

    (void)state;
    fill_challenged();
    assert_int_equal(kgr_ks_nksk_load(opened.db, &read_back, &row.nid, NULL), KGR_ERR_NO_KEY);
    assert_int_equal(kgr_ks_nksk_save(opened.db, &row, &body, NULL), KGR_OK);
    load();
    assert_memory_equal(&read_back, &row, sizeof(row));
    /* Without a body the one that stands stays. */
    row.wanted = 1;
    assert_int_equal(kgr_ks_nksk_save(opened.db, &row, NULL, NULL), KGR_OK);
    assert_int_equal(kgr_ks_nksk_body(opened.db, &row.nid, &out, &len, NULL), KGR_OK);
    assert_int_equal(len, body.len);
    assert_memory_equal(out, body.p, len);
    free(out);
    /* Its topics are known, and are no node's to choose. */
    assert_int_equal(kgr_ks_topic_known(opened.db, &known, row.topic2, NULL), KGR_OK);
    assert_true(known);
}

static void keys_are_gone_once_it_is_done(void **state)
{
    bool known = true;

    (void)state;
    fill_challenged();
    assert_int_equal(kgr_ks_nksk_save(opened.db, &row, NULL, NULL), KGR_OK);
    row.state.phase = KGR_KS_NKSK_DONE;
    assert_int_equal(kgr_ks_nksk_save(opened.db, &row, NULL, NULL), KGR_OK);
    load();
    assert_memory_equal(&read_back.state, &row.state, sizeof(row.state));
    assert_int_equal(read_back.blobs.enc.priv.len, 0);
    assert_int_equal(read_back.storage.len, 0);
    assert_int_equal(kgr_ks_topic_known(opened.db, &known, row.topic1, NULL), KGR_OK);
    assert_false(known);
    assert_int_equal(kgr_ks_nksk_erase(opened.db, &row.nid, NULL), KGR_OK);
    assert_int_equal(kgr_ks_nksk_load(opened.db, &read_back, &row.nid, NULL), KGR_ERR_NO_KEY);
}

/* Frames under a new key_id are numbered from 1: what was remembered of those before must not make them late. */
static void sequences_of_the_old_key_are_forgotten(void **state)
{
    struct kgr_coordinator_state *s = calloc(1, sizeof(*s));
    struct kgr_ks_policy policy;
    struct kgr_nid a, b, nids[2];
    struct kgr_coordinator co;

    (void)state;
    assert_non_null(s);
    assert_int_equal(kgr_nid_set(&a, "a", 1), KGR_OK);
    assert_int_equal(kgr_nid_set(&b, "b", 1), KGR_OK);
    assert_int_equal(kgr_coordinator_init(&co, &a, &b, 100), KGR_OK);
    co.s.seen[0] = 50;
    co.s.seen[1] = 60;
    for (uint8_t i = 0; i < 2; i++)
        co.s.rows[i] = (struct kgr_coordinator_row){.phase = KGR_COORDINATOR_ABORTED,
                                                    .requester = i,
                                                    .generation = i + 1u,
                                                    .suite = 1,
                                                    .custody = 1,
                                                    .request_sequence = 40};
    assert_int_equal(kgr_ks_pairs_save(opened.db, &co.s, NULL), KGR_OK);
    assert_int_equal(kgr_ks_pairs_rekeyed(opened.db, &b, NULL), KGR_OK);
    nids[0] = a;
    nids[1] = b;
    assert_int_equal(kgr_ks_pairs_load(opened.db, &policy, s, nids, NULL), KGR_OK);
    assert_int_equal(s->seen[0], 50);
    assert_int_equal(s->seen[1], 0);
    assert_int_equal(s->rows[0].request_sequence, 40);
    assert_int_equal(s->rows[1].request_sequence, 0);
    kgr_coordinator_rekeyed(&co, 1);
    assert_memory_equal(&co.s, s, sizeof(*s));
    free(s);
}

static void schema_of_older_states_stands(void **state)
{
    static const uint64_t known[] = {0xa1b83ed83df64545};

    (void)state;
    assert_schema_steps(&kgr_ks_schema, known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_of_older_states_stands),
        cmocka_unit_test_setup_teardown(challenge_comes_back_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_gone_once_it_is_done, setup, teardown),
        cmocka_unit_test_setup_teardown(sequences_of_the_old_key_are_forgotten, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
