/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Target: the C_ functions of the PKCS#11 module, over the fake client.
 * Input: a program; each step is four bytes (function, session, two small numbers) that choose a call
 * and its arguments, wrong ones among them. Properties: every buffer is exactly as long as is claimed
 * (the sanitizer watches), only codes of the standard come back, an operation is active exactly when
 * the standard says so, and C_Finalize leaves nothing behind at the agent.
 */
#include "pkcs11/cryptoki.h"
#include "pkcs11/translate.h"
#include "tests/fuzz/harness.h"
#include "tests/support/p11-fake.h"

#include <kgr/pkcs11.h>

#include <stdlib.h>

#define NUM_SESSIONS 3
#define MAX_KEYS     8

enum op { NONE, ENCRYPT, DECRYPT, SIGN, VERIFY, FIND };

struct state {
    CK_SESSION_HANDLE sessions[NUM_SESSIONS];
    enum op ops[NUM_SESSIONS]; /* what the standard says is active */
    CK_OBJECT_HANDLE keys[MAX_KEYS];
    CK_ULONG num_keys;
    const uint8_t *data; /* of the step: all of the input, from which buffers are filled */
    size_t size;
    uint8_t a, b;
};

/* Fails where a code is not one of those that this module has names for. */
static CK_RV known(CK_RV rv)
{
    fuzz_check(strcmp(kgr_p11_rv_name(rv), "CKR_?") != 0);
    fuzz_check(rv != CKR_GENERAL_ERROR && rv != CKR_HOST_MEMORY);
    return rv;
}

/* A heap buffer of exactly len bytes, so that a byte too many is seen; NULL for some. */
static CK_BYTE *buffer(const struct state *s, size_t len)
{
    CK_BYTE *p = s->a == 0xff ? NULL : malloc(len);

    for (size_t i = 0; p != NULL && i < len; i++) {
        p[i] = s->data[i % s->size];
    }
    return p;
}

static CK_OBJECT_HANDLE key(const struct state *s)
{
    return s->num_keys > 0 && s->b != 0xfe ? s->keys[s->b % s->num_keys] : s->b;
}

static void find(struct state *s, unsigned i)
{
    CK_BYTE *label = buffer(s, s->a % 16);
    CK_ATTRIBUTE attr = {s->b % 2 == 0 ? CKA_LABEL : CKA_ID, label, s->a % 16};
    CK_RV rv = known(C_FindObjectsInit(s->sessions[i], &attr, s->b % 4 == 0 ? 1 : 0));

    fuzz_check((rv == CKR_OPERATION_ACTIVE) <= (s->ops[i] != NONE));
    if (rv == CKR_OK) {
        fuzz_check(s->ops[i] == NONE);
        s->ops[i] = FIND;
        fuzz_check(C_FindObjects(s->sessions[i], s->keys, MAX_KEYS, &s->num_keys) == CKR_OK);
    }
    if (s->b % 8 < 7 && s->ops[i] == FIND) {
        fuzz_check(C_FindObjectsFinal(s->sessions[i]) == CKR_OK);
        s->ops[i] = NONE;
    }
    free(label);
}

