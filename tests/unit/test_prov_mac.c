/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/prov-fixture.h"

#include "provider/error.h"

#include "agent/base/text.h"

#include <openssl/core_names.h>

#define MAX_LEN (3 * KGR_DATA_MAX + 100)

static EVP_MAC_CTX *new_ours(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(libctx, "KGR-HMAC", "provider=kgr");
    EVP_MAC_CTX *ctx;

    assert_non_null(mac);
    ctx = EVP_MAC_CTX_new(mac);
    assert_non_null(ctx);
    EVP_MAC_free(mac);
    return ctx;
}

static EVP_MAC_CTX *begin(const char *uri)
{
    EVP_MAC_CTX *ctx = new_ours();

    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, uri_params(uri)), 1);
    return ctx;
}

/* The MAC of in under the key of peer, by the default provider. */
static size_t expect(uint8_t out[KGR_MAC_MAX], const char *peer, uint64_t generation,
                     const uint8_t *in, size_t len)
{
    uint8_t key[64];
    size_t key_len, out_len;
    char digest[] = "SHA384";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(libctx, "HMAC", "provider=default");
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

    kgr_fake_mac_key(key, &key_len, peer, generation);
    if (key_len == 32) {
        memcpy(digest, "SHA256", sizeof(digest));
    }
    assert_int_equal(EVP_MAC_init(ctx, key, key_len, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, in, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &out_len, KGR_MAC_MAX), 1);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return out_len;
}

static void check_final(EVP_MAC_CTX *ctx, const char *peer, const uint8_t *in, size_t len)
{
    uint8_t a[KGR_MAC_MAX], b[KGR_MAC_MAX];
    size_t a_len, b_len = expect(b, peer, strcmp(peer, "N2") == 0 ? 7 : 3, in, len);

    assert_int_equal(EVP_MAC_final(ctx, a, &a_len, sizeof(a)), 1);
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a, b, a_len);
}

static size_t draw_len(void)
{
    static const size_t edges[] = {0,
                                   1,
                                   KGR_DATA_MAX - 1,
                                   KGR_DATA_MAX,
                                   KGR_DATA_MAX + 1,
                                   2 * KGR_DATA_MAX,
                                   2 * KGR_DATA_MAX + 1};

    switch (draw(8)) {
    case 0:
        return edges[draw(KGR_ARRAY_LEN(edges))];
    case 1:
        return draw(MAX_LEN);
    default:
        return draw(2000);
    }
}

static void mac_any_split_copy_and_restart_equals_default(void **state)
{
    uint8_t *in = malloc(MAX_LEN);

    (void)state;
    assert_non_null(in);
    draw_bytes(in, MAX_LEN);
    for (int i = 0; i < 2000; i++) {
        const char *peer = draw(2) == 0 ? "N2" : "N3";
        EVP_MAC_CTX *ctx = begin(peer[1] == '2' ? "kgr:peer=N2" : "kgr:peer=N3");

        for (uint32_t runs = draw(3) + 1; runs > 0; runs--) {
            size_t len = draw_len(), done = 0;
            uint32_t max_piece = len > 4000 ? 90000 : 300;

            while (done < len) {
                size_t piece = draw(max_piece) + 1;

                piece = piece < len - done ? piece : len - done;
                assert_int_equal(EVP_MAC_update(ctx, in + done, piece), 1);
                done += piece;
                if (draw(8) == 0 && done <= KGR_DATA_MAX) {
                    EVP_MAC_CTX *copy = EVP_MAC_CTX_dup(ctx);

                    assert_non_null(copy);
                    assert_int_equal(EVP_MAC_update(ctx, in, 10), 1);
                    EVP_MAC_CTX_free(ctx);
                    ctx = copy;
                }
            }
            if (draw(10) != 0) {
                check_final(ctx, peer, in, len);
            }
            assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
        }
        EVP_MAC_CTX_free(ctx);
    }
    free(in);
}

