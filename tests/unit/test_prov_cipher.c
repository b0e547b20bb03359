/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/prov-fixture.h"

#include "provider/error.h"

#include "agent/base/text.h"

#define MAX_LEN   200000
#define NUM_MODES 5

static const char *const modes[NUM_MODES] = {"ECB", "CBC", "CTR", "CFB", "OFB"};

static const uint8_t some_iv[16] = {0x1a, 0xf3, 0x8c, 0x2d, 0xc2, 0xb9, 0x6f, 0xfd,
                                    0xd8, 0x66, 0x94, 0x09, 0x23, 0x41, 0xbc, 0x04};

static EVP_CIPHER *fetch(const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(libctx, name, "provider=kgr");

    assert_non_null(cipher);
    return cipher;
}

/* A context ready for use on N2's key. */
static EVP_CIPHER_CTX *begin(const char *name, const char *uri, int encrypt)
{
    EVP_CIPHER *cipher = fetch(name);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    assert_int_equal(EVP_CipherInit_ex2(ctx, cipher, NULL, some_iv, encrypt, uri_params(uri)), 1);
    EVP_CIPHER_free(cipher);
    return ctx;
}

/* The same operation on kgr's cipher and on the default provider's with the same key. */
struct twin {
    EVP_CIPHER_CTX *ours, *theirs;
};

static struct twin twin_new(int strong, const char *mode, const uint8_t *iv, int encrypt,
                            int padding)
{
    struct twin t = {EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new()};
    const char *peer = strong ? "N3" : "N2";
    EVP_CIPHER *ours, *theirs;
    char name[32];
    uint8_t key[32];
    size_t key_len;

    snprintf(name, sizeof(name), "KGR-AES-%d-%s", strong ? 256 : 128, mode);
    ours = fetch(name);
    theirs = EVP_CIPHER_fetch(libctx, name + 4, "provider=default");
    assert_non_null(theirs);
    kgr_fake_enc_key(key, &key_len, peer, strong ? 3 : 7);
    assert_int_equal(EVP_CipherInit_ex2(t.ours, ours, NULL, iv, encrypt,
                                        uri_params(strong ? "kgr:peer=N3" : "kgr:peer=N2")),
                     1);
    assert_int_equal(EVP_CipherInit_ex2(t.theirs, theirs, key, iv, encrypt, NULL), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_padding(t.ours, padding), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_padding(t.theirs, padding), 1);
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
    return t;
}

static void twin_free(struct twin *t)
{
    EVP_CIPHER_CTX_free(t->ours);
    EVP_CIPHER_CTX_free(t->theirs);
}

/* Continues with copies of the contexts. */
static void twin_copy(struct twin *t)
{
    struct twin copy = {EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new()};

    assert_int_equal(EVP_CIPHER_CTX_copy(copy.ours, t->ours), 1);
    assert_int_equal(EVP_CIPHER_CTX_copy(copy.theirs, t->theirs), 1);
    /* The original goes its own way first. */
    uint8_t in[20] = {1, 2, 3}, out[64];
    int n;
    assert_int_equal(EVP_CipherUpdate(t->ours, out, &n, in, sizeof(in)), 1);
    twin_free(t);
    *t = copy;
}

static uint8_t *new_buffer(size_t len)
{
    uint8_t *p = malloc(len + 64);

    assert_non_null(p);
    return p;
}

/* Runs len bytes through both in random pieces, and wants the same bytes, lengths and results. */
static void compare(struct twin *t, const uint8_t *in, size_t len, uint32_t max_piece)
{
    uint8_t *a = new_buffer(len), *b = new_buffer(len);
    size_t done = 0, total = 0;
    int na = 0, nb = 0, ra, rb;

    while (done < len) {
        size_t piece = draw(max_piece) + 1;

        piece = piece < len - done ? piece : len - done;
        assert_int_equal(EVP_CipherUpdate(t->ours, a + total, &na, in + done, (int)piece), 1);
        assert_int_equal(EVP_CipherUpdate(t->theirs, b + total, &nb, in + done, (int)piece), 1);
        assert_int_equal(na, nb);
        total += (size_t)na;
        done += piece;
        if (draw(16) == 0) {
            twin_copy(t);
        }
    }
    na = nb = 0;
    ra = EVP_CipherFinal_ex(t->ours, a + total, &na);
    rb = EVP_CipherFinal_ex(t->theirs, b + total, &nb);
    assert_int_equal(ra, rb);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, total + (size_t)na);
    ERR_clear_error();
    free(a);
    free(b);
}

