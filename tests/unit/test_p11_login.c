/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fixture.h"

static CK_UTF8CHAR pin[] = "secret";
static CK_BYTE iv[16];
static CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};

static int setup(void **state)
{
    fake_reset();
    fake_set_pin("secret");
    (void)state;
    if (C_Initialize(NULL) != CKR_OK) {
        return -1;
    }
    return C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session) == CKR_OK ? 0 : -1;
}

static CK_STATE state_of(CK_SESSION_HANDLE s)
{
    CK_SESSION_INFO info;

    assert_int_equal(C_GetSessionInfo(s, &info), CKR_OK);
    return info.state;
}

static void token_tells_that_it_wants_a_pin(void **state)
{
    CK_TOKEN_INFO info;

    (void)state;
    assert_int_equal(C_GetTokenInfo(0, &info), CKR_OK);
    assert_int_equal(info.flags & (CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED),
                     CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED);
    assert_int_equal(info.ulMinPinLen, 4);
    assert_int_equal(info.ulMaxPinLen, 64);
}

static void keys_are_there_after_a_login_only(void **state)
{
    CK_SESSION_HANDLE writer = 0;
    CK_BBOOL is_private = CK_FALSE;
    CK_ATTRIBUTE attr = {CKA_PRIVATE, &is_private, sizeof(is_private)};
    CK_MECHANISM_TYPE types[32];
    CK_ULONG num = 32;
    CK_BYTE random[8];

    (void)state;
    assert_int_equal(C_GetMechanismList(0, types, &num), CKR_OK); /* looks at the keys */
    assert_int_equal(p11_search(PEER_1, NULL), 0);
    /* Handles can be guessed; that is of no use. */
    for (CK_OBJECT_HANDLE guess = 0; guess < 64; guess++) {
        assert_int_equal(C_EncryptInit(session, &cbc, (1UL << 23) | guess), CKR_KEY_HANDLE_INVALID);
    }
    assert_int_equal(C_GenerateRandom(session, random, sizeof(random)), CKR_OK);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &writer),
                     CKR_OK);
    assert_int_equal(state_of(session), CKS_RO_PUBLIC_SESSION);
    assert_int_equal(C_Login(session, CKU_USER, pin, 6), CKR_OK);
    assert_int_equal(state_of(session), CKS_RO_USER_FUNCTIONS);
    assert_int_equal(state_of(writer), CKS_RW_USER_FUNCTIONS);
    assert_int_equal(C_GetAttributeValue(writer, p11_key(PEER_1), &attr, 1), CKR_OK);
    assert_int_equal(is_private, CK_TRUE);
    assert_int_equal(C_EncryptInit(writer, &cbc, p11_key(PEER_1)), CKR_OK);
    assert_int_equal(C_Login(writer, CKU_USER, pin, 6), CKR_USER_ALREADY_LOGGED_IN);
    assert_int_equal(C_Login(writer, CKU_SO, pin, 6), CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
}

static void wrong_pins_are_told(void **state)
{
    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, pin, 5), CKR_PIN_INCORRECT);
    assert_int_equal(C_Login(session, CKU_USER, NULL, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_Login(session, CKU_USER, NULL, 6), CKR_ARGUMENTS_BAD);
    fake_fail(KGR_ERR_BUSY, 1);
    assert_int_equal(C_Login(session, CKU_USER, pin, 6), CKR_PIN_LOCKED);
    fake_fail(KGR_ERR_NO_AGENT, 1);
    assert_int_equal(C_Login(session, CKU_USER, pin, 6), CKR_DEVICE_REMOVED);
    assert_int_equal(p11_search(PEER_1, NULL), 0);
    assert_int_equal(C_Logout(session), CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(C_LoginUser(session, CKU_USER, pin, 6, NULL, 0), CKR_OK);
}

/* Handles from before stay invalid after another login, and what was under way is over. */
static void logout_ends_operations_and_handles(void **state)
{
    CK_SESSION_HANDLE other = 0;
    CK_OBJECT_HANDLE key;
    CK_BYTE data[16] = {0};
    CK_ULONG len = sizeof(data);

    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, pin, 6), CKR_OK);
    key = p11_key(PEER_1);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &other), CKR_OK);
    assert_int_equal(C_EncryptInit(other, &cbc, key), CKR_OK);
    assert_int_equal(C_Logout(session), CKR_OK);
    assert_int_equal(C_EncryptUpdate(other, data, 16, data, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptInit(other, &cbc, key), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_Login(other, CKU_USER, pin, 6), CKR_OK);
    assert_int_not_equal(p11_key(PEER_1), key);
    assert_int_equal(C_EncryptInit(other, &cbc, key), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_EncryptInit(other, &cbc, p11_key(PEER_1)), CKR_OK);
}

static void last_session_closed_is_a_logout(void **state)
{
    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, pin, 6), CKR_OK);
    assert_int_equal(C_CloseSession(session), CKR_OK);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    assert_int_equal(state_of(session), CKS_RO_PUBLIC_SESSION);
    assert_int_equal(C_Login(session, CKU_USER, pin, 6), CKR_OK);
    assert_int_equal(C_CloseAllSessions(0), CKR_OK);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    assert_int_equal(p11_search(PEER_1, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(token_tells_that_it_wants_a_pin, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(keys_are_there_after_a_login_only, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(wrong_pins_are_told, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(logout_ends_operations_and_handles, setup, p11_teardown),
        cmocka_unit_test_setup_teardown(last_session_closed_is_a_logout, setup, p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
