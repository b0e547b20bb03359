/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * For test_pkcs11_keys.sh and test_pkcs11_many.sh: keys that come, change and go while sessions are open.
 * usage: pkcs11_keys change MODULE PEER            meets the script at each step
 *        pkcs11_keys list MODULE PEER              generation and what it may, a key a line
 *        pkcs11_keys many MODULE PEER KEYS ROUNDS  at least so many objects, so many operations with PEER
 */
#include "tests/integration/pkcs11_program.h"

#include <pthread.h>
#include <time.h>

#define MAX_OBJECTS 65536
#define DATA_LEN    64

static CK_BYTE iv[16] = {7};

static CK_MECHANISM cbc(void)
{
    CK_MECHANISM mech = {CKM_AES_CBC, iv, sizeof(iv)};

    return mech;
}

static CK_ULONG get_ulong(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type)
{
    CK_ULONG value = 0;
    CK_ATTRIBUTE attr = {type, &value, sizeof(value)};

    CALL(CKR_OK, p11->C_GetAttributeValue(session, key, &attr, 1));
    return value;
}

static bool get_bool(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE attr = {type, &value, sizeof(value)};

    CALL(CKR_OK, p11->C_GetAttributeValue(session, key, &attr, 1));
    return value;
}

static void get_id(CK_OBJECT_HANDLE key, CK_BYTE id[8])
{
    CK_ATTRIBUTE attr = {CKA_ID, id, 8};

    CALL(CKR_OK, p11->C_GetAttributeValue(session, key, &attr, 1));
    CHECK(attr.ulValueLen == 8);
}

/* The objects with this label (NULL: all), at most cap of them. */
static CK_ULONG search(const char *label, CK_OBJECT_HANDLE *out, CK_ULONG cap)
{
    char text[128];
    CK_ATTRIBUTE attr = {CKA_LABEL, text, 0};
    CK_ULONG num = 0;

    if (label != NULL) {
        attr.ulValueLen = strlen(label);
        memcpy(text, label, attr.ulValueLen);
    }
    CALL(CKR_OK, p11->C_FindObjectsInit(session, &attr, label != NULL ? 1 : 0));
    CALL(CKR_OK, p11->C_FindObjects(session, out, cap, &num));
    CALL(CKR_OK, p11->C_FindObjectsFinal(session));
    return num;
}

static void check_dates(CK_OBJECT_HANDLE key)
{
    char start[8], end[8], today[9];
    CK_ATTRIBUTE template[] = {{CKA_START_DATE, start, sizeof(start)},
                               {CKA_END_DATE, end, sizeof(end)}};
    time_t now = time(NULL);
    struct tm tm;

    CALL(CKR_OK, p11->C_GetAttributeValue(session, key, template, 2));
    CHECK(template[0].ulValueLen == 8 && template[1].ulValueLen == 8);
    CHECK(gmtime_r(&now, &tm) != NULL && strftime(today, sizeof(today), "%Y%m%d", &tm) == 8);
    CHECK(memcmp(start, today, 8) <= 0 && memcmp(end, today, 8) >= 0);
}

static void *wait_for_event(void *arg)
{
    CK_SLOT_ID slot = 9;

    CALL(CKR_OK, p11->C_WaitForSlotEvent(0, &slot, NULL));
    CHECK(slot == 0);
    return arg;
}

