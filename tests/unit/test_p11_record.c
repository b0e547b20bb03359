/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fixture.h"

#define MAX_LEN (KGR_DATA_MAX + KGR_RECORD_OVERHEAD)

static CK_BYTE data[MAX_LEN];
static CK_BYTE record[MAX_LEN];
static CK_BYTE back[MAX_LEN];
static CK_MECHANISM mech = {CKM_KGR_RECORD, NULL, 0};

/* Seals len bytes and leaves the session as it was; returns the record's length. */
static CK_ULONG sealed(CK_ULONG len, CK_ULONG flags)
{
    CK_ULONG record_len = sizeof(record);

    assert_int_equal(C_MessageEncryptInit(session, &mech, p11_key(PEER_1)), CKR_OK);
    assert_int_equal(
        C_EncryptMessage(session, &flags, sizeof(flags), data, 3, data, len, record, &record_len),
        CKR_OK);
    assert_int_equal(C_MessageEncryptFinal(session), CKR_OK);
    return record_len;
}

static void records_come_back(void **state)
{
    static const CK_ULONG lens[] = {0, 1, 1000, KGR_DATA_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (CK_BYTE)(i * 5);
    }
    assert_int_equal(C_MessageDecryptInit(session, &mech, p11_key(PEER_1)), CKR_OK);
    assert_int_equal(C_MessageDecryptFinal(session), CKR_OK);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        CK_ULONG record_len = sealed(lens[i], 0);
        CK_ULONG len = 0;

        assert_int_equal(C_MessageDecryptInit(session, &mech, p11_key(PEER_1)), CKR_OK);
        assert_int_equal(
            C_DecryptMessage(session, NULL, 0, data, 3, record, record_len, NULL, &len), CKR_OK);
        assert_true(len >= lens[i]);
        len--;
        assert_int_equal(
            C_DecryptMessage(session, NULL, 0, data, 3, record, record_len, back, &len),
            CKR_BUFFER_TOO_SMALL);
        assert_int_equal(
            C_DecryptMessage(session, NULL, 0, data, 3, record, record_len, back, &len), CKR_OK);
        assert_int_equal(len, lens[i]);
        assert_memory_equal(back, data, len);
        len = sizeof(back);
        assert_int_equal(
            C_DecryptMessage(session, NULL, 0, data, 3, record, record_len, back, &len),
            CKR_KGR_REPLAY);
        assert_int_equal(C_MessageDecryptFinal(session), CKR_OK);
    }
}

static void stored_records_open_again(void **state)
{
    CK_ULONG stored = CKF_KGR_STORED;
    CK_ULONG record_len = sealed(10, CKF_KGR_STORED);
    CK_ULONG len = sizeof(back);

    (void)state;
    assert_int_equal(C_MessageDecryptInit(session, &mech, p11_key(PEER_1)), CKR_OK);
    for (int i = 0; i < 3; i++) {
        len = sizeof(back);
        assert_int_equal(C_DecryptMessage(session, &stored, sizeof(stored), data, 3, record,
                                          record_len, back, &len),
                         CKR_OK);
    }
}

static void forged_records_are_refused_and_end_nothing(void **state)
{
    CK_ULONG record_len = sealed(100, 0);
    CK_ULONG len = sizeof(back);

    (void)state;
    assert_int_equal(C_MessageDecryptInit(session, &mech, p11_key(PEER_1)), CKR_OK);
    record[50] ^= 1;
    assert_int_equal(C_DecryptMessage(session, NULL, 0, data, 3, record, record_len, back, &len),
                     CKR_ENCRYPTED_DATA_INVALID);
    record[50] ^= 1;
    assert_int_equal(C_DecryptMessage(session, NULL, 0, data, 2, record, record_len, back, &len),
                     CKR_ENCRYPTED_DATA_INVALID);
    assert_int_equal(C_DecryptMessage(session, NULL, 0, data, 3, record, 5, back, &len),
                     CKR_ENCRYPTED_DATA_INVALID);
    fake_fail(KGR_ERR_EXPIRED, 0);
    assert_int_equal(C_DecryptMessage(session, NULL, 0, data, 3, record, record_len, back, &len),
                     CKR_KGR_EXPIRED);
    fake_fail(KGR_ERR_REVOKED, 0);
    assert_int_equal(C_DecryptMessage(session, NULL, 0, data, 3, record, record_len, back, &len),
                     CKR_KGR_REVOKED);
    assert_int_equal(C_DecryptMessage(session, NULL, 0, data, 3, record, record_len, back, &len),
                     CKR_OK);
}

static void bad_calls_are_refused(void **state)
{
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    CK_MECHANISM bad = {CKM_KGR_RECORD, data, 16};
    CK_MECHANISM cbc = {CKM_AES_CBC, data, 16};
    CK_ULONG flags = 2;
    CK_ULONG len = sizeof(record);

    (void)state;
    assert_int_equal(C_EncryptMessage(session, NULL, 0, NULL, 0, data, 1, record, &len),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_MessageEncryptFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptInit(session, &mech, key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_MessageEncryptInit(session, &cbc, key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_MessageEncryptInit(session, &bad, key), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_MessageEncryptInit(session, &mech, p11_key(PEER_1 " (sign)")),
                     CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(C_MessageEncryptInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_MessageDecryptInit(session, &mech, key), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_DecryptMessage(session, NULL, 0, NULL, 0, data, 1, record, &len),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptMessage(session, NULL, 0, NULL, 0, NULL, 1, record, &len),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(C_EncryptMessage(session, NULL, 0, NULL, 1, data, 1, record, &len),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(C_EncryptMessage(session, NULL, 0, NULL, 0, data, 1, record, NULL),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(
        C_EncryptMessage(session, &flags, sizeof(flags), NULL, 0, data, 1, record, &len),
        CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_EncryptMessage(session, &flags, 1, NULL, 0, data, 1, record, &len),
                     CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_EncryptMessage(session, NULL, 0, NULL, 0, data, ~0UL, record, &len),
                     CKR_DATA_LEN_RANGE);
    assert_int_equal(
        C_EncryptMessage(session, NULL, 0, data, KGR_AAD_MAX + 1, data, 1, record, &len),
        CKR_DATA_LEN_RANGE);
    assert_int_equal(C_EncryptMessageBegin(session, NULL, 0, NULL, 0), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_SessionCancel(session, CKF_MESSAGE_ENCRYPT), CKR_OK);
    assert_int_equal(C_MessageEncryptFinal(session), CKR_OPERATION_NOT_INITIALIZED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_come_back, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(stored_records_open_again, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(forged_records_are_refused_and_end_nothing, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(bad_calls_are_refused, p11_setup, p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
