/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config.h"

#include "agent/base/log.h"
#include "agent/daemon/config_text.h"

#include <libconfig.h>

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES        64u
#define DEFAULT_TEXT_MAX 1023

struct config_file {
    config_t cfg;
    char *path; /* owned */
};

struct kgr_config {
    const struct kgr_config_key *schema;
    char *path;                           /* as given; owned */
    struct config_file *files[MAX_FILES]; /* owned; a later one counts more */
    size_t num_files;
};

/* Where a setting stands */

static const char *file_of(const struct kgr_config *config, const config_setting_t *setting)
{
    const char *source = setting != NULL ? config_setting_source_file(setting) : NULL;

    if (source != NULL) /* an @include */
        return source;
    for (size_t i = 0; setting != NULL && i < config->num_files; i++)
        if (setting->config == &config->files[i]->cfg)
            return config->files[i]->path;
    return config->path;
}

static unsigned line_of(const config_setting_t *setting)
{
    /* libconfig gives the root, and what is absent, no line. */
    return setting == NULL || config_setting_source_line(setting) == 0
               ? 1
               : config_setting_source_line(setting);
}

static KGR_PRINTF(5, 0) enum kgr_error
    refuse(struct kgr_diag *diag, const struct kgr_config *config, const config_setting_t *setting,
           const char *name, const char *fmt, va_list args)
{
    char text[192];

    (void)vsnprintf(text, sizeof(text), fmt, args);
    return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s:%u: %s%s%s", file_of(config, setting),
                        line_of(setting), name != NULL ? name : "", name != NULL ? " " : "", text);
}

static KGR_PRINTF(5, 6) enum kgr_error
    wrong(struct kgr_diag *diag, const struct kgr_config *config, const config_setting_t *setting,
          const char *name, const char *fmt, ...)
{
    enum kgr_error err;
    va_list args;

    va_start(args, fmt);
    err = refuse(diag, config, setting, name, fmt, args);
    va_end(args);
    return err;
}

/* Checking against the schema */

static const struct kgr_config_key *find_key(const struct kgr_config_key *keys, const char *name)
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

static bool find_choice(size_t *out, const char *const *choices, const char *text)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool is_integer(const config_setting_t *setting)
{
    return config_setting_type(setting) == CONFIG_TYPE_INT ||
           config_setting_type(setting) == CONFIG_TYPE_INT64;
}

static enum kgr_error check_text(const struct kgr_config *config, const config_setting_t *setting,
                                 const struct kgr_config_key *key, struct kgr_diag *diag)
{
    bool unlimited = key->min == 0 && key->max == 0;
    int64_t min = unlimited ? 1 : key->min, max = unlimited ? DEFAULT_TEXT_MAX : key->max, len;
    char shown[64], choices[128];
    const char *text;
    size_t i;

    if (config_setting_type(setting) != CONFIG_TYPE_STRING)
        return wrong(diag, config, setting, key->name, "must be a text in double quotes");
    text = config_setting_get_string(setting);
    len = (int64_t)strlen(text);
    if (key->choices != NULL) {
        if (find_choice(&i, key->choices, text))
            return KGR_OK;
        list_choices(choices, sizeof(choices), key->choices);
        kgr_log_escape(shown, sizeof(shown), text, (size_t)len);
        return wrong(diag, config, setting, key->name, "is \"%s\", must be one of %s", shown,
                     choices);
    }
    if (len < min || len > max)
        return wrong(diag, config, setting, key->name, "is %lld bytes long, must be %lld to %lld",
                     (long long)len, (long long)min, (long long)max);
    return KGR_OK;
}

static enum kgr_error check_int(const struct kgr_config *config, const config_setting_t *setting,
                                const struct kgr_config_key *key, struct kgr_diag *diag)
{
    int64_t min = key->min, max = key->min == 0 && key->max == 0 ? INT64_MAX : key->max, value;

    if (!is_integer(setting))
        return wrong(diag, config, setting, key->name, "must be a whole number, without quotes");
    value = config_setting_get_int64(setting);
    if (value < min || value > max)
        return wrong(diag, config, setting, key->name, "is %lld, must be %lld to %lld",
                     (long long)value, (long long)min, (long long)max);
    return KGR_OK;
}

static enum kgr_error check_group(const struct kgr_config *config, const config_setting_t *group,
                                  const struct kgr_config_key *keys, struct kgr_diag *diag);

static enum kgr_error check_several(const struct kgr_config *config,
                                    const config_setting_t *setting,
                                    const struct kgr_config_key *key, struct kgr_diag *diag)
{
    bool groups = key->type == KGR_CONFIG_GROUPS;
    int num = config_setting_length(setting);
    enum kgr_error err = KGR_OK;

    if (num < 1)
        return wrong(diag, config, setting, key->name, "is empty, leave it out or name one");
    for (int i = 0; i < num && err == KGR_OK; i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);

        if (!groups)
            err = check_text(config, element, key, diag);
        else if (!config_setting_is_group(element))
            err = wrong(diag, config, element, key->name, "must hold groups { ... } only");
        else
            err = check_group(config, element, key->keys, diag);
    }
    return err;
}

