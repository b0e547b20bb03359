/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/*
 * What local users may do with which peers (group `access` of agent.conf). Rules only grant; what none grants is refused,
 * but uid 0 and the agent's own user may do everything. A policy is compiled once and never changes; a reload makes
 * another one. Both it and what it comes to for one caller (kgr_access) are counted, and safe on every thread.
 */
enum kgr_right {
    KGR_RIGHT_LIST, /* see the peer and its keys; whoever may do anything with it may */
    KGR_RIGHT_ENCRYPT,
    KGR_RIGHT_DECRYPT,
    KGR_RIGHT_SIGN,
    KGR_RIGHT_VERIFY,
    KGR_RIGHT_SEAL,
    KGR_RIGHT_OPEN,
    KGR_RIGHT_SEND,
    KGR_RIGHT_RECEIVE,
    KGR_RIGHT_REQUEST,
    KGR_RIGHT_RENEW,
    KGR_RIGHT_MANAGE, /* of the node, not of a peer: reload, audit log, renewal of NKSK */
    KGR_NUM_RIGHTS
};

#define KGR_RIGHT_BIT(right) (1u << (unsigned int)(right))
#define KGR_RIGHTS_ALL       ((1u << (unsigned int)KGR_NUM_RIGHTS) - 1u)

/* The names in a configuration, by number, ended by NULL. */
extern const char *const kgr_right_names[];

/* kgr_rights_close adds what the rights imply (docs/access.md). Pure. */
uint32_t kgr_rights_close(uint32_t rights);

/*
 * A pattern of peers: the characters of an N_ID, and `*` for any run of them, also none, and `?` for one. kgr_pattern_is_valid:
 * 1 to 64 characters. kgr_pattern_matches costs at most the product of both lengths.
 */
#define KGR_PATTERN_MAX 64
bool kgr_pattern_is_valid(const char *pattern);
bool kgr_pattern_matches(const char *pattern, const char *name);

/* One rule: users or groups (ids) that may do with peers what rights (a mask) says. */
struct kgr_policy_rule {
    const uid_t *uids;
    size_t num_uids;
    const gid_t *gids;
    size_t num_gids;
    const char *const *peers; /* patterns */
    size_t num_peers;         /* 0: all peers, and the node for KGR_RIGHT_MANAGE */
    uint32_t rights;
};

struct kgr_policy;

/* kgr_policy_new copies the rules; own is the agent's uid. KGR_ERR_INVALID for a pattern that is none. */
KGR_MUST_CHECK enum kgr_error
kgr_policy_new(struct kgr_policy **out, const struct kgr_policy_rule *rules, size_t num, uid_t own);
struct kgr_policy *kgr_policy_ref(struct kgr_policy *policy);
void kgr_policy_unref(struct kgr_policy *policy); /* accepts NULL */
/* kgr_policy_names_others: somebody but uid 0, the agent's user and the group gid has a right. */
bool kgr_policy_names_others(const struct kgr_policy *policy, gid_t gid);

/* Who calls: as the kernel said at connect. groups holds the supplementary groups (SO_PEERGROUPS). */
struct kgr_caller {
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t num_groups;
};

struct kgr_access;

/* kgr_access_new says what the caller may do under the policy. KGR_ERR_NO_MEMORY. */
KGR_MUST_CHECK enum kgr_error kgr_access_new(struct kgr_access **out, struct kgr_policy *policy,
                                             const struct kgr_caller *caller);
struct kgr_access *kgr_access_ref(struct kgr_access *access);
void kgr_access_unref(struct kgr_access *access); /* accepts NULL */

/*
 * kgr_access_allows: whether the caller has the right for the peer. The check of each request, on any thread: no lock, no
 * allocation; nanoseconds, but for rules with patterns, which are tried one after another.
 */
bool kgr_access_allows(const struct kgr_access *access, const char *peer, enum kgr_right right);
/* kgr_access_rights: all rights for the peer, as a mask. */
uint32_t kgr_access_rights(const struct kgr_access *access, const char *peer);
/* kgr_access_some: for one peer at least, whether it exists or not. MANAGE: of the node. */
bool kgr_access_some(const struct kgr_access *access, enum kgr_right right);
uid_t kgr_access_uid(const struct kgr_access *access);
/* kgr_access_any: has any right at all. Who has none may not even connect. */
bool kgr_access_any(const struct kgr_access *access);

/* kgr_access_refuse returns KGR_ERR_ACCESS, and says in diag which right who lacks for which peer (NULL: none). */
enum kgr_error kgr_access_refuse(struct kgr_diag *diag, const struct kgr_access *access,
                                 const char *peer, enum kgr_right right);
