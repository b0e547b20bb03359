/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fixture.h"

static void slot_list_follows_the_agent(void **state)
{
    CK_SLOT_ID slots[2] = {99, 99};
    CK_ULONG num = 2;

    (void)state;
    assert_int_equal(C_GetSlotList(CK_TRUE, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetSlotList(CK_TRUE, slots, &num), CKR_OK);
    assert_int_equal(num, 1);
    assert_int_equal(slots[0], 0);
    num = 0;
    assert_int_equal(C_GetSlotList(CK_TRUE, slots, &num), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(num, 1);
    fake_set_present(false);
    assert_int_equal(C_GetSlotList(CK_TRUE, slots, &num), CKR_OK);
    assert_int_equal(num, 0);
    assert_int_equal(C_GetSlotList(CK_FALSE, NULL, &num), CKR_OK);
    assert_int_equal(num, 1);
}

/* p11-kit does this much in every program that it is loaded into. */
static void loading_asks_the_agent_nothing(void **state)
{
    CK_FUNCTION_LIST_PTR list = NULL;
    CK_INFO info;
    CK_ULONG num = 0;

    (void)state;
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    fake_reset();
    assert_int_equal(C_GetFunctionList(&list), CKR_OK);
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(C_GetInfo(&info), CKR_OK);
    assert_int_equal(C_GetSlotList(CK_FALSE, NULL, &num), CKR_OK);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(fake_num_requests(), 0);
}

static void slot_info_tells_of_the_token(void **state)
{
    CK_SLOT_INFO info;

    (void)state;
    assert_int_equal(C_GetSlotInfo(0, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetSlotInfo(1, &info), CKR_SLOT_ID_INVALID);
    assert_int_equal(C_GetSlotInfo(0, &info), CKR_OK);
    assert_int_equal(info.flags, CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE);
    assert_null(memchr(info.slotDescription, 0, sizeof(info.slotDescription)));
    fake_set_present(false);
    assert_int_equal(C_GetSlotInfo(0, &info), CKR_OK);
    assert_int_equal(info.flags, CKF_REMOVABLE_DEVICE);
}

static void token_info_names_the_node(void **state)
{
    CK_TOKEN_INFO info;
    CK_CHAR serial[16];

    (void)state;
    assert_int_equal(C_GetTokenInfo(0, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetTokenInfo(7, &info), CKR_SLOT_ID_INVALID);
    assert_int_equal(C_GetTokenInfo(0, &info), CKR_OK);
    assert_memory_equal(info.label, "KGR gateway-00001               ", 32);
    assert_null(memchr(info.model, 0, sizeof(info.model)));
    assert_null(memchr(info.serialNumber, ' ', sizeof(info.serialNumber)));
    assert_int_equal(info.flags, CKF_RNG | CKF_TOKEN_INITIALIZED | CKF_WRITE_PROTECTED);
    assert_int_equal(info.ulSessionCount, 1);
    assert_int_equal(info.ulRwSessionCount, 1);
    memcpy(serial, info.serialNumber, sizeof(serial));
    assert_int_equal(C_GetTokenInfo(0, &info), CKR_OK);
    assert_memory_equal(info.serialNumber, serial, sizeof(serial));
    fake_set_present(false);
    assert_int_equal(C_GetTokenInfo(0, &info), CKR_TOKEN_NOT_PRESENT);
    fake_set_present(true);
    fake_fail(KGR_ERR_VERSION, 0);
    assert_int_equal(C_GetTokenInfo(0, &info), CKR_TOKEN_NOT_RECOGNIZED);
}

static bool lists(CK_MECHANISM_TYPE type)
{
    CK_MECHANISM_TYPE types[32];
    CK_ULONG num = 32;

    assert_int_equal(C_GetMechanismList(0, types, &num), CKR_OK);
    for (CK_ULONG i = 0; i < num; i++) {
        if (types[i] == type) {
            return true;
        }
    }
    return false;
}

static void mechanism_list_has_what_works(void **state)
{
    CK_MECHANISM_TYPE types[1];
    CK_ULONG num = 0;
    CK_ULONG all;

    (void)state;
    assert_int_equal(C_GetMechanismList(0, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetMechanismList(3, NULL, &num), CKR_SLOT_ID_INVALID);
    assert_int_equal(C_GetMechanismList(0, NULL, &num), CKR_OK);
    all = num;
    num = 1;
    assert_int_equal(C_GetMechanismList(0, types, &num), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(num, all);
    assert_true(lists(CKM_AES_CBC) && lists(CKM_AES_CTR) && lists(CKM_SHA256_HMAC));
    assert_true(lists(CKM_SHA384_HMAC));
    fake_set_modes(1U << KGR_MODE_CBC);
    fake_drop(PEER_2, 1);
    assert_true(lists(CKM_AES_CBC) && lists(CKM_AES_CBC_PAD) && lists(CKM_SHA256_HMAC));
    assert_false(lists(CKM_AES_CTR) || lists(CKM_AES_ECB) || lists(CKM_SHA384_HMAC));
    fake_set_modes(0); /* a TPM without TPM2_EncryptDecrypt */
    assert_false(lists(CKM_AES_CBC));
    fake_set_present(false);
    assert_int_equal(C_GetMechanismList(0, NULL, &num), CKR_TOKEN_NOT_PRESENT);
}

static void mechanism_info_tells_sizes_and_hardware(void **state)
{
    CK_MECHANISM_INFO info;

    (void)state;
    assert_int_equal(C_GetMechanismInfo(0, CKM_AES_CBC, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetMechanismInfo(2, CKM_AES_CBC, &info), CKR_SLOT_ID_INVALID);
    assert_int_equal(C_GetMechanismInfo(0, CKM_AES_GCM, &info), CKR_MECHANISM_INVALID);
    assert_int_equal(C_GetMechanismInfo(0, CKM_AES_CBC, &info), CKR_OK);
    assert_int_equal(info.ulMinKeySize, 16);
    assert_int_equal(info.ulMaxKeySize, 32);
    assert_int_equal(info.flags, CKF_ENCRYPT | CKF_DECRYPT | CKF_HW);
    assert_int_equal(C_GetMechanismInfo(0, CKM_SHA256_HMAC, &info), CKR_OK);
    assert_int_equal(info.flags, CKF_SIGN | CKF_VERIFY | CKF_HW);
    fake_put(PEER_1, 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_SEALED, true, true);
    assert_int_equal(C_GetMechanismInfo(0, CKM_AES_CBC, &info), CKR_OK);
    assert_int_equal(info.flags, CKF_ENCRYPT | CKF_DECRYPT);
}

static void init_token_is_refused(void **state)
{
    CK_UTF8CHAR label[32] = {0};

    (void)state;
    assert_int_equal(C_InitToken(4, NULL, 0, label), CKR_SLOT_ID_INVALID);
    assert_int_equal(C_InitToken(0, NULL, 0, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_InitToken(0, NULL, 0, label), CKR_SESSION_EXISTS);
    assert_int_equal(C_CloseAllSessions(0), CKR_OK);
    assert_int_equal(C_InitToken(0, NULL, 0, label), CKR_TOKEN_WRITE_PROTECTED);
    fake_set_present(false);
    assert_int_equal(C_InitToken(0, NULL, 0, label), CKR_TOKEN_NOT_PRESENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slot_list_follows_the_agent, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(loading_asks_the_agent_nothing, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(slot_info_tells_of_the_token, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(token_info_names_the_node, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(mechanism_list_has_what_works, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(mechanism_info_tells_sizes_and_hardware, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(init_token_is_refused, p11_setup, p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
