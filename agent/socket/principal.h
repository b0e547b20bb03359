/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"
#include "agent/socket/access.h"
#include "agent/socket/account.h"
#include "agent/socket/policy.h"

/*
 * The user of one connection: who he is, what he may do now, and the account of his uid. Counted, and safe on every thread:
 * rings and workers keep one for as long as the connection's requests are under way. The loop's thread makes it, and is the only one that
 * gives it other rights.
 */
struct kgr_principal;

/*
 * kgr_principal_new asks the kernel for the groups of who is at the other end of cred->fd (SO_PEERGROUPS), and opens his
 * account. KGR_ERR_IO, KGR_ERR_QUOTA with words in diag, KGR_ERR_NO_MEMORY.
 */
KGR_MUST_CHECK enum kgr_error
kgr_principal_new(struct kgr_principal **out, const struct kgr_peercred *cred,
                  struct kgr_policy *policy, struct kgr_accounts *accounts, struct kgr_diag *diag);
struct kgr_principal *kgr_principal_ref(struct kgr_principal *principal);
void kgr_principal_unref(struct kgr_principal *principal); /* accepts NULL */
/* kgr_principal_leave is the owner's unref, on the loop's thread: the connection is gone and counts no more. */
void kgr_principal_leave(struct kgr_principal *principal);

/* kgr_principal_allows is the check of a request (kgr_access_allows), with the rights of now. */
bool kgr_principal_allows(struct kgr_principal *principal, const char *peer, enum kgr_right right);
/* kgr_principal_access returns the rights of now, counted. */
struct kgr_access *kgr_principal_access(struct kgr_principal *principal);
/* kgr_principal_account borrows: begin, end and take of it. */
struct kgr_account *kgr_principal_account(const struct kgr_principal *principal);

/* A new policy, in two steps, so that nobody gets it unless everybody can: prepare makes the rights, set puts them in place. */
KGR_MUST_CHECK enum kgr_error kgr_principal_prepare(struct kgr_access **out,
                                                    const struct kgr_principal *principal,
                                                    struct kgr_policy *policy);
/* kgr_principal_set takes access. */
void kgr_principal_set(struct kgr_principal *principal, struct kgr_access *access);
