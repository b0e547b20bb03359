/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/mirror/config.h"

#include <string.h>

#include "agent/base/text.h"

const struct kgr_config_key kgr_mirror_keys[] = {
    {.name = "store", .type = KGR_CONFIG_TEXT, .required = true, .min = 1, .max = 1000},
    {.name = "token", .type = KGR_CONFIG_TEXT, .required = true, .min = 1, .max = 32},
    {.name = "pin_file", .type = KGR_CONFIG_TEXT, .required = true},
    {.name = "peers", .type = KGR_CONFIG_TEXTS, .min = 1, .max = KGR_NID_MAX},
    {.name = NULL},
};

/* They stand in lists and in logs. */
static void check_printable(struct kgr_config_group group, const char *name)
{
    const char *text = kgr_config_text(group, name);

    for (; text != NULL && *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            (void)kgr_config_error(NULL, group, name, "must be printable");
            return;
        }
    }
}

static void check_peers(struct kgr_config_group group)
{
    struct kgr_nid peer;

    for (size_t i = 0; i < kgr_config_count(group, "peers"); i++) {
        const char *name = kgr_config_text_at(group, "peers", i);

        if (name != NULL && kgr_nid_set(&peer, name, strlen(name)) != KGR_OK)
            (void)kgr_config_error(NULL, group, "peers", "has what is no N_ID: %s", name);
    }
}

size_t kgr_mirror_settings_read(struct kgr_config_group out[KGR_MIRROR_SETTINGS_MAX],
                                struct kgr_config_group root, bool files)
{
    size_t num = kgr_config_count(root, "mirror");

    if (num > KGR_MIRROR_SETTINGS_MAX) {
        (void)kgr_config_error(NULL, root, "mirror", "has more than %d groups",
                               KGR_MIRROR_SETTINGS_MAX);
        return 0;
    }
    for (size_t i = 0; i < num; i++) {
        struct kgr_config_group group = kgr_config_group_at(root, "mirror", i);

        kgr_config_check_path(group, "store");
        check_printable(group, "store");
        check_printable(group, "token");
        kgr_config_check_secret(group, "pin_file", files);
        check_peers(group);
        out[i] = group;
    }
    return num;
}
