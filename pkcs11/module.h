/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"
#include "pkcs11/key_table.h"
#include "pkcs11/login.h"
#include "pkcs11/session_table.h"
#include "pkcs11/token.h"
#include "pkcs11/watch.h"

#include <sys/types.h>

struct kgr_client;

/*
 * Everything between C_Initialize and C_Finalize. It belongs to the process that made it: after
 * fork the child finds the module not initialised, and what it inherited is never locked or used.
 *
 * Locking. The parts lock themselves with system mutexes, never across a request to the agent
 * except for a session's own. An application that brings mutexes and forbids the system's gets every
 * call serialised under one of its own, so that the system's are never contended.
 */
struct kgr_p11_module {
    uint32_t process;          /* that made it: kgr_process_mark */
    struct kgr_client *client; /* owned */
    CK_LOCKMUTEX lock_mutex;   /* the application's; NULL: the system's serve */
    CK_UNLOCKMUTEX unlock_mutex;
    CK_DESTROYMUTEX destroy_mutex;
    CK_VOID_PTR mutex;
    struct kgr_p11_module *next; /* in the list of what forks left behind */
    struct kgr_p11_session_table sessions;
    struct kgr_p11_key_table keys;
    struct kgr_p11_token_cache token;
    struct kgr_p11_watch watch;
    struct kgr_p11_login login;
};

/* kgr_p11_module_start is C_Initialize, kgr_p11_module_stop is C_Finalize. */
CK_RV kgr_p11_module_start(const CK_C_INITIALIZE_ARGS *args);
CK_RV kgr_p11_module_stop(void);

/*
 * kgr_p11_enter begins a C_ function and hands out the module; CKR_CRYPTOKI_NOT_INITIALIZED. After
 * CKR_OK, and only then, the function ends with kgr_p11_leave, which passes rv through. handle is the
 * call's session or slot, for the call log.
 */
CK_RV kgr_p11_enter(struct kgr_p11_module **out, const char *func, CK_ULONG handle);
CK_RV kgr_p11_leave(struct kgr_p11_module *module, const char *func, CK_ULONG handle, CK_RV rv);

/* kgr_p11_session_enter does the same and locks the session; CKR_SESSION_HANDLE_INVALID. */
CK_RV kgr_p11_session_enter(struct kgr_p11_session **out, const char *func,
                            CK_SESSION_HANDLE handle);
CK_RV kgr_p11_session_leave(struct kgr_p11_session *session, const char *func, CK_RV rv);

/* kgr_p11_pause and kgr_p11_resume let go of the application's mutex around a long wait. */
void kgr_p11_pause(struct kgr_p11_module *module);
void kgr_p11_resume(struct kgr_p11_module *module);
