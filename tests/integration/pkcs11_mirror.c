/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same keys through two doors: pkcs11_mirror MODULE PIN LABEL GENERATION make|check FOLDER. A module of PKCS#11 2.40 or later,
 * the PIN of its token (-: none), the label of the cipher key (that of the MAC key follows), a generation (0: the one there is). make
 * leaves in FOLDER what it encrypted and signed, one file for each mechanism and length, and the plaintexts; check decrypts and
 * verifies every such file that is there, and fails when there is none.
 */
#include "pkcs11/cryptoki.h"

#include <kgr/pkcs11.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE_NAME__, __LINE__, #ok);                          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#define MAX_LEN 65536u

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE session;
static const char *what = "?";

static void ok(CK_RV rv, const char *call)
{
    if (rv != CKR_OK) {
        fprintf(stderr, "%s: %s is 0x%lx\n", what, call, rv);
        _exit(1);
    }
}

struct mechanism {
    const char *name;
    CK_MECHANISM_TYPE type;
    size_t lens[4];
    /* What only one of the two can: longer than 31 bytes stock cannot decrypt with padding, longer than 4,096 it cannot sign. */
    size_t stock_makes;
    size_t stock_checks;
};

static const struct mechanism ciphers[] = {
    {"ecb", CKM_AES_ECB, {16, 160, 4096, 0}, 0, 0},
    {"cbc", CKM_AES_CBC, {16, 160, 4096, 0}, 0, 0},
    {"pad", CKM_AES_CBC_PAD, {5, 16, 31, 0}, 1000, 0},
    {"cfb", CKM_AES_CFB128, {16, 160, 4096, 0}, 0, 0},
    {"ctr", CKM_AES_CTR, {16, 160, 4096, 0}, 0, 0},
};
static const struct mechanism hmac = {"hmac", CKM_SHA256_HMAC, {1, 100, 1025, 4096}, 0, 65536};

static uint8_t plain[MAX_LEN];
static uint8_t iv[16];

static void *parameter(CK_MECHANISM_TYPE type, CK_ULONG *out_len)
{
    static CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 128};

    if (type == CKM_AES_ECB || type == CKM_SHA256_HMAC || type == CKM_SHA384_HMAC) {
        *out_len = 0;
        return NULL;
    }
    if (type == CKM_AES_CTR) {
        memcpy(ctr.cb, iv, sizeof(iv));
        *out_len = sizeof(ctr);
        return &ctr;
    }
    *out_len = sizeof(iv);
    return iv;
}

static CK_MECHANISM make_mechanism(CK_MECHANISM_TYPE type)
{
    CK_MECHANISM mechanism = {.mechanism = type};

    mechanism.pParameter = parameter(type, &mechanism.ulParameterLen);
    return mechanism;
}

/* Objects */