/* The script renews the key: the old one receives, the new one does both. */
static CK_OBJECT_HANDLE check_renewed(const char *peer, CK_OBJECT_HANDLE old, CK_BYTE *secret)
{
    CK_MECHANISM mech = cbc();
    CK_OBJECT_HANDLE keys[8] = {0};
    CK_BYTE ids[2][8], data[DATA_LEN], out[DATA_LEN] = {0};
    CK_ULONG n = sizeof(out);
    CK_OBJECT_HANDLE new;

    memset(data, 1, sizeof(data));
    /* What was begun with the old key has no more of it to send with, and is over. */
    CALL(CKR_FUNCTION_FAILED, p11->C_EncryptUpdate(session, data, sizeof(data), out, &n));
    CALL(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(session, out, &n));
    CHECK(search(peer, keys, 8) == 2);
    CHECK(keys[0] == old || keys[1] == old);
    new = keys[0] == old ? keys[1] : keys[0];
    CHECK(!get_bool(old, CKA_ENCRYPT) && get_bool(old, CKA_DECRYPT));
    CHECK(get_bool(new, CKA_ENCRYPT) && get_bool(new, CKA_DECRYPT));
    CHECK(get_ulong(new, CKA_KGR_GENERATION) > get_ulong(old, CKA_KGR_GENERATION));
    get_id(old, ids[0]);
    get_id(new, ids[1]);
    CHECK(memcmp(ids[0], ids[1], 8) != 0);
    check_dates(new);
    CALL(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_EncryptInit(session, &mech, old));
    CALL(CKR_OK, p11->C_DecryptInit(session, &mech, old));
    n = sizeof(out);
    CALL(CKR_OK, p11->C_Decrypt(session, secret, DATA_LEN, out, &n));
    CHECK(n == DATA_LEN && memcmp(out, data, n) == 0);
    /* With the new one it is something else. */
    CALL(CKR_OK, p11->C_EncryptInit(session, &mech, new));
    CALL(CKR_OK, p11->C_Encrypt(session, data, sizeof(data), out, &n));
    CHECK(memcmp(out, secret, n) != 0);
    return new;
}

/* No key is left of this handle, nor of what was begun with it. */
static void check_gone(CK_OBJECT_HANDLE key, CK_BYTE *secret)
{
    CK_MECHANISM mech = cbc();
    CK_BYTE out[DATA_LEN];
    CK_ATTRIBUTE attr = {CKA_LABEL, NULL, 0};
    CK_ULONG n = sizeof(out);

    CALL(CKR_FUNCTION_FAILED, p11->C_DecryptUpdate(session, secret, DATA_LEN, out, &n));
    CALL(CKR_OPERATION_NOT_INITIALIZED, p11->C_DecryptFinal(session, out, &n));
    CALL(CKR_KEY_HANDLE_INVALID, p11->C_DecryptInit(session, &mech, key));
    CALL(CKR_KEY_HANDLE_INVALID, p11->C_EncryptInit(session, &mech, key));
    CALL(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(session, key, &attr, 1));
    CALL(CKR_OBJECT_HANDLE_INVALID, p11->C_GetObjectSize(session, key, &n));
}

static void start_decrypting(CK_OBJECT_HANDLE key, CK_BYTE *secret)
{
    CK_MECHANISM mech = cbc();
    CK_BYTE out[DATA_LEN];
    CK_ULONG n = sizeof(out);

    CALL(CKR_OK, p11->C_DecryptInit(session, &mech, key));
    CALL(CKR_OK, p11->C_DecryptUpdate(session, secret, DATA_LEN, out, &n));
}

