/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * For test_pkcs11_known.sh: every mechanism of libkgr-pkcs11.so through an agent and its TPM, against OpenSSL's
 * default provider with the same keys in its hands. usage: pkcs11_known MODULE PEER ENC MAC ROUNDS
 */
#include "tests/integration/pkcs11_program.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdint.h>

#define MAX_LEN   140000
#define MAX_KEY   64
#define BLOCK_LEN 16

struct way {
    CK_MECHANISM_TYPE type;
    const char *name; /* of OpenSSL, after AES-128- or AES-256- */
    bool pad, blocks;
};

static const struct way ways[] = {
    {CKM_AES_ECB, "ECB", false, true},     {CKM_AES_CBC, "CBC", false, true},
    {CKM_AES_CBC_PAD, "CBC", true, true},  {CKM_AES_CTR, "CTR", false, false},
    {CKM_AES_CFB128, "CFB", false, false}, {CKM_AES_OFB, "OFB", false, false},
};

#define NUM_WAYS (sizeof(ways) / sizeof(ways[0]))

static CK_OBJECT_HANDLE cipher_key, hmac_key;
static uint8_t enc_key[MAX_KEY], mac_key[MAX_KEY], iv[BLOCK_LEN];
static size_t enc_len, mac_len;
static uint8_t input[MAX_LEN], ours[MAX_LEN + 64], theirs[MAX_LEN + 64], back[MAX_LEN + 64];
static uint64_t seed = 88172645463325252u;

/* xorshift64: the same numbers in every run. */
static size_t draw(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed >> 32) % below;
}

static void draw_bytes(uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)draw(256);
    }
}

static size_t draw_len(void)
{
    return draw(50) == 0 ? draw(MAX_LEN) : draw(2) == 0 ? draw(40) * BLOCK_LEN : draw(700);
}

static CK_MECHANISM mechanism(const struct way *way)
{
    static CK_AES_CTR_PARAMS ctr;
    CK_MECHANISM mech = {way->type, iv, sizeof(iv)};

    if (way->type == CKM_AES_ECB) {
        mech.pParameter = NULL;
        mech.ulParameterLen = 0;
    } else if (way->type == CKM_AES_CTR) {
        ctr.ulCounterBits = 128;
        memcpy(ctr.cb, iv, sizeof(iv));
        mech.pParameter = &ctr;
        mech.ulParameterLen = sizeof(ctr);
    }
    return mech;
}

static size_t reference(const struct way *way, size_t len)
{
    char name[16];
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, m = 0;

    snprintf(name, sizeof(name), "AES-%zu-%s", 8 * enc_len, way->name);
    cipher = EVP_CIPHER_fetch(NULL, name, "provider=default");
    CHECK(cipher != NULL && ctx != NULL);
    CHECK(EVP_EncryptInit_ex2(ctx, cipher, enc_key, iv, NULL) == 1);
    CHECK(EVP_CIPHER_CTX_set_padding(ctx, way->pad) == 1);
    CHECK(EVP_EncryptUpdate(ctx, theirs, &n, input, (int)len) == 1);
    CHECK(EVP_EncryptFinal_ex(ctx, theirs + n, &m) == 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return (size_t)n + (size_t)m;
}

typedef CK_RV (*update_fn)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
typedef CK_RV (*final_fn)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *);

/* In random pieces, each told exactly how much room it needs. */
static size_t in_pieces(update_fn update, final_fn final, uint8_t *data, size_t len, uint8_t *out)
{
    size_t max_piece = len > 1000 ? 90000 : 300;
    size_t total = 0;
    CK_ULONG n;

    for (size_t done = 0, piece; done < len; done += piece) {
        piece = draw(max_piece) + 1;
        piece = piece < len - done ? piece : len - done;
        n = 0;
        CALL(CKR_OK, update(session, data + done, piece, NULL, &n));
        CALL(CKR_OK, update(session, data + done, piece, out + total, &n));
        total += n;
    }
    n = 0;
    CALL(CKR_OK, final(session, NULL, &n));
    CALL(CKR_OK, final(session, out + total, &n));
    return total + n;
}

