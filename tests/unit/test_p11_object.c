/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fixture.h"

#include <stdio.h>

static CK_ULONG count_matches(CK_ATTRIBUTE *template, CK_ULONG count)
{
    static CK_OBJECT_HANDLE found[8192];
    CK_ULONG num = 0;

    assert_int_equal(C_FindObjectsInit(session, template, count), CKR_OK);
    assert_int_equal(C_FindObjects(session, found, 8192, &num), CKR_OK);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
    return num;
}

static void find_matches_templates(void **state)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_OBJECT_CLASS other = CKO_PRIVATE_KEY;
    CK_KEY_TYPE aes = CKK_AES;
    CK_BBOOL yes = CK_TRUE;
    char label[] = PEER_1;
    CK_ATTRIBUTE by_class[] = {{CKA_CLASS, &class, sizeof(class)}};
    CK_ATTRIBUTE by_other[] = {{CKA_CLASS, &other, sizeof(other)}};
    CK_ATTRIBUTE by_type[] = {{CKA_KEY_TYPE, &aes, sizeof(aes)}, {CKA_ENCRYPT, &yes, sizeof(yes)}};
    CK_ATTRIBUTE by_peer[] = {{CKA_KGR_PEER, label, sizeof(label) - 1}};
    CK_ATTRIBUTE by_unknown[] = {{CKA_MODULUS, label, 1}};
    CK_ATTRIBUTE by_value[] = {{CKA_VALUE, NULL, 0}};
    CK_ATTRIBUTE cut[] = {{CKA_CLASS, &class, 1}};

    (void)state;
    assert_int_equal(count_matches(NULL, 0), 4);
    assert_int_equal(count_matches(by_class, 1), 4);
    assert_int_equal(count_matches(by_other, 1), 0);
    assert_int_equal(count_matches(by_type, 2), 2);
    assert_int_equal(count_matches(by_peer, 1), 2);
    assert_int_equal(count_matches(by_unknown, 1), 0);
    assert_int_equal(count_matches(by_value, 1), 0);
    assert_int_equal(count_matches(cut, 1), 0);
    assert_int_equal(p11_search(PEER_1, NULL), 1);
    assert_int_equal(p11_search(PEER_1 " (sign)", NULL), 1);
    assert_int_equal(p11_search("gateway-0000", NULL), 0);
    assert_int_equal(p11_search("not an N_ID", NULL), 0);
    assert_int_equal(p11_search("", NULL), 0);
}

static void find_bad_calls_are_refused(void **state)
{
    CK_ATTRIBUTE bad[] = {{CKA_LABEL, NULL, 5}};
    CK_OBJECT_HANDLE found[1];
    CK_ULONG num = 0;

    (void)state;
    assert_int_equal(C_FindObjectsInit(session, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_FindObjectsInit(session, bad, 1), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(C_FindObjects(session, found, 1, &num), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OK);
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_FindObjects(session, NULL, 1, &num), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_FindObjects(session, found, 1, NULL), CKR_ARGUMENTS_BAD);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(C_FindObjects(session, found, 1, &num), CKR_OK);
        assert_int_equal(num, 1);
    }
    assert_int_equal(C_FindObjects(session, found, 1, &num), CKR_OK);
    assert_int_equal(num, 0);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
    fake_set_present(false);
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_DEVICE_REMOVED);
    fake_set_present(true);
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OK);
}

static CK_ULONG get_ulong(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_ULONG value = 0;
    CK_ATTRIBUTE attr = {type, &value, sizeof(value)};

    assert_int_equal(C_GetAttributeValue(session, object, &attr, 1), CKR_OK);
    assert_int_equal(attr.ulValueLen, sizeof(value));
    return value;
}

static CK_BBOOL get_bool(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = 7;
    CK_ATTRIBUTE attr = {type, &value, sizeof(value)};

    assert_int_equal(C_GetAttributeValue(session, object, &attr, 1), CKR_OK);
    assert_int_equal(attr.ulValueLen, sizeof(value));
    return value;
}

