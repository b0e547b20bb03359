/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_parts.h"

#include "agent/base/secret_file.h"
#include "agent/daemon/config_text.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_LEN 1200

/* Where a setting stands */

/* Versions of libconfig differ in whether they put the folder before the name of what is included, and another slash between. */
static const char *included_path(char out[PATH_LEN], const struct kgr_config_file *file,
                                 const char *source)
{
    size_t len = strlen(file->dir);

    if (strncmp(source, file->dir, len) == 0)
        source += len + strspn(source + len, "/");
    else if (source[0] == '/')
        return source;
    (void)snprintf(out, PATH_LEN, "%s%s", file->dir, source); /* cut to fit */
    return out;
}

static const char *file_of(char out[PATH_LEN], const struct kgr_config *config,
                           const config_setting_t *setting)
{
    const char *source = setting != NULL ? config_setting_source_file(setting) : NULL;

    for (size_t i = 0; setting != NULL && i < config->num_files; i++)
        if (setting->config == &config->files[i]->cfg)
            return source != NULL ? included_path(out, config->files[i], source)
                                  : config->files[i]->path;
    return config->path;
}

static unsigned line_of(const config_setting_t *setting)
{
    /* libconfig gives the root, and what is absent, no line. */
    return setting == NULL || config_setting_source_line(setting) == 0
               ? 1
               : config_setting_source_line(setting);
}

static KGR_PRINTF(4, 0) void note(const struct kgr_config *config, const config_setting_t *setting,
                                  const char *name, const char *fmt, va_list args)
{
    char text[512], path[PATH_LEN];
    int len = name == NULL ? 0 : snprintf(text, sizeof(text), "%s ", name);

    (void)vsnprintf(text + len, sizeof(text) - (size_t)len, fmt, args); /* cut to fit */
    kgr_mistakes_add(config->mistakes, file_of(path, config, setting), line_of(setting), text);
}

void kgr_config_note(const struct kgr_config *config, const config_setting_t *setting,
                     const char *name, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    note(config, setting, name, fmt, args);
    va_end(args);
}

/* Reading */

static void free_file(struct kgr_config_file *file)
{
    if (file == NULL)
        return;
    config_destroy(&file->cfg);
    free(file->path);
    free(file->dir);
    free(file);
}

/* What is included stands beside the file that includes it, not wherever the program was started. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 0 : (int)(slash - path) + 1;
    char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0), *dir = NULL;

    if ((path[0] != '/' && cwd == NULL) ||
        asprintf(&dir, "%s%s%.*s", cwd == NULL ? "" : cwd, cwd == NULL ? "" : "/", len, path) < 0)
        dir = NULL;
    free(cwd);
    return dir;
}

static struct kgr_config_file *new_file(const char *path)
{
    struct kgr_config_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return NULL;
    config_init(&file->cfg);
    file->path = strdup(path);
    file->dir = folder_of(path);
    if (file->path == NULL || file->dir == NULL) {
        free_file(file);
        return NULL;
    }
    config_set_include_dir(&file->cfg, file->dir);
    return file;
}

/* check_included looks at the files that settings come from as at those that we open ourselves. */
static void check_included(struct kgr_config *config, const struct kgr_config_file *file,
                           const config_setting_t *group)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *source = config_setting_source_file(setting);
        char *text = NULL, path[PATH_LEN];

        if (source != NULL && kgr_config_text_read(&text, included_path(path, file, source),
                                                   config->mistakes) != KGR_OK)
            config->unread = true;
        free(text);
        if (config_setting_is_aggregate(setting))
            check_included(config, file, setting);
    }
}

static void mark_seen(struct kgr_config *config, const config_setting_t *root)
{
    for (size_t i = 0; i < 64 && config->schema[i].name != NULL; i++)
        if (config_setting_get_member(root, config->schema[i].name) != NULL)
            config->seen |= UINT64_C(1) << i;
}

/* A key without a default stands in no file. */
static void check_missing(const struct kgr_config *config)
{
    char text[96];

    for (size_t i = 0; i < 64 && config->schema[i].name != NULL && !config->unread; i++) {
        if (!config->schema[i].required || (config->seen >> i & 1) != 0)
            continue;
        (void)snprintf(text, sizeof(text), "%s is missing, it has no default",
                       config->schema[i].name);
        kgr_mistakes_add(config->mistakes, config->path, KGR_MISTAKES_LAST, text);
    }
}

static enum kgr_error load_file(struct kgr_config *config, const char *path)
{
    struct kgr_config_file *file;
    char *text = NULL, name[PATH_LEN];
    enum kgr_error err;

