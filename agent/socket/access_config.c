/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/access_config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/socket/access.h"
#include "agent/socket/policy.h"

#define ALL "all"

/* The rights, and a word for all of them. */
static const char *const right_choices[] = {
    "list", "encrypt", "decrypt", "sign",  "verify", "seal", "open",
    "send", "receive", "request", "renew", "manage", ALL,    NULL,
};
_Static_assert(KGR_ARRAY_LEN(right_choices) == KGR_NUM_RIGHTS + 2, "every right can be granted");

const struct kgr_config_key kgr_access_keys[] = {
    {.name = "users", .type = KGR_CONFIG_TEXTS, .min = 1, .max = 255},
    {.name = "groups", .type = KGR_CONFIG_TEXTS, .min = 1, .max = 255},
    {.name = "peers", .type = KGR_CONFIG_TEXTS, .min = 1, .max = KGR_PATTERN_MAX},
    {.name = "rights", .type = KGR_CONFIG_TEXTS, .choices = right_choices},
    {.name = NULL},
};

/* One rule and the lists that it borrows. */
struct rule {
    struct kgr_policy_rule rule;
    uid_t *uids;
    gid_t *gids;
    const char **peers;
};

static enum kgr_error load_users(struct rule *out, struct kgr_config_group group,
                                 struct kgr_diag *diag)
{
    size_t num = kgr_config_count(group, "users");
    enum kgr_error result = KGR_OK;

    out->uids = calloc(num + 1, sizeof(*out->uids));
    if (out->uids == NULL)
        return KGR_ERR_NO_MEMORY;
    for (size_t i = 0; i < num; i++) {
        const char *name = kgr_config_text_at(group, "users", i);
        enum kgr_error err = kgr_access_user(&out->uids[i], name);

        if (err == KGR_ERR_UNKNOWN_PEER)
            result = kgr_config_error(diag, group, "users",
                                      "names %s, but this host has no such user", name);
        else if (err != KGR_OK)
            return err;
    }
    out->rule.uids = out->uids;
    out->rule.num_uids = num;
    return result;
}

static enum kgr_error load_groups(struct rule *out, struct kgr_config_group group,
                                  struct kgr_diag *diag)
{
    size_t num = kgr_config_count(group, "groups");
    enum kgr_error result = KGR_OK;

    out->gids = calloc(num + 1, sizeof(*out->gids));
    if (out->gids == NULL)
        return KGR_ERR_NO_MEMORY;
    for (size_t i = 0; i < num; i++) {
        const char *name = kgr_config_text_at(group, "groups", i);
        enum kgr_error err = kgr_access_group(&out->gids[i], name);

        if (err == KGR_ERR_UNKNOWN_PEER)
            result = kgr_config_error(diag, group, "groups",
                                      "names %s, but this host has no such group", name);
        else if (err != KGR_OK)
            return err;
    }
    out->rule.gids = out->gids;
    out->rule.num_gids = num;
    return result;
}

static enum kgr_error load_peers(struct rule *out, struct kgr_config_group group,
                                 struct kgr_diag *diag)
{
    size_t num = kgr_config_count(group, "peers");

    out->peers = calloc(num + 1, sizeof(*out->peers));
    if (out->peers == NULL)
        return KGR_ERR_NO_MEMORY;
    for (size_t i = 0; i < num; i++) {
        out->peers[i] = kgr_config_text_at(group, "peers", i);
        if (!kgr_pattern_is_valid(out->peers[i]))
            return kgr_config_error(diag, group, "peers",
                                    "must be patterns of A-Z a-z 0-9 . _ - * and ?, at most %d "
                                    "characters long",
                                    KGR_PATTERN_MAX);
    }
    out->rule.peers = out->peers;
    out->rule.num_peers = num;
    return KGR_OK;
}

static enum kgr_error load_rights(struct rule *out, struct kgr_config_group group,
                                  struct kgr_diag *diag)
{
    size_t num = kgr_config_count(group, "rights");

    out->rule.rights = num == 0 ? KGR_RIGHTS_ALL : 0;
    for (size_t i = 0; i < num; i++) {
        const char *name = kgr_config_text_at(group, "rights", i);

        if (strcmp(name, ALL) == 0)
            out->rule.rights = KGR_RIGHTS_ALL;
        for (unsigned right = 0; right < KGR_NUM_RIGHTS; right++)
            if (strcmp(name, kgr_right_names[right]) == 0)
                out->rule.rights |= KGR_RIGHT_BIT(right);
        if (strcmp(name, kgr_right_names[KGR_RIGHT_MANAGE]) == 0 && out->rule.num_peers != 0)
            return kgr_config_error(diag, group, "rights",
                                    "has manage, which is of the node: it needs a rule without "
                                    "peers");
    }
    return KGR_OK;
}

/* All of a rule's mistakes are noted. */
static enum kgr_error load_rule(struct rule *out, struct kgr_config_group group,
                                struct kgr_diag *diag)
{
    enum kgr_error (*const parts[])(struct rule *, struct kgr_config_group, struct kgr_diag *) = {
        load_users, load_groups, load_peers, load_rights};
    enum kgr_error result = KGR_OK;

    if (!kgr_config_has(group, "users") && !kgr_config_has(group, "groups"))
        result = kgr_config_error(diag, group, NULL, "access names neither users nor groups");
    for (size_t i = 0; i < KGR_ARRAY_LEN(parts); i++) {
        enum kgr_error err = parts[i](out, group, diag);

        if (err != KGR_OK && err != KGR_ERR_CONFIG)
            return err;
        result = result == KGR_OK ? err : result;
    }
    return result;
}

enum kgr_error kgr_access_load(struct kgr_policy **out, struct kgr_config_group root,
                               struct kgr_diag *diag)
{
    size_t num = kgr_config_count(root, "access");
    struct kgr_policy_rule *plain;
    struct rule *rules;
    enum kgr_error err = KGR_OK;

    if (num == 0)
        return kgr_access_default(out);
    rules = calloc(num, sizeof(*rules));
    plain = calloc(num, sizeof(*plain));
    if (rules == NULL || plain == NULL)
        err = KGR_ERR_NO_MEMORY;
    for (size_t i = 0; i < num && (err == KGR_OK || err == KGR_ERR_CONFIG); i++) {
        enum kgr_error one = load_rule(&rules[i], kgr_config_group_at(root, "access", i), diag);

        plain[i] = rules[i].rule;
        err = one == KGR_OK ? err : one;
    }
    if (err == KGR_OK)
        err = kgr_policy_new(out, plain, num, geteuid());
    for (size_t i = 0; rules != NULL && i < num; i++) {
        free(rules[i].uids);
        free(rules[i].gids);
        free(rules[i].peers);
    }
    free(rules);
    free(plain);
    return err;
}