static void attributes_of_a_cipher_key(void **state)
{
    CK_OBJECT_HANDLE key = p11_key(PEER_2);

    (void)state;
    assert_int_equal(get_ulong(key, CKA_CLASS), CKO_SECRET_KEY);
    assert_int_equal(get_ulong(key, CKA_KEY_TYPE), CKK_AES);
    assert_int_equal(get_ulong(key, CKA_VALUE_LEN), 32);
    assert_true(get_ulong(key, CKA_KEY_GEN_MECHANISM) == CK_UNAVAILABLE_INFORMATION);
    assert_int_equal(get_ulong(key, CKA_KGR_GENERATION), 1);
    assert_int_equal(get_ulong(key, CKA_KGR_SUITE), KGR_SUITE_AES_256_CBC_HMAC_SHA384);
    assert_int_equal(get_ulong(key, CKA_KGR_CUSTODY), KGR_CUSTODY_RESIDENT);
    assert_int_equal(get_ulong(key, CKA_KGR_STATE), KGR_STATE_READY);
    assert_true(get_bool(key, CKA_ENCRYPT) && get_bool(key, CKA_DECRYPT));
    assert_false(get_bool(key, CKA_SIGN) || get_bool(key, CKA_VERIFY));
    assert_true(get_bool(key, CKA_TOKEN) && get_bool(key, CKA_SENSITIVE));
    assert_false(get_bool(key, CKA_EXTRACTABLE) || get_bool(key, CKA_MODIFIABLE));
    assert_false(get_bool(key, CKA_COPYABLE) || get_bool(key, CKA_DESTROYABLE));
    assert_false(get_bool(key, CKA_PRIVATE) || get_bool(key, CKA_LOCAL));
    assert_false(get_bool(key, CKA_WRAP) || get_bool(key, CKA_UNWRAP) || get_bool(key, CKA_DERIVE));
    assert_false(get_bool(key, CKA_ALWAYS_SENSITIVE) || get_bool(key, CKA_NEVER_EXTRACTABLE));
    assert_false(get_bool(key, CKA_TRUSTED) || get_bool(key, CKA_WRAP_WITH_TRUSTED));
}

static void attributes_of_a_mac_key(void **state)
{
    CK_OBJECT_HANDLE key = p11_key(PEER_2 " (sign)");
    CK_MECHANISM_TYPE types[8];
    CK_ATTRIBUTE allowed = {CKA_ALLOWED_MECHANISMS, types, sizeof(types)};

    (void)state;
    assert_int_equal(get_ulong(key, CKA_KEY_TYPE), CKK_GENERIC_SECRET);
    assert_int_equal(get_ulong(key, CKA_VALUE_LEN), 48);
    assert_true(get_bool(key, CKA_SIGN) && get_bool(key, CKA_VERIFY));
    assert_false(get_bool(key, CKA_ENCRYPT) || get_bool(key, CKA_DECRYPT));
    assert_int_equal(C_GetAttributeValue(session, key, &allowed, 1), CKR_OK);
    assert_int_equal(allowed.ulValueLen, 2 * sizeof(types[0]));
    assert_int_equal(types[0], CKM_SHA384_HMAC);
    assert_int_equal(types[1], CKM_SHA384_HMAC_GENERAL);
}

static void attributes_of_text_have_no_nul(void **state)
{
    char text[4][96];
    CK_DATE date;
    CK_BYTE iv[16];
    CK_ATTRIBUTE template[] = {
        {CKA_LABEL, text[0], sizeof(text[0])},
        {CKA_KGR_NODE, text[1], sizeof(text[1])},
        {CKA_KGR_RECEIVE_TOPIC, text[2], sizeof(text[2])},
        {CKA_KGR_SEND_TOPIC, text[3], sizeof(text[3])},
        {CKA_END_DATE, &date, sizeof(date)},
        {CKA_KGR_IV, iv, sizeof(iv)},
        {CKA_WRAP_TEMPLATE, text[2], 0},
    };

    (void)state;
    assert_int_equal(C_GetAttributeValue(session, p11_key(PEER_1 " (sign)"), template, 7), CKR_OK);
    assert_int_equal(template[0].ulValueLen, strlen(PEER_1 " (sign)"));
    assert_memory_equal(text[0], PEER_1 " (sign)", template[0].ulValueLen);
    assert_memory_equal(text[1], "gateway-00001", template[1].ulValueLen);
    assert_memory_equal(text[2], "kgr/receive-", 12);
    assert_memory_equal(text[3], "kgr/send-", 9);
    assert_int_equal(template[4].ulValueLen, 8);
    assert_memory_equal(date.year, "20", 2);
    assert_int_equal(iv[15], 0x41);
    assert_int_equal(template[6].ulValueLen, 0);
}

