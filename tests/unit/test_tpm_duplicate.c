/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/duplicate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/import.h"
#include "agent/tpm/load.h"
#include "agent/tpm/object.h"
#include "agent/tpm/policy.h"
#include "agent/tpm/session.h"
#include "agent/tpm/slots.h"
#include "agent/tpm/symmetric.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

/* A KS and three nodes, each with a TPM of its own. */
static struct tpm_fixture ks;
static struct tpm_fixture nodes[3];
static struct kgr_diag diag;
static struct kgr_tpm_newborn enc;
static struct kgr_tpm_newborn mac;

static int begin(void **state)
{
    (void)state;
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&ks);
    for (size_t i = 0; i < KGR_ARRAY_LEN(nodes); i++)
        tpm_fixture_start(&nodes[i]);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tpm_fixture_stop(&ks);
    for (size_t i = 0; i < KGR_ARRAY_LEN(nodes); i++)
        tpm_fixture_stop(&nodes[i]);
    kgr_arena_deinit();
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    tpm_tap_reset();
    memset(&diag, 0, sizeof(diag));
    memset(&enc, 0, sizeof(enc));
    memset(&mac, 0, sizeof(mac));
    return 0;
}

static struct kgr_tpm_birth birth_for_pair(enum kgr_suite suite)
{
    struct kgr_tpm_birth birth = {
        .parent = &ks.storage,
        .suite = suite,
        .num_targets = 2,
        .targets = {&nodes[0].storage_pub, &nodes[1].storage_pub},
    };

    return birth;
}

static enum kgr_error import_at(struct tpm_fixture *node, struct kgr_tpm_blob *out,
                                const struct kgr_tpm_newborn *born, size_t target,
                                enum kgr_suite suite, enum kgr_tpm_kind kind,
                                struct kgr_slice inner)
{
    struct kgr_tpm_import import = {
        .parent = &node->storage,
        .suite = suite,
        .kind = kind,
        .form = KGR_TPM_BORN,
        .pub = &born->pub,
        .duplicate = &born->duplicates[target],
        .inner = inner,
        .auth = node->auth,
    };

    return kgr_tpm_import(node->tpm, out, &import, &diag);
}

static enum kgr_error do_encrypt(struct kgr_tpm *tpm, const struct kgr_tpm_object *key, void *arg,
                                 struct kgr_diag *d)
{
    static const uint8_t plain[64] = {1, 2, 3};
    uint8_t iv[KGR_IV_LEN] = {7};

    return kgr_tpm_cipher(tpm, key, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv, plain, sizeof(plain), arg, d);
}

static enum kgr_error do_hmac(struct kgr_tpm *tpm, const struct kgr_tpm_object *key, void *arg,
                              struct kgr_diag *d)
{
    const struct kgr_slice part = kgr_slice("abc", 3);
    const size_t *len = arg;

    return kgr_tpm_hmac(tpm, key, &part, 1, (uint8_t *)arg + sizeof(size_t), *len, d);
}

static struct kgr_tpm_loadable loadable(struct tpm_fixture *at, const struct kgr_tpm_blob *blob,
                                        const struct kgr_tpm_auth *auth)
{
    struct kgr_tpm_loadable key = {
        .id = kgr_tpm_new_key_id(at->tpm), .parent = &at->storage, .blob = blob, .auth = auth};

    return key;
}

static void encrypt_with(struct tpm_fixture *at, const struct kgr_tpm_blob *blob,
                         const struct kgr_tpm_auth *auth, uint8_t out[64])
{
    struct kgr_tpm_loadable key = loadable(at, blob, auth);

    assert_int_equal(kgr_tpm_use_key(at->tpm, &key, do_encrypt, out, &diag), KGR_OK);
}

struct hmac_out {
    size_t len;
    uint8_t bytes[48];
};

static void hmac_with(struct tpm_fixture *at, const struct kgr_tpm_blob *blob,
                      const struct kgr_tpm_auth *auth, struct hmac_out *out)
{
    struct kgr_tpm_loadable key = loadable(at, blob, auth);

    assert_int_equal(kgr_tpm_use_key(at->tpm, &key, do_hmac, out, &diag), KGR_OK);
}

