/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fixture.h"

#include <pthread.h>

static void open_bad_arguments_are_refused(void **state)
{
    CK_SESSION_HANDLE other = 0;

    (void)state;
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_OpenSession(5, CKF_SERIAL_SESSION, NULL, NULL, &other), CKR_SLOT_ID_INVALID);
    assert_int_equal(C_OpenSession(0, CKF_RW_SESSION, NULL, NULL, &other),
                     CKR_SESSION_PARALLEL_NOT_SUPPORTED);
    fake_set_present(false);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &other),
                     CKR_TOKEN_NOT_PRESENT);
}

static void close_makes_the_handle_invalid_for_ever(void **state)
{
    CK_SESSION_INFO info;
    CK_SESSION_HANDLE closed = session;

    (void)state;
    assert_int_equal(C_CloseSession(session), CKR_OK);
    assert_int_equal(C_CloseSession(session), CKR_SESSION_HANDLE_INVALID);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
        assert_int_not_equal(session, closed);
        assert_int_not_equal(session, CK_INVALID_HANDLE);
        assert_int_equal(C_GetSessionInfo(closed, &info), CKR_SESSION_HANDLE_INVALID);
        assert_int_equal(C_CloseSession(session), CKR_OK);
    }
}

static void info_tells_state_and_flags(void **state)
{
    CK_SESSION_HANDLE reader = 0;
    CK_SESSION_INFO info;

    (void)state;
    assert_int_equal(C_GetSessionInfo(session, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_OK);
    assert_int_equal(info.state, CKS_RW_PUBLIC_SESSION);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &reader), CKR_OK);
    assert_int_equal(C_GetSessionInfo(reader, &info), CKR_OK);
    assert_int_equal(info.state, CKS_RO_PUBLIC_SESSION);
    assert_int_equal(info.flags, CKF_SERIAL_SESSION);
    assert_int_equal(C_CloseAllSessions(1), CKR_SLOT_ID_INVALID);
    assert_int_equal(C_CloseAllSessions(0), CKR_OK);
    assert_int_equal(C_GetSessionInfo(reader, &info), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
}

static void hundreds_of_sessions_are_independent(void **state)
{
    CK_SESSION_HANDLE many[500];
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    CK_OBJECT_HANDLE key = p11_key(PEER_1 " (sign)");
    CK_BYTE first[32];
    CK_BYTE mac[32];
    CK_ULONG len = 32;

    (void)state;
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &many[i]), CKR_OK);
        assert_int_equal(C_SignInit(many[i], &mech, key), CKR_OK);
        assert_int_equal(C_SignUpdate(many[i], first, 0), CKR_OK);
    }
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(C_SignFinal(many[i], i == 0 ? first : mac, &len), CKR_OK);
        assert_memory_equal(i == 0 ? first : mac, first, sizeof(first));
    }
}

static void login_is_refused_as_there_is_no_pin(void **state)
{
    CK_UTF8CHAR pin[] = "1234";
    CK_SESSION_HANDLE reader = 0;

    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, pin, 4), CKR_USER_PIN_NOT_INITIALIZED);
    assert_int_equal(C_Login(session, CKU_SO, pin, 4), CKR_PIN_INCORRECT);
    assert_int_equal(C_Login(session, CKU_CONTEXT_SPECIFIC, pin, 4), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_Login(session, 77, pin, 4), CKR_USER_TYPE_INVALID);
    assert_int_equal(C_Login(session, CKU_USER, NULL, 4), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_LoginUser(session, CKU_USER, pin, 4, NULL, 0), CKR_USER_PIN_NOT_INITIALIZED);
    assert_int_equal(C_Logout(session), CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(C_InitPIN(session, pin, 4), CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(C_SetPIN(session, pin, 4, pin, 4), CKR_TOKEN_WRITE_PROTECTED);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &reader), CKR_OK);
    assert_int_equal(C_SetPIN(reader, pin, 4, pin, 4), CKR_SESSION_READ_ONLY);
    assert_int_equal(C_Login(reader, CKU_SO, pin, 4), CKR_SESSION_READ_ONLY_EXISTS);
}

static void operation_state_is_not_to_be_had(void **state)
{
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    CK_BYTE saved[16] = {0};
    CK_ULONG len = sizeof(saved);

    (void)state;
    assert_int_equal(C_GetOperationState(session, saved, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetOperationState(session, saved, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_SignInit(session, &mech, p11_key(PEER_1 " (sign)")), CKR_OK);
    assert_int_equal(C_GetOperationState(session, saved, &len), CKR_STATE_UNSAVEABLE);
    assert_int_equal(C_SetOperationState(session, saved, len, 0, 0), CKR_SAVED_STATE_INVALID);
    assert_int_equal(C_SetOperationState(session, NULL, len, 0, 0), CKR_ARGUMENTS_BAD);
}

static void cancel_ends_what_its_flags_name(void **state)
{
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    CK_OBJECT_HANDLE key = p11_key(PEER_1 " (sign)");

    (void)state;
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OK);
    assert_int_equal(C_SessionCancel(session, CKF_ENCRYPT | CKF_FIND_OBJECTS), CKR_OK);
    assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_SessionCancel(session, CKF_SIGN), CKR_OK);
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OK);
    assert_int_equal(C_SignInit(session, &mech, key), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_SessionCancel(session, CKF_FIND_OBJECTS), CKR_OK);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_VerifyInit(session, &mech, key), CKR_OK);
    /* PKCS#11 3.0: no mechanism ends the operation. */
    assert_int_equal(C_VerifyInit(session, NULL, 0), CKR_OK);
    assert_int_equal(C_VerifyInit(session, NULL, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_SessionCancel(session + 1, CKF_SIGN), CKR_SESSION_HANDLE_INVALID);
}

