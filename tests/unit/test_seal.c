/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/base/text.h"
#include "agent/seal/software.h"

/* The common parts of RFC 7518 appendix B and of draft-mcgrew-aead-aes-cbc-hmac-sha2-05 section 5. */
#define PLAINTEXT                                                                                  \
    "A cipher system must not be required to be secret, and it must be able to fall into the "     \
    "hands of the enemy without inconvenience"
#define AAD "The second principle of Auguste Kerckhoffs"
#define IV  "1af38c2dc2b96ffdd86694092341bc04"

static const struct vector {
    enum kgr_suite suite;
    size_t mac_len; /* the key is 00 01 02 ..: MAC key, then encryption key */
    const char *ciphertext;
    const char *tag;
} vectors[] = {
    /* RFC 7518 B.1, A128CBC-HS256 */
    {KGR_SUITE_AES128_SHA256, 16,
     "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9"
     "a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c7032336"
     "09d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b"
     "384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade5"
     "4b8851ffb598f7f80074b9473c82e2db",
     "652c3fa36b0a7c5b3219fab3a30bc1c4"},
    /* The draft's AES-256-CBC with HMAC-SHA-384 */
    {KGR_SUITE_AES256_SHA384, 24,
     "893129b0f4ee9eb18d75eda6f2aaa9f3607c98c4ba0444d34162170d8961884e"
     "58f27d4a35a5e3e3234aa99404f327f5c2d78e986e5749858b88bcddc2ba0521"
     "8f195112d6ad48fa3b1e89aa7f20d596682f10b3648d3bb0c983c3185f59e36d"
     "28f647c1c13988de8ea0d821198c150977e28ca768080bc78c35faed69d8c0b7"
     "d9f506232198a489a1a6ae03a319fb30",
     "dd131d05ab3467dd056f8e882bad70637f1e9a541d9c23e7"},
};

static struct kgr_software_key *make_key(const struct vector *v)
{
    size_t enc_len = kgr_suite_enc_key_len(v->suite);
    struct kgr_software_key *key = NULL;
    uint8_t bytes[KGR_MAC_KEY_MAX + KGR_ENC_KEY_MAX];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(kgr_software_key_new(&key, v->suite, kgr_slice(bytes + v->mac_len, enc_len),
                                          kgr_slice(bytes, v->mac_len)),
                     KGR_OK);
    return key;
}

static struct kgr_slice text(const char *s)
{
    return kgr_slice(s, strlen(s));
}

static void encrypt_gives_the_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(vectors); i++) {
        struct kgr_software_key *software = make_key(&vectors[i]);
        struct kgr_seal_key key = kgr_software_key_seal(software);
        char hex[2 * 144 + 1];
        uint8_t ciphertext[144];
        uint8_t tag[KGR_TAG_MAX];
        uint8_t iv[KGR_IV_LEN];

        assert_int_equal(kgr_unhex(iv, sizeof(iv), IV), KGR_OK);
        assert_int_equal(kgr_suite_ciphertext_len(strlen(PLAINTEXT)), sizeof(ciphertext));
        assert_int_equal(kgr_seal_encrypt(&key, ciphertext, tag, iv, text(AAD), text(PLAINTEXT)),
                         KGR_OK);
        assert_string_equal(kgr_hex(hex, ciphertext, sizeof(ciphertext)), vectors[i].ciphertext);
        assert_string_equal(kgr_hex(hex, tag, kgr_suite_tag_len(key.suite)), vectors[i].tag);
        kgr_software_key_free(software);
    }
}

static void decrypt_opens_the_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(vectors); i++) {
        struct kgr_software_key *software = make_key(&vectors[i]);
        struct kgr_seal_key key = kgr_software_key_seal(software);
        uint8_t ciphertext[144];
        uint8_t plaintext[144];
        uint8_t tag[KGR_TAG_MAX];
        uint8_t iv[KGR_IV_LEN];
        size_t tag_len = kgr_suite_tag_len(key.suite);
        size_t len = 0;

        assert_int_equal(kgr_unhex(iv, sizeof(iv), IV), KGR_OK);
        assert_int_equal(kgr_unhex(ciphertext, sizeof(ciphertext), vectors[i].ciphertext), KGR_OK);
        assert_int_equal(kgr_unhex(tag, tag_len, vectors[i].tag), KGR_OK);
        assert_int_equal(kgr_seal_decrypt(&key, plaintext, &len, iv, text(AAD),
                                          kgr_slice(ciphertext, sizeof(ciphertext)),
                                          kgr_slice(tag, tag_len)),
                         KGR_OK);
        assert_true(kgr_slice_equal(kgr_slice(plaintext, len), text(PLAINTEXT)));
        kgr_software_key_free(software);
    }
}

