/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fixture.h"

#include "pkcs11/key_table.h"

#include <openssl/evp.h>
#include <unistd.h>

#define MAX_LEN 200000

static CK_BYTE plain[MAX_LEN];
static CK_BYTE expected[MAX_LEN + 32];
static CK_BYTE got[MAX_LEN + 64];
static CK_BYTE iv[16];
static uint32_t seed = 1;

/* Not random: a failing split must fail again. */
static uint32_t next_number(uint32_t below)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % below;
}

struct way {
    CK_MECHANISM_TYPE type;
    const EVP_CIPHER *(*small)(void);
    const EVP_CIPHER *(*big)(void);
    bool pad;
    bool blocks;
};

static const struct way ways[] = {
    {CKM_AES_ECB, EVP_aes_128_ecb, EVP_aes_256_ecb, false, true},
    {CKM_AES_CBC, EVP_aes_128_cbc, EVP_aes_256_cbc, false, true},
    {CKM_AES_CBC_PAD, EVP_aes_128_cbc, EVP_aes_256_cbc, true, true},
    {CKM_AES_CTR, EVP_aes_128_ctr, EVP_aes_256_ctr, false, false},
    {CKM_AES_CFB128, EVP_aes_128_cfb128, EVP_aes_256_cfb128, false, false},
    {CKM_AES_OFB, EVP_aes_128_ofb, EVP_aes_256_ofb, false, false},
};

#define NUM_WAYS (sizeof(ways) / sizeof(ways[0]))

/* What the agent told of a key is asked for anew after that. */
static void outlast_recent(void)
{
    usleep((KGR_P11_RECENT_MS + 5) * 1000);
}

static CK_MECHANISM mechanism(CK_MECHANISM_TYPE type)
{
    static CK_AES_CTR_PARAMS ctr;
    CK_MECHANISM mech = {type, iv, sizeof(iv)};

    if (type == CKM_AES_ECB) {
        mech.pParameter = NULL;
        mech.ulParameterLen = 0;
    } else if (type == CKM_AES_CTR) {
        ctr.ulCounterBits = 128;
        memcpy(ctr.cb, iv, sizeof(iv));
        mech.pParameter = &ctr;
        mech.ulParameterLen = sizeof(ctr);
    }
    return mech;
}

/* What OpenSSL makes of it; returns the length. */
static size_t reference(const struct way *way, const char *peer, size_t len)
{
    bool is_big = strcmp(peer, PEER_2) == 0;
    uint8_t key[64];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    int m = 0;

    (void)fake_key(peer, 1,
                   is_big ? KGR_SUITE_AES_256_CBC_HMAC_SHA384 : KGR_SUITE_AES_128_CBC_HMAC_SHA256,
                   false, key);
    assert_int_equal(EVP_EncryptInit_ex(ctx, is_big ? way->big() : way->small(), NULL, key, iv), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_padding(ctx, way->pad), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, expected, &n, plain, (int)len), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, expected + n, &m), 1);
    EVP_CIPHER_CTX_free(ctx);
    return (size_t)n + (size_t)m;
}

static int setup(void **state)
{
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (CK_BYTE)next_number(256);
    }
    memset(iv, 0xff, sizeof(iv)); /* a counter that overflows at once */
    return p11_setup(state);
}

static void whole_equals_openssl(void **state)
{
    static const size_t lens[] = {0,    16,    1,     15,    17,     31,    32,
                                  4096, 65535, 65536, 65552, 131072, 199999};
    static const char *const peers[] = {PEER_1, PEER_2};

    (void)state;
    for (size_t w = 0; w < NUM_WAYS; w++) {
        for (size_t p = 0; p < 2; p++) {
            CK_OBJECT_HANDLE key = p11_key(peers[p]);

            for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
                CK_MECHANISM mech = mechanism(ways[w].type);
                CK_ULONG len = 0;
                CK_ULONG back = 0;
                size_t right;

                if (ways[w].blocks && !ways[w].pad && lens[i] % 16 != 0) {
                    continue;
                }
                right = reference(&ways[w], peers[p], lens[i]);
                assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
                assert_int_equal(C_Encrypt(session, plain, lens[i], NULL, &len), CKR_OK);
                assert_int_equal(len, right);
                assert_int_equal(C_Encrypt(session, plain, lens[i], got, &len), CKR_OK);
                assert_int_equal(len, right);
                assert_memory_equal(got, expected, right);
                /* In place; the room is exactly what the plaintext needs. */
                back = lens[i];
                assert_int_equal(C_DecryptInit(session, &mech, key), CKR_OK);
                assert_int_equal(C_Decrypt(session, got, len, got, &back), CKR_OK);
                assert_int_equal(back, lens[i]);
                assert_memory_equal(got, plain, back);
            }
        }
    }
}

typedef CK_RV (*update_fn)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
typedef CK_RV (*final_fn)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *);

