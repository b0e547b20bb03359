/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An opaque symmetric key (EVP_SKEY, OpenSSL 3.5): made from the name of a peer, used for a cipher and a MAC,
 * refused when its bytes are asked for. Reads stdin, prints IV, ciphertext and MAC in hex.
 * usage: kgr-skey PEER <IN
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>

#define IN_MAX 65536

static void check(int ok, const char *what)
{
    if (ok == 1)
        return;
    fprintf(stderr, "kgr-skey: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void print_hex(const char *name, const unsigned char *bytes, size_t len)
{
    printf("%s ", name);
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

static EVP_SKEY *key_of(const char *peer)
{
    char uri[128];
    OSSL_PARAM params[2];
    EVP_SKEY *key;

    snprintf(uri, sizeof(uri), "kgr:peer=%s", peer);
    params[0] = OSSL_PARAM_construct_utf8_string("key-uri", uri, 0);
    params[1] = OSSL_PARAM_construct_end();
    key = EVP_SKEY_import(NULL, "KGR-KEY", "provider=kgr", OSSL_SKEYMGMT_SELECT_ALL, params);
    check(key != NULL, "no key");
    return key;
}

int main(int argc, char **argv)
{
    static unsigned char in[IN_MAX], out[IN_MAX + 16];
    unsigned char iv[16], tag[EVP_MAX_MD_SIZE];
    const unsigned char *raw;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    EVP_CIPHER *cipher;
    EVP_MAC_CTX *mac;
    EVP_MAC *hmac;
    EVP_SKEY *key;
    size_t len, tag_len;
    int n;

    if (argc != 2) {
        fprintf(stderr, "usage: kgr-skey PEER <IN\n");
        return 2;
    }
    check(OSSL_PROVIDER_load(NULL, "kgr") != NULL && OSSL_PROVIDER_load(NULL, "default") != NULL,
          "no provider");
    key = key_of(argv[1]);
    cipher = EVP_CIPHER_fetch(NULL, "KGR-AES-128-CTR", "provider=kgr");
    hmac = EVP_MAC_fetch(NULL, "KGR-HMAC", "provider=kgr");
    mac = EVP_MAC_CTX_new(hmac);
    check(cipher != NULL && mac != NULL && ctx != NULL, "fetching");

    len = fread(in, 1, sizeof(in), stdin);
    check(RAND_bytes(iv, sizeof(iv)), "random bytes");
    check(EVP_CipherInit_SKEY(ctx, cipher, key, iv, sizeof(iv), 1, NULL), "cipher");
    check(EVP_EncryptUpdate(ctx, out, &n, in, (int)len), "encrypting");
    check(EVP_MAC_init_SKEY(mac, key, NULL), "MAC");
    check(EVP_MAC_update(mac, iv, sizeof(iv)) & EVP_MAC_update(mac, out, (size_t)n), "MAC");
    check(EVP_MAC_final(mac, tag, &tag_len, sizeof(tag)), "MAC");
    printf("key %s\n", EVP_SKEY_get0_key_id(key));
    print_hex("iv", iv, sizeof(iv));
    print_hex("ciphertext", out, (size_t)n);
    print_hex("mac", tag, tag_len);
    if (EVP_SKEY_get0_raw_key(key, &raw, &len) != 0)
        return 1;
    printf("bytes refused\n");

    EVP_MAC_CTX_free(mac);
    EVP_CIPHER_CTX_free(ctx);
    EVP_MAC_free(hmac);
    EVP_CIPHER_free(cipher);
    EVP_SKEY_free(key);
    return 0;
}