/* A message of 20 bytes under the first suite, to be spoiled. */
struct message {
    struct kgr_software_key *software;
    struct kgr_seal_key key;
    uint8_t iv[KGR_IV_LEN];
    uint8_t aad[5];
    uint8_t ciphertext[32];
    uint8_t tag[16];
};

static const uint8_t message_plaintext[20] = "twenty bytes of text";

static int open_message(void **state)
{
    static const struct vector full = {KGR_SUITE_AES128_SHA256, 32, NULL, NULL};
    static struct message m;

    memset(&m, 0, sizeof(m));
    m.software = make_key(&full);
    m.key = kgr_software_key_seal(m.software);
    memset(m.iv, 0x33, sizeof(m.iv));
    memcpy(m.aad, "aad 1", sizeof(m.aad));
    assert_int_equal(kgr_seal_encrypt(&m.key, m.ciphertext, m.tag, m.iv,
                                      kgr_slice(m.aad, sizeof(m.aad)),
                                      kgr_slice(message_plaintext, sizeof(message_plaintext))),
                     KGR_OK);
    *state = &m;
    return 0;
}

static int close_message(void **state)
{
    struct message *m = *state;

    kgr_software_key_free(m->software);
    return 0;
}

static enum kgr_error decrypt(const struct message *m, size_t aad_len, size_t ciphertext_len,
                              size_t tag_len)
{
    uint8_t out[sizeof(m->ciphertext)];
    size_t len = 99;
    enum kgr_error err;

    memset(out, 0xee, sizeof(out));
    err = kgr_seal_decrypt(&m->key, out, &len, m->iv, kgr_slice(m->aad, aad_len),
                           kgr_slice(m->ciphertext, ciphertext_len), kgr_slice(m->tag, tag_len));
    if (err == KGR_OK) {
        assert_true(kgr_slice_equal(kgr_slice(out, len),
                                    kgr_slice(message_plaintext, sizeof(message_plaintext))));
        return err;
    }
    assert_int_equal(len, 99);
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 0xee);
    return err;
}

static enum kgr_error decrypt_whole(const struct message *m)
{
    return decrypt(m, sizeof(m->aad), sizeof(m->ciphertext), sizeof(m->tag));
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct message *m = *state;
    const struct {
        uint8_t *p;
        size_t len;
    } parts[] = {
        {m->iv, sizeof(m->iv)},
        {m->aad, sizeof(m->aad)},
        {m->ciphertext, sizeof(m->ciphertext)},
        {m->tag, sizeof(m->tag)},
    };

