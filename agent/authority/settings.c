/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/settings.h"

#include <stdlib.h>

#include "agent/daemon/config.h"
#include "agent/daemon/config_tpm.h"
#include "agent/mqtt/broker_config.h"

const struct kgr_config_key kgr_ac_settings_keys[] = {
    {.name = "state", .type = KGR_CONFIG_TEXT, .def_text = "/var/lib/kgr/ac"},
    {.name = "ks_socket", .type = KGR_CONFIG_TEXT},
    {.name = "broker", .type = KGR_CONFIG_GROUPS, .keys = kgr_broker_keys},
    {.name = "timeout", .type = KGR_CONFIG_INT, .min = 1, .max = 3600, .def = 30},
    {.name = "sandbox", .type = KGR_CONFIG_BOOL, .def = 1},
    {.name = "tpm", .type = KGR_CONFIG_GROUP, .keys = kgr_config_tpm_keys},
    {.name = NULL},
};

/* open_settings leaves mistakes in the configuration; files: those that it names are looked at too. */
static enum kgr_error open_settings(struct kgr_ac_settings *out, const char *path, bool files)
{
    struct kgr_config *config = NULL;
    bool brokers_right;
    enum kgr_error err = kgr_config_open(&config, path, kgr_ac_settings_keys);
    if (err != KGR_OK)
        return err;
    struct kgr_config_group root = kgr_config_root(config);
    out->config = config;
    out->state = kgr_config_text(root, "state");
    struct kgr_config_group tpm = kgr_config_group(root, "tpm");
    out->tpm = (struct kgr_tpm_access){
        .tcti = kgr_config_text(tpm, "tcti"),
        .owner_auth_file = kgr_config_text(tpm, "owner_auth_file"),
        .endorsement_auth_file = kgr_config_text(tpm, "endorsement_auth_file"),
        .handles = kgr_config_text(tpm, "handles"),
    };
    out->sandbox = kgr_config_bool(root, "sandbox");
    out->timeout_s = (uint32_t)kgr_config_int(root, "timeout");
    out->remote = kgr_config_has(root, "broker");
    if (out->remote && kgr_config_has(root, "ks_socket"))
        (void)kgr_config_error(NULL, root, "ks_socket",
                               "and broker exclude each other: orders go one way only");
    kgr_config_check_path(root, "state");
    kgr_config_check_path(root, "ks_socket");
    kgr_config_tpm_check(root, files);
    brokers_right = kgr_brokers_load(&out->brokers, root, NULL) == KGR_OK;
    if (files && brokers_right)
        kgr_brokers_check_files(&out->brokers, root);
    out->ks_socket = kgr_config_text(root, "ks_socket");
    if (out->ks_socket == NULL)
        out->ks_socket = secure_getenv("KGR_KS");
    if (out->ks_socket == NULL || out->ks_socket[0] == '\0')
        out->ks_socket = "/run/kgr/ks.sock";
    return KGR_OK;
}

enum kgr_error kgr_ac_settings_load(struct kgr_ac_settings *out, const char *path,
                                    struct kgr_diag *diag)
{
    enum kgr_error err = open_settings(out, path, false);
    return err == KGR_OK ? kgr_config_result(out->config, diag) : err;
}

enum kgr_error kgr_ac_settings_check(const char *path)
{
    struct kgr_ac_settings settings = {0};
    enum kgr_error err = open_settings(&settings, path, true);
    if (err == KGR_OK)
        err = kgr_config_report(settings.config);
    kgr_ac_settings_deinit(&settings);
    return err;
}

void kgr_ac_settings_deinit(struct kgr_ac_settings *settings)
{
    kgr_config_free(settings->config);
    settings->config = NULL;
}
