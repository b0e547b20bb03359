/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/p11.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "tests/bench/measure.h"

#define SLOTS_MAX 64
#define MAC_LEN   32

static void call(CK_RV rv, const char *what)
{
    bench_must(rv == CKR_OK, "%s: 0x%lx", what, rv);
}

static bool has_label(struct p11 *p11, CK_SLOT_ID slot, const char *label)
{
    CK_TOKEN_INFO info;
    size_t len = label == NULL ? 0 : strlen(label);

    if (p11->fn->C_GetTokenInfo(slot, &info) != CKR_OK)
        return false;
    return label == NULL || (len <= sizeof(info.label) && memcmp(info.label, label, len) == 0);
}

void p11_open(struct p11 *p11, const char *path, const char *token, const char *pin)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG num = SLOTS_MAX, i = 0;
    CK_C_GetFunctionList get = NULL;
    void *symbol;

    memset(p11, 0, sizeof(*p11));
    p11->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    bench_must(p11->module != NULL, "%s: %s", path, dlerror());
    symbol = dlsym(p11->module, "C_GetFunctionList");
    bench_must(symbol != NULL, "%s is no PKCS#11 module", path);
    memcpy(&get, &symbol, sizeof(get));
    call(get(&p11->fn), "C_GetFunctionList");
    call(p11->fn->C_Initialize(&args), "C_Initialize");
    call(p11->fn->C_GetSlotList(CK_TRUE, slots, &num), "C_GetSlotList");
    while (i < num && !has_label(p11, slots[i], token))
        i++;
    bench_must(i < num, "%s has no token %s", path, token == NULL ? "" : token);
    call(p11->fn->C_OpenSession(slots[i], CKF_SERIAL_SESSION | (pin == NULL ? 0 : CKF_RW_SESSION),
                                NULL, NULL, &p11->session),
         "C_OpenSession");
    if (pin != NULL) {
        CK_UTF8CHAR copy[64];
        size_t len = strlen(pin);

        bench_must(len <= sizeof(copy), "the PIN is too long");
        memcpy(copy, pin, len);
        call(p11->fn->C_Login(p11->session, CKU_USER, copy, len), "C_Login");
    }
}

CK_OBJECT_HANDLE p11_find(struct p11 *p11, const char *label, CK_KEY_TYPE type)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    char text[128];
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                               {CKA_LABEL, text, strlen(label)},
                               {CKA_KEY_TYPE, &type, sizeof(type)}};
    CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
    CK_ULONG num = 0;

    bench_must(strlen(label) < sizeof(text), "the label is too long");
    memcpy(text, label, strlen(label));
    call(p11->fn->C_FindObjectsInit(p11->session, template,
                                    type == CK_UNAVAILABLE_INFORMATION ? 2 : 3),
         "C_FindObjectsInit");
    call(p11->fn->C_FindObjects(p11->session, &found, 1, &num), "C_FindObjects");
    call(p11->fn->C_FindObjectsFinal(p11->session), "C_FindObjectsFinal");
    bench_must(num == 1, "there is no key %s", label);
    return found;
}

CK_OBJECT_HANDLE p11_create(struct p11 *p11, CK_KEY_TYPE type, size_t len, CK_BBOOL token)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_BYTE value[64];
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof(class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_VALUE, value, len},
        {CKA_TOKEN, &token, sizeof(token)},
        {CKA_PRIVATE, &yes, sizeof(yes)},
        {CKA_SENSITIVE, &yes, sizeof(yes)},
        {CKA_EXTRACTABLE, &no, sizeof(no)},
        {type == CKK_AES ? CKA_ENCRYPT : CKA_SIGN, &yes, sizeof(yes)},
    };
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;

    bench_must(len <= sizeof(value) && RAND_bytes(value, (int)len) == 1, "no randomness");
    call(p11->fn->C_CreateObject(p11->session, template, sizeof(template) / sizeof(template[0]),
                                 &key),
         "C_CreateObject");
    return key;
}

void p11_set_len(struct p11 *p11, size_t len)
{
    p11->len = len;
    p11->in = calloc(1, len);
    p11->out = calloc(1, len + MAC_LEN);
    bench_must(p11->in != NULL && p11->out != NULL, "no memory");
}

void p11_protect(void *arg)
{
    struct p11 *p11 = arg;
    CK_BYTE iv[16] = {1};
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
    CK_ULONG len = p11->len, mac_len = MAC_LEN;

    call(p11->fn->C_EncryptInit(p11->session, &cbc, p11->aes), "C_EncryptInit");
    call(p11->fn->C_Encrypt(p11->session, p11->in, p11->len, p11->out, &len), "C_Encrypt");
    call(p11->fn->C_SignInit(p11->session, &hmac, p11->mac), "C_SignInit");
    call(p11->fn->C_Sign(p11->session, p11->out, len, p11->out + len, &mac_len), "C_Sign");
    bench_must(len == p11->len && mac_len == MAC_LEN, "a result has the wrong length");
}

void p11_close(struct p11 *p11)
{
    call(p11->fn->C_Finalize(NULL), "C_Finalize");
    (void)dlclose(p11->module);
    free(p11->in);
    free(p11->out);
}