    assert_int_equal(decrypt_whole(m), KGR_OK);
    for (size_t part = 0; part < KGR_ARRAY_LEN(parts); part++) {
        for (size_t bit = 0; bit < 8 * parts[part].len; bit++) {
            parts[part].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(decrypt_whole(m), KGR_ERR_CORRUPT);
            parts[part].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_int_equal(decrypt_whole(m), KGR_OK);
}

static void every_truncation_is_noticed(void **state)
{
    struct message *m = *state;

    for (size_t len = 0; len < sizeof(m->ciphertext); len++)
        assert_int_equal(decrypt(m, sizeof(m->aad), len, sizeof(m->tag)), KGR_ERR_CORRUPT);
    for (size_t len = 0; len < sizeof(m->tag); len++)
        assert_int_equal(decrypt(m, sizeof(m->aad), sizeof(m->ciphertext), len), KGR_ERR_CORRUPT);
    for (size_t len = 0; len < sizeof(m->aad); len++)
        assert_int_equal(decrypt(m, len, sizeof(m->ciphertext), sizeof(m->tag)), KGR_ERR_CORRUPT);
}

static void bytes_moved_between_aad_and_iv_are_noticed(void **state)
{
    struct message *m = *state;
    uint8_t joined[sizeof(m->aad) + sizeof(m->iv)];
    uint8_t out[sizeof(m->ciphertext)];
    size_t len = 0;

    /* The same bytes in the same order: only AL tells where the associated data end. */
    memcpy(joined, m->aad, sizeof(m->aad));
    memcpy(joined + sizeof(m->aad), m->iv, sizeof(m->iv));
    assert_int_equal(kgr_seal_decrypt(&m->key, out, &len, joined + 4, kgr_slice(joined, 4),
                                      kgr_slice(m->ciphertext, sizeof(m->ciphertext)),
                                      kgr_slice(m->tag, sizeof(m->tag))),
                     KGR_ERR_CORRUPT);
}

static void every_length_of_plaintext_round_trips(void **state)
{
    struct message *m = *state;
    uint8_t plaintext[65];
    uint8_t ciphertext[80];
    uint8_t out[80];
    uint8_t tag[16];

    for (size_t i = 0; i < sizeof(plaintext); i++)
        plaintext[i] = (uint8_t)(i * 7);
    for (size_t len = 0; len <= sizeof(plaintext); len++) {
        size_t cipher_len = kgr_suite_ciphertext_len(len);
        size_t got = 0;

        assert_int_equal(kgr_seal_encrypt(&m->key, ciphertext, tag, m->iv, kgr_slice(NULL, 0),
                                          kgr_slice(plaintext, len)),
                         KGR_OK);
        assert_int_equal(kgr_seal_decrypt(&m->key, out, &got, m->iv, kgr_slice(NULL, 0),
                                          kgr_slice(ciphertext, cipher_len),
                                          kgr_slice(tag, sizeof(tag))),
                         KGR_OK);
        assert_int_equal(got, len);
        assert_memory_equal(out, plaintext, len);
    }
}

static void encrypt_works_in_place(void **state)
{
    struct message *m = *state;
    uint8_t buf[32] = {0};
    uint8_t tag[16];

    memcpy(buf, message_plaintext, sizeof(message_plaintext));
    assert_int_equal(kgr_seal_encrypt(&m->key, buf, tag, m->iv, kgr_slice(m->aad, sizeof(m->aad)),
                                      kgr_slice(buf, sizeof(message_plaintext))),
                     KGR_OK);
    assert_memory_equal(buf, m->ciphertext, sizeof(buf));
    assert_memory_equal(tag, m->tag, sizeof(tag));
}

/* Primitives of a holder of the keys who seals what no encoder makes: the cipher is the identity. */
static enum kgr_error identity_cbc(void *ctx, const uint8_t *iv, const uint8_t *in, size_t len,
                                   uint8_t *out)
{
    (void)ctx;
    (void)iv;
    memmove(out, in, len);
    return KGR_OK;
}

static enum kgr_error constant_hmac(void *ctx, const struct kgr_slice *parts, size_t num_parts,
                                    uint8_t *out)
{
    (void)ctx;
    (void)parts;
    (void)num_parts;
    memset(out, 0x11, 32);
    return KGR_OK;
}

static const struct kgr_seal_vtable transparent = {
    .cbc_encrypt = identity_cbc,
    .cbc_decrypt = identity_cbc,
    .hmac = constant_hmac,
};

static void bad_padding_under_a_good_tag_is_corrupt_and_cleansed(void **state)
{
    static const uint8_t endings[][3] = {
        {3, 3, 0}, {0, 0, 17}, {255, 255, 255}, {3, 3, 3}, {1, 2, 2}, {2, 3, 3},
    };
    struct kgr_seal_key key = {.vt = &transparent, .suite = KGR_SUITE_AES128_SHA256};
    uint8_t iv[KGR_IV_LEN] = {0};
    uint8_t zero[16] = {0};
    uint8_t tag[16];

    (void)state;
    memset(tag, 0x11, sizeof(tag));
    for (size_t i = 0; i < KGR_ARRAY_LEN(endings); i++) {
        uint8_t block[16] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
        bool good = memcmp(endings[i], "\3\3\3", 3) == 0 || endings[i][2] == 2;
        uint8_t out[16];
        size_t len = 99;
        enum kgr_error err;

        memcpy(block + 13, endings[i], 3);
        err = kgr_seal_decrypt(&key, out, &len, iv, kgr_slice(NULL, 0), kgr_slice(block, 16),
                               kgr_slice(tag, 16));
        assert_int_equal(err, good ? KGR_OK : KGR_ERR_CORRUPT);
        if (good) {
            assert_int_equal(len, 16 - endings[i][2]);
        } else {
            assert_int_equal(len, 99);
            assert_memory_equal(out, zero, sizeof(out));
        }
    }
}

static int num_decryptions;

static enum kgr_error counting_cbc(void *ctx, const uint8_t *iv, const uint8_t *in, size_t len,
                                   uint8_t *out)
{
    num_decryptions++;
    return identity_cbc(ctx, iv, in, len, out);
}

static void nothing_is_decrypted_before_the_tag_fits(void **state)
{
    const struct kgr_seal_vtable counting = {
        .cbc_encrypt = identity_cbc,
        .cbc_decrypt = counting_cbc,
        .hmac = constant_hmac,
    };
    struct kgr_seal_key key = {.vt = &counting, .suite = KGR_SUITE_AES128_SHA256};
    uint8_t iv[KGR_IV_LEN] = {0};
    uint8_t block[16];
    uint8_t tag[16] = {0};
    uint8_t out[16];
    size_t len = 0;

    (void)state;
    memset(block, 16, sizeof(block));
    num_decryptions = 0;
    assert_int_equal(kgr_seal_decrypt(&key, out, &len, iv, kgr_slice(NULL, 0), kgr_slice(block, 16),
                                      kgr_slice(tag, 16)),
                     KGR_ERR_CORRUPT);
    assert_int_equal(num_decryptions, 0);
    memset(tag, 0x11, sizeof(tag));
    assert_int_equal(kgr_seal_decrypt(&key, out, &len, iv, kgr_slice(NULL, 0), kgr_slice(block, 16),
                                      kgr_slice(tag, 16)),
                     KGR_OK);
    assert_int_equal(num_decryptions, 1);
    assert_int_equal(len, 0);
}

static enum kgr_error broken_cbc(void *ctx, const uint8_t *iv, const uint8_t *in, size_t len,
                                 uint8_t *out)
{
    (void)identity_cbc(ctx, iv, in, len, out);
    return KGR_ERR_TPM;
}

static enum kgr_error broken_hmac(void *ctx, const struct kgr_slice *parts, size_t num_parts,
                                  uint8_t *out)
{
    (void)constant_hmac(ctx, parts, num_parts, out);
    return KGR_ERR_TPM;
}

static void failing_primitive_is_reported_and_leaves_no_plaintext(void **state)
{
    static const struct kgr_seal_vtable broken[] = {
        {broken_cbc, broken_cbc, constant_hmac, NULL},
        {identity_cbc, identity_cbc, broken_hmac, NULL},
    };
    uint8_t iv[KGR_IV_LEN] = {0};
    uint8_t zero[16] = {0};
    uint8_t right[16];
    uint8_t block[16];

    (void)state;
    memset(block, 1, sizeof(block));
    memset(right, 0x11, sizeof(right));
    for (size_t i = 0; i < KGR_ARRAY_LEN(broken); i++) {
        struct kgr_seal_key key = {.vt = &broken[i], .suite = KGR_SUITE_AES128_SHA256};
        uint8_t out[16] = {0};
        uint8_t tag[16] = {7};
        size_t len = 99;

        assert_int_equal(
            kgr_seal_encrypt(&key, out, tag, iv, kgr_slice(NULL, 0), kgr_slice("secret", 6)),
            KGR_ERR_TPM);
        assert_memory_equal(out, zero, sizeof(out));
        assert_int_equal(tag[0], 7);
        assert_int_equal(kgr_seal_decrypt(&key, out, &len, iv, kgr_slice(NULL, 0),
                                          kgr_slice(block, 16), kgr_slice(right, 16)),
                         KGR_ERR_TPM);
        assert_memory_equal(out, zero, sizeof(out));
        assert_int_equal(len, 99);
    }
}

static int open_arena(void **state)
{
    (void)state;
    return kgr_arena_init(65536) == KGR_OK ? 0 : -1;
}

static int close_arena(void **state)
{
    (void)state;
    kgr_arena_deinit();
    return 0;
}

int main(void)
{
#define WITH_MESSAGE(test) cmocka_unit_test_setup_teardown(test, open_message, close_message)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encrypt_gives_the_published_vectors),
        cmocka_unit_test(decrypt_opens_the_published_vectors),
        WITH_MESSAGE(every_flipped_bit_is_noticed),
        WITH_MESSAGE(every_truncation_is_noticed),
        WITH_MESSAGE(bytes_moved_between_aad_and_iv_are_noticed),
        WITH_MESSAGE(every_length_of_plaintext_round_trips),
        WITH_MESSAGE(encrypt_works_in_place),
        cmocka_unit_test(bad_padding_under_a_good_tag_is_corrupt_and_cleansed),
        cmocka_unit_test(nothing_is_decrypted_before_the_tag_fits),
        cmocka_unit_test(failing_primitive_is_reported_and_leaves_no_plaintext),
    };

    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
