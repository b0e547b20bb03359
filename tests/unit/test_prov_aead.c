/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/prov-fixture.h"

#include "provider/error.h"

#include "agent/base/text.h"

#include <openssl/core_names.h>

#define NAME_128 "KGR-AES-128-CBC-HMAC-SHA256-ETM"
#define NAME_256 "KGR-AES-256-CBC-HMAC-SHA384-ETM"

static const uint8_t iv[16] = {0x1a, 0xf3, 0x8c, 0x2d, 0xc2, 0xb9, 0x6f, 0xfd,
                               0xd8, 0x66, 0x94, 0x09, 0x23, 0x41, 0xbc, 0x04};

static EVP_CIPHER_CTX *begin(const char *name, const char *uri, int encrypt)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(libctx, name, "provider=kgr");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    assert_non_null(cipher);
    assert_int_equal(EVP_CipherInit_ex2(ctx, cipher, NULL, iv, encrypt, uri_params(uri)), 1);
    EVP_CIPHER_free(cipher);
    return ctx;
}

static int set_tag(EVP_CIPHER_CTX *ctx, const uint8_t *tag, int len)
{
    uint8_t copy[64];

    memcpy(copy, tag, (size_t)len);
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, len, copy);
}

static int get_tag(EVP_CIPHER_CTX *ctx, uint8_t *tag, int len)
{
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, len, tag);
}

/* Adds in by random pieces; to out, or as associated data if that is NULL. Returns the length out. */
static size_t feed(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t len,
                   uint32_t max_piece)
{
    size_t done = 0, total = 0;

    while (done < len) {
        size_t piece = draw(max_piece) + 1;
        int n;

        piece = piece < len - done ? piece : len - done;
        assert_int_equal(
            EVP_CipherUpdate(ctx, out == NULL ? NULL : out + total, &n, in + done, (int)piece), 1);
        total += (size_t)n;
        done += piece;
    }
    return total;
}

struct vector {
    const char *name, *uri, *peer, *key, *ciphertext, *tag;
    size_t enc_len, mac_len, tag_len;
};

/* Associated data and plaintext of all vectors. */
static const char vector_aad[] = "The second principle of Auguste Kerckhoffs";
static const char vector_plaintext[] =
    "A cipher system must not be required to be secret, and it must be able to fall into the hands "
    "of the enemy without inconvenience";

static const struct vector vectors[] = {
    /* RFC 7518 appendix B.1 */
    {NAME_128, "kgr:peer=N2", "N2",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef7142"
     "7e2"
     "fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9c"
     "f1b"
     "384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e"
     "2db",
     "652c3fa36b0a7c5b3219fab3a30bc1c4", 16, 16, 16},
    /* draft-mcgrew-aead-aes-cbc-hmac-sha2-05, AES-256-CBC with HMAC-SHA-384 */
    {NAME_256, "kgr:peer=N3", "N3",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2"
     "e2f"
     "3031323334353637",
     "893129b0f4ee9eb18d75eda6f2aaa9f3607c98c4ba0444d34162170d8961884e58f27d4a35a5e3e3234aa99404f32"
     "7f5"
     "c2d78e986e5749858b88bcddc2ba05218f195112d6ad48fa3b1e89aa7f20d596682f10b3648d3bb0c983c3185f59e"
     "36d"
     "28f647c1c13988de8ea0d821198c150977e28ca768080bc78c35faed69d8c0b7d9f506232198a489a1a6ae03a319f"
     "b30",
     "dd131d05ab3467dd056f8e882bad70637f1e9a541d9c23e7", 32, 24, 24}};