static void born_keys_agree(enum kgr_suite suite, bool wrapped)
{
    struct kgr_tpm_birth birth = birth_for_pair(suite);
    size_t inner_len = kgr_suite_enc_key_len(suite);
    uint8_t *inner = kgr_secret_alloc(2 * inner_len);
    struct kgr_tpm_blob blobs[2];
    uint8_t ciphertexts[2][64];
    struct hmac_out macs[2] = {{.len = kgr_suite_hash_len(suite)},
                               {.len = kgr_suite_hash_len(suite)}};

    memset(inner, 0x3c, 2 * inner_len);
    if (wrapped) {
        birth.inner_enc = kgr_slice(inner, inner_len);
        birth.inner_mac = kgr_slice(inner + inner_len, inner_len);
    }
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    assert_int_equal(enc.kept.len, 0);
    assert_int_equal(kgr_tpm_num_loaded(ks.tpm), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            import_at(&nodes[i], &blobs[i], &enc, i, suite, KGR_TPM_ENC, birth.inner_enc), KGR_OK);
        encrypt_with(&nodes[i], &blobs[i], nodes[i].auth, ciphertexts[i]);
        assert_int_equal(
            import_at(&nodes[i], &blobs[i], &mac, i, suite, KGR_TPM_MAC, birth.inner_mac), KGR_OK);
        hmac_with(&nodes[i], &blobs[i], nodes[i].auth, &macs[i]);
    }
    assert_memory_equal(ciphertexts[0], ciphertexts[1], 64);
    assert_memory_equal(macs[0].bytes, macs[1].bytes, macs[0].len);
    kgr_secret_free(inner);
}

static void keys_of_the_default_suite_agree_at_both_nodes(void **state)
{
    (void)state;
    born_keys_agree(KGR_SUITE_AES128_SHA256, false);
}

static void keys_of_the_larger_suite_agree_at_both_nodes(void **state)
{
    (void)state;
    born_keys_agree(KGR_SUITE_AES256_SHA384, false);
}

static void keys_in_an_inner_wrapper_agree_at_both_nodes(void **state)
{
    (void)state;
    tpm_tap.pattern = (const uint8_t *)"<<<<<<<<"; /* of the inner keys */
    tpm_tap.pattern_len = 8;
    born_keys_agree(KGR_SUITE_AES128_SHA256, true);
    assert_int_equal(tpm_tap.num_seen, 0);
}

static void births_differ(void **state)
{
    struct kgr_tpm_birth birth = birth_for_pair(KGR_SUITE_AES128_SHA256);
    struct kgr_tpm_name first;

    (void)state;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    first = enc.name;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    assert_false(kgr_tpm_name_equal(&first, &enc.name));
}

