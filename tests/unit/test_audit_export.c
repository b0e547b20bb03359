/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/audit_signer.h"

#define NUM 4 /* records, the last of which is a head */

static struct audit_signer *signer;
static uint8_t file[2048];
static size_t file_len;
static size_t ends[NUM + 1]; /* where the head of the file and the records end */

static enum kgr_error verify(struct kgr_audit_chain *chain, size_t len)
{
    memset(chain, 0, sizeof *chain);
    return kgr_audit_export_verify(chain, kgr_slice(file, len), NULL);
}

static void whole_file_is_whole(void **state)
{
    struct kgr_audit_chain chain;

    (void)state;
    assert_int_equal(verify(&chain, file_len), KGR_OK);
    assert_int_equal(chain.last, NUM);
    assert_int_equal(chain.num_heads, 1);
    assert_int_equal(chain.signed_id, NUM - 1);
}

/* Which record a byte belongs to; 0: what stands before them. */
static size_t record_of(size_t at)
{
    size_t record = 0;

    while (at >= ends[record])
        record++;
    return record;
}

static void every_changed_byte_is_found_at_its_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < file_len; i++)
        for (unsigned int bit = 0; bit < 8; bit++) {
            struct kgr_audit_chain chain;
            size_t record = record_of(i);

            file[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(verify(&chain, file_len), KGR_ERR_CORRUPT);
            /* The key is only found wrong where it was used, and the first record says with which number it begins. */
            if (record > 1)
                assert_int_equal(chain.last, record - 1);
            file[i] ^= (uint8_t)(1u << bit);
        }
}

static void every_shortened_and_every_longer_file_is_found(void **state)
{
    struct kgr_audit_chain chain;

    (void)state;
    for (size_t len = 0; len < file_len; len++)
        assert_int_equal(verify(&chain, len), KGR_ERR_CORRUPT);
    file[file_len] = 0;
    assert_int_equal(verify(&chain, file_len + 1), KGR_ERR_CORRUPT);
    assert_int_equal(chain.last, NUM);
}

static void file_without_what_was_seen_is_found(void **state)
{
    struct kgr_audit_chain chain = {.pinned_id = NUM + 1}, other = {.pinned_id = 2};

    (void)state;
    assert_int_equal(kgr_audit_export_verify(&chain, kgr_slice(file, file_len), NULL),
                     KGR_ERR_CORRUPT);
    assert_int_equal(kgr_audit_export_verify(&other, kgr_slice(file, file_len), NULL),
                     KGR_ERR_CORRUPT);
}

static int set_up(void **state)
{
    uint8_t hash[KGR_DIGEST_LEN];
    struct kgr_audit_key key;
    struct kgr_wr wr;

    (void)state;
    signer = audit_signer_new();
    assert_int_equal(kgr_audit_key_read(&key, audit_signer_public(signer)), KGR_OK);
    memcpy(hash, key.id, sizeof hash);
    kgr_wr_init(&wr, file, sizeof file - 1);
    assert_int_equal(kgr_audit_export_begin(&wr, audit_signer_public(signer), hash), KGR_OK);
    ends[0] = wr.len;
    for (uint64_t id = 1; id <= NUM; id++) {
        char text[KGR_AUDIT_SIGNATURE_TEXT + 1];
        struct kgr_audit_entry entry = {
            .id = id, .what = KGR_AUDIT_EXCHANGE, .count = 1, .number = 7, .time_s = 100};
        size_t begin = wr.len;

        if (id == NUM) {
            entry.what = KGR_AUDIT_HEAD;
            entry.number = id - 1;
            audit_signer_sign(signer, text, id - 1, hash);
            entry.text = kgr_slice(text, KGR_AUDIT_SIGNATURE_TEXT);
        }
        kgr_audit_entry_write(&wr, &entry);
        assert_int_equal(kgr_audit_hash(hash, hash, kgr_slice(file + begin, wr.len - begin)),
                         KGR_OK);
        kgr_wr_bytes(&wr, hash, sizeof hash);
        ends[id] = wr.len;
    }
    assert_true(kgr_wr_ok(&wr));
    file_len = wr.len;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    audit_signer_free(signer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file_is_whole),
        cmocka_unit_test(every_changed_byte_is_found_at_its_record),
        cmocka_unit_test(every_shortened_and_every_longer_file_is_found),
        cmocka_unit_test(file_without_what_was_seen_is_found),
    };

    return cmocka_run_group_tests_name("audit_export", tests, set_up, tear_down);
}