static size_t draw_len(void)
{
    switch (draw(8)) {
    case 0:
        return draw(MAX_LEN);
    case 1:
        return (size_t)draw(20) * 16;
    default:
        return draw(300);
    }
}

static void cipher_any_split_and_copy_equals_default(void **state)
{
    uint8_t *in = new_buffer(MAX_LEN);

    (void)state;
    draw_bytes(in, MAX_LEN);
    for (int i = 0; i < 3000; i++) {
        uint8_t iv[16];
        struct twin t;

        draw_bytes(iv, sizeof(iv));
        t = twin_new((int)draw(2), modes[draw(NUM_MODES)], iv, (int)draw(2), (int)draw(2));
        for (uint32_t runs = draw(3) + 1; runs > 0; runs--) {
            size_t len = draw_len();

            compare(&t, in, len, len > 1000 ? 90000 : 50);
            /* Begins again, with a new IV or the same. */
            draw_bytes(iv, sizeof(iv));
            const uint8_t *next_iv = draw(2) == 0 ? iv : NULL;
            assert_int_equal(EVP_CipherInit_ex2(t.ours, NULL, NULL, next_iv, -1, NULL), 1);
            assert_int_equal(EVP_CipherInit_ex2(t.theirs, NULL, NULL, next_iv, -1, NULL), 1);
        }
        twin_free(&t);
    }
    free(in);
}

/* The whole of in through ctx, update by update of `piece` bytes, in place. */
static size_t run_in_place(EVP_CIPHER_CTX *ctx, uint8_t *data, size_t len, size_t piece)
{
    size_t done = 0, total = 0;
    int n;

    while (done < len) {
        size_t now = piece < len - done ? piece : len - done;

        assert_int_equal(EVP_CipherUpdate(ctx, data + total, &n, data + done, (int)now), 1);
        total += (size_t)n;
        done += now;
    }
    assert_int_equal(EVP_CipherFinal_ex(ctx, data + total, &n), 1);
    return total + (size_t)n;
}

static void cipher_in_place_round_trips_every_mode(void **state)
{
    uint8_t *data = new_buffer(MAX_LEN), *plain = new_buffer(MAX_LEN);

    (void)state;
    draw_bytes(plain, MAX_LEN);
    for (int i = 0; i < 400; i++) {
        char name[32];
        size_t len = i % 20 == 0 ? MAX_LEN - draw(40) : draw(2000), sealed;
        size_t piece = draw(2) == 0 ? len + 1 : 16u * (draw(9) + 1);

        snprintf(name, sizeof(name), "KGR-AES-128-%s", modes[draw(NUM_MODES)]);
        memcpy(data, plain, len);
        EVP_CIPHER_CTX *ctx = begin(name, "kgr:peer=N2", 1);
        sealed = run_in_place(ctx, data, len, piece);
        EVP_CIPHER_CTX_free(ctx);
        ctx = begin(name, "kgr:peer=N2", 0);
        assert_int_equal(run_in_place(ctx, data, sealed, piece), len);
        EVP_CIPHER_CTX_free(ctx);
        assert_memory_equal(data, plain, len);
    }
    free(data);
    free(plain);
}

/* Beyond the default provider: an update in place while a partial block waits. */
static void cipher_in_place_with_pending_bytes_is_right(void **state)
{
    uint8_t *data = new_buffer(MAX_LEN), *expected = new_buffer(MAX_LEN);
    uint8_t head[5] = {9, 8, 7, 6, 5};
    EVP_CIPHER_CTX *a = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    EVP_CIPHER_CTX *b = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    int na, nb;

    (void)state;
    draw_bytes(data, MAX_LEN);
    assert_int_equal(EVP_EncryptUpdate(a, expected, &na, head, sizeof(head)), 1);
    assert_int_equal(EVP_EncryptUpdate(b, expected, &nb, head, sizeof(head)), 1);
    assert_int_equal(EVP_EncryptUpdate(a, expected, &na, data, MAX_LEN), 1);
    assert_int_equal(EVP_EncryptUpdate(b, data, &nb, data, MAX_LEN), 1);
    assert_int_equal(na, nb);
    assert_memory_equal(data, expected, (size_t)na);
    EVP_CIPHER_CTX_free(a);
    EVP_CIPHER_CTX_free(b);
    free(data);
    free(expected);
}