static void compare_cipher(const struct way *way)
{
    size_t len = draw_len(), right;
    CK_MECHANISM mech;
    CK_ULONG n = sizeof(ours);

    if (way->blocks && !way->pad) {
        len -= len % BLOCK_LEN;
    }
    draw_bytes(iv, sizeof(iv));
    mech = mechanism(way);
    right = reference(way, len);
    CALL(CKR_OK, p11->C_EncryptInit(session, &mech, cipher_key));
    if (draw(2) == 0) {
        CALL(CKR_OK, p11->C_Encrypt(session, input, len, ours, &n));
    } else {
        n = in_pieces(p11->C_EncryptUpdate, p11->C_EncryptFinal, input, len, ours);
    }
    CHECK(n == right && memcmp(ours, theirs, n) == 0);
    CALL(CKR_OK, p11->C_DecryptInit(session, &mech, cipher_key));
    n = sizeof(back);
    if (draw(2) == 0) {
        CALL(CKR_OK, p11->C_Decrypt(session, theirs, right, back, &n));
    } else {
        n = in_pieces(p11->C_DecryptUpdate, p11->C_DecryptFinal, theirs, right, back);
    }
    CHECK(n == len && memcmp(back, input, n) == 0);
}

static void update_mac(CK_RV (*update)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG), size_t len)
{
    for (size_t done = 0, piece; done < len; done += piece) {
        piece = draw(len) + 1;
        piece = piece < len - done ? piece : len - done;
        CALL(CKR_OK, update(session, input + done, piece));
    }
}

static void compare_mac(void)
{
    bool small = mac_len == 32, general = draw(2) == 0;
    CK_MAC_GENERAL_PARAMS kept = draw(mac_len) + 1;
    CK_MECHANISM mech = {small ? CKM_SHA256_HMAC : CKM_SHA384_HMAC, NULL, 0};
    size_t len = draw_len();
    unsigned right_len = 0;
    CK_ULONG n = sizeof(ours);

    if (general) {
        mech.mechanism = small ? CKM_SHA256_HMAC_GENERAL : CKM_SHA384_HMAC_GENERAL;
        mech.pParameter = &kept;
        mech.ulParameterLen = sizeof(kept);
    } else {
        kept = mac_len;
    }
    CHECK(HMAC(small ? EVP_sha256() : EVP_sha384(), mac_key, (int)mac_len, input, len, theirs,
               &right_len) != NULL);
    CALL(CKR_OK, p11->C_SignInit(session, &mech, hmac_key));
    if (draw(2) == 0) {
        CALL(CKR_OK, p11->C_Sign(session, input, len, ours, &n));
    } else {
        update_mac(p11->C_SignUpdate, len);
        CALL(CKR_OK, p11->C_SignFinal(session, ours, &n));
    }
    CHECK(n == kept && memcmp(ours, theirs, n) == 0);
    CALL(CKR_OK, p11->C_VerifyInit(session, &mech, hmac_key));
    CALL(CKR_OK, p11->C_Verify(session, input, len, theirs, kept));
    theirs[draw(kept)] ^= (uint8_t)(1u << draw(8));
    CALL(CKR_OK, p11->C_VerifyInit(session, &mech, hmac_key));
    update_mac(p11->C_VerifyUpdate, len);
    CALL(CKR_SIGNATURE_INVALID, p11->C_VerifyFinal(session, theirs, kept));
}

/* One mechanism for each mode and hash, and no more: the list is what works. */
static void compare_list(void)
{
    CK_MECHANISM_TYPE types[64];
    CK_MECHANISM_TYPE hmac = mac_len == 32 ? CKM_SHA256_HMAC : CKM_SHA384_HMAC;
    CK_ULONG num = 64;
    unsigned found = 0;

    CALL(CKR_OK, p11->C_GetMechanismList(0, types, &num));
    for (CK_ULONG i = 0; i < num; i++) {
        for (size_t w = 0; w < NUM_WAYS; w++) {
            found += types[i] == ways[w].type;
        }
        found += types[i] == hmac;
    }
    CHECK(found == NUM_WAYS + 1);
}

int main(int argc, char **argv)
{
    size_t rounds;

    if (argc != 6) {
        fprintf(stderr, "usage: pkcs11_known MODULE PEER ENC MAC ROUNDS\n");
        return 2;
    }
    CHECK(OPENSSL_hexstr2buf_ex(enc_key, sizeof(enc_key), &enc_len, argv[3], '\0') == 1);
    CHECK(OPENSSL_hexstr2buf_ex(mac_key, sizeof(mac_key), &mac_len, argv[4], '\0') == 1);
    rounds = strtoul(argv[5], NULL, 10);
    load(argv[1]);
    begin();
    cipher_key = find(argv[2], CKK_AES);
    hmac_key = find(argv[2], CKK_GENERIC_SECRET);
    compare_list();
    draw_bytes(input, sizeof(input));
    for (size_t i = 0; i < rounds; i++) {
        compare_cipher(&ways[i % NUM_WAYS]);
        if (i % 3 == 0) {
            compare_mac();
        }
    }
    CALL(CKR_OK, p11->C_Finalize(NULL));
    return 0;
}
