/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_parts.h"

#include "agent/base/log.h"
#include "agent/base/nearest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Checking against the schema. What is wrong is noted and taken out, and the rest is looked at all the same. */

#define DEFAULT_TEXT_MAX 1023
#define MAX_NAME         63 /* a longer one is nobody's slip of the pen */

const struct kgr_config_key *kgr_config_find_key(const struct kgr_config_key *keys,
                                                 const char *name)
{
    for (; keys->name != NULL; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

static void list_names(char *out, size_t cap, const struct kgr_config_key *keys)
{
    size_t len = 0;

    out[0] = '\0';
    for (const struct kgr_config_key *key = keys; key->name != NULL; key++) {
        int n = snprintf(out + len, cap - len, "%s%s", key == keys ? "" : ", ", key->name);

        if (n < 0 || (size_t)n >= cap - len)
            break;
        len += (size_t)n;
    }
}

static void list_choices(char *out, size_t cap, const char *const *choices)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; choices[i] != NULL; i++) {
        int n = snprintf(out + len, cap - len, "%s\"%s\"", i == 0 ? "" : ", ", choices[i]);

        if (n < 0 || (size_t)n >= cap - len)
            break;
        len += (size_t)n;
    }
}

bool kgr_config_find_choice(size_t *out, const char *const *choices, const char *text)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* The key that was probably meant; NULL if none is near. */
static const char *nearest(const struct kgr_config_key *keys, const char *name)
{
    struct kgr_nearest found;

    kgr_nearest_begin(&found, name);
    for (; keys->name != NULL; keys++)
        kgr_nearest_try(&found, keys->name);
    return found.best;
}

static void note_unknown(const struct kgr_config *config, const config_setting_t *setting,
                         const struct kgr_config_key *keys)
{
    const char *name = config_setting_name(setting), *near = nearest(keys, name);
    char shown[MAX_NAME + 1], names[320];

    kgr_log_escape(shown, sizeof(shown), name, strlen(name));
    list_names(names, sizeof(names), keys);
    if (near != NULL)
        kgr_config_note(config, setting, shown, "is no known key; did you mean %s?", near);
    else
        kgr_config_note(config, setting, shown, "is no known key, use one of %s", names);
}

static bool is_integer(const config_setting_t *setting)
{
    return config_setting_type(setting) == CONFIG_TYPE_INT ||
           config_setting_type(setting) == CONFIG_TYPE_INT64;
}

/* Each of these returns whether the value may stay. */

static bool check_text(const struct kgr_config *config, const config_setting_t *setting,
                       const struct kgr_config_key *key)
{
    bool unlimited = key->min == 0 && key->max == 0;
    int64_t min = unlimited ? 1 : key->min, max = unlimited ? DEFAULT_TEXT_MAX : key->max, len;
    char shown[64], choices[160];
    const char *text;
    size_t i;

    if (config_setting_type(setting) != CONFIG_TYPE_STRING) {
        kgr_config_note(config, setting, key->name, "must be a text in double quotes");
        return false;
    }
    text = config_setting_get_string(setting);
    len = (int64_t)strlen(text);
    if (key->choices != NULL) {
        if (kgr_config_find_choice(&i, key->choices, text))
            return true;
        list_choices(choices, sizeof(choices), key->choices);
        kgr_log_escape(shown, sizeof(shown), text, (size_t)len);
        kgr_config_note(config, setting, key->name, "is \"%s\", must be one of %s", shown, choices);
        return false;
    }
    if (len >= min && len <= max)
        return true;
    kgr_config_note(config, setting, key->name, "is %lld bytes long, must be %lld to %lld",
                    (long long)len, (long long)min, (long long)max);
    return false;
}