/* NIST SP 800-38A appendix F: key, IV, first plaintext of all, and the first two blocks of each mode. */
static void cipher_published_vectors(void **state)
{
    static const char key_128[] = "2b7e151628aed2a6abf7158809cf4f3c";
    static const char key_256[] =
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
    static const char plaintext[] =
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
    static const struct {
        const char *name, *peer, *iv, *ciphertext;
    } vectors[] = {{"KGR-AES-128-ECB", "N2", "000102030405060708090a0b0c0d0e0f",
                    "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"},
                   {"KGR-AES-128-CBC", "N2", "000102030405060708090a0b0c0d0e0f",
                    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
                   {"KGR-AES-128-CFB", "N2", "000102030405060708090a0b0c0d0e0f",
                    "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"},
                   {"KGR-AES-128-OFB", "N2", "000102030405060708090a0b0c0d0e0f",
                    "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"},
                   {"KGR-AES-128-CTR", "N2", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                    "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"},
                   {"KGR-AES-256-ECB", "N3", "000102030405060708090a0b0c0d0e0f",
                    "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"},
                   {"KGR-AES-256-CBC", "N3", "000102030405060708090a0b0c0d0e0f",
                    "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
                   {"KGR-AES-256-CFB", "N3", "000102030405060708090a0b0c0d0e0f",
                    "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b"},
                   {"KGR-AES-256-OFB", "N3", "000102030405060708090a0b0c0d0e0f",
                    "dc7e84bfda79164b7ecd8486985d38604febdc6740d20b3ac88f6ad82a4fb08d"},
                   {"KGR-AES-256-CTR", "N3", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"}};
    uint8_t plain[32], expected[32], key[32], iv[16], out[48], mac[32] = {0};

    (void)state;
    assert_int_equal(kgr_unhex(plain, sizeof(plain), plaintext), KGR_OK);
    for (size_t i = 0; i < KGR_ARRAY_LEN(vectors); i++) {
        bool strong = vectors[i].peer[1] == '3';
        EVP_CIPHER *cipher = fetch(vectors[i].name);
        EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        int n;

        assert_int_equal(kgr_unhex(key, strong ? 32 : 16, strong ? key_256 : key_128), KGR_OK);
        assert_int_equal(kgr_unhex(iv, sizeof(iv), vectors[i].iv), KGR_OK);
        assert_int_equal(kgr_unhex(expected, sizeof(expected), vectors[i].ciphertext), KGR_OK);
        kgr_fake_use_keys(vectors[i].peer, key, strong ? 32 : 16, mac, sizeof(mac));
        assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, iv,
                                             uri_params(strong ? "kgr:peer=N3" : "kgr:peer=N2")),
                         1);
        assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, plain, 32), 1);
        assert_int_equal(n, 32);
        assert_memory_equal(out, expected, 32);
        EVP_CIPHER_CTX_free(ctx);
        EVP_CIPHER_free(cipher);
    }
}

/* A caller that overlooks a failed init must not encrypt under the key before, or the default one. */
static void cipher_refused_key_leaves_none_behind(void **state)
{
    uint8_t raw[16] = {0}, in[16] = {0}, out[32];
    EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    int n;

    (void)state;
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 1);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, raw, NULL, NULL), 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 0);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, some_iv, NULL), 1);
    ERR_clear_error();
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 0);
    assert_error(KGR_PROV_R_NO_KEY, "refused");
    assert_int_equal(EVP_CIPHER_CTX_set_params(ctx, uri_params("kgr:")), 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 0);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, NULL, uri_params("kgr:peer=N2")), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 1);
    EVP_CIPHER_CTX_free(ctx);
}

static void cipher_second_key_in_mid_stream_is_refused(void **state)
{
    EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    uint8_t in[16] = {0}, out[32];
    int n;

    (void)state;
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 5), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_params(ctx, uri_params("kgr:peer=N2;generation=6")), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 0);
    assert_error(KGR_PROV_R_BROKEN, "again");
    EVP_CIPHER_CTX_free(ctx);
}

static void cipher_large_update_takes_fewest_calls(void **state)
{
    uint8_t *in = calloc(1, 4 * KGR_DATA_MAX), *out = new_buffer(4 * KGR_DATA_MAX);
    EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    unsigned int before = kgr_fake_calls();
    int n;

    (void)state;
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 3), 1);
    assert_int_equal(kgr_fake_calls() - before, 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 4 * KGR_DATA_MAX - 3), 1);
    assert_int_equal(kgr_fake_calls() - before, 4);
    EVP_CIPHER_CTX_free(ctx);
    free(in);
    free(out);
}

