/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/settings.h"
#include "agent/node/settings.h"
#include "agent/server/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The pages of section 5 have every key that the parsers know, and no other: `.It Ic KEY Pq TYPE`, with `, live` for those that a reload takes. */

#define MAX_KEYS 256

struct entry {
    char name[64];
    bool live;
    bool found;
};

static struct entry entries[MAX_KEYS];
static size_t num_entries;

static void read_page(const char *name)
{
    char path[512], line[256];
    FILE *page;

    (void)snprintf(path, sizeof(path), "%s/packaging/man/%s", KGR_SOURCE_DIR, name);
    page = fopen(path, "r");
    if (page == NULL)
        fail_msg("%s cannot be read", path);
    num_entries = 0;
    while (fgets(line, sizeof(line), page) != NULL) {
        struct entry *entry = &entries[num_entries];
        char *space;

        if (strncmp(line, ".It Ic ", 7) != 0)
            continue;
        assert_true(num_entries < MAX_KEYS);
        (void)snprintf(entry->name, sizeof(entry->name), "%.60s", line + 7);
        space = strpbrk(entry->name, " \n");
        if (space != NULL)
            *space = '\0';
        entry->live = strstr(line, ", live") != NULL;
        entry->found = false;
        num_entries++;
    }
    assert_int_equal(fclose(page), 0);
}

/* with_live: the program has a reload. */
static void find_keys(const char *page, const struct kgr_config_key *keys, const char *group,
                      bool with_live, bool live)
{
    for (; keys->name != NULL; keys++) {
        bool is_live = with_live && (live || keys->live), found = false;
        char name[64];

        (void)snprintf(name, sizeof(name), "%s%s%s", group, group[0] == '\0' ? "" : ".",
                       keys->name);
        if (keys->type == KGR_CONFIG_GROUP || keys->type == KGR_CONFIG_GROUPS)
            find_keys(page, keys->keys, name, with_live, is_live);
        for (size_t i = 0; i < num_entries; i++) {
            if (strcmp(entries[i].name, name) != 0)
                continue;
            if (entries[i].live != is_live)
                fail_msg("%s: whether %s is live", page, name);
            found = entries[i].found = true;
        }
        /* Of a group of its own kind the keys are enough. */
        if (!found && keys->type != KGR_CONFIG_GROUP)
            fail_msg("packaging/man/%s has no `.It Ic %s`", page, name);
    }
}

static void check(const char *page, const struct kgr_config_key *keys, bool with_live)
{
    read_page(page);
    find_keys(page, keys, "", with_live, false);
    for (size_t i = 0; i < num_entries; i++)
        if (!entries[i].found)
            fail_msg("packaging/man/%s has %s, which is no key", page, entries[i].name);
}

static void agent_page_has_every_key(void **state)
{
    (void)state;
    check("kgr-agent.conf.5", kgr_settings_keys, true);
}

static void ks_page_has_every_key(void **state)
{
    (void)state;
    check("kgr-ks.conf.5", kgr_ks_settings_keys, true);
}

static void ac_page_has_every_key(void **state)
{
    (void)state;
    check("kgr-ac.conf.5", kgr_ac_settings_keys, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agent_page_has_every_key),
        cmocka_unit_test(ks_page_has_every_key),
        cmocka_unit_test(ac_page_has_every_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
