/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void initialize_twice_is_refused(void **state)
{
    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_int_equal(C_Initialize(NULL), CKR_OK);
}

static void finalize_with_reserved_is_refused(void **state)
{
    int something = 0;

    (void)state;
    assert_int_equal(C_Finalize(&something), CKR_ARGUMENTS_BAD);
}

static unsigned num_created;
static unsigned num_destroyed;
static int depth; /* of the application's mutex; it must not nest */
static unsigned num_locked;

static CK_RV create_mutex(CK_VOID_PTR_PTR out)
{
    num_created++;
    *out = &depth;
    return CKR_OK;
}

static CK_RV destroy_mutex(CK_VOID_PTR mutex)
{
    assert_ptr_equal(mutex, &depth);
    num_destroyed++;
    return CKR_OK;
}

static CK_RV lock_mutex(CK_VOID_PTR mutex)
{
    assert_ptr_equal(mutex, &depth);
    assert_int_equal(depth, 0);
    depth++;
    num_locked++;
    return CKR_OK;
}

static CK_RV unlock_mutex(CK_VOID_PTR mutex)
{
    assert_ptr_equal(mutex, &depth);
    assert_int_equal(depth, 1);
    depth--;
    return CKR_OK;
}

static void initialize_bad_args_are_refused(void **state)
{
    CK_CHAR_PTR parameters = NULL;
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK, .LibraryParameters = &parameters};

    (void)state;
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(C_Initialize(&args), CKR_ARGUMENTS_BAD);
    args.LibraryParameters = NULL;
    args.LockMutex = lock_mutex;
    assert_int_equal(C_Initialize(&args), CKR_ARGUMENTS_BAD);
    args.LockMutex = NULL;
    assert_int_equal(C_Initialize(&args), CKR_OK);
}

/* A program compiled with the standard's header has no field after pReserved. */
static void initialize_reads_nothing_after_reserved(void **state)
{
    size_t len = offsetof(CK_C_INITIALIZE_ARGS, pReserved);
    void *args = calloc(1, len);

    (void)state;
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(C_Initialize(args), CKR_OK);
    free(args);
}