/* Feeds data in pieces of all sizes; asks for the length, or offers too little, now and then. */
static size_t in_pieces(update_fn update, final_fn final, CK_BYTE *data, size_t len, CK_BYTE *out)
{
    size_t done = 0;
    size_t written = 0;
    CK_ULONG n;

    while (done < len) {
        uint32_t limit = next_number(4) == 0 ? 70000 : 40;
        size_t piece = next_number(limit);
        CK_ULONG need = 0;

        if (piece > len - done) {
            piece = len - done;
        }
        assert_int_equal(update(session, data + done, piece, NULL, &need), CKR_OK);
        if (need > 0 && next_number(3) == 0) {
            n = need - 1;
            assert_int_equal(update(session, data + done, piece, out + written, &n),
                             CKR_BUFFER_TOO_SMALL);
            assert_int_equal(n, need);
        }
        n = need;
        assert_int_equal(update(session, data + done, piece, out + written, &n), CKR_OK);
        assert_int_equal(n, need);
        done += piece;
        written += n;
    }
    n = 0;
    assert_int_equal(final(session, NULL, &n), CKR_OK);
    n = 16;
    assert_int_equal(final(session, out + written, &n), CKR_OK);
    return written + n;
}

static void pieces_equal_openssl_in_any_split(void **state)
{
    static CK_BYTE back[MAX_LEN + 64];

    (void)state;
    for (size_t w = 0; w < NUM_WAYS; w++) {
        CK_OBJECT_HANDLE key = p11_key(PEER_1);

        for (int round = 0; round < 12; round++) {
            CK_MECHANISM mech = mechanism(ways[w].type);
            size_t len = next_number(round < 6 ? 200 : MAX_LEN);
            size_t right;

            if (ways[w].blocks && !ways[w].pad) {
                len -= len % 16;
            }
            right = reference(&ways[w], PEER_1, len);
            assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
            assert_int_equal(in_pieces(C_EncryptUpdate, C_EncryptFinal, plain, len, got), right);
            assert_memory_equal(got, expected, right);
            assert_int_equal(C_DecryptInit(session, &mech, key), CKR_OK);
            assert_int_equal(in_pieces(C_DecryptUpdate, C_DecryptFinal, got, right, back), len);
            assert_memory_equal(back, plain, len);
            /* The same again with every output where its input was. */
            memcpy(back, plain, len);
            assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
            size_t first = len < 7 ? len : 7;
            CK_ULONG a = sizeof(got);
            CK_ULONG b = sizeof(back);
            CK_ULONG c = sizeof(got);

            assert_int_equal(C_EncryptUpdate(session, back, first, got, &a), CKR_OK);
            assert_int_equal(C_EncryptUpdate(session, back + first, len - first, back + first, &b),
                             CKR_OK);
            assert_memory_equal(got, expected, a);
            assert_memory_equal(back + first, expected + a, b);
            assert_int_equal(C_EncryptFinal(session, got, &c), CKR_OK);
            assert_memory_equal(got, expected + a + b, c);
            assert_int_equal(a + b + c, right);
        }
    }
}

/* Every order of calls that the standard names, and what is left of the operation after it. */
static void state_ends_with_errors_and_stays_after_queries(void **state)
{
    CK_MECHANISM mech = mechanism(CKM_AES_CBC);
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    CK_ULONG len = sizeof(got);

    (void)state;
    assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptUpdate(session, plain, 16, got, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptFinal(session, got, &len), CKR_OPERATION_NOT_INITIALIZED);

    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_DecryptInit(session, &mech, key), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_Decrypt(session, plain, 16, got, &len), CKR_OPERATION_NOT_INITIALIZED);
    len = 15;
    assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 16);
    assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_OK);
    assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_OPERATION_NOT_INITIALIZED);

    /* Too long or short for the mechanism: ends it. */
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, plain, 17, got, &len), CKR_DATA_LEN_RANGE);
    assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_DecryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Decrypt(session, plain, 17, got, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    len = sizeof(got);
    assert_int_equal(C_EncryptUpdate(session, plain, 17, got, &len), CKR_OK);
    assert_int_equal(C_EncryptFinal(session, got, &len), CKR_DATA_LEN_RANGE);
    assert_int_equal(C_EncryptFinal(session, got, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_DecryptInit(session, &mech, key), CKR_OK);
    len = sizeof(got);
    assert_int_equal(C_DecryptUpdate(session, plain, 17, got, &len), CKR_OK);
    assert_int_equal(C_DecryptFinal(session, got, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);

    /* C_Encrypt is not the end of a multi-part operation; it is the end of it all the same. */
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    len = sizeof(got);
    assert_int_equal(C_EncryptUpdate(session, plain, 16, got, &len), CKR_OK);
    assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptFinal(session, got, &len), CKR_OPERATION_NOT_INITIALIZED);

    /* Bad pointers end it too. */
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, plain, 16, got, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, NULL, 16, got, &len), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_EncryptUpdate(session, plain, 16, got, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_EncryptFinal(session, got, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_EncryptUpdate(session, plain, ~0UL, got, &len), CKR_DATA_LEN_RANGE);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, plain, ~0UL, got, &len), CKR_DATA_LEN_RANGE);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
}