    if (config->num_files == KGR_CONFIG_MAX_FILES) {
        kgr_mistakes_add(config->mistakes, path, 0, "more than 64 files");
        return KGR_OK;
    }
    err = kgr_config_text_read(&text, path, config->mistakes);
    if (err == KGR_ERR_CONFIG) {
        config->unread = true;
        return KGR_OK;
    }
    if (err != KGR_OK)
        return err;
    file = new_file(path);
    if (file == NULL) {
        free(text);
        return KGR_ERR_NO_MEMORY;
    }
    if (config_read_string(&file->cfg, text) == CONFIG_TRUE) {
        config->files[config->num_files++] = file;
        mark_seen(config, config_root_setting(&file->cfg));
        check_included(config, file, config_root_setting(&file->cfg));
        kgr_config_check(config, config_root_setting(&file->cfg), config->schema);
    } else {
        const char *included = config_error_file(&file->cfg);

        kgr_mistakes_add(config->mistakes,
                         included != NULL ? included_path(name, file, included) : path,
                         (unsigned)config_error_line(&file->cfg), config_error_text(&file->cfg));
        config->unread = true;
        free_file(file); /* with what was read of it: that is not checked */
    }
    free(text);
    return KGR_OK;
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

static enum kgr_error load_drop_ins(struct kgr_config *config)
{
    struct dirent **entries = NULL;
    enum kgr_error err = KGR_OK;
    char *dir = NULL, *path;
    int num;

    if (asprintf(&dir, "%s.d", config->path) < 0)
        return KGR_ERR_NO_MEMORY;
    num = scandir(dir, &entries, is_drop_in, compare_names);
    if (num < 0 && errno != ENOENT) {
        kgr_mistakes_add(config->mistakes, dir, 0, strerror(errno));
        config->unread = true;
    }
    if (num >= 0 && !kgr_config_folder_check(dir, config->mistakes))
        config->unread = true;
    for (int i = 0; i < num; i++) {
        if (err == KGR_OK) {
            if (asprintf(&path, "%s/%s", dir, entries[i]->d_name) < 0) {
                err = KGR_ERR_NO_MEMORY;
            } else {
                err = load_file(config, path);
                free(path);
            }
        }
        free(entries[i]);
    }
    free(entries);
    free(dir);
    return err;
}

enum kgr_error kgr_config_open(struct kgr_config **out, const char *path,
                               const struct kgr_config_key *schema)
{
    struct kgr_config *config = calloc(1, sizeof(*config));
    enum kgr_error err = KGR_ERR_NO_MEMORY;

    if (config == NULL)
        return err;
    config->schema = schema;
    config->path = strdup(path);
    if (config->path != NULL)
        err = kgr_mistakes_new(&config->mistakes);
    if (err == KGR_OK)
        err = load_file(config, path);
    if (err == KGR_OK)
        err = load_drop_ins(config);
    if (err != KGR_OK) {
        kgr_config_free(config);
        return err;
    }
    check_missing(config);
    *out = config;
    return KGR_OK;
}

const struct kgr_mistakes *kgr_config_mistakes(const struct kgr_config *config)
{
    return config->mistakes;
}

enum kgr_error kgr_config_result(const struct kgr_config *config, struct kgr_diag *diag)
{
    size_t num = kgr_mistakes_num(config->mistakes);

    if (!kgr_mistakes_any(config->mistakes))
        return KGR_OK;
    if (diag != NULL)
        diag->text[0] = '\0'; /* the first one found need not be the first one in the file */
    if (num == 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: wrong, and no memory to say how",
                            config->path);
    if (num == 1)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s", kgr_mistakes_line(config->mistakes, 0));
    return kgr_diag_set(diag, KGR_ERR_CONFIG, "%.200s (1 of %zu mistakes: --check shows all)",
                        kgr_mistakes_line(config->mistakes, 0), num);
}

enum kgr_error kgr_config_report(const struct kgr_config *config)
{
    for (size_t i = 0; i < kgr_mistakes_num(config->mistakes); i++)
        (void)fprintf(stderr, "%s\n", kgr_mistakes_line(config->mistakes, i));
    if (!kgr_mistakes_any(config->mistakes))
        (void)printf("%s: no mistakes\n", config->path);
    return kgr_config_result(config, NULL);
}

enum kgr_error kgr_config_load(struct kgr_config **out, const char *path,
                               const struct kgr_config_key *schema, struct kgr_diag *diag)
{
    struct kgr_config *config = NULL;
    enum kgr_error err = kgr_config_open(&config, path, schema);

    if (err == KGR_OK)
        err = kgr_config_result(config, diag);
    if (err == KGR_OK)
        *out = config;
    else
        kgr_config_free(config);
    return err;
}

void kgr_config_free(struct kgr_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->num_files; i++)
        free_file(config->files[i]);
    kgr_mistakes_free(config->mistakes);
    free(config->path);
    free(config);
}

/* Getters */

const char *kgr_config_path(const struct kgr_config *config)
{
    return config->path;
}

struct kgr_config_group kgr_config_root(const struct kgr_config *config)
{
    /* The root is no setting of one file: it is looked up in all of them. */
    return (struct kgr_config_group){config, NULL, config->schema, NULL};
}