static void initialize_own_mutexes_serialise_every_call(void **state)
{
    CK_C_INITIALIZE_ARGS args = {create_mutex, destroy_mutex, lock_mutex, unlock_mutex, 0,
                                 NULL,         NULL};
    CK_INFO info;
    CK_SLOT_ID slot;

    (void)state;
    num_created = num_destroyed = num_locked = 0;
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(C_Initialize(&args), CKR_OK);
    assert_int_equal(num_created, 1);
    assert_int_equal(C_GetInfo(&info), CKR_OK);
    assert_int_equal(num_locked, 1);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    assert_int_equal(p11_search(PEER_1, NULL), 1);
    assert_int_equal(C_CloseSession(session + 1), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
    assert_int_equal(depth, 0);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(num_destroyed, 1);
}

static void initialize_os_locking_leaves_own_mutexes_alone(void **state)
{
    CK_C_INITIALIZE_ARGS args = {create_mutex,      destroy_mutex, lock_mutex, unlock_mutex,
                                 CKF_OS_LOCKING_OK, NULL,          NULL};

    (void)state;
    num_created = 0;
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(C_Initialize(&args), CKR_OK);
    assert_int_equal(num_created, 0);
}

static void info_is_padded_with_spaces(void **state)
{
    CK_INFO info;

    (void)state;
    assert_int_equal(C_GetInfo(NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetInfo(&info), CKR_OK);
    assert_int_equal(info.cryptokiVersion.major, 3);
    assert_int_equal(info.flags, 0);
    assert_memory_equal(info.manufacturerID, "KGR                             ", 32);
    assert_null(memchr(info.libraryDescription, 0, sizeof(info.libraryDescription)));
}

/* Every entry of a list is a function: a NULL in it is a crash of the caller. */
static void check_full(const void *list, size_t len)
{
    const unsigned char *p = list;
    void *function;

    for (size_t at = sizeof(void *); at < len; at += sizeof(function)) {
        memcpy(&function, p + at, sizeof(function));
        assert_non_null(function);
    }
}

static void function_lists_are_full(void **state)
{
    CK_FUNCTION_LIST_PTR list = NULL;
    CK_INTERFACE interfaces[2];
    CK_INTERFACE_PTR interface = NULL;
    CK_VERSION version = {2, 40};
    CK_ULONG num = 1;
    CK_UTF8CHAR other[] = "Vendor X";

    (void)state;
    assert_int_equal(C_Finalize(NULL), CKR_OK); /* none of these needs C_Initialize */
    assert_int_equal(C_GetFunctionList(NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetFunctionList(&list), CKR_OK);
    assert_int_equal(list->version.major, 2);
    assert_int_equal(list->version.minor, 40);
    check_full(list, sizeof(*list));
    assert_ptr_equal(list->C_WaitForSlotEvent, C_WaitForSlotEvent);

    assert_int_equal(C_GetInterfaceList(NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetInterfaceList(interfaces, &num), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(num, 2);
    assert_int_equal(C_GetInterfaceList(interfaces, &num), CKR_OK);
    assert_string_equal((const char *)interfaces[0].pInterfaceName, "PKCS 11");
    check_full(interfaces[0].pFunctionList, sizeof(CK_FUNCTION_LIST_3_0));

    assert_int_equal(C_GetInterface(NULL, NULL, &interface, 0), CKR_OK);
    assert_int_equal(((CK_VERSION *)interface->pFunctionList)->major, 3);
    assert_int_equal(C_GetInterface(interfaces[0].pInterfaceName, &version, &interface, 0), CKR_OK);
    assert_ptr_equal(interface->pFunctionList, list);
    version.minor = 20;
    assert_int_equal(C_GetInterface(NULL, &version, &interface, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetInterface(other, NULL, &interface, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetInterface(NULL, NULL, &interface, CKF_INTERFACE_FORK_SAFE),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetInterface(NULL, NULL, NULL, 0), CKR_ARGUMENTS_BAD);
}

static void unsupported_functions_say_so(void **state)
{
    CK_FUNCTION_LIST_PTR list = NULL;
    CK_MECHANISM mech = {CKM_SHA256, NULL, 0};
    CK_MECHANISM keygen = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BYTE data[16] = {0};
    CK_ULONG len = sizeof(data);
    CK_OBJECT_HANDLE key = 0;

    (void)state;
    assert_int_equal(C_GetFunctionList(&list), CKR_OK);
    assert_int_equal(list->C_DigestInit(session, &mech), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(list->C_DigestInit(session + 9, &mech), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(list->C_GenerateKey(session, &keygen, NULL, 0, &key),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(list->C_DeriveKey(session, &keygen, 1, NULL, 0, &key),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(list->C_WrapKey(session, &keygen, 1, 1, data, &len),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(list->C_SignEncryptUpdate(session, data, 16, data, &len),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(list->C_SignRecoverInit(session, &mech, 1), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(list->C_GetFunctionStatus(session), CKR_FUNCTION_NOT_PARALLEL);
    assert_int_equal(list->C_CancelFunction(session), CKR_FUNCTION_NOT_PARALLEL);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(list->C_DigestInit(session, &mech), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_int_equal(list->C_GetFunctionStatus(session), CKR_CRYPTOKI_NOT_INITIALIZED);
}

/* Runs fn in a child and fails unless it returns 0 there. */
static void in_child(int (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(fn());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int child(void)
{
    CK_INFO info;
    CK_SESSION_HANDLE mine = 0;

    if (C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED ||
        C_CloseSession(session) != CKR_CRYPTOKI_NOT_INITIALIZED ||
        C_Finalize(NULL) != CKR_CRYPTOKI_NOT_INITIALIZED || C_Initialize(NULL) != CKR_OK ||
        C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &mine) != CKR_OK ||
        C_Finalize(NULL) != CKR_OK || C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED) {
        return 1;
    }
    return 0;
}

static void fork_child_begins_anew_and_parent_goes_on(void **state)
{
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    CK_BYTE mac[32];
    CK_ULONG mac_len = sizeof(mac);

    (void)state;
    assert_int_equal(C_SignInit(session, &mech, p11_key(PEER_1 " (sign)")), CKR_OK);
    in_child(child);
    assert_int_equal(C_Sign(session, mac, 4, mac, &mac_len), CKR_OK);
}

static void *wait_for_event(void *arg)
{
    CK_SLOT_ID slot = 99;
    CK_RV *out = arg;

    *out = C_WaitForSlotEvent(0, &slot, NULL);
    return NULL;
}

static void wait_blocking_ends_with_finalize(void **state)
{
    pthread_t thread;
    CK_RV rv = CKR_OK;
    unsigned before = fake_num_lists();

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_event, &rv), 0);
    while (fake_num_lists() == before) {
        (void)usleep(1000); /* until it has looked once */
    }
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rv, CKR_CRYPTOKI_NOT_INITIALIZED);
}

static void wait_tells_of_token_and_keys(void **state)
{
    CK_SLOT_ID slot = 99;
    CK_ULONG num = 0;

    (void)state;
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &num), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetSlotList(CK_TRUE, NULL, &num), CKR_OK);
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
    fake_put(PEER_1, 2, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true, true);
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_OK);
    assert_int_equal(slot, 0);
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
    fake_set_present(false);
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_OK);
    fake_set_present(true);
    assert_int_equal(C_WaitForSlotEvent(0, &slot, NULL), CKR_OK);
}

static void trace_writes_calls_without_data(void **state)
{
    char path[] = "/tmp/kgr-p11-trace-XXXXXX";
    char text[8192];
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    CK_BYTE data[] = "very secret words";
    CK_BYTE mac[32];
    CK_ULONG mac_len = sizeof(mac);
    int fd = mkstemp(path);
    ssize_t len;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(setenv("KGR_PKCS11_DEBUG", path, 1), 0);
    assert_int_equal(p11_setup(NULL), 0);
    assert_int_equal(C_SignInit(session, &mech, p11_key(PEER_1 " (sign)")), CKR_OK);
    assert_int_equal(C_Sign(session, data, sizeof(data), mac, &mac_len), CKR_OK);
    fake_set_present(false);
    assert_int_equal(C_GenerateRandom(session, mac, sizeof(mac)), CKR_DEVICE_REMOVED);
    len = read(fd, text, sizeof(text) - 1);
    assert_true(len > 0);
    text[len] = '\0';
    assert_non_null(strstr(text, "C_SignInit("));
    assert_non_null(strstr(text, "CKR_OK"));
    assert_non_null(strstr(text, "CKR_DEVICE_REMOVED: the fake's reason\n"));
    assert_null(strstr(text, "secret"));
    assert_int_equal(unsetenv("KGR_PKCS11_DEBUG"), 0);
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(initialize_twice_is_refused, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(finalize_with_reserved_is_refused, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(initialize_bad_args_are_refused, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(initialize_reads_nothing_after_reserved, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(initialize_own_mutexes_serialise_every_call, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(initialize_os_locking_leaves_own_mutexes_alone, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(info_is_padded_with_spaces, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(function_lists_are_full, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(unsupported_functions_say_so, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(fork_child_begins_anew_and_parent_goes_on, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(wait_blocking_ends_with_finalize, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(wait_tells_of_token_and_keys, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(trace_writes_calls_without_data, p11_setup, p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