static CK_OBJECT_HANDLE find(const char *label, CK_KEY_TYPE type, CK_ULONG generation)
{
    char text[128];
    CK_ATTRIBUTE template[] = {{CKA_LABEL, text, strlen(label)},
                               {CKA_KEY_TYPE, &type, sizeof(type)},
                               {CKA_KGR_GENERATION, &generation, sizeof(generation)}};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG num = 0;

    memcpy(text, label, strlen(label));
    ok(p11->C_FindObjectsInit(session, template, generation == 0 ? 2 : 3), "C_FindObjectsInit");
    ok(p11->C_FindObjects(session, found, 2, &num), "C_FindObjects");
    ok(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    if (num != 1)
        fprintf(stderr, "%lu objects %s of generation %lu\n", num, label, generation);
    CHECK(num == 1);
    return found[0];
}

/* Every boolean that a program may ask for is there, and nothing can be taken out. */
static void check_attributes(CK_OBJECT_HANDLE key)
{
    static const CK_ATTRIBUTE_TYPE flags[] = {
        CKA_TOKEN,
        CKA_PRIVATE,
        CKA_SENSITIVE,
        CKA_ENCRYPT,
        CKA_DECRYPT,
        CKA_SIGN,
        CKA_VERIFY,
        CKA_WRAP,
        CKA_UNWRAP,
        CKA_DERIVE,
        CKA_EXTRACTABLE,
        CKA_LOCAL,
        CKA_NEVER_EXTRACTABLE,
        CKA_ALWAYS_SENSITIVE,
        CKA_MODIFIABLE,
        CKA_COPYABLE,
        CKA_TRUSTED,
        CKA_DESTROYABLE,
        CKA_WRAP_WITH_TRUSTED,
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        CK_BBOOL value = 2;
        CK_ATTRIBUTE attribute = {flags[i], &value, sizeof(value)};

        ok(p11->C_GetAttributeValue(session, key, &attribute, 1), "C_GetAttributeValue");
        CHECK(value == CK_FALSE || value == CK_TRUE);
        CHECK(flags[i] != CKA_EXTRACTABLE || value == CK_FALSE);
        CHECK(flags[i] != CKA_SENSITIVE || value == CK_TRUE);
    }
}

static CK_MECHANISM_TYPE hmac_of(CK_OBJECT_HANDLE key)
{
    CK_ULONG len = 0;
    CK_ATTRIBUTE attribute = {CKA_VALUE_LEN, &len, sizeof(len)};

    ok(p11->C_GetAttributeValue(session, key, &attribute, 1), "CKA_VALUE_LEN");
    return len == 48 ? CKM_SHA384_HMAC : CKM_SHA256_HMAC;
}

/* Files */

static FILE *open_case(const char *folder, const char *name, size_t len, const char *mode)
{
    static char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s-%zu", folder, name, len);
    what = path;
    return fopen(path, mode);
}

static void write_case(const char *folder, const char *name, size_t len, const uint8_t *bytes,
                       size_t num)
{
    FILE *file = open_case(folder, name, len, "w");

    CHECK(file != NULL);
    CHECK(fwrite(bytes, 1, num, file) == num);
    CHECK(fclose(file) == 0);
}

/* false: there is none. */
static bool read_case(const char *folder, const char *name, size_t len, uint8_t *bytes, size_t cap,
                      size_t *out_num)
{
    FILE *file = open_case(folder, name, len, "r");

    if (file == NULL)
        return false;
    *out_num = fread(bytes, 1, cap, file);
    CHECK(fclose(file) == 0);
    return true;
}

/* Cases */

static uint8_t out[MAX_LEN + 64];
static uint8_t in[MAX_LEN + 64];

static void encrypt(const char *folder, const struct mechanism *m, size_t len, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = make_mechanism(m->type);
    CK_ULONG num = sizeof(out);

    what = m->name;
    ok(p11->C_EncryptInit(session, &mechanism, key), "C_EncryptInit");
    ok(p11->C_Encrypt(session, plain, len, out, &num), "C_Encrypt");
    write_case(folder, m->name, len, out, num);
    write_case(folder, "plain", len, plain, len);
}

static int decrypt(const char *folder, const struct mechanism *m, size_t len, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = make_mechanism(m->type);
    CK_ULONG num = sizeof(out);
    size_t in_len;

    if (!read_case(folder, m->name, len, in, sizeof(in), &in_len))
        return 0;
    ok(p11->C_DecryptInit(session, &mechanism, key), "C_DecryptInit");
    ok(p11->C_Decrypt(session, in, in_len, out, &num), "C_Decrypt");
    CHECK(num == len && memcmp(out, plain, len) == 0);
    return 1;
}

static void sign(const char *folder, size_t len, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = make_mechanism(hmac_of(key));
    CK_ULONG num = sizeof(out);

    what = "hmac";
    ok(p11->C_SignInit(session, &mechanism, key), "C_SignInit");
    ok(p11->C_Sign(session, plain, len, out, &num), "C_Sign");
    write_case(folder, "hmac", len, out, num);
    write_case(folder, "plain", len, plain, len);
}

static int verify(const char *folder, size_t len, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = make_mechanism(hmac_of(key));
    size_t in_len;

    if (!read_case(folder, "hmac", len, in, sizeof(in), &in_len))
        return 0;
    ok(p11->C_VerifyInit(session, &mechanism, key), "C_VerifyInit");
    ok(p11->C_Verify(session, plain, len, in, in_len), "C_Verify");
    in[0] ^= 1;
    ok(p11->C_VerifyInit(session, &mechanism, key), "C_VerifyInit");
    CHECK(p11->C_Verify(session, plain, len, in, in_len) == CKR_SIGNATURE_INVALID);
    return 1;
}

static void make(const char *folder, bool stock, CK_OBJECT_HANDLE cipher, CK_OBJECT_HANDLE mac)
{
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        for (size_t j = 0; j < 4 && ciphers[i].lens[j] != 0; j++)
            encrypt(folder, &ciphers[i], ciphers[i].lens[j], cipher);
        if (stock && ciphers[i].stock_makes != 0)
            encrypt(folder, &ciphers[i], ciphers[i].stock_makes, cipher);
    }
    for (size_t j = 0; j < 4; j++)
        sign(folder, hmac.lens[j], mac);
    if (!stock)
        sign(folder, hmac.stock_checks, mac);
}

