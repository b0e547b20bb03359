/* SPDX-License-Identifier: BSD-2-Clause */

/* Every function that takes a session, in every state in which it must refuse. */
#include "tests/support/p11-fixture.h"

#define BAD_SESSION 0x7fffffffUL

static CK_RV wanted;
static CK_SESSION_HANDLE s;
static CK_BYTE buf[64];
static CK_ULONG len = sizeof(buf);
static CK_OBJECT_HANDLE object;
static CK_MECHANISM mech = {CKM_AES_CBC, buf, 16};
static CK_SESSION_INFO info;

#define REFUSED(call) assert_int_equal(call, wanted)

static void objects_and_sessions_are_refused(void)
{
    CK_ATTRIBUTE attr = {CKA_LABEL, buf, sizeof(buf)};

    REFUSED(C_CloseSession(s));
    REFUSED(C_GetSessionInfo(s, &info));
    REFUSED(C_GetSessionInfo(s, NULL));
    REFUSED(C_SessionCancel(s, CKF_ENCRYPT));
    REFUSED(C_GetOperationState(s, buf, &len));
    REFUSED(C_SetOperationState(s, buf, 1, 0, 0));
    REFUSED(C_Login(s, CKU_USER, buf, 4));
    REFUSED(C_LoginUser(s, CKU_USER, buf, 4, buf, 4));
    REFUSED(C_Logout(s));
    REFUSED(C_InitPIN(s, buf, 4));
    REFUSED(C_SetPIN(s, buf, 4, buf, 4));
    REFUSED(C_CreateObject(s, &attr, 1, &object));
    REFUSED(C_CopyObject(s, 1, &attr, 1, &object));
    REFUSED(C_DestroyObject(s, 1));
    REFUSED(C_GetObjectSize(s, 1, &len));
    REFUSED(C_GetAttributeValue(s, 1, &attr, 1));
    REFUSED(C_GetAttributeValue(s, 1, NULL, 0));
    REFUSED(C_SetAttributeValue(s, 1, &attr, 1));
    REFUSED(C_FindObjectsInit(s, &attr, 1));
    REFUSED(C_FindObjects(s, &object, 1, &len));
    REFUSED(C_FindObjectsFinal(s));
    REFUSED(C_SeedRandom(s, buf, 1));
    REFUSED(C_GenerateRandom(s, buf, 1));
}

static void operations_are_refused(void)
{
    REFUSED(C_EncryptInit(s, &mech, 1));
    REFUSED(C_EncryptInit(s, NULL, 1));
    REFUSED(C_Encrypt(s, buf, 16, buf, &len));
    REFUSED(C_EncryptUpdate(s, buf, 16, buf, &len));
    REFUSED(C_EncryptFinal(s, buf, &len));
    REFUSED(C_DecryptInit(s, &mech, 1));
    REFUSED(C_Decrypt(s, buf, 16, buf, &len));
    REFUSED(C_DecryptUpdate(s, buf, 16, buf, &len));
    REFUSED(C_DecryptFinal(s, buf, &len));
    REFUSED(C_SignInit(s, &mech, 1));
    REFUSED(C_Sign(s, buf, 16, buf, &len));
    REFUSED(C_SignUpdate(s, buf, 16));
    REFUSED(C_SignFinal(s, buf, &len));
    REFUSED(C_VerifyInit(s, &mech, 1));
    REFUSED(C_Verify(s, buf, 16, buf, 32));
    REFUSED(C_VerifyUpdate(s, buf, 16));
    REFUSED(C_VerifyFinal(s, buf, 32));
    REFUSED(C_MessageEncryptInit(s, &mech, 1));
    REFUSED(C_EncryptMessage(s, NULL, 0, NULL, 0, buf, 1, buf, &len));
    REFUSED(C_EncryptMessageBegin(s, NULL, 0, NULL, 0));
    REFUSED(C_EncryptMessageNext(s, NULL, 0, buf, 1, buf, &len, 0));
    REFUSED(C_MessageEncryptFinal(s));
    REFUSED(C_MessageDecryptInit(s, &mech, 1));
    REFUSED(C_DecryptMessage(s, NULL, 0, NULL, 0, buf, 1, buf, &len));
    REFUSED(C_DecryptMessageBegin(s, NULL, 0, NULL, 0));
    REFUSED(C_DecryptMessageNext(s, NULL, 0, buf, 1, buf, &len, 0));
    REFUSED(C_MessageDecryptFinal(s));
}

static void unsupported_ones_are_refused(void)
{
    REFUSED(C_DigestInit(s, &mech));
    REFUSED(C_Digest(s, buf, 1, buf, &len));
    REFUSED(C_DigestUpdate(s, buf, 1));
    REFUSED(C_DigestKey(s, 1));
    REFUSED(C_DigestFinal(s, buf, &len));
    REFUSED(C_SignRecoverInit(s, &mech, 1));
    REFUSED(C_SignRecover(s, buf, 1, buf, &len));
    REFUSED(C_VerifyRecoverInit(s, &mech, 1));
    REFUSED(C_VerifyRecover(s, buf, 1, buf, &len));
    REFUSED(C_DigestEncryptUpdate(s, buf, 1, buf, &len));
    REFUSED(C_DecryptDigestUpdate(s, buf, 1, buf, &len));
    REFUSED(C_SignEncryptUpdate(s, buf, 1, buf, &len));
    REFUSED(C_DecryptVerifyUpdate(s, buf, 1, buf, &len));
    REFUSED(C_GenerateKey(s, &mech, NULL, 0, &object));
    REFUSED(C_GenerateKeyPair(s, &mech, NULL, 0, NULL, 0, &object, &object));
    REFUSED(C_WrapKey(s, &mech, 1, 1, buf, &len));
    REFUSED(C_UnwrapKey(s, &mech, 1, buf, 1, NULL, 0, &object));
    REFUSED(C_DeriveKey(s, &mech, 1, NULL, 0, &object));
    REFUSED(C_MessageSignInit(s, &mech, 1));
    REFUSED(C_SignMessage(s, NULL, 0, buf, 1, buf, &len));
    REFUSED(C_SignMessageBegin(s, NULL, 0));
    REFUSED(C_SignMessageNext(s, NULL, 0, buf, 1, buf, &len));
    REFUSED(C_MessageSignFinal(s));
    REFUSED(C_MessageVerifyInit(s, &mech, 1));
    REFUSED(C_VerifyMessage(s, NULL, 0, buf, 1, buf, 1));
    REFUSED(C_VerifyMessageBegin(s, NULL, 0));
    REFUSED(C_VerifyMessageNext(s, NULL, 0, buf, 1, buf, 1));
    REFUSED(C_MessageVerifyFinal(s));
}

