/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/*
 * Configuration files in libconfig's syntax, checked as a whole against a schema when they are read:
 * an unknown key, a wrong type, a value out of range or a missing key is a mistake
 * `FILE:LINE: what is wrong, and the remedy`. What was loaded is therefore right, and the getters
 * cannot fail.
 */
enum kgr_config_type {
    KGR_CONFIG_BOOL,
    KGR_CONFIG_INT,    /* min <= value <= max */
    KGR_CONFIG_TEXT,   /* min to max bytes long, or one of choices */
    KGR_CONFIG_TEXTS,  /* a text, or an array or list of 1 or more such texts, in order */
    KGR_CONFIG_GROUP,  /* one { } with the keys of keys */
    KGR_CONFIG_GROUPS, /* a group, or a list of 1 or more such groups, in order */
};

/* A schema is an array of keys that ends with a NULL name; static const, it must outlive the configuration. */
struct kgr_config_key {
    const char *name;
    enum kgr_config_type type;
    bool required;        /* else the default holds: absent groups have all defaults */
    int64_t min, max;     /* INT, TEXT(S); both 0: any INT from 0, any TEXT of 1 to 1,023 bytes */
    int64_t def;          /* default of INT and BOOL */
    const char *def_text; /* default of TEXT; may be NULL */
    const char *const *choices; /* TEXT(S): the only values allowed, ended by NULL; or NULL */
    const struct kgr_config_key *keys; /* GROUP(S) */
    bool
        live; /* a change counts from a reload on; of GROUPS for all that is in them, of a GROUP each key for itself */
};

struct kgr_config;
struct kgr_mistakes;

/* A group within a loaded configuration; small, passed by value, valid as long as the configuration. */
struct kgr_config_group {
    const struct kgr_config *config;
    const void *setting; /* NULL: absent */
    const struct kgr_config_key *keys;
    const char *top; /* name of a GROUP at the top level: its keys may come from several files */
};

/*
 * kgr_config_open reads path, then every *.conf of the folder path + ".d" in bytewise order, if there is one. A key of a
 * later file counts instead of the same key of an earlier one, key by key within a GROUP at the top level; lists and
 * GROUPS are replaced as a whole. Files may include others (libconfig's @include, relative to their own folder). Files that
 * belong to another user than root and ours, or that others may write, are mistakes.
 *
 * It succeeds with mistakes too: what is wrong is noted and left out, so that the checks beyond the schema can be made for the
 * rest, and noted by kgr_config_error. Then kgr_config_result says whether there was any. KGR_ERR_NO_MEMORY.
 */
KGR_MUST_CHECK enum kgr_error kgr_config_open(struct kgr_config **out, const char *path,
                                              const struct kgr_config_key *schema);
/* kgr_config_result: KGR_ERR_CONFIG with the first mistake in diag. */
KGR_MUST_CHECK enum kgr_error kgr_config_result(const struct kgr_config *config,
                                                struct kgr_diag *diag);
const struct kgr_mistakes *kgr_config_mistakes(const struct kgr_config *config);
/* kgr_config_report prints every mistake on stderr, a line each, or on stdout that there is none; result as above. */
KGR_MUST_CHECK enum kgr_error kgr_config_report(const struct kgr_config *config);
/*
 * kgr_config_check_path notes a text that is no absolute path, kgr_config_check_secret one that names no file with a secret
 * (agent/base/secret_file.h), and with open also a file that is not fit to hold one. Absent and empty texts are none.
 */
void kgr_config_check_path(struct kgr_config_group group, const char *name);
void kgr_config_check_secret(struct kgr_config_group group, const char *name, bool open);
/* kgr_config_load is both, for those who look no further. */
KGR_MUST_CHECK enum kgr_error kgr_config_load(struct kgr_config **out, const char *path,
                                              const struct kgr_config_key *schema,
                                              struct kgr_diag *diag);
/* kgr_config_path borrows the path that it was opened with. */
const char *kgr_config_path(const struct kgr_config *config);
/*
 * kgr_config_changes writes the names of the keys that say something else in now than in before, those that are live or those that
 * are not, with commas between; cut to fit. How many there are.
 */
size_t kgr_config_changes(const struct kgr_config *before, const struct kgr_config *now, bool live,
                          char *out, size_t cap);
/* kgr_config_free accepts NULL; texts and groups borrowed from it die with it. */
void kgr_config_free(struct kgr_config *config);
struct kgr_config_group kgr_config_root(const struct kgr_config *config);

/* The getters assert that name stands in the schema with that type. */
bool kgr_config_has(struct kgr_config_group group, const char *name);
bool kgr_config_bool(struct kgr_config_group group, const char *name);
int64_t kgr_config_int(struct kgr_config_group group, const char *name);
/* kgr_config_text borrows; NULL when absent without a default. */
const char *kgr_config_text(struct kgr_config_group group, const char *name);
/* kgr_config_choice returns the index of a TEXT in its choices. The key needs a default or `required`. */
size_t kgr_config_choice(struct kgr_config_group group, const char *name);
struct kgr_config_group kgr_config_group(struct kgr_config_group group, const char *name);
/* TEXTS and GROUPS: how many (0 when absent), and the i-th of them. */
size_t kgr_config_count(struct kgr_config_group group, const char *name);
const char *kgr_config_text_at(struct kgr_config_group group, const char *name, size_t i);
struct kgr_config_group kgr_config_group_at(struct kgr_config_group group, const char *name,
                                            size_t i);

/*
 * kgr_config_error is for checks beyond the schema: it notes a mistake, sets diag to `FILE:LINE: NAME ` and the text, where
 * name (or NULL for the group itself) stands, and returns KGR_ERR_CONFIG.
 */
enum kgr_error kgr_config_error(struct kgr_diag *diag, struct kgr_config_group group,
                                const char *name, const char *fmt, ...) KGR_PRINTF(4, 5);
