/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_parts.h"

#include <stdio.h>
#include <string.h>

/* What changed from one configuration to another. */

struct list {
    char *out;
    size_t cap, len;
    size_t num;
    bool live; /* which keys are asked for */
};

static bool equal_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_int(const config_setting_t *s)
{
    return config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64;
}

static bool equal(const config_setting_t *a, const config_setting_t *b);

/* Members of groups by name, whatever their order; those of lists and arrays by place. */
static bool equal_members(const config_setting_t *a, const config_setting_t *b)
{
    int num = config_setting_length(a);

    if (num != config_setting_length(b))
        return false;
    for (int i = 0; i < num; i++) {
        const config_setting_t *one = config_setting_get_elem(a, (unsigned)i);
        const config_setting_t *other = config_setting_is_group(a)
                                            ? config_setting_get_member(b, config_setting_name(one))
                                            : config_setting_get_elem(b, (unsigned)i);

        if (other == NULL || !equal(one, other))
            return false;
    }
    return true;
}

static bool equal(const config_setting_t *a, const config_setting_t *b)
{
    if (is_int(a) && is_int(b))
        return config_setting_get_int64(a) == config_setting_get_int64(b);
    if (config_setting_type(a) != config_setting_type(b))
        return false;
    switch (config_setting_type(a)) {
    case CONFIG_TYPE_STRING:
        return equal_text(config_setting_get_string(a), config_setting_get_string(b));
    case CONFIG_TYPE_BOOL:
        return config_setting_get_bool(a) == config_setting_get_bool(b);
    case CONFIG_TYPE_FLOAT:
        return false; /* no schema has one */
    default:
        return equal_members(a, b);
    }
}

/* A key that is absent says what its default says. */
static bool is_same(struct kgr_config_group before, struct kgr_config_group now,
                    const struct kgr_config_key *key)
{
    const config_setting_t *a = kgr_config_member(before, key->name);
    const config_setting_t *b = kgr_config_member(now, key->name);

    switch (key->type) {
    case KGR_CONFIG_BOOL:
        return kgr_config_bool(before, key->name) == kgr_config_bool(now, key->name);
    case KGR_CONFIG_INT:
        return kgr_config_int(before, key->name) == kgr_config_int(now, key->name);
    case KGR_CONFIG_TEXT:
        return equal_text(kgr_config_text(before, key->name), kgr_config_text(now, key->name));
    default:
        return a == NULL || b == NULL ? a == b : equal(a, b);
    }
}

static void add(struct list *list, const char *group, const char *name)
{
    int n = snprintf(list->out + list->len, list->cap - list->len, "%s%s%s%s",
                     list->num == 0 ? "" : ", ", group, group[0] == '\0' ? "" : ".", name);

    list->num++;
    if (n > 0 && (size_t)n < list->cap - list->len)
        list->len += (size_t)n;
    else
        list->out[list->len] = '\0'; /* no half names */
}

static void compare(struct list *list, struct kgr_config_group before, struct kgr_config_group now,
                    const char *name)
{
    for (const struct kgr_config_key *key = before.keys; key->name != NULL; key++) {
        if (key->type == KGR_CONFIG_GROUP && name[0] == '\0')
            compare(list, kgr_config_group(before, key->name), kgr_config_group(now, key->name),
                    key->name);
        else if (key->live == list->live && !is_same(before, now, key))
            add(list, name, key->name);
    }
}

size_t kgr_config_changes(const struct kgr_config *before, const struct kgr_config *now, bool live,
                          char *out, size_t cap)
{
    struct list list = {.out = out, .cap = cap, .live = live};

    out[0] = '\0';
    compare(&list, kgr_config_root(before), kgr_config_root(now), "");
    return list.num;
}