static enum kgr_error check_value(const struct kgr_config *config, const config_setting_t *setting,
                                  const struct kgr_config_key *key, struct kgr_diag *diag)
{
    int type = config_setting_type(setting);

    switch (key->type) {
    case KGR_CONFIG_BOOL:
        if (type != CONFIG_TYPE_BOOL)
            return wrong(diag, config, setting, key->name, "must be true or false");
        return KGR_OK;
    case KGR_CONFIG_INT:
        return check_int(config, setting, key, diag);
    case KGR_CONFIG_TEXT:
        return check_text(config, setting, key, diag);
    case KGR_CONFIG_TEXTS:
        if (type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST)
            return check_several(config, setting, key, diag);
        return check_text(config, setting, key, diag);
    case KGR_CONFIG_GROUP:
        if (type != CONFIG_TYPE_GROUP)
            return wrong(diag, config, setting, key->name, "must be a group { ... }");
        return check_group(config, setting, key->keys, diag);
    case KGR_CONFIG_GROUPS:
        if (type == CONFIG_TYPE_LIST)
            return check_several(config, setting, key, diag);
        if (type != CONFIG_TYPE_GROUP)
            return wrong(diag, config, setting, key->name,
                         "must be a group { ... } or a list ( { ... }, { ... } )");
        return check_group(config, setting, key->keys, diag);
    }
    assert(false && "a type of the schema");
    return KGR_ERR_FAILED;
}

/* Every setting of the group is known and right. */
static enum kgr_error check_known(const struct kgr_config *config, const config_setting_t *group,
                                  const struct kgr_config_key *keys, struct kgr_diag *diag)
{
    int num = config_setting_length(group);

    for (int i = 0; i < num; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(setting);
        const struct kgr_config_key *key = find_key(keys, name);
        char shown[64], names[128];
        enum kgr_error err;

        if (key == NULL) {
            list_names(names, sizeof(names), keys);
            kgr_log_escape(shown, sizeof(shown), name, strlen(name));
            return wrong(diag, config, setting, shown, "is no known key, use one of %s", names);
        }
        err = check_value(config, setting, key, diag);
        if (err != KGR_OK)
            return err;
    }
    return KGR_OK;
}

static enum kgr_error check_group(const struct kgr_config *config, const config_setting_t *group,
                                  const struct kgr_config_key *keys, struct kgr_diag *diag)
{
    enum kgr_error err = check_known(config, group, keys, diag);

    if (err != KGR_OK)
        return err;
    for (; keys->name != NULL; keys++)
        if (keys->required && config_setting_get_member(group, keys->name) == NULL)
            return wrong(diag, config, group, keys->name, "is missing, it has no default");
    return KGR_OK;
}

/* Reading */

static void free_file(struct config_file *file)
{
    if (file == NULL)
        return;
    config_destroy(&file->cfg);
    free(file->path);
    free(file);
}

static enum kgr_error load_file(struct kgr_config *config, const char *path, struct kgr_diag *diag)
{
    struct config_file *file = NULL;
    char *text = NULL;
    enum kgr_error err;

    if (config->num_files == MAX_FILES)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: more than %u files", path, MAX_FILES);
    err = kgr_config_text_read(&text, path, diag);
    if (err != KGR_OK)
        return err;
    file = calloc(1, sizeof(*file));
    if (file == NULL) {
        err = KGR_ERR_NO_MEMORY;
        goto out;
    }
    config_init(&file->cfg);
    file->path = strdup(path);
    if (file->path == NULL) {
        err = KGR_ERR_NO_MEMORY;
        goto out;
    }
    if (config_read_string(&file->cfg, text) != CONFIG_TRUE) {
        const char *included = config_error_file(&file->cfg);

        err = kgr_diag_set(diag, KGR_ERR_CONFIG, "%s:%d: %s", included != NULL ? included : path,
                           config_error_line(&file->cfg), config_error_text(&file->cfg));
        goto out;
    }
    config->files[config->num_files++] = file;
    err = check_known(config, config_root_setting(&file->cfg), config->schema, diag);
    file = NULL; /* owned by config */
out:
    free_file(file);
    free(text);
    return err;
}

static int is_drop_in(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum kgr_error load_drop_ins(struct kgr_config *config, struct kgr_diag *diag)
{
    struct dirent **entries = NULL;
    enum kgr_error err = KGR_OK;
    char *dir = NULL, *path;
    int num;

    if (asprintf(&dir, "%s.d", config->path) < 0)
        return KGR_ERR_NO_MEMORY;
    num = scandir(dir, &entries, is_drop_in, compare_names);
    if (num < 0 && errno != ENOENT)
        err = kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < num; i++) {
        if (err == KGR_OK) {
            if (asprintf(&path, "%s/%s", dir, entries[i]->d_name) < 0) {
                err = KGR_ERR_NO_MEMORY;
            } else {
                err = load_file(config, path, diag);
                free(path);
            }
        }
        free(entries[i]);
    }
    free(entries);
    free(dir);
    return err;
}

