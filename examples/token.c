/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The keys of this node as a PKCS#11 token: lists the peers, then encrypts and authenticates stdin for one of them
 * and reads it back. Uses nothing but the standard; any other module would do as well.
 * usage: kgr-token MODULE [PEER <IN]
 */
#include <pkcs11.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_MAX 32768

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE session;

static void check(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    fprintf(stderr, "kgr-token: %s: error 0x%lx\n", what, rv);
    exit(1);
}

static void load(const char *path)
{
    CK_C_GetFunctionList get = NULL;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = module == NULL ? NULL : dlsym(module, "C_GetFunctionList");

    if (symbol == NULL) {
        fprintf(stderr, "kgr-token: %s\n", dlerror());
        exit(1);
    }
    memcpy(&get, &symbol, sizeof(get));
    check(get(&p11), "C_GetFunctionList");
}

static void open_session(void)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_SLOT_ID slot;
    CK_ULONG num = 1;

    check(p11->C_Initialize(&args), "C_Initialize");
    check(p11->C_GetSlotList(CK_TRUE, &slot, &num), "C_GetSlotList");
    if (num == 0) {
        fprintf(stderr, "kgr-token: no token: is kgr-agent running?\n");
        exit(3);
    }
    check(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
}

/* Prints the labels of what is there for encryption: one object for each peer. */
static void list(void)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE template = {CKA_ENCRYPT, &yes, sizeof(yes)};
    CK_OBJECT_HANDLE object;
    CK_ULONG num;

    check(p11->C_FindObjectsInit(session, &template, 1), "C_FindObjectsInit");
    while (p11->C_FindObjects(session, &object, 1, &num) == CKR_OK && num == 1) {
        char label[128];
        CK_ATTRIBUTE attribute = {CKA_LABEL, label, sizeof(label)};

        check(p11->C_GetAttributeValue(session, object, &attribute, 1), "C_GetAttributeValue");
        printf("%.*s\n", (int)attribute.ulValueLen, label);
    }
    check(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
}

/* For some time after a renewal there is the generation before too, which may neither encrypt nor sign any more. */
static CK_OBJECT_HANDLE find(const char *label, CK_ATTRIBUTE_TYPE may)
{
    char text[128];
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE template[] = {{CKA_LABEL, text, strlen(label)}, {may, &yes, sizeof(yes)}};
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    CK_ULONG num = 0;

    snprintf(text, sizeof(text), "%s", label);
    check(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
    check(p11->C_FindObjects(session, &object, 1, &num), "C_FindObjects");
    check(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    if (num == 0) {
        fprintf(stderr, "kgr-token: no key %s\n", label);
        exit(4);
    }
    return object;
}

static void round_trip(const char *peer)
{
    static CK_BYTE in[IN_MAX], sealed[16 + IN_MAX + 16], back[IN_MAX + 16];
    CK_BYTE tag[64];
    CK_ULONG len = fread(in, 1, sizeof(in), stdin), sealed_len = IN_MAX + 16;
    CK_ULONG tag_len = sizeof(tag), back_len = sizeof(back);
    char sign_label[128];
    CK_OBJECT_HANDLE cipher_key, mac_key;
    CK_MECHANISM cbc = {CKM_AES_CBC_PAD, sealed, 16};
    /* The pair's suite decides which of the two its key takes. */
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};

    snprintf(sign_label, sizeof(sign_label), "%s (sign)", peer);
    cipher_key = find(peer, CKA_ENCRYPT);
    mac_key = find(sign_label, CKA_SIGN);
    check(p11->C_GenerateRandom(session, sealed, 16), "C_GenerateRandom");
    check(p11->C_EncryptInit(session, &cbc, cipher_key), "C_EncryptInit");
    check(p11->C_Encrypt(session, in, len, sealed + 16, &sealed_len), "C_Encrypt");
    if (p11->C_SignInit(session, &hmac, mac_key) != CKR_OK) {
        hmac.mechanism = CKM_SHA384_HMAC;
        check(p11->C_SignInit(session, &hmac, mac_key), "C_SignInit");
    }
    check(p11->C_Sign(session, sealed, 16 + sealed_len, tag, &tag_len), "C_Sign");

    check(p11->C_VerifyInit(session, &hmac, mac_key), "C_VerifyInit");
    check(p11->C_Verify(session, sealed, 16 + sealed_len, tag, tag_len), "C_Verify");
    check(p11->C_DecryptInit(session, &cbc, cipher_key), "C_DecryptInit");
    check(p11->C_Decrypt(session, sealed + 16, sealed_len, back, &back_len), "C_Decrypt");
    if (back_len != len || memcmp(in, back, len) != 0) {
        fprintf(stderr, "kgr-token: what came back is another text\n");
        exit(8);
    }
    printf("%lu bytes, %lu of ciphertext, a MAC of %lu\n", len, sealed_len, tag_len);
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: kgr-token MODULE [PEER <IN]\n");
        return 2;
    }
    load(argv[1]);
    open_session();
    if (argc == 2)
        list();
    else
        round_trip(argv[2]);
    check(p11->C_CloseSession(session), "C_CloseSession");
    check(p11->C_Finalize(NULL), "C_Finalize");
    return 0;
}