static void call_all(CK_SESSION_HANDLE handle, CK_RV rv)
{
    s = handle;
    wanted = rv;
    objects_and_sessions_are_refused();
    operations_are_refused();
    unsupported_ones_are_refused();
    REFUSED(C_GetFunctionStatus(s));
    REFUSED(C_CancelFunction(s));
}

static void without_a_session(void **state)
{
    CK_SESSION_HANDLE closed = session;

    (void)state;
    call_all(BAD_SESSION, CKR_SESSION_HANDLE_INVALID);
    call_all(CK_INVALID_HANDLE, CKR_SESSION_HANDLE_INVALID);
    call_all(~0UL, CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(C_CloseSession(session), CKR_OK);
    call_all(closed, CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    call_all(closed, CKR_SESSION_HANDLE_INVALID);
}

static void without_the_module(void **state)
{
    CK_SLOT_ID slot;
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token;
    CK_MECHANISM_INFO mechanism;
    CK_INFO general;

    (void)state;
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    call_all(session, CKR_CRYPTOKI_NOT_INITIALIZED);
    REFUSED(C_GetInfo(&general));
    REFUSED(C_GetInfo(NULL));
    REFUSED(C_GetSlotList(CK_TRUE, NULL, &len));
    REFUSED(C_GetSlotInfo(0, &slot_info));
    REFUSED(C_GetTokenInfo(0, &token));
    REFUSED(C_GetMechanismList(0, NULL, &len));
    REFUSED(C_GetMechanismInfo(0, CKM_AES_CBC, &mechanism));
    REFUSED(C_InitToken(0, buf, 4, buf));
    REFUSED(C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
    REFUSED(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &object));
    REFUSED(C_CloseAllSessions(0));
    REFUSED(C_Finalize(NULL));
}

/* What has no use here says so in an open session too, and leaves an operation alone. */
static void unsupported_ones_leave_operations_alone(void **state)
{
    CK_ULONG n = 16;

    (void)state;
    s = session;
    assert_int_equal(C_EncryptInit(s, &mech, p11_key(PEER_1)), CKR_OK);
    wanted = CKR_FUNCTION_NOT_SUPPORTED;
    unsupported_ones_are_refused();
    wanted = CKR_FUNCTION_NOT_PARALLEL;
    REFUSED(C_GetFunctionStatus(s));
    REFUSED(C_CancelFunction(s));
    assert_int_equal(C_Encrypt(s, buf, 16, buf, &n), CKR_OK);
}

/* An active operation excludes all that begin, and all that go on with another. */
static void operations_exclude_each_other(void **state)
{
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
    CK_MECHANISM record = {CKM_KGR_RECORD, NULL, 0};
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    CK_OBJECT_HANDLE mac_key = p11_key(PEER_1 " (sign)");
    CK_ULONG n = 32;

    (void)state;
    s = session;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(i == 0   ? C_DecryptInit(s, &mech, key)
                         : i == 1 ? C_VerifyInit(s, &hmac, mac_key)
                         : i == 2 ? C_MessageDecryptInit(s, &record, key)
                                  : C_FindObjectsInit(s, NULL, 0),
                         CKR_OK);
        wanted = CKR_OPERATION_ACTIVE;
        REFUSED(C_EncryptInit(s, &mech, key));
        REFUSED(C_DecryptInit(s, &mech, key));
        REFUSED(C_SignInit(s, &hmac, mac_key));
        REFUSED(C_VerifyInit(s, &hmac, mac_key));
        REFUSED(C_MessageEncryptInit(s, &record, key));
        REFUSED(C_MessageDecryptInit(s, &record, key));
        REFUSED(C_FindObjectsInit(s, NULL, 0));
        wanted = CKR_OPERATION_NOT_INITIALIZED;
        REFUSED(C_Encrypt(s, buf, 16, buf, &n));
        REFUSED(C_EncryptUpdate(s, buf, 16, buf, &n));
        REFUSED(C_EncryptFinal(s, buf, &n));
        REFUSED(C_Sign(s, buf, 16, buf, &n));
        REFUSED(C_SignUpdate(s, buf, 16));
        REFUSED(C_SignFinal(s, buf, &n));
        REFUSED(C_EncryptMessage(s, NULL, 0, NULL, 0, buf, 1, buf, &n));
        REFUSED(C_MessageEncryptFinal(s));
        assert_int_equal(i == 0   ? C_DecryptInit(s, NULL, 0)
                         : i == 1 ? C_VerifyInit(s, NULL, 0)
                         : i == 2 ? C_MessageDecryptInit(s, NULL, 0)
                                  : C_FindObjectsFinal(s),
                         CKR_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_session, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(without_the_module, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(unsupported_ones_leave_operations_alone, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(operations_exclude_each_other, p11_setup, p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