static bool check_int(const struct kgr_config *config, const config_setting_t *setting,
                      const struct kgr_config_key *key)
{
    int64_t min = key->min, max = key->min == 0 && key->max == 0 ? INT64_MAX : key->max, value;

    if (!is_integer(setting)) {
        kgr_config_note(config, setting, key->name, "must be a whole number, without quotes");
        return false;
    }
    value = config_setting_get_int64(setting);
    if (value >= min && value <= max)
        return true;
    kgr_config_note(config, setting, key->name, "is %lld, must be %lld to %lld", (long long)value,
                    (long long)min, (long long)max);
    return false;
}

static bool check_group(const struct kgr_config *config, config_setting_t *group,
                        const struct kgr_config_key *keys);

static bool check_several(const struct kgr_config *config, const config_setting_t *setting,
                          const struct kgr_config_key *key)
{
    int num = config_setting_length(setting);
    bool ok = true;

    if (num < 1) {
        kgr_config_note(config, setting, key->name, "is empty, leave it out or name one");
        return false;
    }
    for (int i = 0; i < num; i++) {
        config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);

        if (key->type == KGR_CONFIG_TEXTS) {
            ok = check_text(config, element, key) && ok;
        } else if (config_setting_is_group(element)) {
            ok = check_group(config, element, key->keys) && ok;
        } else {
            kgr_config_note(config, element, key->name, "must hold groups { ... } only");
            ok = false;
        }
    }
    return ok;
}

static bool check_groups(const struct kgr_config *config, config_setting_t *setting,
                         const struct kgr_config_key *key)
{
    if (config_setting_type(setting) == CONFIG_TYPE_LIST)
        return check_several(config, setting, key);
    if (config_setting_type(setting) == CONFIG_TYPE_GROUP)
        return check_group(config, setting, key->keys);
    kgr_config_note(config, setting, key->name,
                    "must be a group { ... } or a list ( { ... }, { ... } )");
    return false;
}

static bool check_value(const struct kgr_config *config, config_setting_t *setting,
                        const struct kgr_config_key *key)
{
    int type = config_setting_type(setting);

    switch (key->type) {
    case KGR_CONFIG_BOOL:
        if (type != CONFIG_TYPE_BOOL)
            kgr_config_note(config, setting, key->name, "must be true or false");
        return type == CONFIG_TYPE_BOOL;
    case KGR_CONFIG_INT:
        return check_int(config, setting, key);
    case KGR_CONFIG_TEXT:
        return check_text(config, setting, key);
    case KGR_CONFIG_TEXTS:
        if (type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST)
            return check_several(config, setting, key);
        return check_text(config, setting, key);
    case KGR_CONFIG_GROUP:
        if (type == CONFIG_TYPE_GROUP)
            return check_group(config, setting, key->keys);
        kgr_config_note(config, setting, key->name, "must be a group { ... }");
        return false;
    case KGR_CONFIG_GROUPS:
        return check_groups(config, setting, key);
    }
    assert(false && "a type of the schema");
    return false;
}

void kgr_config_check(const struct kgr_config *config, config_setting_t *group,
                      const struct kgr_config_key *keys)
{
    for (int i = config_setting_length(group); i-- > 0;) {
        config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const struct kgr_config_key *key = kgr_config_find_key(keys, config_setting_name(setting));

        if (key == NULL)
            note_unknown(config, setting, keys);
        else if (!check_value(config, setting, key))
            (void)config_setting_remove_elem(group, (unsigned)i); /* it is there */
    }
}

/* False when a key without a default is missing: the group means nothing then. */
static bool check_group(const struct kgr_config *config, config_setting_t *group,
                        const struct kgr_config_key *keys)
{
    bool whole = true;

    for (const struct kgr_config_key *key = keys; key->name != NULL; key++) {
        if (key->required && config_setting_get_member(group, key->name) == NULL) {
            kgr_config_note(config, group, key->name, "is missing, it has no default");
            whole = false;
        }
    }
    kgr_config_check(config, group, keys);
    for (const struct kgr_config_key *key = keys; key->name != NULL && whole; key++)
        whole = !key->required || config_setting_get_member(group, key->name) != NULL;
    return whole;
}