static void random_comes_in_any_length(void **state)
{
    static CK_BYTE big[200000];
    CK_BYTE bytes[32] = {0};
    CK_BYTE none[32] = {0};

    (void)state;
    assert_int_equal(C_GenerateRandom(session, bytes, sizeof(bytes)), CKR_OK);
    assert_memory_not_equal(bytes, none, sizeof(none));
    assert_int_equal(C_GenerateRandom(session, big, sizeof(big)), CKR_OK);
    assert_int_equal(C_GenerateRandom(session, NULL, 0), CKR_OK);
    assert_int_equal(C_GenerateRandom(session, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_SeedRandom(session, bytes, sizeof(bytes)), CKR_OK);
    assert_int_equal(fake_num_stirred(), sizeof(bytes));
    assert_int_equal(C_SeedRandom(session, NULL, 1), CKR_ARGUMENTS_BAD);
    fake_fail(KGR_ERR_TPM, 0);
    assert_int_equal(C_GenerateRandom(session, bytes, sizeof(bytes)), CKR_DEVICE_ERROR);
}

#define NUM_THREADS 8
#define NUM_ROUNDS  200

static CK_OBJECT_HANDLE shared_key;

static void *open_sign_close(void *arg)
{
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    unsigned *num_bad = arg;

    for (int i = 0; i < NUM_ROUNDS; i++) {
        CK_SESSION_HANDLE mine = 0;
        CK_BYTE data[64] = {0};
        CK_BYTE mac[32];
        CK_ULONG len = sizeof(mac);

        if (C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &mine) != CKR_OK ||
            C_SignInit(mine, &mech, shared_key) != CKR_OK ||
            C_Sign(mine, data, sizeof(data), mac, &len) != CKR_OK ||
            C_FindObjectsInit(mine, NULL, 0) != CKR_OK || C_CloseSession(mine) != CKR_OK) {
            (*num_bad)++;
        }
    }
    return NULL;
}

static void threads_have_sessions_of_their_own(void **state)
{
    pthread_t threads[NUM_THREADS];
    unsigned num_bad[NUM_THREADS] = {0};

    (void)state;
    shared_key = p11_key(PEER_1 " (sign)");
    for (int i = 0; i < NUM_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_sign_close, &num_bad[i]), 0);
    }
    for (int i = 0; i < NUM_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(num_bad[i], 0);
    }
}

/* Closing a session under another thread's call: the call ends one way or the other, and only once. */
static void *sign_until_closed(void *arg)
{
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    CK_SESSION_HANDLE mine = *(CK_SESSION_HANDLE *)arg;
    CK_BYTE mac[32];
    CK_ULONG len = sizeof(mac);
    CK_RV rv;

    do {
        rv = C_SignInit(mine, &mech, shared_key);
        if (rv == CKR_OK) {
            rv = C_Sign(mine, mac, 1, mac, &len);
        }
    } while (rv == CKR_OK);
    return rv == CKR_SESSION_HANDLE_INVALID ? NULL : arg;
}

static void close_under_a_running_call_is_safe(void **state)
{
    pthread_t thread;
    void *bad = NULL;

    (void)state;
    shared_key = p11_key(PEER_1 " (sign)");
    for (int i = 0; i < 50; i++) {
        CK_SESSION_HANDLE mine = 0;
        unsigned before = fake_num_requests();

        assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &mine), CKR_OK);
        assert_int_equal(pthread_create(&thread, NULL, sign_until_closed, &mine), 0);
        while (fake_num_requests() < before + 3) {
        }
        assert_int_equal(C_CloseSession(mine), CKR_OK);
        assert_int_equal(pthread_join(thread, &bad), 0);
        assert_null(bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open_bad_arguments_are_refused, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(close_makes_the_handle_invalid_for_ever, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(info_tells_state_and_flags, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(hundreds_of_sessions_are_independent, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(login_is_refused_as_there_is_no_pin, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(operation_state_is_not_to_be_had, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(cancel_ends_what_its_flags_name, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(random_comes_in_any_length, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(threads_have_sessions_of_their_own, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(close_under_a_running_call_is_safe, p11_setup,
                                        p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
