/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/keyset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "agent/base/secret.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/import.h"
#include "agent/tpm/slots.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

/*
 * What the use of a resident key costs is the number of its commands: each operation sends these and no others. A and B
 * are the keys of two peers, of which three slots hold one at a time.
 */
static struct tpm_fixture node;
static struct kgr_keyset *keys[2];
static struct kgr_diag diag;

enum { ENC = TPM2_CC_EncryptDecrypt2, HMAC = TPM2_CC_HMAC };
enum { START = TPM2_CC_HMAC_Start, UPDATE = TPM2_CC_SequenceUpdate };
enum { COMPLETE = TPM2_CC_SequenceComplete, LOAD = TPM2_CC_Load };
enum { FLUSH = TPM2_CC_FlushContext, SAVE = TPM2_CC_ContextSave, BACK = TPM2_CC_ContextLoad };

#define SENT(...)                                                                                  \
    check_sent((const uint32_t[]){__VA_ARGS__},                                                    \
               sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void check_sent(const uint32_t *codes, size_t num)
{
    assert_int_equal(tpm_tap.num_commands, num);
    for (size_t i = 0; i < num; i++)
        assert_int_equal(tpm_tap.codes[i], codes[i]);
    tpm_tap_reset();
}

static int begin(void **state)
{
    static struct kgr_tpm_newborn born[2];
    static struct kgr_key_blobs blobs;
    struct kgr_tpm_blob *out[] = {&blobs.enc, &blobs.mac};
    struct kgr_tpm_birth birth = {.suite = KGR_SUITE_AES128_SHA256, .num_targets = 1};

    (void)state;
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&node);
    birth.parent = &node.storage;
    birth.targets[0] = &node.storage_pub;
    if (kgr_tpm_give_birth(node.tpm, &born[0], &born[1], &birth, &diag) != KGR_OK)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        struct kgr_tpm_import import = {
            .parent = &node.storage,
            .suite = KGR_SUITE_AES128_SHA256,
            .kind = i == 0 ? KGR_TPM_ENC : KGR_TPM_MAC,
            .form = KGR_TPM_BORN,
            .pub = &born[i].pub,
            .duplicate = &born[i].duplicates[0],
            .auth = node.auth,
        };

        if (kgr_tpm_import(node.tpm, out[i], &import, &diag) != KGR_OK)
            return -1;
    }
    for (size_t i = 0; i < 2; i++)
        if (kgr_keyset_new(&keys[i], KGR_SUITE_AES128_SHA256, &node.storage, &blobs,
                           kgr_tpm_new_key_id(node.tpm), tpm_fixture_auth(0x5a),
                           kgr_tpm_new_key_id(node.tpm), tpm_fixture_auth(0x5a)) != KGR_OK)
            return -1;
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_keyset_free(keys[0]);
    kgr_keyset_free(keys[1]);
    tpm_fixture_stop(&node);
    kgr_arena_deinit();
    return 0;
}

static void seal(size_t i, size_t len)
{
    static const uint8_t plain[5000];
    static uint8_t sealed[5016];
    struct kgr_keyset_use use = {.tpm = node.tpm, .key = keys[i], .diag = &diag};
    struct kgr_seal_key key = kgr_keyset_use_seal(&use);
    uint8_t iv[KGR_IV_LEN] = {4};
    uint8_t tag[16];

    /* The header of a record with no data of the application's own. */
    assert_int_equal(
        kgr_seal_encrypt(&key, sealed, tag, iv, kgr_slice(plain, 28), kgr_slice(plain, len)),
        KGR_OK);
}

static void keys_commands_of_a_record(void **state)
{
    (void)state;
    seal(0, 1);
    tpm_tap_reset();
    seal(0, 1);
    SENT(ENC, HMAC);
    seal(0, 944);
    SENT(ENC, HMAC);
    seal(0, 1024);
    SENT(ENC, ENC, START, UPDATE, COMPLETE);
    seal(0, 4096);
    SENT(ENC, ENC, ENC, ENC, ENC, START, UPDATE, UPDATE, UPDATE, UPDATE, COMPLETE);
}