static void init(struct state *s, unsigned i, enum op op)
{
    static const CK_MECHANISM_TYPE types[] = {
        CKM_AES_ECB, CKM_AES_CBC,     CKM_AES_CBC_PAD,         CKM_AES_CTR,     CKM_AES_CFB128,
        CKM_AES_OFB, CKM_SHA256_HMAC, CKM_SHA256_HMAC_GENERAL, CKM_SHA384_HMAC, CKM_AES_GCM,
    };
    static const size_t lens[] = {0, 16, 16, sizeof(CK_AES_CTR_PARAMS), 16, 16, 0, 8, 0, 7};
    size_t way = s->a % (sizeof(types) / sizeof(types[0]));
    size_t len = lens[s->a < 0xf0 ? way : s->a & 7];
    CK_BYTE *param = malloc(len + 1);
    CK_ULONG bits = 128;
    CK_MECHANISM mech = {types[way], len > 0 ? param : NULL, len};
    CK_RV rv;

    memset(param, 0, len + 1);
    memcpy(param, &bits, len < sizeof(bits) ? len : sizeof(bits));
    if (types[way] == CKM_SHA256_HMAC_GENERAL) {
        param[0] = s->b;
    }
    switch (op) {
    case ENCRYPT:
        rv = C_EncryptInit(s->sessions[i], &mech, key(s));
        break;
    case DECRYPT:
        rv = C_DecryptInit(s->sessions[i], &mech, key(s));
        break;
    case SIGN:
        rv = C_SignInit(s->sessions[i], &mech, key(s));
        break;
    default:
        rv = C_VerifyInit(s->sessions[i], &mech, key(s));
        break;
    }
    fuzz_check((known(rv) == CKR_OPERATION_ACTIVE) == (s->ops[i] != NONE));
    if (rv == CKR_OK) {
        s->ops[i] = op;
    }
    free(param);
}

/* Updates the model: wanted must have been active, and is so still if rv leaves it. */
static void after(struct state *s, unsigned i, enum op wanted, CK_RV rv, bool ends)
{
    if (s->ops[i] != wanted) {
        fuzz_check(known(rv) == CKR_OPERATION_NOT_INITIALIZED);
    } else if (known(rv) != CKR_BUFFER_TOO_SMALL && (rv != CKR_OK || ends)) {
        s->ops[i] = NONE;
    }
}

static void crypt(struct state *s, unsigned i, enum op op, unsigned kind)
{
    size_t in_len = s->a * (size_t)(s->b % 32 == 31 ? 600 : 1);
    CK_ULONG out_len = s->b % 3 == 0 ? s->b : in_len + 16;
    CK_BYTE *in = buffer(s, in_len);
    CK_BYTE *out = s->b % 7 == 6 ? NULL : malloc(out_len);
    CK_ULONG room = out_len;
    bool encrypt = op == ENCRYPT;
    CK_RV rv;

    if (kind == 0) {
        rv = (encrypt ? C_Encrypt : C_Decrypt)(s->sessions[i], in, in_len, out, &out_len);
    } else if (kind == 1) {
        rv = (encrypt ? C_EncryptUpdate : C_DecryptUpdate)(s->sessions[i], in, in_len, out,
                                                           &out_len);
    } else {
        rv = (encrypt ? C_EncryptFinal : C_DecryptFinal)(s->sessions[i], out, &out_len);
    }
    fuzz_check(rv != CKR_OK || out == NULL || out_len <= room);
    after(s, i, op, rv, kind != 1 && out != NULL);
    free(in);
    free(out);
}

static void mac(struct state *s, unsigned i, enum op op, unsigned kind)
{
    size_t in_len = s->a * (size_t)(s->b % 32 == 31 ? 600 : 1);
    CK_ULONG len = s->b % 64;
    CK_BYTE *in = buffer(s, in_len);
    CK_BYTE *tag = s->b % 7 == 6 ? NULL : calloc(1, len + 1);
    bool sign = op == SIGN;
    CK_RV rv;

    if (kind == 1) {
        rv = (sign ? C_SignUpdate : C_VerifyUpdate)(s->sessions[i], in, in_len);
    } else if (sign) {
        rv = kind == 0 ? C_Sign(s->sessions[i], in, in_len, tag, &len)
                       : C_SignFinal(s->sessions[i], tag, &len);
    } else {
        rv = kind == 0 ? C_Verify(s->sessions[i], in, in_len, tag, len)
                       : C_VerifyFinal(s->sessions[i], tag, len);
    }
    after(s, i, op, rv, kind != 1 && (!sign || tag != NULL));
    free(in);
    free(tag);
}

static void attributes(struct state *s, unsigned i)
{
    CK_ULONG len = s->a % 40;
    CK_BYTE *value = malloc(len + 1);
    CK_ATTRIBUTE attrs[] = {{s->a * 3UL, value, len}, {CKA_KGR | (s->b & 15), NULL, 0}};

    (void)known(C_GetAttributeValue(s->sessions[i], key(s), attrs, 1 + s->b % 2));
    fuzz_check(attrs[0].ulValueLen == CK_UNAVAILABLE_INFORMATION || attrs[0].ulValueLen <= len);
    free(value);
}

