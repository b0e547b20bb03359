/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* What the unit tests of the PKCS#11 module share: the module over the fake client, and sessions. */
#include "pkcs11/cryptoki.h"
#include "tests/support/p11-fake.h"

#include <kgr/pkcs11.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define PEER_1 "gateway-00002" /* suite 1 */
#define PEER_2 "gateway-00003" /* suite 2 */

static CK_SESSION_HANDLE session; /* open while a test runs */

static inline int p11_setup(void **state)
{
    (void)state;
    fake_reset();
    if (C_Initialize(NULL) != CKR_OK) {
        return -1;
    }
    return C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) == CKR_OK
               ? 0
               : -1;
}

static inline int p11_teardown(void **state)
{
    (void)state;
    (void)C_Finalize(NULL);
    return 0;
}

/* Searches for a label; returns how many objects have it, the first in *out. */
static inline CK_ULONG p11_search(const char *label, CK_OBJECT_HANDLE *out)
{
    char text[128];
    CK_ATTRIBUTE attr = {CKA_LABEL, text, strlen(label)};
    CK_OBJECT_HANDLE found[8] = {0};
    CK_ULONG num = 0;

    memcpy(text, label, strlen(label));
    assert_int_equal(C_FindObjectsInit(session, &attr, 1), CKR_OK);
    assert_int_equal(C_FindObjects(session, found, 8, &num), CKR_OK);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
    if (out != NULL) {
        *out = found[0];
    }
    return num;
}

static inline CK_OBJECT_HANDLE p11_key(const char *label)
{
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;

    assert_int_equal(p11_search(label, &key), 1);
    return key;
}
