/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/policy.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const char *const kgr_right_names[] = {
    [KGR_RIGHT_LIST] = "list",       [KGR_RIGHT_ENCRYPT] = "encrypt",
    [KGR_RIGHT_DECRYPT] = "decrypt", [KGR_RIGHT_SIGN] = "sign",
    [KGR_RIGHT_VERIFY] = "verify",   [KGR_RIGHT_SEAL] = "seal",
    [KGR_RIGHT_OPEN] = "open",       [KGR_RIGHT_SEND] = "send",
    [KGR_RIGHT_RECEIVE] = "receive", [KGR_RIGHT_REQUEST] = "request",
    [KGR_RIGHT_RENEW] = "renew",     [KGR_RIGHT_MANAGE] = "manage",
    [KGR_NUM_RIGHTS] = NULL,
};

#define OF_NODE KGR_RIGHT_BIT(KGR_RIGHT_MANAGE)

/* What stands behind one user or group of one rule. */
struct grant {
    bool is_group;
    id_t id;
    uint32_t rights;
    const char *const *peers; /* borrowed from the policy's patterns */
    size_t num_peers;         /* 0: all */
};

struct kgr_policy {
    atomic_uint refs;
    uid_t own;
    struct grant *grants;
    size_t num_grants;
    char **patterns; /* owned, as the texts */
    size_t num_patterns;
};

/* The grants that apply to one caller: those without patterns are one mask. */
struct scope {
    uint32_t rights;
    const char *const *peers;
    size_t num_peers;
};

struct kgr_access {
    atomic_uint refs;
    struct kgr_policy *policy; /* counted: the patterns are its */
    uid_t uid;
    uint32_t everywhere; /* for every peer; what it implies is added */
    size_t num_scopes;
    struct scope scopes[];
};

/* Rights */

static bool has(uint32_t rights, enum kgr_right right)
{
    return (rights & KGR_RIGHT_BIT(right)) != 0;
}

uint32_t kgr_rights_close(uint32_t rights)
{
    const uint32_t mac = KGR_RIGHT_BIT(KGR_RIGHT_SIGN) | KGR_RIGHT_BIT(KGR_RIGHT_VERIFY);

    /* With a symmetric key the same computation makes a MAC and checks it. */
    if ((rights & mac) != 0)
        rights |= mac;
    /* A record is nothing else. */
    if (has(rights, KGR_RIGHT_SIGN) && has(rights, KGR_RIGHT_ENCRYPT))
        rights |= KGR_RIGHT_BIT(KGR_RIGHT_SEAL);
    if (has(rights, KGR_RIGHT_RENEW))
        rights |= KGR_RIGHT_BIT(KGR_RIGHT_REQUEST);
    /* Nobody can use what he cannot see. */
    if ((rights & ~OF_NODE) != 0)
        rights |= KGR_RIGHT_BIT(KGR_RIGHT_LIST);
    return rights;
}

/* Patterns */

bool kgr_pattern_is_valid(const char *pattern)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-*?";
    size_t len = strnlen(pattern, KGR_PATTERN_MAX + 1);

    return len > 0 && len <= KGR_PATTERN_MAX && strspn(pattern, allowed) == len;
}

bool kgr_pattern_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL; /* the last star, and where its run ends for now */

    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* The policy */

static void free_policy(struct kgr_policy *policy)
{
    for (size_t i = 0; i < policy->num_patterns; i++)
        free(policy->patterns[i]);
    free(policy->patterns);
    free(policy->grants);
    free(policy);
}

static enum kgr_error count_rules(const struct kgr_policy_rule *rules, size_t num,
                                  size_t *out_grants, size_t *out_patterns)
{
    for (size_t i = 0; i < num; i++) {
        *out_grants += rules[i].num_uids + rules[i].num_gids;
        *out_patterns += rules[i].num_peers;
        for (size_t j = 0; j < rules[i].num_peers; j++)
            if (!kgr_pattern_is_valid(rules[i].peers[j]))
                return KGR_ERR_INVALID;
    }
    return KGR_OK;
}

static enum kgr_error add_rule(struct kgr_policy *policy, const struct kgr_policy_rule *rule)
{
    char *const *peers = policy->patterns + policy->num_patterns;
    struct grant grant = {.rights = rule->rights & KGR_RIGHTS_ALL, .num_peers = rule->num_peers};

    for (size_t i = 0; i < rule->num_peers; i++) {
        char *copy = strdup(rule->peers[i]);

        if (copy == NULL)
            return KGR_ERR_NO_MEMORY;
        policy->patterns[policy->num_patterns++] = copy;
    }
    grant.peers = (const char *const *)peers;
    if (rule->num_peers != 0)
        grant.rights &= ~OF_NODE;
    for (size_t i = 0; i < rule->num_uids; i++) {
        grant.id = rule->uids[i];
        policy->grants[policy->num_grants++] = grant;
    }
    grant.is_group = true;
    for (size_t i = 0; i < rule->num_gids; i++) {
        grant.id = rule->gids[i];
        policy->grants[policy->num_grants++] = grant;
    }
    return KGR_OK;
}