static void keys_commands_of_the_raw_doors(void **state)
{
    struct kgr_keyset_use use = {.tpm = node.tpm, .key = keys[0], .diag = &diag};
    uint8_t data[2048] = {0};
    uint8_t mac[32];
    uint8_t iv[KGR_IV_LEN] = {0};
    struct kgr_slice part = kgr_slice(data, 1024);
    struct kgr_keyset_stream *stream = NULL;

    (void)state;
    seal(0, 1);
    tpm_tap_reset();
    assert_int_equal(
        kgr_keyset_cipher(&use, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv, data, sizeof(data), data),
        KGR_OK);
    SENT(ENC, ENC);
    assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac), KGR_OK);
    SENT(HMAC);
    assert_int_equal(kgr_keyset_stream_start(&use, &stream), KGR_OK);
    SENT(START, SAVE, FLUSH);
    assert_int_equal(kgr_keyset_stream_update(node.tpm, stream, part, &diag), KGR_OK);
    SENT(BACK, UPDATE, SAVE, FLUSH);
    assert_int_equal(kgr_keyset_stream_final(node.tpm, stream, mac, sizeof(mac), &diag), KGR_OK);
    SENT(BACK, COMPLETE);
    kgr_keyset_stream_free(stream);
}

/* Between two peers: a context is saved once, and what was loaded from a blob comes back from it. */
static void keys_commands_between_peers(void **state)
{
    (void)state;
    kgr_tpm_flush_keys(node.tpm);
    kgr_keyset_unload(keys[0], node.tpm);
    kgr_keyset_unload(keys[1], node.tpm);
    tpm_tap_reset();
    seal(0, 1);
    SENT(LOAD, ENC, LOAD, HMAC);
    seal(1, 1);
    SENT(SAVE, FLUSH, LOAD, ENC, SAVE, FLUSH, LOAD, HMAC);
    seal(0, 1);
    SENT(SAVE, FLUSH, BACK, ENC, SAVE, FLUSH, BACK, HMAC);
    for (size_t i = 1; i < 5; i++) {
        seal(i % 2, 1);
        SENT(FLUSH, BACK, ENC, FLUSH, BACK, HMAC);
    }
}

static unsigned int num_let_in;

static bool somebody_waits(void *ctx)
{
    (void)ctx;
    return true;
}

static void use_the_other(void *ctx)
{
    (void)ctx;
    num_let_in++;
    seal(1, 1);
}

/* Long operations let others use other keys in between, and come to the same result. */
static void keys_commands_with_others_in_between(void **state)
{
    static const struct kgr_tpm_others nobody = {NULL, NULL, NULL};
    static const struct kgr_tpm_others others = {somebody_waits, use_the_other, NULL};
    static uint8_t data[12288], alone[12288];
    struct kgr_keyset_use use = {.tpm = node.tpm, .key = keys[0], .diag = &diag};
    struct kgr_slice part = kgr_slice(data, sizeof(data));
    uint8_t iv[2][KGR_IV_LEN] = {{3}, {3}};
    uint8_t mac[2][32];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 >> 3);
    assert_int_equal(
        kgr_keyset_cipher(&use, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv[0], data, sizeof(data), alone),
        KGR_OK);
    assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac[0]), KGR_OK);
    kgr_tpm_set_others(node.tpm, &others);
    assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac[1]), KGR_OK);
    assert_int_equal(num_let_in, 2); /* twelve commands */
    assert_int_equal(
        kgr_keyset_cipher(&use, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv[1], data, sizeof(data), data),
        KGR_OK);
    assert_int_equal(num_let_in, 4);
    kgr_tpm_set_others(node.tpm, &nobody);
    assert_memory_equal(mac[0], mac[1], sizeof(mac[0]));
    assert_memory_equal(data, alone, sizeof(data));
    assert_memory_equal(iv[0], iv[1], KGR_IV_LEN);
    tpm_tap_reset();
}

/* Contexts die with a reset: then the blob is loaded, and the session begins anew, once. */
static void keys_commands_after_a_reset(void **state)
{
    (void)state;
    seal(0, 1);
    swtpm_kill(&node.swtpm);
    swtpm_restart(&node.swtpm);
    seal(0, 1);
    tpm_tap_reset();
    seal(0, 1);
    SENT(ENC, HMAC);
    seal(1, 1);
    SENT(SAVE, FLUSH, BACK, LOAD, ENC, SAVE, FLUSH, BACK, LOAD, HMAC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_commands_of_a_record),
        cmocka_unit_test(keys_commands_of_the_raw_doors),
        cmocka_unit_test(keys_commands_between_peers),
        cmocka_unit_test(keys_commands_with_others_in_between),
        cmocka_unit_test(keys_commands_after_a_reset),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
