/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/settings.h"

#include <string.h>

#include "agent/daemon/config.h"
#include "agent/daemon/config_metrics.h"
#include "agent/daemon/config_tpm.h"
#include "agent/mqtt/broker_config.h"

static const struct kgr_config_key entropy_keys[] = {
    {.name = "path", .type = KGR_CONFIG_TEXT, .required = true},
    {.name = "min_entropy",
     .type = KGR_CONFIG_INT,
     .min = KGR_ENTROPY_MIN,
     .max = KGR_ENTROPY_MAX,
     .def = 100},
    {0},
};

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

static const struct kgr_config_key log_keys[] = {
    {.name = "level", .type = KGR_CONFIG_TEXT, .live = true, .choices = levels, .def_text = "info"},
    {0},
};

static const char *const custodies[] = {"auto", "resident", "sealed", NULL};
static const char *const suites[] = {"AES-128-CBC-HMAC-SHA256", "AES-256-CBC-HMAC-SHA384", NULL};

const struct kgr_config_key kgr_ks_settings_keys[] = {
    {.name = "state", .type = KGR_CONFIG_TEXT, .def_text = "/var/lib/kgr/ks"},
    {.name = "socket",
     .type = KGR_CONFIG_TEXT,
     .min = 1,
     .max = 107,
     .def_text = "/run/kgr/ks.sock"},
    {.name = "tpm", .type = KGR_CONFIG_GROUP, .keys = kgr_config_tpm_keys},
    {.name = "broker", .type = KGR_CONFIG_GROUPS, .required = true, .keys = kgr_broker_keys},
    {.name = "lifetime",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 4,
     .max = 10 * 366 * 86400,
     .def = 30 * 86400},
    {.name = "lease",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 3,
     .max = 366 * 86400,
     .def = 86400},
    {.name = "advert_keep",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 1,
     .max = 366 * 86400,
     .def = 86400},
    {.name = "custody", .type = KGR_CONFIG_TEXT, .choices = custodies, .def_text = "auto"},
    {.name = "suites", .type = KGR_CONFIG_TEXTS, .choices = suites},
    {.name = "entropy", .type = KGR_CONFIG_GROUPS, .keys = entropy_keys},
    {.name = "entropy_required", .type = KGR_CONFIG_BOOL},
    {.name = "ek_ca", .type = KGR_CONFIG_TEXT, .min = 1, .max = 900},
    {.name = "require_proven_ek", .type = KGR_CONFIG_BOOL},
    {.name = "sandbox", .type = KGR_CONFIG_BOOL, .def = 1},
    {.name = "log", .type = KGR_CONFIG_GROUP, .keys = log_keys},
    {.name = "metrics", .type = KGR_CONFIG_GROUP, .keys = kgr_config_metrics_keys},
    {0},
};

/* Bit (suite - 1) for each that is named. */
static uint8_t read_suites(struct kgr_config_group root)
{
    uint8_t mask = 0;

    for (size_t i = 0; i < kgr_config_count(root, "suites"); i++)
        mask |= strcmp(kgr_config_text_at(root, "suites", i), suites[0]) == 0 ? 1 : 2;
    return mask;
}

/* The sources of randomness beside the TPM. */
static void read_entropy(struct kgr_ks_settings *settings, struct kgr_config_group root)
{
    size_t num = kgr_config_count(root, "entropy");

    settings->entropy_required = kgr_config_bool(root, "entropy_required");
    if (num > KGR_ENTROPY_SOURCES_MAX) {
        (void)kgr_config_error(NULL, root, "entropy", "has more than %u sources",
                               KGR_ENTROPY_SOURCES_MAX);
        num = KGR_ENTROPY_SOURCES_MAX;
    }
    if (settings->entropy_required && num == 0)
        (void)kgr_config_error(NULL, root, "entropy_required",
                               "is set, but entropy names no source");
    for (size_t i = 0; i < num; i++) {
        struct kgr_config_group source = kgr_config_group_at(root, "entropy", i);

        kgr_config_check_path(source, "path");
        settings->entropy[i].path = kgr_config_text(source, "path");
        settings->entropy[i].centibits = (uint32_t)kgr_config_int(source, "min_entropy");
    }
    settings->num_entropy = num;
}

