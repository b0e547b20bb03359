/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Targets: kgr_config_open, the getters, kgr_config_changes.
 * Input: a configuration file, without includes. Property: there are mistakes, each a line, or none, and then every key can be read;
 * with mistakes too what is read is within its bounds; nothing changed from a configuration to itself.
 */
#include "agent/daemon/config.h"
#include "agent/daemon/mistakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/harness.h"

#define MAX_LEN 4096

static const char *const levels[] = {"low", "high", NULL};

static const struct kgr_config_key inner[] = {
    {.name = "name", .type = KGR_CONFIG_TEXT, .required = true, .min = 1, .max = 16},
    {.name = "num", .type = KGR_CONFIG_INT, .min = -5, .max = 5, .def = 1},
    {.name = "levels", .type = KGR_CONFIG_TEXTS, .choices = levels},
    {.name = NULL},
};

static const struct kgr_config_key schema[] = {
    {.name = "flag", .type = KGR_CONFIG_BOOL, .def = 1, .live = true},
    {.name = "num", .type = KGR_CONFIG_INT, .min = 1, .max = INT64_C(1) << 40, .def = 7},
    {.name = "text", .type = KGR_CONFIG_TEXT, .def_text = "x"},
    {.name = "level", .type = KGR_CONFIG_TEXT, .choices = levels, .def_text = "low"},
    {.name = "texts", .type = KGR_CONFIG_TEXTS, .min = 2, .max = 8, .live = true},
    {.name = "group", .type = KGR_CONFIG_GROUP, .keys = inner},
    {.name = "groups", .type = KGR_CONFIG_GROUPS, .keys = inner},
    {.name = NULL},
};

static void read_inner(struct kgr_config_group group)
{
    int64_t num = kgr_config_int(group, "num");

    fuzz_check(num >= -5 && num <= 5);
    for (size_t i = 0; i < kgr_config_count(group, "levels"); i++)
        fuzz_check(kgr_config_text_at(group, "levels", i)[0] != '\0');
}

static void read_all(const struct kgr_config *config)
{
    struct kgr_config_group root = kgr_config_root(config);
    int64_t num = kgr_config_int(root, "num");

    fuzz_check(num >= 1 && num <= INT64_C(1) << 40);
    fuzz_check(kgr_config_text(root, "text")[0] != '\0');
    fuzz_check(kgr_config_choice(root, "level") < 2);
    (void)kgr_config_bool(root, "flag"); /* either is right */
    for (size_t i = 0; i < kgr_config_count(root, "texts"); i++)
        fuzz_check(strlen(kgr_config_text_at(root, "texts", i)) >= 2);
    read_inner(kgr_config_group(root, "group"));
    for (size_t i = 0; i < kgr_config_count(root, "groups"); i++) {
        struct kgr_config_group group = kgr_config_group_at(root, "groups", i);

        fuzz_check(kgr_config_text(group, "name")[0] != '\0');
        read_inner(group);
    }
}

static void check(const char *path)
{
    struct kgr_config *config = NULL;
    struct kgr_diag diag = {{0}};
    char text[512];

    if (kgr_config_open(&config, path, schema) != KGR_OK)
        return;
    read_all(config);
    fuzz_check(kgr_config_changes(config, config, true, text, sizeof(text)) == 0);
    fuzz_check(kgr_config_changes(config, config, false, text, sizeof(text)) == 0);
    if (kgr_config_result(config, &diag) != KGR_OK) {
        fuzz_check(diag.text[0] != '\0');
        for (size_t i = 0; i < kgr_mistakes_num(kgr_config_mistakes(config)); i++)
            fuzz_check(strchr(kgr_mistakes_line(kgr_config_mistakes(config), i), '\n') == NULL);
        (void)kgr_mistakes_join(kgr_config_mistakes(config), text, sizeof(text));
    }
    kgr_config_free(config);
}

/* libconfig forgets the text that it was reading when it meets a fault. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t copy[MAX_LEN];
    char path[64];
    int fd;

    if (size > sizeof(copy))
        return 0;
    for (size_t i = 0; i < size; i++)
        copy[i] = data[i] == '@' ? '#' : data[i];
    fd = memfd_create("config", MFD_CLOEXEC);
    fuzz_check(fd >= 0 && fchmod(fd, 0600) == 0);
    fuzz_check(write(fd, copy, size) == (ssize_t)size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    check(path);
    (void)close(fd); /* only memory */
    return 0;
}