static void cipher_renewal_in_mid_stream_keeps_the_generation(void **state)
{
    uint8_t in[64] = {0}, a[96], b[96], c[96];
    EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    int na, nb, n;

    (void)state;
    assert_int_equal(EVP_EncryptUpdate(ctx, a, &na, in, 32), 1);
    kgr_fake_set_generation("N2", 8);
    assert_int_equal(EVP_EncryptUpdate(ctx, a + na, &n, in, 32), 1);
    EVP_CIPHER_CTX_free(ctx);

    ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2;generation=7", 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, b, &nb, in, 64), 1);
    assert_memory_equal(a, b, 64);
    /* Naming no generation, the next init follows the renewal. */
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, NULL, uri_params("kgr:peer=N2")), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, c, &n, in, 64), 1);
    assert_memory_not_equal(c, b, 64);
    EVP_CIPHER_CTX_free(ctx);
}

static void cipher_key_named_in_each_way_gives_the_same(void **state)
{
    EVP_CIPHER *cipher = fetch("KGR-AES-128-CBC");
    uint8_t in[16] = {1}, out[5][32], handle[16];
    EVP_CIPHER_CTX *ctx;
    struct kgr_client *client;
    int n;

    (void)state;
    for (int way = 0; way < 5; way++) {
        ctx = EVP_CIPHER_CTX_new();
        if (way == 0) {
            assert_int_equal(
                EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, uri_params("kgr:peer=N2")), 1);
        } else if (way == 1) {
            assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, NULL, NULL), 1);
            assert_int_equal(EVP_CIPHER_CTX_set_params(ctx, uri_params("kgr:peer=N2")), 1);
            assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, some_iv, NULL), 1);
        } else if (way == 2) {
            assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, NULL), 1);
            assert_int_equal(EVP_CIPHER_CTX_set_params(ctx, uri_params("kgr:peer=N2")), 1);
        } else if (way == 3) {
            assert_int_equal(kgr_client_new(&client, NULL), KGR_OK);
            assert_int_equal(kgr_make_handle(client, "N2", handle, sizeof(handle)), KGR_OK);
            kgr_client_free(client);
            assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, handle, some_iv, NULL), 1);
        } else {
            assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, NULL), 1);
        }
        assert_int_equal(EVP_EncryptUpdate(ctx, out[way], &n, in, sizeof(in)), 1);
        assert_int_equal(n, 16);
        assert_memory_equal(out[way], out[0], 16);
        EVP_CIPHER_CTX_free(ctx);
    }
    EVP_CIPHER_free(cipher);
}

static void cipher_padding_is_settable_before_and_after_the_key(void **state)
{
    EVP_CIPHER *cipher = fetch("KGR-AES-128-CBC");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t in[16] = {1}, out[32];
    int n;

    (void)state;
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, NULL, NULL), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_padding(ctx, 0), 1);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, some_iv, uri_params("kgr:peer=N2")), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, sizeof(in)), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, out + n, &n), 1);
    assert_int_equal(n, 0);
    assert_int_equal(EVP_CIPHER_CTX_set_padding(ctx, 1), 1);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, some_iv, NULL), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, out, &n), 1);
    assert_int_equal(n, 16);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static void cipher_wrong_padding_is_refused(void **state)
{
    /* The last byte and the place of a byte that makes the padding wrong; place 16: none does. */
    static const uint8_t cases[][3] = {{0, 16, 0},  {17, 16, 0}, {255, 16, 0},
                                       {16, 0, 1},  {2, 14, 1},  {1, 16, 1},
                                       {16, 16, 1}, {5, 11, 1},  {5, 10, 1}};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        uint8_t pad = cases[i][0], place = cases[i][1];
        bool good = pad >= 1 && pad <= 16 && (place == 16 || place < 16 - pad);
        uint8_t block[16] = {0}, sealed[32], out[32];
        int n, m = 0;

        if (pad <= 16) {
            memset(block + 16 - pad, pad, pad);
        } else {
            block[15] = pad;
        }
        if (place < 16) {
            block[place] ^= 0x40;
        }
        EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
        assert_int_equal(EVP_CIPHER_CTX_set_padding(ctx, 0), 1);
        assert_int_equal(EVP_EncryptUpdate(ctx, sealed, &n, block, 16), 1);
        EVP_CIPHER_CTX_free(ctx);

        ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 0);
        memset(out, 0xee, sizeof(out));
        assert_int_equal(EVP_DecryptUpdate(ctx, out, &n, sealed, 16), 1);
        assert_int_equal(n, 0);
        assert_int_equal(EVP_DecryptFinal_ex(ctx, out, &m), good ? 1 : 0);
        if (good) {
            assert_int_equal(m, 16 - pad);
        } else {
            assert_error(KGR_PROV_R_BAD_DECRYPT, "N2");
            assert_int_equal(out[0], 0xee);
            assert_int_equal(EVP_DecryptFinal_ex(ctx, out, &m), 0);
            assert_error(KGR_PROV_R_BROKEN, "again");
        }
        EVP_CIPHER_CTX_free(ctx);
    }
}

