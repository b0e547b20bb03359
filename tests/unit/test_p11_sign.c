/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fixture.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define MAX_LEN 300000

static CK_BYTE data[MAX_LEN];

static void reference(CK_BYTE out[48], const char *peer, size_t len)
{
    bool is_big = strcmp(peer, PEER_2) == 0;
    uint8_t key[64];
    size_t key_len = fake_key(
        peer, 1, is_big ? KGR_SUITE_AES_256_CBC_HMAC_SHA384 : KGR_SUITE_AES_128_CBC_HMAC_SHA256,
        true, key);
    unsigned n = 0;

    assert_non_null(
        HMAC(is_big ? EVP_sha384() : EVP_sha256(), key, (int)key_len, data, len, out, &n));
}

static int setup(void **state)
{
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (CK_BYTE)(i * 7 + i / 251);
    }
    return p11_setup(state);
}

struct way {
    const char *peer;
    CK_MECHANISM_TYPE type;
    CK_ULONG mac_len;
};

static const struct way ways[] = {
    {PEER_1, CKM_SHA256_HMAC, 32},
    {PEER_1, CKM_SHA256_HMAC_GENERAL, 16},
    {PEER_2, CKM_SHA384_HMAC, 48},
    {PEER_2, CKM_SHA384_HMAC_GENERAL, 1},
};

static const size_t lens[] = {0, 1, 63, 4096, 65535, 65536, 65537, 131072, 131073, MAX_LEN};

#define NUM_WAYS (sizeof(ways) / sizeof(ways[0]))
#define NUM_LENS (sizeof(lens) / sizeof(lens[0]))

static CK_OBJECT_HANDLE key_of(const struct way *way)
{
    return p11_key(strcmp(way->peer, PEER_1) == 0 ? PEER_1 " (sign)" : PEER_2 " (sign)");
}

static CK_MECHANISM mechanism_of(const struct way *way)
{
    static CK_MAC_GENERAL_PARAMS len;
    CK_MECHANISM mech = {way->type, NULL, 0};

    if (way->type == CKM_SHA256_HMAC_GENERAL || way->type == CKM_SHA384_HMAC_GENERAL) {
        len = way->mac_len;
        mech.pParameter = &len;
        mech.ulParameterLen = sizeof(len);
    }
    return mech;
}

static void whole_equals_openssl(void **state)
{
    (void)state;
    for (size_t w = 0; w < NUM_WAYS; w++) {
        CK_OBJECT_HANDLE key = key_of(&ways[w]);
        CK_MECHANISM mech = mechanism_of(&ways[w]);

        for (size_t i = 0; i < NUM_LENS; i++) {
            CK_BYTE right[48];
            CK_BYTE mac[64];
            CK_ULONG len = 0;

            reference(right, ways[w].peer, lens[i]);
            assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
            assert_int_equal(C_Sign(session, data, lens[i], NULL, &len), CKR_OK);
            assert_int_equal(len, ways[w].mac_len);
            len--;
            assert_int_equal(C_Sign(session, data, lens[i], mac, &len), CKR_BUFFER_TOO_SMALL);
            assert_int_equal(C_Sign(session, data, lens[i], mac, &len), CKR_OK);
            assert_int_equal(len, ways[w].mac_len);
            assert_memory_equal(mac, right, len);
            assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OK);
            assert_int_equal(C_Verify(session, data, lens[i], mac, len), CKR_OK);
            mac[len - 1] ^= 1;
            assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OK);
            assert_int_equal(C_Verify(session, data, lens[i], mac, len), CKR_SIGNATURE_INVALID);
        }
    }
    assert_int_equal(fake_num_macs(), 0);
}

typedef CK_RV (*update_fn)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG);

static void feed(update_fn update, size_t len, size_t piece)
{
    size_t done = 0;

    while (done < len) {
        size_t n = len - done < piece ? len - done : piece;

        assert_int_equal(update(session, data + done, n), CKR_OK);
        done += n;
        piece = piece * 3 + 1;
    }
}

static void pieces_equal_openssl(void **state)
{
    static const size_t pieces[] = {1, 1000, 40000, 65536, 65537, 140000};

    (void)state;
    for (size_t w = 0; w < NUM_WAYS; w++) {
        CK_OBJECT_HANDLE key = key_of(&ways[w]);
        CK_MECHANISM mech = mechanism_of(&ways[w]);

        for (size_t i = 0; i < NUM_LENS * 6; i++) {
            size_t data_len = lens[i / 6];
            CK_BYTE right[48];
            CK_BYTE mac[64];
            CK_ULONG len = sizeof(mac);

            reference(right, ways[w].peer, data_len);
            assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
            feed(C_SignUpdate, data_len, pieces[i % 6]);
            assert_int_equal(C_SignFinal(session, NULL, &len), CKR_OK);
            assert_int_equal(len, ways[w].mac_len);
            assert_int_equal(C_SignFinal(session, mac, &len), CKR_OK);
            assert_memory_equal(mac, right, ways[w].mac_len);
            assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OK);
            feed(C_VerifyUpdate, data_len, pieces[i % 6]);
            assert_int_equal(C_VerifyFinal(session, right, ways[w].mac_len), CKR_OK);
            assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OK);
            feed(C_VerifyUpdate, data_len, pieces[i % 6]);
            right[0] ^= 0x80;
            assert_int_equal(C_VerifyFinal(session, right, ways[w].mac_len), CKR_SIGNATURE_INVALID);
        }
    }
    assert_int_equal(fake_num_macs(), 0);
}

