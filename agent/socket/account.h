/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/*
 * What one local user has under way, over all his connections, and what he may (group `limits`). The accounts of a server
 * stand in one table. Opening and closing is for the loop's thread; everything else is safe on every thread and takes no lock, so
 * that requests that come by shared memory count like those of the socket.
 */
struct kgr_account_limits {
    uint32_t connections; /* of one user */
    uint32_t in_flight;   /* unanswered requests of one user */
    uint32_t rate;        /* requests of one user a second; 0: any number */
    uint32_t burst;       /* so many at once after a pause; 0: as many as rate */
};

struct kgr_accounts;
struct kgr_account;

KGR_MUST_CHECK enum kgr_error kgr_accounts_new(struct kgr_accounts **out,
                                               const struct kgr_account_limits *limits);
/* kgr_accounts_set gives other limits, at once and to everybody; what is under way goes on. */
void kgr_accounts_set(struct kgr_accounts *accounts, const struct kgr_account_limits *limits);
/* The table is counted, so that an account that is still used may outlive its server. */
struct kgr_accounts *kgr_accounts_ref(struct kgr_accounts *accounts);
void kgr_accounts_unref(struct kgr_accounts *accounts); /* accepts NULL */

/*
 * kgr_account_open counts a connection of uid, and a use of the account. KGR_ERR_QUOTA with words in diag, KGR_ERR_NO_MEMORY.
 */
KGR_MUST_CHECK enum kgr_error kgr_account_open(struct kgr_account **out,
                                               struct kgr_accounts *accounts, uid_t uid,
                                               uint64_t now_ns, struct kgr_diag *diag);
/* kgr_account_close: one connection less, the use goes on. */
void kgr_account_close(struct kgr_account *account);
/*
 * kgr_account_leave ends the use; on any thread. The table keeps the account until its bucket is full again: nobody gets a full
 * one by connecting anew.
 */
void kgr_account_leave(struct kgr_account *account);

/* kgr_account_begin counts num requests under way. KGR_ERR_QUOTA with words in diag, and none is counted. */
KGR_MUST_CHECK enum kgr_error kgr_account_begin(struct kgr_account *account, uint32_t num,
                                                struct kgr_diag *diag);
void kgr_account_end(struct kgr_account *account, uint32_t num);

/* kgr_account_is_rated: there is a rate, so that kgr_account_take needs the time. */
bool kgr_account_is_rated(const struct kgr_account *account);
/* kgr_account_take takes num requests out of the bucket, all or none. KGR_ERR_QUOTA with words in diag. */
KGR_MUST_CHECK enum kgr_error kgr_account_take(struct kgr_account *account, uint32_t num,
                                               uint64_t now_ns, struct kgr_diag *diag);
