/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* What the programs have in common that use libkgr-pkcs11.so in tests: loading it, keys by name, meeting the script. */
#include "pkcs11/cryptoki.h"

#include <kgr/pkcs11.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static CK_FUNCTION_LIST_3_0_PTR p11;
static CK_SESSION_HANDLE session;

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE_NAME__, __LINE__, #ok);                          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#define CALL(wanted, call)                                                                         \
    do {                                                                                           \
        CK_RV rv_ = (call);                                                                        \
                                                                                                   \
        if (rv_ != (wanted)) {                                                                     \
            fprintf(stderr, "%s:%d: %s is 0x%lx\n", __FILE_NAME__, __LINE__, #call, rv_);          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static inline void load(const char *path)
{
    CK_VERSION version = {3, 0};
    CK_INTERFACE_PTR interface = NULL;
    CK_C_GetInterface get = NULL;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol;

    CHECK(module != NULL);
    symbol = dlsym(module, "C_GetInterface");
    CHECK(symbol != NULL);
    memcpy(&get, &symbol, sizeof(get));
    CALL(CKR_OK, get(NULL, &version, &interface, 0));
    p11 = interface->pFunctionList;
}

static inline CK_OBJECT_HANDLE find(const char *peer, CK_KEY_TYPE type)
{
    char text[128];
    CK_ATTRIBUTE template[] = {{CKA_KGR_PEER, text, strlen(peer)},
                               {CKA_KEY_TYPE, &type, sizeof(type)}};
    CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
    CK_ULONG num = 0;

    memcpy(text, peer, strlen(peer));
    CALL(CKR_OK, p11->C_FindObjectsInit(session, template, 2));
    CALL(CKR_OK, p11->C_FindObjects(session, &found, 1, &num));
    CALL(CKR_OK, p11->C_FindObjectsFinal(session));
    CHECK(num == 1);
    return found;
}

/* Initialises for threads and opens the session. */
static inline void begin(void)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};

    CALL(CKR_OK, p11->C_Initialize(&args));
    CALL(CKR_OK, p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session));
}

/* Tells the script where it is, and waits for a line. */
static inline void meet(const char *where)
{
    char line[16];

    puts(where);
    fflush(stdout);
    CHECK(fgets(line, sizeof(line), stdin) != NULL);
}