/* RFC 4231 test case 2, with HMAC-SHA-256 and HMAC-SHA-384. */
static void mac_published_vectors(void **state)
{
    static const struct {
        const char *peer, *key, *data, *mac;
        size_t mac_len;
    } vectors[] = {{"N2", "Jefe", "what do ya want for nothing?",
                    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", 32},
                   {"N3", "Jefe", "what do ya want for nothing?",
                    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2"
                    "c78b3239ecfab216"
                    "49",
                    48}};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(vectors); i++) {
        uint8_t enc[32] = {0}, expected[48], out[KGR_MAC_MAX];
        EVP_MAC_CTX *ctx;
        size_t n;

        kgr_fake_use_keys(vectors[i].peer, enc, sizeof(enc), (const uint8_t *)vectors[i].key,
                          strlen(vectors[i].key));
        assert_int_equal(kgr_unhex(expected, vectors[i].mac_len, vectors[i].mac), KGR_OK);
        ctx = begin(vectors[i].peer[1] == '2' ? "kgr:peer=N2" : "kgr:peer=N3");
        assert_int_equal(
            EVP_MAC_update(ctx, (const uint8_t *)vectors[i].data, strlen(vectors[i].data)), 1);
        assert_int_equal(EVP_MAC_final(ctx, out, &n, sizeof(out)), 1);
        assert_int_equal(n, vectors[i].mac_len);
        assert_memory_equal(out, expected, n);
        EVP_MAC_CTX_free(ctx);
    }
}

static void mac_up_to_the_limit_is_one_request(void **state)
{
    uint8_t *in = calloc(1, KGR_DATA_MAX + 1), out[KGR_MAC_MAX];
    EVP_MAC_CTX *ctx = begin("kgr:peer=N2");
    unsigned int before = kgr_fake_calls();
    size_t n;

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(EVP_MAC_update(ctx, in, 1024), 1);
    }
    assert_int_equal(kgr_fake_calls(), before);
    assert_int_equal(EVP_MAC_final(ctx, out, &n, sizeof(out)), 1);
    assert_int_equal(kgr_fake_calls() - before, 1);
    EVP_MAC_CTX_free(ctx);
    free(in);
}

static void mac_size_is_known_before_init(void **state)
{
    EVP_MAC_CTX *ctx = new_ours();

    (void)state;
    assert_int_equal(EVP_MAC_CTX_get_mac_size(ctx), 32);
    assert_int_equal(EVP_MAC_CTX_set_params(ctx, uri_params("kgr:peer=N3")), 1);
    assert_int_equal(EVP_MAC_CTX_get_mac_size(ctx), 48);
    assert_int_equal(EVP_MAC_CTX_get_block_size(ctx), 128);
    assert_int_equal(EVP_MAC_CTX_set_params(ctx, uri_params("kgr:peer=N2")), 1);
    assert_int_equal(EVP_MAC_CTX_get_mac_size(ctx), 32);
    assert_int_equal(EVP_MAC_CTX_get_block_size(ctx), 64);
    EVP_MAC_CTX_free(ctx);
}

static void mac_key_named_in_each_way_gives_the_same(void **state)
{
    uint8_t in[100] = {7}, handle[48];
    struct kgr_client *client;

    (void)state;
    assert_int_equal(kgr_client_new(&client, NULL), KGR_OK);
    for (int way = 0; way < 6; way++) {
        EVP_MAC_CTX *ctx = new_ours();
        size_t handle_len = way == 3 ? 48 : 32;
        OSSL_PARAM key[] = {
            OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, handle, handle_len),
            OSSL_PARAM_construct_end()};

        assert_int_equal(kgr_make_handle(client, "N2", handle, handle_len), KGR_OK);
        if (way == 0) {
            assert_int_equal(EVP_MAC_init(ctx, NULL, 0, uri_params("kgr:peer=N2")), 1);
        } else if (way == 1) {
            assert_int_equal(EVP_MAC_CTX_set_params(ctx, uri_params("kgr:peer=N2")), 1);
            assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
        } else if (way == 2 || way == 3) {
            assert_int_equal(EVP_MAC_init(ctx, handle, handle_len, NULL), 1);
        } else if (way == 4) {
            assert_int_equal(EVP_MAC_CTX_set_params(ctx, key), 1);
            assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
        } else {
            assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
        }
        assert_int_equal(EVP_MAC_update(ctx, in, sizeof(in)), 1);
        check_final(ctx, "N2", in, sizeof(in));
        EVP_MAC_CTX_free(ctx);
    }
    kgr_client_free(client);
}