static void aead_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(vectors); i++) {
        const struct vector *v = &vectors[i];
        uint8_t key[56], expected[144], expected_tag[24], out[160], tag[24], back[160];
        int n, m;

        assert_int_equal(kgr_unhex(key, v->mac_len + v->enc_len, v->key), KGR_OK);
        assert_int_equal(kgr_unhex(expected, sizeof(expected), v->ciphertext), KGR_OK);
        assert_int_equal(kgr_unhex(expected_tag, v->tag_len, v->tag), KGR_OK);
        kgr_fake_use_keys(v->peer, key + v->mac_len, v->enc_len, key, v->mac_len);

        EVP_CIPHER_CTX *ctx = begin(v->name, v->uri, 1);
        feed(ctx, NULL, (const uint8_t *)vector_aad, strlen(vector_aad), 20);
        n = (int)feed(ctx, out, (const uint8_t *)vector_plaintext, strlen(vector_plaintext), 50);
        assert_int_equal(EVP_EncryptFinal_ex(ctx, out + n, &m), 1);
        assert_int_equal(n + m, 144);
        assert_memory_equal(out, expected, 144);
        assert_int_equal(get_tag(ctx, tag, (int)v->tag_len), 1);
        assert_memory_equal(tag, expected_tag, v->tag_len);
        EVP_CIPHER_CTX_free(ctx);

        ctx = begin(v->name, v->uri, 0);
        assert_int_equal(set_tag(ctx, tag, (int)v->tag_len), 1);
        feed(ctx, NULL, (const uint8_t *)vector_aad, strlen(vector_aad), 20);
        assert_int_equal(EVP_DecryptUpdate(ctx, back, &n, out, 144), 1);
        assert_int_equal(n, 128);
        assert_memory_equal(back, vector_plaintext, 128);
        assert_int_equal(EVP_DecryptFinal_ex(ctx, back + n, &m), 1);
        assert_int_equal(m, 0);
        EVP_CIPHER_CTX_free(ctx);
    }
}

static void aead_any_length_and_split_round_trips(void **state)
{
    size_t cap = 200000;
    uint8_t *plain = malloc(cap), *sealed = malloc(cap + 64), *back = malloc(cap + 64);

    (void)state;
    draw_bytes(plain, cap);
    for (int i = 0; i < 300; i++) {
        bool strong = draw(2) == 0;
        const char *name = strong ? NAME_256 : NAME_128;
        const char *uri = strong ? "kgr:peer=N3" : "kgr:peer=N2";
        int tag_len = strong ? 24 : 16, n, m;
        size_t len = i % 20 == 0 ? draw(200000) : draw(500), aad_len = draw(3) == 0 ? 0 : draw(300);
        uint32_t piece = len > 1000 ? 70000 : 60;
        uint8_t tag[24];
        size_t sealed_len;

        EVP_CIPHER_CTX *ctx = begin(name, uri, 1);
        feed(ctx, NULL, plain, aad_len, 100);
        sealed_len = feed(ctx, sealed, plain, len, piece);
        if (sealed_len < 30000 && draw(4) == 0) {
            EVP_CIPHER_CTX *copy = EVP_CIPHER_CTX_new();

            assert_int_equal(EVP_CIPHER_CTX_copy(copy, ctx), 1);
            EVP_CIPHER_CTX_free(ctx);
            ctx = copy;
        }
        assert_int_equal(EVP_EncryptFinal_ex(ctx, sealed + sealed_len, &n), 1);
        sealed_len += (size_t)n;
        assert_int_equal(sealed_len, len / 16 * 16 + 16);
        assert_int_equal(get_tag(ctx, tag, tag_len), 1);
        EVP_CIPHER_CTX_free(ctx);

        ctx = begin(name, uri, 0);
        feed(ctx, NULL, plain, aad_len, 100);
        assert_int_equal(set_tag(ctx, tag, tag_len), 1);
        assert_int_equal(EVP_DecryptUpdate(ctx, back, &n, sealed, (int)sealed_len), 1);
        assert_int_equal(EVP_DecryptFinal_ex(ctx, back + n, &m), 1);
        assert_int_equal(n + m, len);
        assert_memory_equal(back, plain, len);
        EVP_CIPHER_CTX_free(ctx);
    }
    free(plain);
    free(sealed);
    free(back);
}

