/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An application of libkgr-pkcs11.so for test_pkcs11_process.sh: what pkcs11-tool cannot show.
 * usage: pkcs11_app mechanisms|threads|fork|restart|seal|open MODULE PEER
 */
#include "tests/integration/pkcs11_program.h"

#include <pthread.h>
#include <sys/wait.h>

#define NUM_THREADS 8
#define NUM_ROUNDS  30
#define LONG_LEN    150000

static CK_OBJECT_HANDLE cipher_key;
static CK_OBJECT_HANDLE mac_key;
static CK_BYTE iv[16] = {1, 2, 3};

static CK_MECHANISM mechanism(CK_MECHANISM_TYPE type)
{
    static CK_AES_CTR_PARAMS ctr = {128,
                                    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}};
    CK_MECHANISM mech = {type, iv, sizeof(iv)};

    if (type == CKM_AES_CTR) {
        mech.pParameter = &ctr;
        mech.ulParameterLen = sizeof(ctr);
    } else if (type == CKM_AES_ECB || type == CKM_SHA256_HMAC || type == CKM_KGR_RECORD) {
        mech.pParameter = NULL;
        mech.ulParameterLen = 0;
    }
    return mech;
}

static void open_all(const char *peer)
{
    begin();
    cipher_key = find(peer, CKK_AES);
    mac_key = find(peer, CKK_GENERIC_SECRET);
}

static CK_ULONG in_pieces(CK_MECHANISM_TYPE type, CK_BYTE *out, CK_ULONG cap, CK_BYTE *in,
                          CK_ULONG len)
{
    CK_MECHANISM mech = mechanism(type);
    CK_ULONG total = 0;
    CK_ULONG piece = 1;

    CALL(CKR_OK, p11->C_EncryptInit(session, &mech, cipher_key));
    for (CK_ULONG done = 0; done < len; done += piece, piece = piece * 5 + 3) {
        CK_ULONG n = cap - total;

        piece = piece < len - done ? piece : len - done;
        CALL(CKR_OK, p11->C_EncryptUpdate(session, in + done, piece, out + total, &n));
        total += n;
    }
    piece = cap - total;
    CALL(CKR_OK, p11->C_EncryptFinal(session, out + total, &piece));
    return total + piece;
}

/* What the agent's TPM makes in pieces is what it makes at once, and comes back. */
static void mechanisms(void)
{
    static const CK_MECHANISM_TYPE types[] = {CKM_AES_ECB, CKM_AES_CBC,    CKM_AES_CBC_PAD,
                                              CKM_AES_CTR, CKM_AES_CFB128, CKM_AES_OFB};
    static CK_BYTE plain[LONG_LEN], whole[LONG_LEN + 16], pieces[LONG_LEN + 16];

    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (CK_BYTE)(i * 11 + i / 256);
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        CK_MECHANISM mech = mechanism(types[i]);
        bool blocks = types[i] == CKM_AES_ECB || types[i] == CKM_AES_CBC;
        CK_ULONG len = blocks ? 70000 / 16 * 16 : 70001;
        CK_ULONG n = sizeof(whole);
        CK_ULONG m;

        CALL(CKR_OK, p11->C_EncryptInit(session, &mech, cipher_key));
        CALL(CKR_OK, p11->C_Encrypt(session, plain, len, whole, &n));
        m = in_pieces(types[i], pieces, sizeof(pieces), plain, len);
        CHECK(n == m && memcmp(whole, pieces, n) == 0);
        m = sizeof(pieces);
        CALL(CKR_OK, p11->C_DecryptInit(session, &mech, cipher_key));
        CALL(CKR_OK, p11->C_Decrypt(session, whole, n, pieces, &m));
        CHECK(m == len && memcmp(pieces, plain, len) == 0);
    }
}

/* Each thread in a session of its own, with data of its own. */
static void *work(void *arg)
{
    CK_BYTE seed = *(CK_BYTE *)arg;
    CK_SESSION_HANDLE mine = 0;

    for (int i = 0; i < NUM_ROUNDS; i++) {
        CK_MECHANISM cbc = mechanism(CKM_AES_CBC);
        CK_MECHANISM hmac = mechanism(CKM_SHA256_HMAC);
        CK_BYTE plain[512], secret[512], back[512], mac[32];
        CK_ULONG n = sizeof(secret), m = sizeof(back), mac_len = sizeof(mac);

        memset(plain, seed + i, sizeof(plain));
        CALL(CKR_OK, p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &mine));
        CALL(CKR_OK, p11->C_EncryptInit(mine, &cbc, cipher_key));
        CALL(CKR_OK, p11->C_Encrypt(mine, plain, sizeof(plain), secret, &n));
        CALL(CKR_OK, p11->C_DecryptInit(mine, &cbc, cipher_key));
        CALL(CKR_OK, p11->C_Decrypt(mine, secret, n, back, &m));
        CHECK(m == sizeof(plain) && memcmp(plain, back, m) == 0);
        CALL(CKR_OK, p11->C_SignInit(mine, &hmac, mac_key));
        CALL(CKR_OK, p11->C_SignUpdate(mine, plain, 100));
        CALL(CKR_OK, p11->C_SignFinal(mine, mac, &mac_len));
        CALL(CKR_OK, p11->C_VerifyInit(mine, &hmac, mac_key));
        CALL(CKR_OK, p11->C_Verify(mine, plain, 100, mac, mac_len));
        CALL(CKR_OK, p11->C_CloseSession(mine));
    }
    return NULL;
}