/* in_file finds name in the group of one file; the root's, or one at the top, whose keys are looked up in all files. */
static const config_setting_t *in_file(struct kgr_config_group group, size_t file, const char *name)
{
    const config_setting_t *parent = config_root_setting(&group.config->files[file]->cfg);

    if (group.top != NULL)
        parent = config_setting_get_member(parent, group.top);
    return parent == NULL ? NULL : config_setting_get_member(parent, name);
}

const config_setting_t *kgr_config_member(struct kgr_config_group group, const char *name)
{
    const config_setting_t *found = NULL;

    if (group.top == NULL && group.setting != NULL)
        return config_setting_get_member(group.setting, name);
    if (group.top == NULL && group.keys != group.config->schema)
        return NULL;
    for (size_t i = group.config->num_files; i-- > 0 && found == NULL;)
        found = in_file(group, i, name);
    return found;
}

static const struct kgr_config_key *key_of(struct kgr_config_group group, const char *name,
                                           enum kgr_config_type type)
{
    const struct kgr_config_key *key = kgr_config_find_key(group.keys, name);

    assert(key != NULL && key->type == type && "the schema has this key, of this type");
    (void)type;
    return key;
}

bool kgr_config_has(struct kgr_config_group group, const char *name)
{
    assert(kgr_config_find_key(group.keys, name) != NULL);
    return kgr_config_member(group, name) != NULL;
}

bool kgr_config_bool(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_BOOL);
    const config_setting_t *setting = kgr_config_member(group, name);

    return setting != NULL ? config_setting_get_bool(setting) == CONFIG_TRUE : key->def != 0;
}

int64_t kgr_config_int(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_INT);
    const config_setting_t *setting = kgr_config_member(group, name);

    return setting != NULL ? config_setting_get_int64(setting) : key->def;
}

const char *kgr_config_text(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_TEXT);
    const config_setting_t *setting = kgr_config_member(group, name);

    return setting != NULL ? config_setting_get_string(setting) : key->def_text;
}

size_t kgr_config_choice(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_TEXT);
    const char *text = kgr_config_text(group, name);
    size_t i = 0;
    bool found =
        text != NULL && key->choices != NULL && kgr_config_find_choice(&i, key->choices, text);

    assert(found && "a text with choices that is required or has a default");
    (void)found;
    return i;
}

struct kgr_config_group kgr_config_group(struct kgr_config_group group, const char *name)
{
    const struct kgr_config_key *key = key_of(group, name, KGR_CONFIG_GROUP);
    bool at_top = group.setting == NULL && group.keys == group.config->schema;

    return (struct kgr_config_group){group.config, kgr_config_member(group, name), key->keys,
                                     at_top ? key->name : NULL};
}

size_t kgr_config_count(struct kgr_config_group group, const char *name)
{
    const config_setting_t *setting = kgr_config_member(group, name);

    if (setting == NULL)
        return 0;
    if (config_setting_is_array(setting) || config_setting_is_list(setting))
        return (size_t)config_setting_length(setting);
    return 1;
}

static const config_setting_t *element(struct kgr_config_group group, const char *name, size_t i)
{
    const config_setting_t *setting = kgr_config_member(group, name);

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

    return (struct kgr_config_group){group.config, element(group, name, i), key->keys, NULL};
}

enum kgr_error kgr_config_error(struct kgr_diag *diag, struct kgr_config_group group,
                                const char *name, const char *fmt, ...)
{
    const config_setting_t *setting = name != NULL ? kgr_config_member(group, name) : NULL;
    char text[192], path[PATH_LEN];
    va_list args;

    if (setting == NULL)
        setting = group.setting;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut to fit */
    va_end(args);
    kgr_config_note(group.config, setting, name, "%s", text);
    return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s:%u: %s%s%s", file_of(path, group.config, setting),
                        line_of(setting), name != NULL ? name : "", name != NULL ? " " : "", text);
}

void kgr_config_check_path(struct kgr_config_group group, const char *name)
{
    const char *path = kgr_config_text(group, name);

    if (path != NULL && path[0] != '\0' && path[0] != '/')
        (void)kgr_config_error(NULL, group, name, "must be an absolute path");
}

void kgr_config_check_secret(struct kgr_config_group group, const char *name, bool open)
{
    const char *text = kgr_config_text(group, name);
    struct kgr_diag why = {{0}};
    int fd = -1;

    if (text == NULL || text[0] == '\0')
        return;
    if (!kgr_secret_file_is_named(text))
        (void)kgr_config_error(NULL, group, name, KGR_SECRET_FILE_RULE);
    else if (open && kgr_secret_file_open(&fd, text, &why) != KGR_OK)
        (void)kgr_config_error(NULL, group, name, "%s", why.text);
    if (fd >= 0)
        (void)close(fd); /* only looked at */
}