static void kept_keys_agree_with_the_node(void **state)
{
    struct kgr_tpm_auth *keep = tpm_fixture_auth(0x44);
    struct kgr_tpm_birth birth = {.parent = &ks.storage,
                                  .suite = KGR_SUITE_AES128_SHA256,
                                  .num_targets = 1,
                                  .targets = {&nodes[2].storage_pub},
                                  .keep_enc = keep,
                                  .keep_mac = keep};
    struct kgr_tpm_blob here;
    struct kgr_tpm_blob there;
    uint8_t a[64];
    uint8_t b[64];

    (void)state;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    assert_int_equal(
        import_at(&nodes[2], &there, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
        KGR_OK);
    here.pub = enc.pub;
    here.priv = enc.kept;
    encrypt_with(&ks, &here, keep, a);
    encrypt_with(&nodes[2], &there, nodes[2].auth, b);
    assert_memory_equal(a, b, sizeof(a));
    kgr_secret_free(keep);
}

static void import_elsewhere_is_refused(void **state)
{
    struct kgr_tpm_birth birth = birth_for_pair(KGR_SUITE_AES128_SHA256);
    struct kgr_tpm_blob blob;

    (void)state;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    assert_int_equal(
        import_at(&nodes[2], &blob, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
        KGR_ERR_CORRUPT);
    assert_int_equal(
        import_at(&nodes[0], &blob, &enc, 1, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
        KGR_ERR_CORRUPT);
    /* The KS itself cannot open what it keeps for the nodes. */
    assert_int_equal(import_at(&ks, &blob, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
                     KGR_ERR_CORRUPT);
}

/* What the network kept of the time before a node replaced its storage key opens in that TPM no more. */
static void recorded_duplicate_dies_with_the_storage_key(void **state)
{
    struct tpm_fixture *node = &nodes[2];
    struct kgr_tpm_birth birth = {.parent = &ks.storage,
                                  .suite = KGR_SUITE_AES128_SHA256,
                                  .num_targets = 1,
                                  .targets = {&node->storage_pub}};
    struct kgr_tpm_object srk = {0}, next = {0}, old = node->storage;
    struct kgr_tpm_public srk_pub;
    struct kgr_tpm_blob made, blob;
    uint32_t handle = 0;

    (void)state;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    assert_int_equal(import_at(node, &blob, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
                     KGR_OK);
    assert_int_equal(kgr_tpm_srk(node->tpm, &srk, &srk_pub, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_make_storage(node->tpm, &made, &handle, &srk, KGR_TPM_FIRST_HANDLE,
                                          KGR_SUITE_AES128_SHA256, node->auth, &diag),
                     KGR_OK);
    assert_int_not_equal(handle, old.handle);
    assert_int_equal(kgr_tpm_place(node->tpm, &next, &made, &srk, handle, node->auth, &diag),
                     KGR_OK);
    /* The place is taken now, and nothing else is evicted in its name. */
    assert_int_equal(kgr_tpm_place(node->tpm, &next, &made, &srk, handle, node->auth, &diag),
                     KGR_ERR_EXISTS);
    assert_int_equal(kgr_tpm_evict_named(node->tpm, handle, &old.name, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_session_start(node->tpm, &next, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_evict_named(node->tpm, old.handle, &old.name, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_read_public(node->tpm, &srk_pub, old.handle, NULL), KGR_ERR_NO_KEY);
    node->storage = next;
    node->storage_pub = made.pub;
    memset(&diag, 0, sizeof(diag));
    assert_int_equal(import_at(node, &blob, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
                     KGR_ERR_CORRUPT);
    assert_non_null(strstr(kgr_diag_text(&diag, KGR_ERR_CORRUPT), "0x3df"));
    /* And what is made for the new one opens. */
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    assert_int_equal(import_at(node, &blob, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
                     KGR_OK);
    kgr_tpm_release(node->tpm, &srk);
}

static void import_of_a_damaged_duplicate_is_refused(void **state)
{
    struct kgr_tpm_birth birth = birth_for_pair(KGR_SUITE_AES128_SHA256);
    struct kgr_tpm_newborn *bad = malloc(sizeof(*bad));
    struct kgr_tpm_blob blob;

    (void)state;
    assert_non_null(bad);
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    for (size_t at = 0; at < enc.duplicates[0].len; at += 7) {
        *bad = enc;
        bad->duplicates[0].bytes[at] ^= 0x10;
        assert_int_equal(
            import_at(&nodes[0], &blob, bad, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
            KGR_ERR_CORRUPT);
    }
    for (size_t at = 0; at < enc.duplicates[0].seed_len; at += 5) {
        *bad = enc;
        bad->duplicates[0].seed[at] ^= 0x10;
        assert_int_equal(
            import_at(&nodes[0], &blob, bad, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
            KGR_ERR_CORRUPT);
    }
    for (size_t at = 0; at < enc.pub.len; at++) {
        *bad = enc;
        bad->pub.bytes[at] ^= 0x10;
        assert_int_equal(
            import_at(&nodes[0], &blob, bad, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
            KGR_ERR_CORRUPT);
    }
    free(bad);
    assert_int_equal(
        import_at(&nodes[0], &blob, &enc, 0, birth.suite, KGR_TPM_MAC, kgr_slice(NULL, 0)),
        KGR_ERR_CORRUPT);
    assert_int_equal(import_at(&nodes[0], &blob, &enc, 0, KGR_SUITE_AES256_SHA384, KGR_TPM_ENC,
                               kgr_slice(NULL, 0)),
                     KGR_ERR_CORRUPT);
    assert_int_equal(
        import_at(&nodes[0], &blob, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)), KGR_OK);
}

static void birth_for_another_template_is_refused(void **state)
{
    struct kgr_tpm_birth birth = birth_for_pair(KGR_SUITE_AES128_SHA256);
    struct kgr_tpm_public soft = nodes[1].storage_pub;

    (void)state;
    soft.bytes[7] ^= 0x02; /* fixedTPM */
    birth.targets[1] = &soft;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_ERR_CORRUPT);
    birth.num_targets = 0;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, NULL), KGR_ERR_INVALID);
    birth.num_targets = 3;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, NULL), KGR_ERR_INVALID);
}

/* TPM2_Duplicate of a loaded key as somebody might try it who has the session and the names. */
static enum kgr_error try_duplicate(struct tpm_fixture *at, const struct kgr_tpm_object *key,
                                    const struct kgr_tpm_public *to, TPM2_HANDLE session)
{
    static const TPMT_SYM_DEF_OBJECT none = {.algorithm = TPM2_ALG_NULL};
    static const TPM2B_DATA no_key = {.size = 0};
    struct kgr_tpm_object target;
    struct kgr_tpm_command cmd = {.name = "TPM2_Duplicate",
                                  .code = TPM2_CC_Duplicate,
                                  .handles = {key, &target},
                                  .num_handles = 2,
                                  .num_auths = 1,
                                  .policy = session};
    TSS2_RC rc;

    assert_int_equal(kgr_tpm_load_external(at->tpm, &target, to, &diag), KGR_OK);
    do {
        rc = Tss2_Sys_Duplicate_Prepare(at->tpm->sys, key->handle, target.handle, &no_key, &none);
    } while (kgr_tpm_again(at->tpm, &cmd, rc, NULL));
    kgr_tpm_release(at->tpm, &target);
    return cmd.err;
}

/* The branches of the pair (0, 1) as the KS computes them. */
static void pair_branches(uint8_t out[2][KGR_TPM_HASH_LEN])
{
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(kgr_tpm_policy_duplicate(out[i], &ks.storage.name, &nodes[i].storage.name),
                         KGR_OK);
}

static void third_destination_is_refused_even_for_the_ks(void **state)
{
    struct kgr_tpm_auth *keep = tpm_fixture_auth(0x44);
    struct kgr_tpm_birth birth = birth_for_pair(KGR_SUITE_AES128_SHA256);
    uint8_t branches[2][KGR_TPM_HASH_LEN];
    const uint8_t(*list)[KGR_TPM_HASH_LEN] = (const uint8_t(*)[KGR_TPM_HASH_LEN])branches;
    struct kgr_tpm_object key;
    struct kgr_tpm_blob blob;
    TPM2_HANDLE session = 0;

    (void)state;
    birth.keep_enc = keep;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    blob.pub = enc.pub;
    blob.priv = enc.kept;
    pair_branches(branches);
    assert_int_equal(kgr_tpm_load(ks.tpm, &key, &ks.storage, &blob, keep, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_policy_begin(ks.tpm, &session, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_assert_secret(ks.tpm, session, &ks.storage, &diag), KGR_OK);
    assert_int_equal(
        kgr_tpm_assert_duplication(ks.tpm, session, &key.name, &nodes[2].storage.name, &diag),
        KGR_OK);
    assert_int_equal(kgr_tpm_assert_or(ks.tpm, session, list, 2, NULL), KGR_ERR_TPM);
    assert_int_equal(try_duplicate(&ks, &key, &nodes[2].storage_pub, session), KGR_ERR_TPM);
    kgr_tpm_flush(ks.tpm, session);
    /* The control: the same steps for a destination of the policy. */
    assert_int_equal(kgr_tpm_policy_begin(ks.tpm, &session, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_assert_secret(ks.tpm, session, &ks.storage, &diag), KGR_OK);
    assert_int_equal(
        kgr_tpm_assert_duplication(ks.tpm, session, &key.name, &nodes[0].storage.name, &diag),
        KGR_OK);
    assert_int_equal(kgr_tpm_assert_or(ks.tpm, session, list, 2, &diag), KGR_OK);
    assert_int_equal(try_duplicate(&ks, &key, &nodes[0].storage_pub, session), KGR_OK);
    kgr_tpm_flush(ks.tpm, session);
    kgr_tpm_release(ks.tpm, &key);
    kgr_secret_free(keep);
}

static void node_cannot_duplicate_what_it_received(void **state)
{
    struct kgr_tpm_birth birth = birth_for_pair(KGR_SUITE_AES128_SHA256);
    uint8_t branches[2][KGR_TPM_HASH_LEN];
    const uint8_t(*list)[KGR_TPM_HASH_LEN] = (const uint8_t(*)[KGR_TPM_HASH_LEN])branches;
    struct tpm_fixture *node = &nodes[0];
    struct kgr_tpm_object key;
    struct kgr_tpm_blob blob;
    TPM2_HANDLE session = 0;

    (void)state;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    assert_int_equal(import_at(node, &blob, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)),
                     KGR_OK);
    pair_branches(branches);
    assert_int_equal(kgr_tpm_load(node->tpm, &key, &node->storage, &blob, node->auth, &diag),
                     KGR_OK);
    assert_int_equal(kgr_tpm_policy_begin(node->tpm, &session, &diag), KGR_OK);
    /* Without the KS's secret, and with its own in its place. */
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            assert_int_equal(kgr_tpm_assert_secret(node->tpm, session, &node->storage, &diag),
                             KGR_OK);
        assert_int_equal(kgr_tpm_assert_duplication(node->tpm, session, &key.name,
                                                    &nodes[1].storage.name, &diag),
                         KGR_OK);
        assert_int_equal(kgr_tpm_assert_or(node->tpm, session, list, 2, NULL), KGR_ERR_TPM);
        assert_int_equal(try_duplicate(node, &key, &nodes[1].storage_pub, session), KGR_ERR_TPM);
        kgr_tpm_flush(node->tpm, session);
        assert_int_equal(kgr_tpm_policy_begin(node->tpm, &session, &diag), KGR_OK);
    }
    kgr_tpm_flush(node->tpm, session);
    kgr_tpm_release(node->tpm, &key);
}

static void imported_key_is_dead_without_its_new_value(void **state)
{
    struct kgr_tpm_birth birth = birth_for_pair(KGR_SUITE_AES128_SHA256);
    struct kgr_tpm_blob blob;
    struct kgr_tpm_loadable key;
    uint8_t out[64];

    (void)state;
    assert_int_equal(kgr_tpm_give_birth(ks.tpm, &enc, &mac, &birth, &diag), KGR_OK);
    assert_int_equal(
        import_at(&nodes[0], &blob, &enc, 0, birth.suite, KGR_TPM_ENC, kgr_slice(NULL, 0)), KGR_OK);
    key = loadable(&nodes[0], &blob, NULL);
    assert_int_equal(kgr_tpm_use_key(nodes[0].tpm, &key, do_encrypt, out, NULL), KGR_ERR_TPM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys_of_the_default_suite_agree_at_both_nodes, fresh),
        cmocka_unit_test_setup(keys_of_the_larger_suite_agree_at_both_nodes, fresh),
        cmocka_unit_test_setup(keys_in_an_inner_wrapper_agree_at_both_nodes, fresh),
        cmocka_unit_test_setup(births_differ, fresh),
        cmocka_unit_test_setup(kept_keys_agree_with_the_node, fresh),
        cmocka_unit_test_setup(import_elsewhere_is_refused, fresh),
        cmocka_unit_test_setup(recorded_duplicate_dies_with_the_storage_key, fresh),
        cmocka_unit_test_setup(import_of_a_damaged_duplicate_is_refused, fresh),
        cmocka_unit_test_setup(birth_for_another_template_is_refused, fresh),
        cmocka_unit_test_setup(third_destination_is_refused_even_for_the_ks, fresh),
        cmocka_unit_test_setup(node_cannot_duplicate_what_it_received, fresh),
        cmocka_unit_test_setup(imported_key_is_dead_without_its_new_value, fresh),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