enum kgr_error kgr_policy_new(struct kgr_policy **out, const struct kgr_policy_rule *rules,
                              size_t num, uid_t own)
{
    size_t num_grants = 0, num_patterns = 0;
    struct kgr_policy *policy;
    enum kgr_error err = count_rules(rules, num, &num_grants, &num_patterns);

    if (err != KGR_OK)
        return err;
    policy = calloc(1, sizeof(*policy));
    if (policy == NULL)
        return KGR_ERR_NO_MEMORY;
    atomic_init(&policy->refs, 1);
    policy->own = own;
    policy->grants = calloc(num_grants + 1, sizeof(*policy->grants));
    policy->patterns = calloc(num_patterns + 1, sizeof(*policy->patterns));
    if (policy->grants == NULL || policy->patterns == NULL)
        err = KGR_ERR_NO_MEMORY;
    for (size_t i = 0; i < num && err == KGR_OK; i++)
        err = add_rule(policy, &rules[i]);
    if (err != KGR_OK) {
        free_policy(policy);
        return err;
    }
    *out = policy;
    return KGR_OK;
}

struct kgr_policy *kgr_policy_ref(struct kgr_policy *policy)
{
    atomic_fetch_add_explicit(&policy->refs, 1, memory_order_relaxed);
    return policy;
}

void kgr_policy_unref(struct kgr_policy *policy)
{
    if (policy != NULL && atomic_fetch_sub_explicit(&policy->refs, 1, memory_order_acq_rel) == 1)
        free_policy(policy);
}

bool kgr_policy_names_others(const struct kgr_policy *policy, gid_t gid)
{
    for (size_t i = 0; i < policy->num_grants; i++) {
        const struct grant *grant = &policy->grants[i];

        if (grant->rights != 0 &&
            (grant->is_group ? grant->id != gid : grant->id != 0 && grant->id != policy->own))
            return true;
    }
    return false;
}

/* What it comes to for a caller */

static bool applies(const struct grant *grant, const struct kgr_caller *caller)
{
    if (!grant->is_group)
        return grant->id == caller->uid;
    if (grant->id == caller->gid)
        return true;
    for (size_t i = 0; i < caller->num_groups; i++)
        if (grant->id == caller->groups[i])
            return true;
    return false;
}

enum kgr_error kgr_access_new(struct kgr_access **out, struct kgr_policy *policy,
                              const struct kgr_caller *caller)
{
    struct kgr_access *access;
    size_t num = 0;

    for (size_t i = 0; i < policy->num_grants; i++)
        num += applies(&policy->grants[i], caller);
    access = calloc(1, sizeof(*access) + num * sizeof(access->scopes[0]));
    if (access == NULL)
        return KGR_ERR_NO_MEMORY;
    atomic_init(&access->refs, 1);
    access->policy = kgr_policy_ref(policy);
    access->uid = caller->uid;
    if (caller->uid == 0 || caller->uid == policy->own)
        access->everywhere = KGR_RIGHTS_ALL;
    for (size_t i = 0; i < policy->num_grants; i++) {
        const struct grant *grant = &policy->grants[i];

        if (!applies(grant, caller))
            continue;
        if (grant->num_peers == 0)
            access->everywhere |= grant->rights;
        else
            access->scopes[access->num_scopes++] =
                (struct scope){grant->rights, grant->peers, grant->num_peers};
    }
    access->everywhere = kgr_rights_close(access->everywhere);
    *out = access;
    return KGR_OK;
}

struct kgr_access *kgr_access_ref(struct kgr_access *access)
{
    atomic_fetch_add_explicit(&access->refs, 1, memory_order_relaxed);
    return access;
}

void kgr_access_unref(struct kgr_access *access)
{
    if (access == NULL || atomic_fetch_sub_explicit(&access->refs, 1, memory_order_acq_rel) != 1)
        return;
    kgr_policy_unref(access->policy);
    free(access);
}

static bool covers(const struct scope *scope, const char *peer)
{
    for (size_t i = 0; i < scope->num_peers; i++)
        if (kgr_pattern_matches(scope->peers[i], peer))
            return true;
    return false;
}

uint32_t kgr_access_rights(const struct kgr_access *access, const char *peer)
{
    uint32_t rights = access->everywhere;

    /* What one rule grants and what another does can imply a third. */
    for (size_t i = 0; i < access->num_scopes; i++) {
        const struct scope *scope = &access->scopes[i];

        if ((scope->rights & ~rights) != 0 && covers(scope, peer))
            rights = kgr_rights_close(rights | scope->rights);
    }
    return rights;
}

bool kgr_access_allows(const struct kgr_access *access, const char *peer, enum kgr_right right)
{
    return has(access->everywhere, right) || has(kgr_access_rights(access, peer), right);
}

bool kgr_access_some(const struct kgr_access *access, enum kgr_right right)
{
    uint32_t rights = access->everywhere;

    /* Two patterns may have a name in common or not: whoever could have the right is asked again with the name. */
    for (size_t i = 0; i < access->num_scopes; i++)
        rights = kgr_rights_close(rights | access->scopes[i].rights);
    return has(rights, right);
}

uid_t kgr_access_uid(const struct kgr_access *access)
{
    return access->uid;
}

bool kgr_access_any(const struct kgr_access *access)
{
    return kgr_access_some(access, KGR_RIGHT_LIST) || kgr_access_some(access, KGR_RIGHT_MANAGE);
}

enum kgr_error kgr_access_refuse(struct kgr_diag *diag, const struct kgr_access *access,
                                 const char *peer, enum kgr_right right)
{
    if (right == KGR_RIGHT_MANAGE || peer == NULL)
        return kgr_diag_set(diag, KGR_ERR_ACCESS,
                            "uid %u may not %s here: the group access of agent.conf grants it",
                            (unsigned)access->uid, kgr_right_names[right]);
    return kgr_diag_set(
        diag, KGR_ERR_ACCESS,
        "uid %u has no right to %s with %s: the group access of agent.conf grants it",
        (unsigned)access->uid, kgr_right_names[right], peer);
}
