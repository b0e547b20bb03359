/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "pkcs11/cryptoki.h"

/* A PKCS#11 module, ours or another's, with a session and the two keys of one Encrypt-then-MAC. */
struct p11 {
    CK_FUNCTION_LIST_PTR fn;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE aes;
    CK_OBJECT_HANDLE mac;
    void *module;
    size_t len;
    CK_BYTE *in;
    CK_BYTE *out;
};

/*
 * p11_open loads the module and opens a session with the token of this label (NULL: the first token), logged in where
 * there is a PIN. The keys are then to be found by p11_find.
 */
void p11_open(struct p11 *p11, const char *path, const char *token, const char *pin);
/* p11_find returns the secret key of this label and type; type CK_UNAVAILABLE_INFORMATION: any. */
CK_OBJECT_HANDLE p11_find(struct p11 *p11, const char *label, CK_KEY_TYPE type);
/* p11_create makes a secret key of random bytes for the session. */
CK_OBJECT_HANDLE p11_create(struct p11 *p11, CK_KEY_TYPE type, size_t len, CK_BBOOL token);
/* p11_set_len gives p11_protect that many bytes to work on. */
void p11_set_len(struct p11 *p11, size_t len);
/* p11_protect is CKM_AES_CBC over all bytes and CKM_SHA256_HMAC over the ciphertext: a bench_side's op. */
void p11_protect(void *arg);
void p11_close(struct p11 *p11);