/* One message of 40 bytes with 5 of associated data. */
static void seal_small(uint8_t sealed[48], uint8_t tag[16])
{
    uint8_t plain[40] = {1, 2, 3}, out[64];
    EVP_CIPHER_CTX *ctx = begin(NAME_128, "kgr:peer=N2", 1);
    int n, m;

    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)"hello", 5), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, plain, sizeof(plain)), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, out + n, &m), 1);
    memcpy(sealed, out, 48);
    assert_int_equal(get_tag(ctx, tag, 16), 1);
    EVP_CIPHER_CTX_free(ctx);
}

static void aead_any_changed_bit_releases_nothing(void **state)
{
    uint8_t sealed[48], tag[16], out[80], untouched[80];
    unsigned int before;
    int n;

    (void)state;
    seal_small(sealed, tag);
    memset(untouched, 0xee, sizeof(untouched));
    for (size_t bit = 0; bit < (sizeof(sealed) + sizeof(tag) + 5) * 8; bit++) {
        uint8_t message[48 + 16 + 5];

        memcpy(message, sealed, 48);
        memcpy(message + 48, tag, 16);
        memcpy(message + 64, "hello", 5);
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        EVP_CIPHER_CTX *ctx = begin(NAME_128, "kgr:peer=N2", 0);
        assert_int_equal(set_tag(ctx, message + 48, 16), 1);
        assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &n, message + 64, 5), 1);
        memset(out, 0xee, sizeof(out));
        before = kgr_fake_calls();
        assert_int_equal(EVP_DecryptUpdate(ctx, out, &n, message, 48), 0);
        assert_int_equal(kgr_fake_calls() - before, 1); /* the MAC, and no decryption */
        assert_error(KGR_PROV_R_BAD_TAG, "N2");
        assert_memory_equal(out, untouched, sizeof(out));
        assert_int_equal(EVP_DecryptFinal_ex(ctx, out, &n), 0);
        assert_error(KGR_PROV_R_BROKEN, "again");
        EVP_CIPHER_CTX_free(ctx);
    }
}

static void aead_tag_missing_or_short_is_refused(void **state)
{
    uint8_t sealed[48], tag[24] = {0}, out[80];
    int n;

    (void)state;
    seal_small(sealed, tag);
    EVP_CIPHER_CTX *ctx = begin(NAME_128, "kgr:peer=N2", 0);
    assert_int_equal(set_tag(ctx, tag, 15), 0);
    assert_error(KGR_PROV_R_TAG, "15");
    assert_int_equal(set_tag(ctx, tag, 24), 0);
    assert_error(KGR_PROV_R_TAG, "24");
    /* Only a length: no tag yet. */
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, NULL), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, out, &n, sealed, 48), 0);
    assert_error(KGR_PROV_R_TAG, "16");
    EVP_CIPHER_CTX_free(ctx);

    ctx = begin(NAME_128, "kgr:peer=N2", 0);
    assert_int_equal(set_tag(ctx, tag, 16), 1);
    assert_int_equal(EVP_DecryptFinal_ex(ctx, out, &n), 0);
    assert_error(KGR_PROV_R_ORDER, "verified");
    EVP_CIPHER_CTX_free(ctx);
}

static void aead_steps_out_of_order_are_refused(void **state)
{
    uint8_t sealed[48], tag[16], out[80];
    int n;

    (void)state;
    seal_small(sealed, tag);
    /* Ciphertext in two updates. */
    EVP_CIPHER_CTX *ctx = begin(NAME_128, "kgr:peer=N2", 0);
    assert_int_equal(set_tag(ctx, tag, 16), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)"hello", 5), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, out, &n, sealed, 16), 0);
    assert_error(KGR_PROV_R_BAD_TAG, "");
    EVP_CIPHER_CTX_free(ctx);
    /* Associated data after data, the tag before the end. */
    ctx = begin(NAME_128, "kgr:peer=N2", 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, sealed, 16), 1);
    assert_int_equal(get_tag(ctx, tag, 16), 0);
    assert_error(KGR_PROV_R_ORDER, "end");
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, sealed, 16), 0);
    assert_error(KGR_PROV_R_ORDER, "after data");
    EVP_CIPHER_CTX_free(ctx);
    /* A second message under the same IV. */
    ctx = begin(NAME_128, "kgr:peer=N2", 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, out, &n), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, sealed, 16), 0);
    assert_error(KGR_PROV_R_ORDER, "complete");
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, NULL, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, sealed, 16), 0);
    assert_error(KGR_PROV_R_NO_IV, "");
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, sealed, 16), 1);
    EVP_CIPHER_CTX_free(ctx);
}