static void init_bad_mechanisms_and_keys_are_refused(void **state)
{
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    CK_OBJECT_HANDLE mac_key = p11_key(PEER_1 " (sign)");
    CK_MECHANISM cbc = mechanism(CKM_AES_CBC);
    CK_MECHANISM ctr = mechanism(CKM_AES_CTR);
    CK_MECHANISM ecb = mechanism(CKM_AES_ECB);
    CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0};
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};

    (void)state;
    assert_int_equal(C_EncryptInit(session, NULL, key), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_EncryptInit(session, &gcm, key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_EncryptInit(session, &hmac, mac_key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_EncryptInit(session, &cbc, mac_key), CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(C_EncryptInit(session, &cbc, 0), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_EncryptInit(session, &cbc, key ^ 0x100000000UL), CKR_KEY_HANDLE_INVALID);
    cbc.ulParameterLen = 15;
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_MECHANISM_PARAM_INVALID);
    cbc.pParameter = NULL;
    cbc.ulParameterLen = 0;
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_MECHANISM_PARAM_INVALID);
    cbc.ulParameterLen = 16;
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_MECHANISM_PARAM_INVALID);
    ecb.pParameter = iv;
    ecb.ulParameterLen = 16;
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_MECHANISM_PARAM_INVALID);
    ((CK_AES_CTR_PARAMS *)ctr.pParameter)->ulCounterBits = 32;
    assert_int_equal(C_EncryptInit(session, &ctr, key), CKR_MECHANISM_PARAM_INVALID);
    cbc = mechanism(CKM_AES_CBC);
    fake_put(PEER_1, 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, false, true);
    outlast_recent();
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_KEY_FUNCTION_NOT_PERMITTED);
    fake_put(PEER_1, 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, false, false);
    outlast_recent();
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_FUNCTION_FAILED);
    fake_put(PEER_1, 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true, true);
    outlast_recent();
    fake_set_modes(1U << KGR_MODE_CTR);
    assert_int_equal(C_CloseSession(session), CKR_OK);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    cbc = mechanism(CKM_AES_CBC);
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_MECHANISM_INVALID);
}