static void mac_q_mac_takes_a_handle_and_the_suites_digest(void **state)
{
    uint8_t in[100] = {7}, handle[32], out[KGR_MAC_MAX], expected[KGR_MAC_MAX];
    struct kgr_client *client;
    size_t n = 0;

    (void)state;
    assert_int_equal(kgr_client_new(&client, NULL), KGR_OK);
    assert_int_equal(kgr_make_handle(client, "N2", handle, sizeof(handle)), KGR_OK);
    kgr_client_free(client);
    assert_non_null(EVP_Q_mac(libctx, "KGR-HMAC", NULL, "sha256", NULL, handle, sizeof(handle), in,
                              sizeof(in), out, sizeof(out), &n));
    assert_int_equal(n, expect(expected, "N2", 7, in, sizeof(in)));
    assert_memory_equal(out, expected, n);
    assert_null(EVP_Q_mac(libctx, "KGR-HMAC", NULL, "SHA384", NULL, handle, sizeof(handle), in,
                          sizeof(in), out, sizeof(out), &n));
    assert_error(KGR_PROV_R_DIGEST, "SHA2-256");
    assert_null(EVP_Q_mac(libctx, "KGR-HMAC", NULL, "SHA512", NULL, handle, sizeof(handle), in,
                          sizeof(in), out, sizeof(out), &n));
    assert_error(KGR_PROV_R_DIGEST, "SHA512");
    /* Without a key the function passes its own data with length 0. */
    assert_null(EVP_Q_mac(libctx, "KGR-HMAC", NULL, NULL, NULL, NULL, 0, in, sizeof(in), out,
                          sizeof(out), &n));
    assert_error(KGR_PROV_R_NO_KEY, "key-uri");
}

static void mac_renewal_in_mid_stream_keeps_the_generation(void **state)
{
    uint8_t in[100] = {7}, out[KGR_MAC_MAX], expected[KGR_MAC_MAX];
    EVP_MAC_CTX *ctx = begin("kgr:peer=N2");
    size_t n;

    (void)state;
    assert_int_equal(EVP_MAC_update(ctx, in, 50), 1);
    kgr_fake_set_generation("N2", 8);
    assert_int_equal(EVP_MAC_update(ctx, in + 50, 50), 1);
    check_final(ctx, "N2", in, 100);
    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
    assert_int_equal(EVP_MAC_update(ctx, in, 100), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &n, sizeof(out)), 1);
    assert_int_equal(n, expect(expected, "N2", 8, in, 100));
    assert_memory_equal(out, expected, n);
    EVP_MAC_CTX_free(ctx);
}

static void mac_copy_beyond_the_limit_is_refused(void **state)
{
    uint8_t *in = calloc(1, KGR_DATA_MAX + 1);
    EVP_MAC_CTX *ctx = begin("kgr:peer=N2");

    (void)state;
    assert_int_equal(EVP_MAC_update(ctx, in, KGR_DATA_MAX + 1), 1);
    assert_null(EVP_MAC_CTX_dup(ctx));
    assert_error(KGR_PROV_R_NO_COPY, "65536");
    check_final(ctx, "N2", in, KGR_DATA_MAX + 1);
    EVP_MAC_CTX_free(ctx);
    free(in);
}