static void check(const char *folder, CK_OBJECT_HANDLE cipher, CK_OBJECT_HANDLE mac)
{
    int num = 0;

    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        for (size_t j = 0; j < 4 && ciphers[i].lens[j] != 0; j++)
            num += decrypt(folder, &ciphers[i], ciphers[i].lens[j], cipher);
        num += decrypt(folder, &ciphers[i], ciphers[i].stock_makes, cipher);
    }
    for (size_t j = 0; j < 4; j++)
        num += verify(folder, hmac.lens[j], mac);
    num += verify(folder, hmac.stock_checks, mac);
    CHECK(num > 0);
    printf("%d cases\n", num);
}

static void load(const char *path)
{
    CK_C_GetFunctionList get = NULL;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol;

    if (module == NULL)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(module != NULL);
    symbol = dlsym(module, "C_GetFunctionList");
    CHECK(symbol != NULL);
    memcpy(&get, &symbol, sizeof(get));
    ok(get(&p11), "C_GetFunctionList");
}

/* The mirror's among the tokens of a store, or the one that there is. */
static CK_SLOT_ID find_token(bool stock)
{
    CK_SLOT_ID slots[8];
    CK_TOKEN_INFO info;
    CK_ULONG num = 8;

    ok(p11->C_GetSlotList(CK_TRUE, slots, &num), "C_GetSlotList");
    for (CK_ULONG i = 0; i < num; i++) {
        ok(p11->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
        if (!stock || memcmp(info.label, "kgr ", 4) == 0)
            return slots[i];
    }
    CHECK(!"a token");
    return 0;
}

int main(int argc, char **argv)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_OBJECT_HANDLE cipher, mac;
    char label[128];
    CK_ULONG generation;
    bool stock;

    CHECK(argc == 7);
    stock = strcmp(argv[2], "-") != 0;
    generation = strtoul(argv[4], NULL, 10);
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < sizeof(iv); i++)
        iv[i] = (uint8_t)i;
    load(argv[1]);
    ok(p11->C_Initialize(&args), "C_Initialize");
    ok(p11->C_OpenSession(find_token(stock), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                          &session),
       "C_OpenSession");
    if (stock)
        ok(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)argv[2], strlen(argv[2])), "C_Login");
    cipher = find(argv[3], CKK_AES, generation);
    (void)snprintf(label, sizeof(label), "%s (sign)", argv[3]);
    mac = find(label, CKK_GENERIC_SECRET, generation);
    check_attributes(cipher);
    check_attributes(mac);
    if (strcmp(argv[5], "make") == 0)
        make(argv[6], stock, cipher, mac);
    else
        check(argv[6], cipher, mac);
    if (stock)
        ok(p11->C_Logout(session), "C_Logout");
    ok(p11->C_CloseSession(session), "C_CloseSession");
    ok(p11->C_Finalize(NULL), "C_Finalize");
    return 0;
}