static void aead_shows_itself_as_one(void **state)
{
    EVP_CIPHER_CTX *ctx = begin(NAME_256, "kgr:peer=N3", 1);
    const EVP_CIPHER *cipher = EVP_CIPHER_CTX_get0_cipher(ctx);

    (void)state;
    assert_true(EVP_CIPHER_get_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER);
    assert_int_equal(EVP_CIPHER_get_key_length(cipher), 32);
    assert_int_equal(EVP_CIPHER_get_iv_length(cipher), 16);
    assert_int_equal(EVP_CIPHER_CTX_get_tag_length(ctx), 24);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 16, NULL), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 12, NULL), 0);
    assert_error(KGR_PROV_R_IV_LENGTH, "16");
    /* Padding is part of it. */
    uint8_t in[16] = {0}, out[64];
    int n, m;
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, out + n, &m), 1);
    assert_int_equal(n + m, 32);
    EVP_CIPHER_CTX_free(ctx);
}

static int setup_older(void **state)
{
    int rc = setup(state);

    kgr_fake_know_whole(false);
    return rc;
}

/* A context that is used again costs one request a message, follows a renewal, and goes on in parts where it must. */
static void aead_used_again_is_one_request(void **state)
{
    EVP_CIPHER_CTX *ctx = begin(NAME_128, "kgr:peer=N2", 1);
    EVP_CIPHER_CTX *opener = begin(NAME_128, "kgr:peer=N2", 0);
    uint8_t in[1000] = {3}, sealed[1100], out[1100], tag[16];
    unsigned int calls;
    int n, m;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL), 1);
        calls = kgr_fake_calls();
        if (i == 2) {
            kgr_fake_set_generation("N2", 8);
        }
        assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, in, 13), 1);
        assert_int_equal(EVP_EncryptUpdate(ctx, sealed, &n, in, 1000), 1);
        assert_int_equal(EVP_EncryptFinal_ex(ctx, sealed + n, &m), 1);
        assert_int_equal(n + m, 1008);
        assert_int_equal(get_tag(ctx, tag, 16), 1);
        assert_int_equal(kgr_fake_calls() - calls, 1);
        assert_int_equal(EVP_DecryptInit_ex2(opener, NULL, NULL, iv, NULL), 1);
        calls = kgr_fake_calls();
        assert_int_equal(set_tag(opener, tag, 16), 1);
        assert_int_equal(EVP_DecryptUpdate(opener, NULL, &n, in, 13), 1);
        assert_int_equal(EVP_DecryptUpdate(opener, out, &n, sealed, 1008), 1);
        assert_int_equal(EVP_DecryptFinal_ex(opener, out + n, &m), 1);
        assert_int_equal(kgr_fake_calls() - calls, 1);
        assert_int_equal(n + m, 1000);
        assert_memory_equal(out, in, 1000);
    }
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_CTX_free(opener);
}

int main(void)
{
#define T(f)                                                                                       \
    cmocka_unit_test_setup_teardown(f, setup, teardown),                                           \
        cmocka_unit_test_setup_teardown(f, setup_older, teardown)
    const struct CMUnitTest tests[] = {
        T(aead_published_vectors),
        T(aead_any_length_and_split_round_trips),
        T(aead_any_changed_bit_releases_nothing),
        T(aead_tag_missing_or_short_is_refused),
        T(aead_steps_out_of_order_are_refused),
        T(aead_shows_itself_as_one),
        cmocka_unit_test_setup_teardown(aead_used_again_is_one_request, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