/* PKCS#11 3.0 section 5.7.5: every attribute gets its answer, whatever is wrong with another. */
static void attributes_answer_one_by_one(void **state)
{
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    char label[64];
    char small[2];
    CK_BYTE value[64] = {0};
    CK_BYTE none[64] = {0};
    CK_ATTRIBUTE template[] = {
        {CKA_VALUE, value, sizeof(value)},
        {CKA_MODULUS, value, sizeof(value)},
        {CKA_LABEL, small, sizeof(small)},
        {CKA_LABEL, label, sizeof(label)},
        {CKA_LABEL, NULL, 0},
    };

    (void)state;
    assert_int_equal(C_GetAttributeValue(session, key, template, 5), CKR_ATTRIBUTE_SENSITIVE);
    assert_true(template[0].ulValueLen == CK_UNAVAILABLE_INFORMATION);
    assert_memory_equal(value, none, sizeof(none));
    assert_true(template[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
    assert_true(template[2].ulValueLen == CK_UNAVAILABLE_INFORMATION);
    assert_int_equal(template[3].ulValueLen, strlen(PEER_1));
    assert_int_equal(template[4].ulValueLen, strlen(PEER_1));
    assert_int_equal(C_GetAttributeValue(session, key, &template[1], 1),
                     CKR_ATTRIBUTE_TYPE_INVALID);
    template[2].ulValueLen = sizeof(small);
    assert_int_equal(C_GetAttributeValue(session, key, &template[2], 1), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(C_GetAttributeValue(session, key, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetAttributeValue(session, key, template, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetAttributeValue(session, 0, template, 1), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_GetAttributeValue(session, ~0UL, template, 1), CKR_OBJECT_HANDLE_INVALID);
}

static void get_id(CK_OBJECT_HANDLE key, CK_BYTE id[8])
{
    CK_ATTRIBUTE attr = {CKA_ID, id, 8};

    assert_int_equal(C_GetAttributeValue(session, key, &attr, 1), CKR_OK);
    assert_int_equal(attr.ulValueLen, 8);
}

static void ids_are_distinct_stable_and_searchable(void **state)
{
    CK_BYTE cipher_id[8];
    CK_BYTE mac_id[8];
    CK_BYTE again[8];
    CK_ATTRIBUTE by_id = {CKA_ID, cipher_id, sizeof(cipher_id)};
    unsigned lists;

    (void)state;
    get_id(p11_key(PEER_1), cipher_id);
    get_id(p11_key(PEER_1 " (sign)"), mac_id);
    assert_memory_not_equal(cipher_id, mac_id, sizeof(mac_id));
    lists = fake_num_lists();
    assert_int_equal(count_matches(&by_id, 1), 1);
    assert_int_equal(fake_num_lists(), lists); /* a known key is looked up alone */
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    assert_int_equal(count_matches(&by_id, 1), 1);
    get_id(p11_key(PEER_1), again);
    assert_memory_equal(cipher_id, again, sizeof(again));
    fake_put(PEER_1, 2, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true, true);
    fake_drop(PEER_1, 1);
    get_id(p11_key(PEER_1), again);
    assert_memory_not_equal(cipher_id, again, sizeof(again));
    assert_int_equal(count_matches(&by_id, 1), 0);
}

static void keys_come_and_go_while_sessions_are_open(void **state)
{
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    CK_OBJECT_HANDLE other = 0;
    CK_BBOOL value = 0;
    CK_ATTRIBUTE encrypt = {CKA_ENCRYPT, &value, sizeof(value)};

    (void)state;
    fake_put("gateway-00004", 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true,
             true);
    assert_int_equal(p11_search("gateway-00004", NULL), 1);
    assert_int_equal(count_matches(NULL, 0), 6);
    assert_int_equal(p11_key(PEER_1), key); /* the handle stays */
    fake_drop(PEER_1, 1);
    assert_int_equal(p11_search(PEER_1, NULL), 0);
    assert_int_equal(count_matches(NULL, 0), 4);
    assert_int_equal(C_GetAttributeValue(session, key, &encrypt, 1), CKR_OBJECT_HANDLE_INVALID);
    fake_put("gateway-00005", 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true,
             true);
    other = p11_key("gateway-00005");
    assert_int_not_equal(other, key); /* it takes the place, not the handle */
    assert_int_equal(C_GetAttributeValue(session, key, &encrypt, 1), CKR_OBJECT_HANDLE_INVALID);
}

static void previous_generation_only_receives(void **state)
{
    CK_OBJECT_HANDLE old = p11_key(PEER_1);
    CK_OBJECT_HANDLE key = 0;
    CK_BYTE iv[16] = {0};
    CK_BYTE data[16] = {0};
    CK_ULONG len = sizeof(data);
    CK_MECHANISM mech = {CKM_AES_CBC, iv, sizeof(iv)};

    (void)state;
    fake_put(PEER_1, 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, false, true);
    fake_put(PEER_1, 2, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true, true);
    assert_int_equal(p11_search(PEER_1, &key), 2);
    assert_int_equal(count_matches(NULL, 0), 6);
    assert_int_equal(key, old);
    assert_false(get_bool(old, CKA_ENCRYPT));
    assert_true(get_bool(old, CKA_DECRYPT));
    assert_int_equal(C_EncryptInit(session, &mech, old), CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_int_equal(C_DecryptInit(session, &mech, old), CKR_OK);
    assert_int_equal(C_Decrypt(session, data, sizeof(data), data, &len), CKR_OK);
    fake_drop(PEER_1, 1);
    assert_int_equal(p11_search(PEER_1, NULL), 1);
    assert_int_equal(C_DecryptInit(session, &mech, old), CKR_KEY_HANDLE_INVALID);
}

static void objects_are_not_made_changed_or_destroyed(void **state)
{
    CK_OBJECT_HANDLE key = p11_key(PEER_1);
    CK_OBJECT_HANDLE made = 0;
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &yes, sizeof(yes)}};
    CK_SESSION_HANDLE reader = 0;
    CK_ULONG size = 0;

    (void)state;
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &reader), CKR_OK);
    assert_int_equal(C_CreateObject(session, template, 2, &made), CKR_TOKEN_WRITE_PROTECTED);
    assert_int_equal(C_CreateObject(reader, template, 2, &made), CKR_SESSION_READ_ONLY);
    assert_int_equal(C_CreateObject(session, NULL, 2, &made), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_CreateObject(session, template, 2, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_DestroyObject(session, key), CKR_ACTION_PROHIBITED);
    assert_int_equal(C_DestroyObject(reader, key), CKR_SESSION_READ_ONLY);
    assert_int_equal(C_DestroyObject(session, 0), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_SetAttributeValue(session, key, template, 2), CKR_ACTION_PROHIBITED);
    assert_int_equal(C_CopyObject(session, key, NULL, 0, &made), CKR_ACTION_PROHIBITED);
    assert_int_equal(C_GetObjectSize(session, key, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetObjectSize(session, key, &size), CKR_OK);
    assert_int_equal(p11_search(PEER_1, NULL), 1);
}

/* Also where the renewal happened before this process began. */
static void previous_generation_is_found_anew(void **state)
{
    CK_BYTE ids[3][8];
    CK_BBOOL no = CK_FALSE;
    char label[] = PEER_1;
    CK_ATTRIBUTE receive_only[] = {{CKA_LABEL, label, sizeof(label) - 1},
                                   {CKA_ENCRYPT, &no, sizeof(no)}};
    CK_OBJECT_HANDLE keys[2] = {0};
    CK_ULONG num = 0;

    (void)state;
    get_id(p11_key(PEER_1), ids[0]);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    fake_put(PEER_1, 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, false, true);
    fake_put(PEER_1, 2, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true, true);
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    assert_int_equal(count_matches(NULL, 0), 6);
    assert_int_equal(count_matches(receive_only, 2), 1);
    assert_int_equal(C_FindObjectsInit(session, receive_only, 1), CKR_OK);
    assert_int_equal(C_FindObjects(session, keys, 2, &num), CKR_OK);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
    assert_int_equal(num, 2);
    get_id(keys[0], ids[1]);
    get_id(keys[1], ids[2]);
    assert_memory_equal(ids[0], ids[1], 8); /* of the same generation, in another process too */
    assert_memory_not_equal(ids[1], ids[2], 8);
    assert_int_equal(get_ulong(keys[0], CKA_KGR_GENERATION), 1);
    assert_int_equal(get_ulong(keys[1], CKA_KGR_GENERATION), 2);
}

/* A search by name costs the same among two peers and among two thousand. */
static void find_by_name_does_not_list_everything(void **state)
{
    char name[32];
    unsigned requests;

    (void)state;
    for (int i = 100; i < 2100; i++) {
        (void)snprintf(name, sizeof(name), "gateway-%05d", i);
        fake_put(name, 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true, true);
    }
    assert_int_equal(count_matches(NULL, 0), 4004);
    assert_int_equal(fake_num_lists(), 1);
    requests = fake_num_requests();
    assert_int_equal(p11_search("gateway-02000 (sign)", NULL), 1);
    assert_int_equal(fake_num_lists(), 1);
    assert_int_equal(fake_num_requests(), requests + 1);
    for (int i = 100; i < 2100; i++) {
        (void)snprintf(name, sizeof(name), "gateway-%05d", i);
        fake_drop(name, 1);
    }
    assert_int_equal(count_matches(NULL, 0), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(find_matches_templates, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(find_bad_calls_are_refused, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(attributes_of_a_cipher_key, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(attributes_of_a_mac_key, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(attributes_of_text_have_no_nul, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(attributes_answer_one_by_one, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(ids_are_distinct_stable_and_searchable, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(keys_come_and_go_while_sessions_are_open, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(previous_generation_only_receives, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(previous_generation_is_found_anew, p11_setup, p11_teardown),
        cmocka_unit_test_setup_teardown(objects_are_not_made_changed_or_destroyed, p11_setup,
                                        p11_teardown),
        cmocka_unit_test_setup_teardown(find_by_name_does_not_list_everything, p11_setup,
                                        p11_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