static void mac_lost_connection_breaks_until_next_init(void **state)
{
    uint8_t *in = calloc(1, 2 * KGR_DATA_MAX + 1), out[KGR_MAC_MAX];
    EVP_MAC_CTX *ctx = begin("kgr:peer=N2");
    size_t n;

    (void)state;
    assert_int_equal(EVP_MAC_update(ctx, in, KGR_DATA_MAX + 1), 1);
    kgr_fake_drop_streams();
    assert_int_equal(EVP_MAC_update(ctx, in, KGR_DATA_MAX), 0);
    assert_error(KGR_ERR_STATE, "kgr:peer=N2;generation=7: no such MAC under way");
    assert_int_equal(EVP_MAC_final(ctx, out, &n, sizeof(out)), 0);
    assert_error(KGR_PROV_R_BROKEN, "again");
    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
    check_final(ctx, "N2", in, 0);
    EVP_MAC_CTX_free(ctx);
    free(in);
}

static void mac_streams_are_given_back(void **state)
{
    uint8_t *in = calloc(1, KGR_DATA_MAX + 1);

    (void)state;
    /* The fake has room for 16. */
    for (int i = 0; i < 100; i++) {
        EVP_MAC_CTX *ctx = begin("kgr:peer=N2");

        assert_int_equal(EVP_MAC_update(ctx, in, KGR_DATA_MAX + 1), 1);
        if (i % 2 == 0) {
            assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
        }
        EVP_MAC_CTX_free(ctx);
    }
    free(in);
}

static void mac_faults_of_the_call_have_their_reasons(void **state)
{
    uint8_t raw[32] = {0}, out[KGR_MAC_MAX];
    EVP_MAC_CTX *ctx = new_ours();
    size_t n;

    (void)state;
    assert_int_equal(EVP_MAC_update(ctx, raw, sizeof(raw)), 0);
    assert_error(KGR_PROV_R_NOT_STARTED, "KGR-HMAC");
    assert_int_equal(EVP_MAC_final(ctx, out, &n, sizeof(out)), 0);
    assert_error(KGR_PROV_R_NOT_STARTED, "KGR-HMAC");
    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 0);
    assert_error(KGR_PROV_R_NO_KEY, "key-uri");
    assert_int_equal(EVP_MAC_init(ctx, raw, sizeof(raw), NULL), 0);
    assert_error(KGR_PROV_R_NOT_A_HANDLE, "kgrctl handle");
    assert_int_equal(EVP_MAC_init(ctx, raw, 5, NULL), 0);
    assert_error(KGR_PROV_R_NOT_A_HANDLE, "kgrctl handle");
    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, uri_params("kgr:peer=N9")), 0);
    assert_error(KGR_ERR_UNKNOWN_PEER, "N9");
    kgr_fake_set_generation("N2", 0);
    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, uri_params("kgr:peer=N2")), 0);
    assert_error(KGR_ERR_NO_KEY, "kgr:peer=N2: the key is not established yet");
    kgr_fake_set_generation("N2", 7);
    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, uri_params("kgr:peer=N2")), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &n, 31), 0);
    ERR_clear_error();
    kgr_fake_fail(KGR_ERR_INVALID, "data that begins like a record", 0);
    assert_int_equal(EVP_MAC_final(ctx, out, &n, sizeof(out)), 0);
    assert_error(KGR_ERR_INVALID, "data that begins like a record");
    EVP_MAC_CTX_free(ctx);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(mac_any_split_copy_and_restart_equals_default),
        T(mac_published_vectors),
        T(mac_up_to_the_limit_is_one_request),
        T(mac_size_is_known_before_init),
        cmocka_unit_test_setup_teardown(mac_key_named_in_each_way_gives_the_same, setup_with_peer,
                                        teardown),
        T(mac_q_mac_takes_a_handle_and_the_suites_digest),
        T(mac_renewal_in_mid_stream_keeps_the_generation),
        T(mac_copy_beyond_the_limit_is_refused),
        T(mac_lost_connection_breaks_until_next_init),
        T(mac_streams_are_given_back),
        T(mac_faults_of_the_call_have_their_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
