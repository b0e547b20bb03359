/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/collect.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ctl/doctor/child.h"

#define MODULE "libkgr-pkcs11.so"

/* Asks openssl for what it prints as NAME: "VALUE". */
static void ask_folder(char *out, size_t cap, const char *option)
{
    const char *const argv[] = {"openssl", "version", option, NULL};
    int code = 0;
    char *text = kgr_child_run(argv, &code);
    const char *from = text == NULL ? NULL : strchr(text, '"');
    const char *to = from == NULL ? NULL : strchr(from + 1, '"');

    out[0] = '\0';
    if (to != NULL)
        (void)snprintf(out, cap, "%.*s", (int)(to - from - 1), from + 1);
    free(text);
}

/* A line of the file, comments aside, has word in it. */
static bool mentions(const char *path, const char *word)
{
    FILE *file = fopen(path, "re");
    char line[512];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "#")] = '\0';
        found = strstr(line, word) != NULL;
    }
    (void)fclose(file);
    return found;
}

/* The block of provider kgr in the output of `openssl list -providers`. */
static void read_providers(struct kgr_door_facts *doors, const char *text)
{
    const char *block = strstr(text, "\n  kgr\n");
    const char *version;

    if (block == NULL)
        return;
    doors->provider_active = strstr(block, "status: active") != NULL;
    version = strstr(block, "version: ");
    if (version != NULL) {
        version += strlen("version: ");
        (void)snprintf(doors->provider_version, sizeof(doors->provider_version), "%.*s",
                       (int)strcspn(version, "\n"), version);
    }
}

static void find_conf(struct kgr_door_facts *doors)
{
    const char *conf = secure_getenv("OPENSSL_CONF");
    char folder[KGR_FACT_PATH_MAX / 2];

    if (conf != NULL && conf[0] != '\0') {
        (void)snprintf(doors->openssl_conf, sizeof(doors->openssl_conf), "%s", conf);
        return;
    }
    ask_folder(folder, sizeof(folder), "-d");
    (void)snprintf(doors->openssl_conf, sizeof(doors->openssl_conf), "%s/openssl.cnf", folder);
}

static void find_provider(struct kgr_door_facts *doors)
{
    const char *modules = secure_getenv("OPENSSL_MODULES");
    char folder[KGR_FACT_PATH_MAX / 2], path[KGR_FACT_PATH_MAX];

    if (modules == NULL || modules[0] == '\0') {
        ask_folder(folder, sizeof(folder), "-m");
        modules = folder;
    }
    (void)snprintf(path, sizeof(path), "%.400s/kgr.so", modules);
    doors->provider_installed = access(path, R_OK) == 0;
}

static void look_at_openssl(struct kgr_door_facts *doors)
{
    static const char *const argv[] = {"openssl", "list", "-providers", NULL};
    int code = 0;
    char *text = kgr_child_run(argv, &code);

    doors->openssl_ran = text != NULL;
    if (text == NULL)
        return;
    read_providers(doors, text);
    free(text);
    find_conf(doors);
    find_provider(doors);
    doors->provider_named = mentions(doors->openssl_conf, "kgr");
}

/* module: PATH of a file of p11-kit; a path without a folder stands where p11-kit looks. */
static bool read_module(struct kgr_door_facts *doors, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[512];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        const char *value = line + strspn(line, " \t");

        if (strncmp(value, "module:", 7) != 0 || strstr(value, MODULE) == NULL)
            continue;
        found = true;
        value += 7;
        value += strspn(value, " \t");
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(doors->module_path, sizeof(doors->module_path), "%s%s",
                       value[0] == '/' ? "" : KGR_P11_MODULES "/", value);
        (void)snprintf(doors->module_file, sizeof(doors->module_file), "%s", path);
        doors->module_exists = access(doors->module_path, R_OK) == 0;
    }
    (void)fclose(file);
    return found;
}

static bool search(struct kgr_door_facts *doors, const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    bool found = false;

    if (dir == NULL)
        return false;
    while (!found && (entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        char path[KGR_FACT_PATH_MAX];

        if (len < 8 || strcmp(entry->d_name + len - 7, ".module") != 0)
            continue;
        (void)snprintf(path, sizeof(path), "%.250s/%.255s", folder, entry->d_name);
        found = read_module(doors, path);
    }
    (void)closedir(dir);
    return found;
}

/*
 * The files of p11-kit are read here: `p11-kit list-modules` would load every module there is, and some of those make files of
 * their own or talk to the TPM.
 */
static void look_at_p11_kit(struct kgr_door_facts *doors)
{
    const char *home = secure_getenv("XDG_CONFIG_HOME");
    const char *below = "pkcs11/modules";
    char own[KGR_FACT_PATH_MAX];

    if (home == NULL || home[0] == '\0') {
        home = secure_getenv("HOME");
        below = ".config/pkcs11/modules";
    }
    (void)snprintf(own, sizeof(own), "%s/%s", home == NULL ? "" : home, below);
    if (!search(doors, own) && !search(doors, "/etc/pkcs11/modules"))
        (void)search(doors, KGR_P11_CONFIGS);
    doors->module_installed = access(KGR_P11_MODULES "/" MODULE, R_OK) == 0;
}

void kgr_collect_doors(struct kgr_facts *facts)
{
    look_at_openssl(&facts->doors);
    look_at_p11_kit(&facts->doors);
}