static void change(const char *peer)
{
    CK_MECHANISM mech = cbc();
    CK_BYTE data[DATA_LEN], secret[DATA_LEN], id[8], again[8];
    CK_OBJECT_HANDLE key = find(peer, CKK_AES), new, none[8];
    CK_ULONG n = sizeof(secret);
    CK_SLOT_ID slot = 9;
    pthread_t waiter;

    memset(data, 1, sizeof(data));
    check_dates(key);
    CHECK(get_ulong(key, CKA_KGR_STATE) == 3 /* KGR_STATE_READY */);
    get_id(key, id);
    CALL(CKR_OK, p11->C_EncryptInit(session, &mech, key));
    CALL(CKR_OK, p11->C_Encrypt(session, data, sizeof(data), secret, &n));
    CALL(CKR_NO_EVENT, p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
    CALL(CKR_OK, p11->C_EncryptInit(session, &mech, key));
    n = sizeof(again);
    CALL(CKR_OK, p11->C_EncryptUpdate(session, data, 1, again, &n));
    CHECK(pthread_create(&waiter, NULL, wait_for_event, NULL) == 0);
    meet("renew");
    CHECK(pthread_join(waiter, NULL) == 0);
    new = check_renewed(peer, key, secret);
    get_id(key, again);
    CHECK(memcmp(id, again, 8) == 0);

    start_decrypting(key, secret);
    meet("renew");
    check_gone(key, secret);
    CHECK(search(peer, none, 8) == 2);
    CHECK(get_bool(new, CKA_DECRYPT) && !get_bool(new, CKA_ENCRYPT));
    CHECK(pthread_create(&waiter, NULL, wait_for_event, NULL) == 0);

    start_decrypting(new, secret);
    meet("revoke");
    check_gone(new, secret);
    CHECK(pthread_join(waiter, NULL) == 0);
    CHECK(search(peer, none, 8) == 0);
    CHECK(search(NULL, none, 8) == 0);
}

static void list(const char *peer)
{
    CK_OBJECT_HANDLE keys[8];
    CK_ULONG num = search(peer, keys, 8);

    for (CK_ULONG i = 0; i < num; i++) {
        printf("%lu %s\n", get_ulong(keys[i], CKA_KGR_GENERATION),
               get_bool(keys[i], CKA_ENCRYPT) ? "both" : "receive");
    }
}

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long size = 0, pages = 0;

    CHECK(f != NULL && fscanf(f, "%ld %ld", &size, &pages) == 2);
    (void)fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* One of each kind, in a session of its own now and then. */
static void use_once(const char *peer, unsigned long i)
{
    CK_MECHANISM mech = cbc();
    CK_BYTE data[DATA_LEN] = {1}, out[DATA_LEN];
    CK_OBJECT_HANDLE key = find(peer, CKK_AES);
    CK_ULONG n = sizeof(out);

    CALL(CKR_OK, p11->C_EncryptInit(session, &mech, key));
    CALL(CKR_OK, p11->C_Encrypt(session, data, sizeof(data), out, &n));
    CALL(CKR_OK, p11->C_DecryptInit(session, &mech, key));
    CALL(CKR_OK, p11->C_DecryptUpdate(session, out, 32, data, &n));
    if (i % 2 == 0) {
        CALL(CKR_OK, p11->C_SessionCancel(session, CKF_DECRYPT));
    } else {
        CALL(CKR_OK, p11->C_CloseSession(session));
        CALL(CKR_OK, p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session));
    }
}

static void many(const char *peer, unsigned long wanted, unsigned long rounds)
{
    static CK_OBJECT_HANDLE all[MAX_OBJECTS];
    unsigned long num = search(NULL, all, MAX_OBJECTS);
    long before = 0;

    CHECK(num >= wanted);
    for (unsigned long i = 0; i < num; i++) {
        CHECK(get_ulong(all[i], CKA_KGR_GENERATION) > 0);
    }
    for (unsigned long i = 0; i < rounds; i++) {
        if (i == rounds / 10) {
            before = resident_kib();
        }
        use_once(peer, i);
    }
    CHECK(resident_kib() - before < 1024);
    CHECK(search(NULL, all, MAX_OBJECTS) == num);
}

int main(int argc, char **argv)
{
    bool is_many = argc == 6 && strcmp(argv[1], "many") == 0;

    if (argc != 4 && !is_many) {
        fprintf(stderr, "usage: pkcs11_keys change|list MODULE PEER, "
                        "pkcs11_keys many MODULE PEER KEYS ROUNDS\n");
        return 2;
    }
    load(argv[2]);
    begin();
    if (is_many) {
        many(argv[3], strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10));
    } else if (strcmp(argv[1], "list") == 0) {
        list(argv[3]);
    } else {
        change(argv[3]);
    }
    CALL(CKR_OK, p11->C_Finalize(NULL));
    return 0;
}