static void padding_wrong_is_invalid_data(void **state)
{
    CK_MECHANISM cbc = mechanism(CKM_AES_CBC);
    CK_MECHANISM pad = mechanism(CKM_AES_CBC_PAD);
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    /* What the last block ends with, after 13 bytes of the first number. */
    static const CK_BYTE tails[][4] = {
        {0, 1, 1, 0}, {0, 2, 2, 17},    {0, 3, 2, 3},
        {0, 9, 1, 2}, {17, 17, 17, 17}, {255, 255, 255, 255},
    };
    CK_BYTE block[32] = {0};
    CK_ULONG len = sizeof(got);

    (void)state;
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        memset(block + 16, tails[i][0], 13);
        memcpy(block + 29, tails[i] + 1, 3);
        assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_OK);
        len = sizeof(got);
        assert_int_equal(C_Encrypt(session, block, sizeof(block), got, &len), CKR_OK);
        assert_int_equal(C_DecryptInit(session, &pad, key), CKR_OK);
        len = sizeof(expected);
        assert_int_equal(C_Decrypt(session, got, 32, expected, &len), CKR_ENCRYPTED_DATA_INVALID);
        assert_int_equal(C_DecryptInit(session, &pad, key), CKR_OK);
        len = sizeof(expected);
        assert_int_equal(C_DecryptUpdate(session, got, 32, expected, &len), CKR_OK);
        assert_int_equal(len, 16); /* the last block waits */
        assert_int_equal(C_DecryptFinal(session, expected, &len), CKR_ENCRYPTED_DATA_INVALID);
        assert_int_equal(C_DecryptFinal(session, expected, &len), CKR_OPERATION_NOT_INITIALIZED);
    }
    assert_int_equal(C_DecryptInit(session, &pad, key), CKR_OK);
    assert_int_equal(C_DecryptFinal(session, expected, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_int_equal(C_DecryptInit(session, &pad, key), CKR_OK);
    assert_int_equal(C_Decrypt(session, got, 0, expected, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
}

static void padding_too_little_room_changes_nothing(void **state)
{
    CK_MECHANISM pad = mechanism(CKM_AES_CBC_PAD);
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    CK_ULONG len = sizeof(got);
    CK_ULONG enc_len;
    CK_BYTE tail[16];

    (void)state;
    assert_int_equal(C_EncryptInit(session, &pad, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, plain, 45, got, &len), CKR_OK);
    enc_len = len;
    memcpy(expected, got, enc_len);
    assert_int_equal(C_DecryptInit(session, &pad, key), CKR_OK);
    len = 44;
    assert_int_equal(C_Decrypt(session, got, enc_len, got, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 45);
    assert_memory_equal(got, expected, enc_len);
    assert_int_equal(C_Decrypt(session, got, enc_len, got, &len), CKR_OK);
    assert_memory_equal(got, plain, 45);

    assert_int_equal(C_DecryptInit(session, &pad, key), CKR_OK);
    len = sizeof(got);
    assert_int_equal(C_DecryptUpdate(session, expected, enc_len, got, &len), CKR_OK);
    assert_int_equal(len, 32);
    len = 12;
    assert_int_equal(C_DecryptFinal(session, tail, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 13);
    assert_int_equal(C_DecryptFinal(session, tail, &len), CKR_OK);
    assert_memory_equal(tail, plain + 32, 13);
}

/* What goes wrong at the agent ends the operation, and the session is as good as new. */
static void failures_of_the_agent_end_the_operation(void **state)
{
    static const struct {
        enum kgr_error err;
        CK_RV rv;
    } cases[] = {
        {KGR_ERR_NO_AGENT, CKR_DEVICE_REMOVED}, {KGR_ERR_TPM, CKR_DEVICE_ERROR},
        {KGR_ERR_TIMEOUT, CKR_DEVICE_ERROR},    {KGR_ERR_QUOTA, CKR_DEVICE_MEMORY},
        {KGR_ERR_REVOKED, CKR_FUNCTION_FAILED}, {KGR_ERR_LEASE, CKR_FUNCTION_FAILED},
        {KGR_ERR_NO_MEMORY, CKR_HOST_MEMORY},   {KGR_ERR_NOT_AUTHORIZED, CKR_FUNCTION_FAILED},
    };
    CK_MECHANISM mech = mechanism(CKM_AES_CBC);
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    CK_ULONG len;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
        fake_fail(cases[i].err, 1); /* in the second of two requests */
        len = sizeof(got);
        assert_int_equal(C_Encrypt(session, plain, 131072, got, &len), cases[i].rv);
        len = sizeof(got);
        assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_OPERATION_NOT_INITIALIZED);
    }
    fake_fail(KGR_ERR_NOT_AUTHORIZED, 0);
    outlast_recent();
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_KEY_FUNCTION_NOT_PERMITTED);
}

/* Of many operations in a row only the first asks the agent what it may. */
static void init_in_a_row_asks_once(void **state)
{
    CK_MECHANISM mech = mechanism(CKM_AES_CBC);
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    unsigned asked;
    CK_ULONG len;

    (void)state;
    outlast_recent();
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    asked = fake_num_requests();
    for (int i = 0; i < 3; i++) {
        len = sizeof(got);
        assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_OK);
        assert_int_equal(C_EncryptInit(session, &mech, key), CKR_OK);
    }
    /* Three to encrypt; on a slow machine what was told may grow old meanwhile. */
    assert_in_range(fake_num_requests() - asked, 3, 5);
    len = sizeof(got);
    assert_int_equal(C_Encrypt(session, plain, 16, got, &len), CKR_OK);
}

static void renewal_leaves_running_operations_their_key(void **state)
{
    CK_MECHANISM mech = mechanism(CKM_AES_CBC);
    CK_ULONG len = 16;
    size_t right = reference(&ways[1], PEER_1, 32);

    (void)state;
    assert_int_equal(right, 32);
    assert_int_equal(C_EncryptInit(session, &mech, p11_key(PEER_1)), CKR_OK);
    assert_int_equal(C_EncryptUpdate(session, plain, 16, got, &len), CKR_OK);
    fake_put(PEER_1, 2, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true, true);
    assert_int_equal(C_EncryptUpdate(session, plain + 16, 16, got + 16, &len), CKR_OK);
    assert_memory_equal(got, expected, 32);
    fake_drop(PEER_1, 1);
    assert_int_equal(C_EncryptUpdate(session, plain, 16, got, &len), CKR_FUNCTION_FAILED);
    assert_int_equal(C_EncryptFinal(session, got, &len), CKR_OPERATION_NOT_INITIALIZED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_equals_openssl, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(pieces_equal_openssl_in_any_split, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(state_ends_with_errors_and_stays_after_queries, setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(init_bad_mechanisms_and_keys_are_refused, setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(padding_wrong_is_invalid_data, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(padding_too_little_room_changes_nothing, setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(failures_of_the_agent_end_the_operation, setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(init_in_a_row_asks_once, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(renewal_leaves_running_operations_their_key, setup,
                                        p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