static void check_together(const struct kgr_ks_settings *s, struct kgr_config_group root)
{
    if (s->brokers.num > 0 && s->brokers.list[0].host == NULL)
        (void)kgr_config_error(NULL, root, "broker", "needs a host");
    if (kgr_config_has(root, "advert_keep") && kgr_config_has(root, "lifetime") &&
        s->advert_keep_s > s->lifetime_s)
        (void)kgr_config_error(NULL, root, "advert_keep",
                               "is %lu s, more than lifetime, %lu s: keys would be kept for a peer "
                               "past their end",
                               (unsigned long)s->advert_keep_s, (unsigned long)s->lifetime_s);
}

enum kgr_error kgr_ks_settings_open(struct kgr_ks_conf *out, const char *path, bool files)
{
    struct kgr_config *config = NULL;
    struct kgr_config_group root, tpm, metrics;
    size_t custody, level;
    bool brokers_right;
    enum kgr_error err = kgr_config_open(&config, path, kgr_ks_settings_keys);

    if (err != KGR_OK)
        return err;
    root = kgr_config_root(config);
    tpm = kgr_config_group(root, "tpm");
    metrics = kgr_config_group(root, "metrics");
    custody = kgr_config_choice(root, "custody");
    level = kgr_config_choice(kgr_config_group(root, "log"), "level");
    *out = (struct kgr_ks_conf){
        .config = config,
        .state = kgr_config_text(root, "state"),
        .tpm =
            {
                .tcti = kgr_config_text(tpm, "tcti"),
                .owner_auth_file = kgr_config_text(tpm, "owner_auth_file"),
                .endorsement_auth_file = kgr_config_text(tpm, "endorsement_auth_file"),
                .handles = kgr_config_text(tpm, "handles"),
            },
        .sandbox = kgr_config_bool(root, "sandbox"),
        .log_level = (enum kgr_log_level)level,
        .ks =
            {
                .config = config,
                .socket = kgr_config_text(root, "socket"),
                .lifetime_s = (uint32_t)kgr_config_int(root, "lifetime"),
                .lease_s = (uint32_t)kgr_config_int(root, "lease"),
                .advert_keep_s = (uint32_t)kgr_config_int(root, "advert_keep"),
                .custody = (enum kgr_ks_custody_wish)custody,
                .suites = read_suites(root),
                .ek_ca = kgr_config_text(root, "ek_ca"),
                .only_proven = kgr_config_bool(root, "require_proven_ek"),
            },
    };
    kgr_config_check_path(root, "state");
    kgr_config_check_path(root, "socket");
    kgr_config_check_path(root, "ek_ca");
    kgr_config_tpm_check(root, files);
    kgr_config_metrics_check(root);
    out->ks.metrics_file = kgr_config_text(metrics, "textfile");
    out->ks.metrics_interval_s = (uint32_t)kgr_config_int(metrics, "interval");
    brokers_right = kgr_brokers_load(&out->ks.brokers, root, NULL) == KGR_OK;
    if (files && brokers_right)
        kgr_brokers_check_files(&out->ks.brokers, root);
    read_entropy(&out->ks, root);
    check_together(&out->ks, root);
    return KGR_OK;
}

enum kgr_error kgr_ks_settings_load(struct kgr_ks_conf *out, const char *path,
                                    struct kgr_diag *diag)
{
    struct kgr_ks_conf conf = {0};
    enum kgr_error err = kgr_ks_settings_open(&conf, path, false);

    if (err == KGR_OK)
        err = kgr_config_result(conf.config, diag);
    if (err == KGR_OK)
        *out = conf;
    else
        kgr_ks_settings_deinit(&conf);
    return err;
}

enum kgr_error kgr_ks_settings_check(const char *path)
{
    struct kgr_ks_conf conf = {0};
    enum kgr_error err = kgr_ks_settings_open(&conf, path, true);

    if (err == KGR_OK)
        err = kgr_config_report(conf.config);
    kgr_ks_settings_deinit(&conf);
    return err;
}

void kgr_ks_settings_deinit(struct kgr_ks_conf *conf)
{
    kgr_config_free(conf->config);
    *conf = (struct kgr_ks_conf){0};
}