enum kgr_error kgr_config_load(struct kgr_config **out, const char *path,
                               const struct kgr_config_key *schema, struct kgr_diag *diag)
{
    struct kgr_config *config = calloc(1, sizeof(*config));
    enum kgr_error err = KGR_ERR_NO_MEMORY;

    if (config == NULL)
        goto out;
    config->schema = schema;
    config->path = strdup(path);
    if (config->path == NULL)
        goto out;
    err = load_file(config, path, diag);
    if (err == KGR_OK)
        err = load_drop_ins(config, diag);
    for (const struct kgr_config_key *key = schema; err == KGR_OK && key->name != NULL; key++)
        if (key->required && !kgr_config_has(kgr_config_root(config), key->name))
            err = wrong(diag, config, NULL, key->name, "is missing, it has no default");
    if (err == KGR_OK) {
        *out = config;
        config = NULL;
    }
out:
    kgr_config_free(config);
    return err;
}

void kgr_config_free(struct kgr_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->num_files; i++)
        free_file(config->files[i]);
    free(config->path);
    free(config);
}

/* Getters */

struct kgr_config_group kgr_config_root(const struct kgr_config *config)
{
    /* The root is no setting of one file: it is looked up in all of them. */
    return (struct kgr_config_group){config, NULL, config->schema};
}

static const config_setting_t *member(struct kgr_config_group group, const char *name)
{
    const config_setting_t *found = NULL;

    if (group.setting != NULL)
        return config_setting_get_member(group.setting, name);
    if (group.keys != group.config->schema)
        return NULL;
    for (size_t i = group.config->num_files; i-- > 0 && found == NULL;)
        found = config_setting_get_member(config_root_setting(&group.config->files[i]->cfg), name);
    return found;
}

static const struct kgr_config_key *key_of(struct kgr_config_group group, const char *name,
                                           enum kgr_config_type type)
{
    const struct kgr_config_key *key = find_key(group.keys, name);

    assert(key != NULL && key->type == type && "the schema has this key, of this type");
    (void)type;
    return key;
}

bool kgr_config_has(struct kgr_config_group group, const char *name)
{
    assert(find_key(group.keys, name) != NULL);
    return member(group, name) != NULL;
}

bool kgr_config_bool(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_BOOL);
    const config_setting_t *setting = member(group, name);

    return setting != NULL ? config_setting_get_bool(setting) == CONFIG_TRUE : key->def != 0;
}

int64_t kgr_config_int(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_INT);
    const config_setting_t *setting = member(group, name);

    return setting != NULL ? config_setting_get_int64(setting) : key->def;
}

const char *kgr_config_text(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_TEXT);
    const config_setting_t *setting = member(group, name);

    return setting != NULL ? config_setting_get_string(setting) : key->def_text;
}

size_t kgr_config_choice(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_TEXT);
    const char *text = kgr_config_text(group, name);
    size_t i = 0;
    bool found = text != NULL && key->choices != NULL && find_choice(&i, key->choices, text);

    assert(found && "a text with choices that is required or has a default");
    (void)found;
    return i;
}

struct kgr_config_group kgr_config_group(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_GROUP);

    return (struct kgr_config_group){group.config, member(group, name), key->keys};
}

size_t kgr_config_count(struct kgr_config_group group, const char *name)
{
    const config_setting_t *setting = member(group, name);

    if (setting == NULL)
        return 0;
    if (config_setting_is_array(setting) || config_setting_is_list(setting))
        return (size_t)config_setting_length(setting);
    return 1;
}

static const config_setting_t *element(struct kgr_config_group group, const char *name, size_t i)
{
    const config_setting_t *setting = member(group, name);

    assert(i < kgr_config_count(group, name));
    if (config_setting_is_array(setting) || config_setting_is_list(setting))
        return config_setting_get_elem(setting, (unsigned)i);
    return setting;
}

const char *kgr_config_text_at(struct kgr_config_group group, const char *name, size_t i)
{
    (void)key_of(group, name, KGR_CONFIG_TEXTS);
    return config_setting_get_string(element(group, name, i));
}

struct kgr_config_group kgr_config_group_at(struct kgr_config_group group, const char *name,
                                            size_t i)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_GROUPS);

    return (struct kgr_config_group){group.config, element(group, name, i), key->keys};
}

enum kgr_error kgr_config_error(struct kgr_diag *diag, struct kgr_config_group group,
                                const char *name, const char *fmt, ...)
{
    const config_setting_t *setting = name != NULL ? member(group, name) : NULL;
    enum kgr_error err;
    va_list args;

    if (setting == NULL)
        setting = group.setting;
    va_start(args, fmt);
    err = refuse(diag, group.config, setting, name, fmt, args);
    va_end(args);
    return err;
}