static void threads(void)
{
    pthread_t ids[NUM_THREADS];
    CK_BYTE seeds[NUM_THREADS];

    for (CK_BYTE i = 0; i < NUM_THREADS; i++) {
        seeds[i] = (CK_BYTE)(i * 31);
        CHECK(pthread_create(&ids[i], NULL, work, &seeds[i]) == 0);
    }
    for (size_t i = 0; i < NUM_THREADS; i++) {
        CHECK(pthread_join(ids[i], NULL) == 0);
    }
}

/* The child begins anew; what the parent had under way goes on. */
static void fork_in_mid_stream(const char *peer)
{
    static CK_BYTE data[LONG_LEN];
    CK_MECHANISM hmac = mechanism(CKM_SHA256_HMAC);
    CK_BYTE right[32], mac[32];
    CK_ULONG n = sizeof(right);
    int status = 0;
    pid_t child;

    CALL(CKR_OK, p11->C_SignInit(session, &hmac, mac_key));
    CALL(CKR_OK, p11->C_Sign(session, data, sizeof(data), right, &n));
    CALL(CKR_OK, p11->C_SignInit(session, &hmac, mac_key));
    CALL(CKR_OK, p11->C_SignUpdate(session, data, sizeof(data) - 1));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CALL(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_SignUpdate(session, data, 1));
        open_all(peer);
        CALL(CKR_OK, p11->C_SignInit(session, &hmac, mac_key));
        CALL(CKR_OK, p11->C_Sign(session, data, sizeof(data), mac, &n));
        CHECK(memcmp(mac, right, sizeof(mac)) == 0);
        CALL(CKR_OK, p11->C_Finalize(NULL));
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CALL(CKR_OK, p11->C_SignUpdate(session, data, 1));
    CALL(CKR_OK, p11->C_SignFinal(session, mac, &n));
    CHECK(n == sizeof(mac) && memcmp(mac, right, sizeof(mac)) == 0);
}

/* The script ends the agent and starts it again: the session and its handles outlive it. */
static void restart_in_mid_stream(void)
{
    CK_MECHANISM cbc = mechanism(CKM_AES_CBC);
    CK_BYTE data[64] = {5}, before[64], after[64];
    CK_ULONG n = sizeof(before);
    CK_SLOT_ID slot = 9;
    CK_TOKEN_INFO token;
    CK_RV rv;

    CALL(CKR_NO_EVENT, p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
    CALL(CKR_OK, p11->C_EncryptInit(session, &cbc, cipher_key));
    CALL(CKR_OK, p11->C_EncryptUpdate(session, data, sizeof(data), before, &n));
    meet("begun");
    n = sizeof(after);
    CALL(CKR_DEVICE_REMOVED, p11->C_EncryptUpdate(session, data, sizeof(data), after, &n));
    CALL(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(session, after, &n));
    CALL(CKR_DEVICE_REMOVED, p11->C_EncryptInit(session, &cbc, cipher_key));
    CALL(CKR_TOKEN_NOT_PRESENT, p11->C_GetTokenInfo(0, &token));
    CALL(CKR_OK, p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
    CHECK(slot == 0);
    meet("failed");
    /* First the token comes, then the KS's word that its keys may be used. */
    do {
        CALL(CKR_OK, p11->C_WaitForSlotEvent(0, &slot, NULL));
        rv = p11->C_EncryptInit(session, &cbc, cipher_key);
    } while (rv == CKR_FUNCTION_FAILED);
    CALL(CKR_OK, rv);
    n = sizeof(after);
    CALL(CKR_OK, p11->C_Encrypt(session, data, sizeof(data), after, &n));
    CHECK(n == sizeof(before) && memcmp(before, after, n) == 0);
}

static void seal_input(void)
{
    CK_MECHANISM mech = mechanism(CKM_KGR_RECORD);
    static CK_BYTE in[4096], out[8192];
    CK_ULONG n = sizeof(out);
    size_t len = fread(in, 1, sizeof(in), stdin);

    CALL(CKR_OK, p11->C_MessageEncryptInit(session, &mech, cipher_key));
    CALL(CKR_OK, p11->C_EncryptMessage(session, NULL, 0, NULL, 0, in, len, out, &n));
    CALL(CKR_OK, p11->C_MessageEncryptFinal(session));
    CHECK(fwrite(out, 1, n, stdout) == n);
}

static void open_input(void)
{
    CK_MECHANISM mech = mechanism(CKM_KGR_RECORD);
    static CK_BYTE in[8192], out[8192];
    CK_ULONG n = sizeof(out);
    size_t len = fread(in, 1, sizeof(in), stdin);

    CALL(CKR_OK, p11->C_MessageDecryptInit(session, &mech, cipher_key));
    CALL(CKR_OK, p11->C_DecryptMessage(session, NULL, 0, NULL, 0, in, len, out, &n));
    CHECK(fwrite(out, 1, n, stdout) == n);
    n = sizeof(out);
    CALL(CKR_KGR_REPLAY, p11->C_DecryptMessage(session, NULL, 0, NULL, 0, in, len, out, &n));
    CALL(CKR_OK, p11->C_MessageDecryptFinal(session));
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr,
                "usage: pkcs11_app mechanisms|threads|fork|restart|seal|open MODULE PEER\n");
        return 2;
    }
    load(argv[2]);
    open_all(argv[3]);
    if (strcmp(argv[1], "mechanisms") == 0) {
        mechanisms();
    } else if (strcmp(argv[1], "threads") == 0) {
        threads();
    } else if (strcmp(argv[1], "fork") == 0) {
        fork_in_mid_stream(argv[3]);
    } else if (strcmp(argv[1], "restart") == 0) {
        restart_in_mid_stream();
    } else if (strcmp(argv[1], "seal") == 0) {
        seal_input();
    } else {
        open_input();
    }
    CALL(CKR_OK, p11->C_Finalize(NULL));
    return 0;
}
