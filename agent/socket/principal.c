/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/principal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/clock.h"

struct kgr_principal {
    atomic_uint refs;
    struct kgr_caller caller;
    gid_t *groups;                 /* owned */
    struct kgr_accounts *accounts; /* counted */
    struct kgr_account *account;   /* used */
    pthread_mutex_t lock;          /* of access, for the time of a check */
    struct kgr_access *access;     /* counted */
};

static enum kgr_error read_groups(int fd, struct kgr_principal *principal)
{
    socklen_t len = 0;

    /* The first call fails with ERANGE and tells how much room the list needs; without groups it does not fail. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0)
        return KGR_OK;
    if (errno != ERANGE)
        return KGR_ERR_IO;
    principal->groups = malloc(len);
    if (principal->groups == NULL)
        return KGR_ERR_NO_MEMORY;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, principal->groups, &len) != 0)
        return KGR_ERR_IO;
    principal->caller.groups = principal->groups;
    principal->caller.num_groups = len / sizeof(gid_t);
    return KGR_OK;
}

enum kgr_error kgr_principal_new(struct kgr_principal **out, const struct kgr_peercred *cred,
                                 struct kgr_policy *policy, struct kgr_accounts *accounts,
                                 struct kgr_diag *diag)
{
    struct kgr_principal *principal = calloc(1, sizeof(*principal));
    enum kgr_error err;

    if (principal == NULL)
        return KGR_ERR_NO_MEMORY;
    atomic_init(&principal->refs, 1);
    if (pthread_mutex_init(&principal->lock, NULL) != 0) {
        free(principal);
        return KGR_ERR_NO_MEMORY;
    }
    principal->accounts = kgr_accounts_ref(accounts);
    principal->caller.uid = cred->uid;
    principal->caller.gid = cred->gid;
    err = read_groups(cred->fd, principal);
    if (err == KGR_OK)
        err = kgr_access_new(&principal->access, policy, &principal->caller);
    if (err == KGR_OK)
        err = kgr_account_open(&principal->account, accounts, cred->uid, kgr_clock_boot_ns(), diag);
    if (err != KGR_OK) {
        kgr_principal_unref(principal);
        return err;
    }
    *out = principal;
    return KGR_OK;
}

struct kgr_principal *kgr_principal_ref(struct kgr_principal *principal)
{
    atomic_fetch_add_explicit(&principal->refs, 1, memory_order_relaxed);
    return principal;
}

void kgr_principal_unref(struct kgr_principal *principal)
{
    if (principal == NULL ||
        atomic_fetch_sub_explicit(&principal->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (principal->account != NULL)
        kgr_account_leave(principal->account);
    kgr_accounts_unref(principal->accounts);
    kgr_access_unref(principal->access);
    (void)pthread_mutex_destroy(&principal->lock);
    free(principal->groups);
    free(principal);
}

void kgr_principal_leave(struct kgr_principal *principal)
{
    kgr_account_close(principal->account);
    kgr_principal_unref(principal);
}

struct kgr_access *kgr_principal_access(struct kgr_principal *principal)
{
    struct kgr_access *access;

    (void)pthread_mutex_lock(&principal->lock);
    access = kgr_access_ref(principal->access);
    (void)pthread_mutex_unlock(&principal->lock);
    return access;
}

bool kgr_principal_allows(struct kgr_principal *principal, const char *peer, enum kgr_right right)
{
    bool allowed;

    (void)pthread_mutex_lock(&principal->lock);
    allowed = kgr_access_allows(principal->access, peer, right);
    (void)pthread_mutex_unlock(&principal->lock);
    return allowed;
}

struct kgr_account *kgr_principal_account(const struct kgr_principal *principal)
{
    return principal->account;
}

enum kgr_error kgr_principal_prepare(struct kgr_access **out, const struct kgr_principal *principal,
                                     struct kgr_policy *policy)
{
    return kgr_access_new(out, policy, &principal->caller);
}

void kgr_principal_set(struct kgr_principal *principal, struct kgr_access *access)
{
    struct kgr_access *before;

    (void)pthread_mutex_lock(&principal->lock);
    before = principal->access;
    principal->access = access;
    (void)pthread_mutex_unlock(&principal->lock);
    kgr_access_unref(before);
}
