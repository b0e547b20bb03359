/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <libconfig.h>

#include "agent/daemon/config.h"
#include "agent/daemon/mistakes.h"

/* Between the files config*.c only. */

#define KGR_CONFIG_MAX_FILES 64u

struct kgr_config_file {
    config_t cfg;
    char *path; /* owned, as the folder */
    char *dir;  /* absolute, ends with a slash: what is included stands in it */
};

struct kgr_config {
    const struct kgr_config_key *schema;
    char *path;                                          /* as given; owned */
    struct kgr_config_file *files[KGR_CONFIG_MAX_FILES]; /* owned; a later one counts more */
    size_t num_files;
    uint64_t seen; /* bit i: the i-th key of the schema stands in a file, right or wrong */
    bool unread;   /* one of them could not be read: what is missing may stand there */
    struct kgr_mistakes *mistakes; /* owned */
};

/* kgr_config_note adds a mistake where setting stands (NULL: the first line of the file); name may be NULL. */
void kgr_config_note(const struct kgr_config *config, const config_setting_t *setting,
                     const char *name, const char *fmt, ...) KGR_PRINTF(4, 5);
const struct kgr_config_key *kgr_config_find_key(const struct kgr_config_key *keys,
                                                 const char *name);
bool kgr_config_find_choice(size_t *out, const char *const *choices, const char *text);
/* kgr_config_check notes what the schema does not allow in the group, and takes it out, so that what is left can be read. */
void kgr_config_check(const struct kgr_config *config, config_setting_t *group,
                      const struct kgr_config_key *keys);
/* kgr_config_member finds the setting that counts for a key of the group; NULL: absent. */
const config_setting_t *kgr_config_member(struct kgr_config_group group, const char *name);