static void short_data_takes_one_request(void **state)
{
    CK_MECHANISM mech = mechanism_of(&ways[0]);
    CK_OBJECT_HANDLE key = key_of(&ways[0]);
    CK_BYTE mac[32];
    CK_ULONG len = sizeof(mac);
    unsigned before;

    (void)state;
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    before = fake_num_requests();
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(C_SignUpdate(session, data, 65), CKR_OK);
    }
    assert_int_equal(fake_num_requests(), before);
    assert_int_equal(C_SignFinal(session, mac, &len), CKR_OK);
    assert_int_equal(fake_num_requests(), before + 1);
}

static void state_ends_with_errors_and_stays_after_queries(void **state)
{
    CK_MECHANISM mech = mechanism_of(&ways[0]);
    CK_OBJECT_HANDLE key = key_of(&ways[0]);
    CK_BYTE mac[32] = {0};
    CK_ULONG len = sizeof(mac);

    (void)state;
    assert_int_equal(C_Sign(session, data, 1, mac, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_SignUpdate(session, data, 1), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_SignFinal(session, mac, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_Verify(session, data, 1, mac, 32), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_VerifyUpdate(session, data, 1), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_VerifyFinal(session, mac, 32), CKR_OPERATION_NOT_INITIALIZED);

    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_Verify(session, data, 1, mac, 32), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_SignUpdate(session, data, 1), CKR_OK);
    assert_int_equal(C_Sign(session, data, 1, mac, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_SignFinal(session, mac, &len), CKR_OPERATION_NOT_INITIALIZED);

    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_SignUpdate(session, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Sign(session, NULL, 1, mac, &len), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Sign(session, data, 1, mac, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_SignFinal(session, mac, NULL), CKR_ARGUMENTS_BAD);

    assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Verify(session, data, 1, mac, 31), CKR_SIGNATURE_LEN_RANGE);
    assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_Verify(session, data, 1, NULL, 32), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_VerifyUpdate(session, data, 1), CKR_OK);
    assert_int_equal(C_VerifyFinal(session, mac, 33), CKR_SIGNATURE_LEN_RANGE);
    assert_int_equal(C_VerifyFinal(session, mac, 32), CKR_OPERATION_NOT_INITIALIZED);
}

static void init_bad_mechanisms_and_keys_are_refused(void **state)
{
    CK_OBJECT_HANDLE key = key_of(&ways[0]);
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
    CK_MECHANISM hmac_384 = {CKM_SHA384_HMAC, NULL, 0};
    CK_MECHANISM sha1 = {CKM_SHA_1_HMAC, NULL, 0};
    CK_BYTE iv[16] = {0};
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};
    CK_MAC_GENERAL_PARAMS general_len = 33;
    CK_MECHANISM general = {CKM_SHA256_HMAC_GENERAL, &general_len, sizeof(general_len)};

    (void)state;
    assert_int_equal(C_SignInit(session, &sha1, key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_SignInit(session, &cbc, p11_key(PEER_1)), CKR_MECHANISM_INVALID);
    assert_int_equal(C_SignInit(session, &hmac, p11_key(PEER_1)), CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(C_SignInit(session, &hmac_384, key), CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(C_SignInit(session, &hmac, 12345), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_SignInit(session, &general, key), CKR_MECHANISM_PARAM_INVALID);
    general_len = 0;
    assert_int_equal(C_SignInit(session, &general, key), CKR_MECHANISM_PARAM_INVALID);
    general.pParameter = NULL;
    assert_int_equal(C_SignInit(session, &general, key), CKR_MECHANISM_PARAM_INVALID);
    hmac.pParameter = iv;
    hmac.ulParameterLen = 1;
    assert_int_equal(C_SignInit(session, &hmac, key), CKR_MECHANISM_PARAM_INVALID);
}

static void failure_under_way_leaves_no_state_behind(void **state)
{
    CK_MECHANISM mech = mechanism_of(&ways[0]);
    CK_OBJECT_HANDLE key = key_of(&ways[0]);
    CK_BYTE mac[32];
    CK_ULONG len = sizeof(mac);

    (void)state;
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_SignUpdate(session, data, 100000), CKR_OK);
    assert_int_equal(fake_num_macs(), 1);
    fake_fail(KGR_ERR_NO_AGENT, 0);
    assert_int_equal(C_SignUpdate(session, data, 100000), CKR_DEVICE_REMOVED);
    assert_int_equal(fake_num_macs(), 0);
    assert_int_equal(C_SignFinal(session, mac, &len), CKR_OPERATION_NOT_INITIALIZED);

    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_SignUpdate(session, data, 100000), CKR_OK);
    assert_int_equal(C_CloseSession(session), CKR_OK);
    assert_int_equal(fake_num_macs(), 0);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    fake_fail(KGR_ERR_INVALID, 0); /* what the agent does not sign */
    assert_int_equal(C_Sign(session, data, 8, mac, &len), CKR_DATA_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_equals_openssl, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(pieces_equal_openssl, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(short_data_takes_one_request, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(state_ends_with_errors_and_stays_after_queries, setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(init_bad_mechanisms_and_keys_are_refused, setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(failure_under_way_leaves_no_state_behind, setup,
                                        p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
