/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/module.h"

#include "agent/base/process.h"
#include "pkcs11/trace.h"
#include "pkcs11/translate.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic(struct kgr_p11_module *) current;

/*
 * Modules of parents, at the time of a fork. Their memory is abandoned, not freed: threads that are
 * not in this process may have held its locks, and its operations are the parent's to end.
 */
static _Atomic(struct kgr_p11_module *) abandoned;

/* The module, if this process made it. */
static struct kgr_p11_module *mine(void)
{
    struct kgr_p11_module *module = atomic_load(&current);

    return module != NULL && module->process == kgr_process_mark() ? module : NULL;
}

static void free_parts(struct kgr_p11_module *module)
{
    kgr_p11_session_table_deinit(&module->sessions);
    kgr_p11_key_table_deinit(&module->keys);
    kgr_p11_token_cache_deinit(&module->token);
    kgr_p11_watch_deinit(&module->watch);
    kgr_client_free(module->client);
    if (module->destroy_mutex != NULL) {
        (void)module->destroy_mutex(module->mutex);
    }
    free(module);
}

/* PKCS#11 3.0 section 5.4.1: all four callbacks or none, and what each combination demands. */
static CK_RV take_locking(struct kgr_p11_module *module, const CK_C_INITIALIZE_ARGS *args)
{
    unsigned given = (unsigned)(args->CreateMutex != NULL) + (args->DestroyMutex != NULL) +
                     (args->LockMutex != NULL) + (args->UnlockMutex != NULL);

    /* NSS's header has its LibraryParameters where the standard has pReserved. */
    if (args->LibraryParameters != NULL || (given != 0 && given != 4)) {
        return CKR_ARGUMENTS_BAD;
    }
    if (given == 0 || (args->flags & CKF_OS_LOCKING_OK) != 0) {
        return CKR_OK;
    }
    if (args->CreateMutex(&module->mutex) != CKR_OK) {
        return CKR_CANT_LOCK;
    }
    module->lock_mutex = args->LockMutex;
    module->unlock_mutex = args->UnlockMutex;
    module->destroy_mutex = args->DestroyMutex;
    return CKR_OK;
}

static CK_RV module_new(struct kgr_p11_module **out, const CK_C_INITIALIZE_ARGS *args)
{
    static const struct kgr_client_options options = {.name = "libkgr-pkcs11"};
    struct kgr_p11_module *module = calloc(1, sizeof(*module));
    CK_RV rv = CKR_OK;

    if (module == NULL) {
        return CKR_HOST_MEMORY;
    }
    module->process = kgr_process_mark();
    kgr_p11_session_table_init(&module->sessions);
    kgr_p11_key_table_init(&module->keys);
    kgr_p11_token_cache_init(&module->token);
    kgr_p11_watch_init(&module->watch);
    if (args != NULL) {
        rv = take_locking(module, args);
    }
    if (rv == CKR_OK) {
        enum kgr_error err = kgr_client_new(&module->client, &options);

        if (err != KGR_OK) {
            rv = err == KGR_ERR_NO_MEMORY ? CKR_HOST_MEMORY : CKR_GENERAL_ERROR;
        }
    }
    if (rv != CKR_OK) {
        free_parts(module);
        return rv;
    }
    *out = module;
    return CKR_OK;
}

CK_RV kgr_p11_module_start(const CK_C_INITIALIZE_ARGS *args)
{
    struct kgr_p11_module *module = NULL;
    struct kgr_p11_module *old = atomic_load(&current);
    CK_RV rv;

    kgr_p11_trace_open();
    if (mine() != NULL) {
        return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    }
    rv = module_new(&module, args);
    if (rv != CKR_OK) {
        return rv;
    }
    if (!atomic_compare_exchange_strong(&current, &old, module)) {
        free_parts(module); /* another thread was first */
        return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    }
    if (old != NULL) {
        kgr_client_free(
            old->client); /* it knows about forks, and must not keep the parent's socket */
        old->client = NULL;
        old->next = atomic_load(&abandoned);
        while (!atomic_compare_exchange_weak(&abandoned, &old->next, old)) {
        }
    }
    return CKR_OK;
}

CK_RV kgr_p11_module_stop(void)
{
    struct kgr_p11_module *module = mine();

    if (module == NULL || !atomic_compare_exchange_strong(&current, &module, NULL)) {
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    kgr_p11_watch_stop(&module->watch);
    free_parts(module);
    return CKR_OK;
}

CK_RV kgr_p11_enter(struct kgr_p11_module **out, const char *func, CK_ULONG handle)
{
    struct kgr_p11_module *module = mine();
    CK_RV rv = module != NULL ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;

    if (rv == CKR_OK && module->lock_mutex != NULL && module->lock_mutex(module->mutex) != CKR_OK) {
        rv = CKR_GENERAL_ERROR;
    }
    if (rv != CKR_OK) {
        kgr_p11_trace(func, handle, rv);
        return rv;
    }
    *out = module;
    return CKR_OK;
}

CK_RV kgr_p11_leave(struct kgr_p11_module *module, const char *func, CK_ULONG handle, CK_RV rv)
{
    if (module->unlock_mutex != NULL) {
        (void)module->unlock_mutex(module->mutex);
    }
    kgr_p11_trace(func, handle, rv);
    return rv;
}

CK_RV kgr_p11_session_enter(struct kgr_p11_session **out, const char *func,
                            CK_SESSION_HANDLE handle)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, func, handle);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_session_take(out, &module->sessions, handle);
    if (rv != CKR_OK) {
        return kgr_p11_leave(module, func, handle, rv);
    }
    if ((*out)->era != atomic_load(&module->login.era)) {
        kgr_p11_session_end(*out); /* a logout came between */
        (*out)->era = atomic_load(&module->login.era);
    }
    return CKR_OK;
}

CK_RV kgr_p11_session_leave(struct kgr_p11_session *session, const char *func, CK_RV rv)
{
    struct kgr_p11_module *module = session->module;
    CK_SESSION_HANDLE handle = session->handle;

    kgr_p11_session_give(session);
    return kgr_p11_leave(module, func, handle, rv);
}

void kgr_p11_pause(struct kgr_p11_module *module)
{
    if (module->unlock_mutex != NULL) {
        (void)module->unlock_mutex(module->mutex);
    }
}

void kgr_p11_resume(struct kgr_p11_module *module)
{
    if (module->lock_mutex != NULL) {
        (void)module->lock_mutex(module->mutex);
    }
}
