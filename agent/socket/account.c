/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/account.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)

struct kgr_accounts {
    atomic_uint refs;
    _Atomic uint32_t connections, in_flight, rate, burst; /* the limits */
    struct kgr_account *list;                             /* owned */
};

struct kgr_account {
    struct kgr_account *next;
    struct kgr_accounts *accounts; /* borrowed */
    uid_t uid;
    uint32_t connections; /* the loop's thread */
    atomic_uint uses;
    _Atomic uint32_t in_flight;
    /* The bucket, turned about: when the last request that was taken had come if all came evenly. */
    _Atomic uint64_t due_ns;
};

enum kgr_error kgr_accounts_new(struct kgr_accounts **out, const struct kgr_account_limits *limits)
{
    struct kgr_accounts *accounts = calloc(1, sizeof(*accounts));

    if (accounts == NULL)
        return KGR_ERR_NO_MEMORY;
    atomic_init(&accounts->refs, 1);
    kgr_accounts_set(accounts, limits);
    *out = accounts;
    return KGR_OK;
}

void kgr_accounts_set(struct kgr_accounts *accounts, const struct kgr_account_limits *limits)
{
    atomic_store(&accounts->connections, limits->connections);
    atomic_store(&accounts->in_flight, limits->in_flight);
    atomic_store(&accounts->burst, limits->burst);
    atomic_store(&accounts->rate, limits->rate);
}

struct kgr_accounts *kgr_accounts_ref(struct kgr_accounts *accounts)
{
    atomic_fetch_add(&accounts->refs, 1);
    return accounts;
}

void kgr_accounts_unref(struct kgr_accounts *accounts)
{
    if (accounts == NULL || atomic_fetch_sub(&accounts->refs, 1) != 1)
        return;
    while (accounts->list != NULL) {
        struct kgr_account *account = accounts->list;

        accounts->list = account->next;
        free(account);
    }
    free(accounts);
}

/* sweep forgets who has left and would begin with a full bucket again. */
static void sweep(struct kgr_accounts *accounts, uint64_t now_ns)
{
    struct kgr_account **link = &accounts->list;

    while (*link != NULL) {
        struct kgr_account *account = *link;

        if (atomic_load(&account->uses) > 0 ||
            (atomic_load(&accounts->rate) > 0 && atomic_load(&account->due_ns) > now_ns)) {
            link = &account->next;
            continue;
        }
        *link = account->next;
        free(account);
    }
}

static struct kgr_account *find(const struct kgr_accounts *accounts, uid_t uid)
{
    struct kgr_account *account = accounts->list;

    while (account != NULL && account->uid != uid)
        account = account->next;
    return account;
}

enum kgr_error kgr_account_open(struct kgr_account **out, struct kgr_accounts *accounts, uid_t uid,
                                uint64_t now_ns, struct kgr_diag *diag)
{
    uint32_t most = atomic_load(&accounts->connections);
    struct kgr_account *account;

    sweep(accounts, now_ns);
    account = find(accounts, uid);
    if (account == NULL) {
        account = calloc(1, sizeof(*account));
        if (account == NULL)
            return KGR_ERR_NO_MEMORY;
        account->accounts = accounts;
        account->uid = uid;
        account->next = accounts->list;
        accounts->list = account;
    }
    if (account->connections >= most)
        return kgr_diag_set(diag, KGR_ERR_QUOTA,
                            "uid %u has %u connections, and no more are allowed "
                            "(limits.connections)",
                            (unsigned)uid, account->connections);
    account->connections++;
    atomic_fetch_add(&account->uses, 1);
    *out = account;
    return KGR_OK;
}

void kgr_account_close(struct kgr_account *account)
{
    account->connections--;
}

void kgr_account_leave(struct kgr_account *account)
{
    atomic_fetch_sub(&account->uses, 1);
}

enum kgr_error kgr_account_begin(struct kgr_account *account, uint32_t num, struct kgr_diag *diag)
{
    uint32_t most = atomic_load(&account->accounts->in_flight);
    uint32_t now = atomic_load(&account->in_flight);

    do {
        if (num > most || now > most - num)
            return kgr_diag_set(diag, KGR_ERR_QUOTA,
                                "uid %u has %u requests under way, of %u (limits.in_flight)",
                                (unsigned)account->uid, now, most);
    } while (!atomic_compare_exchange_weak(&account->in_flight, &now, now + num));
    return KGR_OK;
}

void kgr_account_end(struct kgr_account *account, uint32_t num)
{
    atomic_fetch_sub(&account->in_flight, num);
}

bool kgr_account_is_rated(const struct kgr_account *account)
{
    return atomic_load_explicit(&account->accounts->rate, memory_order_relaxed) != 0;
}

enum kgr_error kgr_account_take(struct kgr_account *account, uint32_t num, uint64_t now_ns,
                                struct kgr_diag *diag)
{
    uint32_t rate = atomic_load(&account->accounts->rate);
    uint32_t burst = atomic_load(&account->accounts->burst);
    uint64_t before = atomic_load(&account->due_ns);
    uint64_t due;

    if (rate == 0)
        return KGR_OK;
    burst = burst == 0 ? rate : burst;
    do {
        due = (before > now_ns ? before : now_ns) + num * SECOND_NS / rate;
        if (due - now_ns > burst * SECOND_NS / rate)
            return kgr_diag_set(diag, KGR_ERR_QUOTA,
                                "uid %u sent more than %u requests a second (limits.rate)",
                                (unsigned)account->uid, rate);
    } while (!atomic_compare_exchange_weak(&account->due_ns, &before, due));
    return KGR_OK;
}