static void cipher_partial_block_without_padding_is_refused(void **state)
{
    EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    uint8_t in[20] = {0}, out[64];
    int n;

    (void)state;
    assert_int_equal(EVP_CIPHER_CTX_set_padding(ctx, 0), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, sizeof(in)), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, out, &n), 0);
    assert_error(KGR_PROV_R_FINAL_LENGTH, "4 bytes");
    EVP_CIPHER_CTX_free(ctx);
    /* Nothing at all is no ciphertext when padding is expected. */
    ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 0);
    assert_int_equal(EVP_DecryptFinal_ex(ctx, out, &n), 0);
    assert_error(KGR_PROV_R_FINAL_LENGTH, "");
    EVP_CIPHER_CTX_free(ctx);
}

static void cipher_evp_cipher_is_raw(void **state)
{
    uint8_t in[40] = {3}, out[64], back[64];

    (void)state;
    for (int i = 0; i < NUM_MODES; i++) {
        char name[32];
        bool blocks = i <= 1;
        EVP_CIPHER_CTX *ctx;

        snprintf(name, sizeof(name), "KGR-AES-128-%s", modes[i]);
        ctx = begin(name, "kgr:peer=N2", 1);
        assert_int_equal(EVP_Cipher(ctx, out, in, 32), 32);
        assert_int_equal(EVP_Cipher(ctx, out + 32, in + 32, 8), blocks ? -1 : 8);
        EVP_CIPHER_CTX_free(ctx);
        ERR_clear_error();
        ctx = begin(name, "kgr:peer=N2", 0);
        assert_int_equal(EVP_Cipher(ctx, back, out, 32), 32);
        assert_memory_equal(back, in, 32);
        EVP_CIPHER_CTX_free(ctx);
    }
}

static void cipher_key_bytes_that_are_no_handle_are_refused(void **state)
{
    EVP_CIPHER *cipher = fetch("KGR-AES-128-CBC");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t key[16] = {0}, in[16] = {0}, out[32];
    int n;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, key, some_iv, NULL), 0);
        assert_error(KGR_PROV_R_NOT_A_HANDLE, "kgrctl handle");
        assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 0);
        ERR_clear_error();
        draw_bytes(key, sizeof(key));
    }
    /* They may be a real key, and never leave the process; what looks like a handle is asked about. */
    assert_int_equal(kgr_fake_calls(), 0);
    memcpy(key, "KGRh\0\1", 6);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, key, some_iv, NULL), 0);
    assert_error(KGR_PROV_R_NOT_A_HANDLE, "kgrctl handle");
    assert_int_equal(kgr_fake_calls(), 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static void cipher_faults_of_the_call_have_their_reasons(void **state)
{
    EVP_CIPHER *cipher = fetch("KGR-AES-128-CBC");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t in[16] = {0}, out[32];
    int n;

    (void)state;
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 0);
    assert_error(KGR_PROV_R_NO_KEY, "key-uri");
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, NULL, uri_params("kgr:peer=N2")), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 16), 0);
    assert_error(KGR_PROV_R_NO_IV, "KGR-AES-128-CBC");
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, uri_params("kgr:peer=")), 0);
    assert_error(KGR_PROV_R_BAD_URI, "kgr:peer=");
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, uri_params("kgr:peer=N9")), 0);
    assert_error(KGR_ERR_UNKNOWN_PEER, "kgr:peer=N9: no such peer");
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, uri_params("kgr:peer=N3")), 0);
    assert_error(KGR_PROV_R_WRONG_SUITE, "AES-256");
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, uri_params("kgr:peer=N2")), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, in, 16), 0);
    assert_error(KGR_PROV_R_BAD_PARAMETER, "associated data");
    assert_int_equal(EVP_CIPHER_CTX_set_key_length(ctx, 16), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_key_length(ctx, 32), 0);
    assert_error(KGR_PROV_R_KEY_LENGTH, "16");
    assert_true(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 12, NULL) <= 0);
    assert_error(KGR_PROV_R_IV_LENGTH, "16");
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 16, NULL), 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static void cipher_agents_error_breaks_until_next_init(void **state)
{
    EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    uint8_t in[64] = {0}, out[96];
    int n = 77;

    (void)state;
    memset(out, 0xee, sizeof(out));
    kgr_fake_fail(KGR_ERR_NO_AGENT, "nobody serves /run/kgr/agent.sock", 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 64), 0);
    assert_error(KGR_ERR_NO_AGENT, "kgr:peer=N2;generation=7: nobody serves /run/kgr/agent.sock");
    assert_int_equal(out[0], 0xee);
    kgr_fake_fail(KGR_OK, "", 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 64), 0);
    assert_error(KGR_PROV_R_BROKEN, "again");
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, NULL, some_iv, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 64), 1);
    EVP_CIPHER_CTX_free(ctx);
}