static void world(const struct state *s)
{
    switch (s->a % 6) {
    case 0:
        fake_set_present(s->b % 2 == 0);
        break;
    case 1:
        fake_put("gateway-00002", 1 + s->b % 3, KGR_SUITE_AES_128_CBC_HMAC_SHA256,
                 KGR_CUSTODY_RESIDENT, (s->b & 4) != 0, (s->b & 8) != 0);
        break;
    case 2:
        fake_drop("gateway-00002", 1 + s->b % 3);
        break;
    case 3:
        fake_fail(1 + s->b % (KGR_ERR_COUNT - 1) == KGR_ERR_NO_MEMORY
                      ? KGR_ERR_TPM
                      : 1 + s->b % (KGR_ERR_COUNT - 1),
                  s->b / 64);
        break;
    case 4:
        fake_set_pin(s->b % 2 == 0 ? "1234" : NULL);
        break;
    default:
        fake_set_present(true);
        break;
    }
}

/* A logout ends the operations of every session. */
static void login(struct state *s, unsigned i)
{
    static CK_UTF8CHAR right[] = "1234";
    CK_BYTE *pin = buffer(s, s->b % 8);

    if (s->b % 3 == 0) {
        if (known(C_Logout(s->sessions[i])) == CKR_OK) {
            memset(s->ops, 0, sizeof(s->ops));
        }
    } else if (s->b % 3 == 1) {
        (void)known(C_Login(s->sessions[i], s->b % 4, pin, s->b % 8));
    } else {
        (void)known(C_Login(s->sessions[i], CKU_USER, right, 4));
    }
    free(pin);
}

static void session(struct state *s, unsigned i)
{
    if (s->a % 4 == 0) {
        fuzz_check((known(C_CloseSession(s->sessions[i])) == CKR_OK) == (s->sessions[i] != 0));
        s->sessions[i] = 0;
        s->ops[i] = NONE;
    } else if (s->sessions[i] == 0) {
        (void)known(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &s->sessions[i]));
    } else if (s->a % 4 == 1) {
        login(s, i);
    } else {
        (void)known(C_SessionCancel(s->sessions[i], ~0UL));
        s->ops[i] = NONE;
    }
}

static void step(struct state *s, uint8_t function, unsigned i)
{
    if (s->sessions[i] == 0 && function % 8 != 0 && function % 8 != 7) {
        return;
    }
    switch (function % 8) {
    case 0:
        session(s, i);
        break;
    case 1:
        find(s, i);
        break;
    case 2:
        init(s, i, ENCRYPT + (function >> 3) % 4);
        break;
    case 3:
        crypt(s, i, ENCRYPT, (function >> 3) % 3);
        break;
    case 4:
        crypt(s, i, DECRYPT, (function >> 3) % 3);
        break;
    case 5:
        mac(s, i, (function & 0x40) != 0 ? SIGN : VERIFY, (function >> 3) % 3);
        break;
    case 6:
        attributes(s, i);
        break;
    default:
        world(s);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state s = {.data = data, .size = size};

    if (size < 4) {
        return 0;
    }
    fake_reset();
    fuzz_check(C_Initialize(NULL) == CKR_OK);
    for (unsigned i = 0; i < NUM_SESSIONS; i++) {
        fuzz_check(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &s.sessions[i]) == CKR_OK);
    }
    s.b = 1;
    find(&s, 0);
    for (size_t at = 0; at + 4 <= size; at += 4) {
        s.a = data[at + 2];
        s.b = data[at + 3];
        step(&s, data[at], data[at + 1] % NUM_SESSIONS);
    }
    fuzz_check(C_Finalize(NULL) == CKR_OK);
    fuzz_check(fake_num_macs() == 0);
    return 0;
}