static void cipher_every_error_of_the_agent_keeps_its_reason(void **state)
{
    EVP_CIPHER *cipher = fetch("KGR-AES-128-CBC");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    (void)state;
    for (int err = 1; err < KGR_ERR_COUNT; err++) {
        kgr_fake_fail((enum kgr_error)err, "the agent's words", 0);
        assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, uri_params("kgr:peer=N2")),
                         0);
        assert_string_equal(ERR_reason_error_string(ERR_peek_error()),
                            kgr_strerror((enum kgr_error)err));
        assert_error(err, "kgr:peer=N2: the agent's words");
    }
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static void cipher_random_key_is_the_default_peers_handle(void **state)
{
    EVP_CIPHER *cipher = fetch("KGR-AES-128-CBC");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t key[16];

    (void)state;
    assert_true(EVP_CIPHER_get_flags(cipher) & EVP_CIPH_RAND_KEY);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, NULL, some_iv, NULL), 1);
    assert_int_equal(EVP_CIPHER_CTX_rand_key(ctx, key), 1);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, key, some_iv, NULL), 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static void cipher_parameters_are_what_evp_shows(void **state)
{
    EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", "kgr:peer=N2", 1);
    const EVP_CIPHER *cipher = EVP_CIPHER_CTX_get0_cipher(ctx);
    uint8_t in[32] = {0}, out[64], iv[16];
    int n;

    (void)state;
    assert_int_equal(EVP_CIPHER_get_key_length(cipher), 16);
    assert_int_equal(EVP_CIPHER_get_iv_length(cipher), 16);
    assert_int_equal(EVP_CIPHER_get_block_size(cipher), 16);
    assert_int_equal(EVP_CIPHER_get_mode(cipher), EVP_CIPH_CBC_MODE);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, 32), 1);
    assert_int_equal(EVP_CIPHER_CTX_get_original_iv(ctx, iv, sizeof(iv)), 1);
    assert_memory_equal(iv, some_iv, 16);
    assert_int_equal(EVP_CIPHER_CTX_get_updated_iv(ctx, iv, sizeof(iv)), 1);
    assert_memory_equal(iv, out + 16, 16);
    EVP_CIPHER_CTX_free(ctx);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(cipher_any_split_and_copy_equals_default),
        T(cipher_in_place_round_trips_every_mode),
        T(cipher_in_place_with_pending_bytes_is_right),
        T(cipher_published_vectors),
        cmocka_unit_test_setup_teardown(cipher_refused_key_leaves_none_behind, setup_with_peer,
                                        teardown),
        T(cipher_second_key_in_mid_stream_is_refused),
        T(cipher_large_update_takes_fewest_calls),
        T(cipher_renewal_in_mid_stream_keeps_the_generation),
        cmocka_unit_test_setup_teardown(cipher_key_named_in_each_way_gives_the_same,
                                        setup_with_peer, teardown),
        T(cipher_padding_is_settable_before_and_after_the_key),
        T(cipher_wrong_padding_is_refused),
        T(cipher_partial_block_without_padding_is_refused),
        T(cipher_evp_cipher_is_raw),
        T(cipher_key_bytes_that_are_no_handle_are_refused),
        T(cipher_faults_of_the_call_have_their_reasons),
        T(cipher_agents_error_breaks_until_next_init),
        T(cipher_every_error_of_the_agent_keeps_its_reason),
        cmocka_unit_test_setup_teardown(cipher_random_key_is_the_default_peers_handle,
                                        setup_with_peer, teardown),
        T(cipher_parameters_are_what_evp_shows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
