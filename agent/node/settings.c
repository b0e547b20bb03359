/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/settings.h"

#include "agent/base/secret_file.h"
#include "agent/daemon/config.h"
#include "agent/daemon/config_tpm.h"
#include "agent/mqtt/broker_config.h"
#include "agent/socket/access_config.h"
#include "agent/socket/policy.h"

#include <string.h>

static const char *const custodies[] = {"auto", "resident", "sealed", NULL};
static const char *const suites[] = {"AES-128-CBC-HMAC-SHA256", "AES-256-CBC-HMAC-SHA384", NULL};
static const char *const minima[] = {"any", "resident", "mixed",
                                     NULL}; /* as numbered on the wire */
static const char *const establishes[] = {"on-demand", "allowed", "manual", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

static const struct kgr_config_key limit_keys[] = {
    {.name = "connections", .type = KGR_CONFIG_INT, .min = 1, .max = 4096, .def = 64},
    {.name = "connections_total", .type = KGR_CONFIG_INT, .min = 1, .max = 4096, .def = 256},
    {.name = "in_flight", .type = KGR_CONFIG_INT, .min = 1, .max = 262144, .def = 4096},
    {.name = "rate", .type = KGR_CONFIG_INT, .min = 0, .max = 100000000, .def = 0},
    {.name = "burst", .type = KGR_CONFIG_INT, .min = 0, .max = 100000000, .def = 0},
    {.name = "mac_streams", .type = KGR_CONFIG_INT, .min = 1, .max = 1024, .def = 16},
    {.name = "first_use_wait_ms", .type = KGR_CONFIG_INT, .min = 0, .max = 60000, .def = 5000},
    {.name = "first_use_waits", .type = KGR_CONFIG_INT, .min = 0, .max = 1024, .def = 64},
    {.name = "waits", .type = KGR_CONFIG_INT, .min = 1, .max = 65536, .def = 1024},
    {.name = "inbox_messages", .type = KGR_CONFIG_INT, .min = 1, .max = 1048576, .def = 1024},
    {.name = "inbox_bytes", .type = KGR_CONFIG_INT, .min = 65536, .max = 1 << 30, .def = 4 << 20},
    {.name = "inbox_total", .type = KGR_CONFIG_INT, .min = 65536, .max = 1 << 30, .def = 64 << 20},
    {.name = "events", .type = KGR_CONFIG_INT, .min = 2, .max = 65536, .def = 256},
    {.name = "subscribers", .type = KGR_CONFIG_INT, .min = 1, .max = 4096, .def = 64},
    {.name = NULL},
};

static const struct kgr_config_key log_keys[] = {
    {.name = "level", .type = KGR_CONFIG_TEXT, .choices = levels, .def_text = "info"},
    {.name = NULL},
};

static const struct kgr_config_key schema[] = {
    {.name = "state", .type = KGR_CONFIG_TEXT, .def_text = "/var/lib/kgr/agent"},
    {.name = "socket",
     .type = KGR_CONFIG_TEXT,
     .min = 1,
     .max = 107,
     .def_text = "/run/kgr/agent.sock"},
    {.name = "sandbox", .type = KGR_CONFIG_BOOL, .def = 1},
    {.name = "pin_file", .type = KGR_CONFIG_TEXT, .def_text = ""},
    {.name = "tpm", .type = KGR_CONFIG_GROUP, .keys = kgr_config_tpm_keys},
    {.name = "broker", .type = KGR_CONFIG_GROUPS, .keys = kgr_broker_keys},
    {.name = "custody", .type = KGR_CONFIG_TEXT, .choices = custodies, .def_text = "auto"},
    {.name = "min_custody", .type = KGR_CONFIG_TEXT, .choices = minima, .def_text = "any"},
    {.name = "suites", .type = KGR_CONFIG_TEXTS, .choices = suites},
    {.name = "establish", .type = KGR_CONFIG_TEXT, .choices = establishes, .def_text = "on-demand"},
    {.name = "renew_at", .type = KGR_CONFIG_INT, .min = 10, .max = 95, .def = 75},
    {.name = "overlap", .type = KGR_CONFIG_INT, .min = 1, .max = 30 * 86400, .def = 3600},
    {.name = "budget",
     .type = KGR_CONFIG_INT,
     .min = 1024,
     .max = INT64_C(1) << 32,
     .def = INT64_C(1) << 32},
    {.name = "request_timeout", .type = KGR_CONFIG_INT, .min = 1, .max = 86400, .def = 30},
    {.name = "nksk_lifetime",
     .type = KGR_CONFIG_INT,
     .min = 3,
     .max = 100 * 365 * 86400ll,
     .def = 90 * 86400},
    {.name = "access", .type = KGR_CONFIG_GROUPS, .keys = kgr_access_keys},
    {.name = "limits", .type = KGR_CONFIG_GROUP, .keys = limit_keys},
    {.name = "log", .type = KGR_CONFIG_GROUP, .keys = log_keys},
    {.name = NULL},
};

static enum kgr_error check_path(struct kgr_config_group root, const char *name,
                                 struct kgr_diag *diag)
{
    if (kgr_config_text(root, name)[0] == '/')
        return KGR_OK;
    return kgr_config_error(diag, root, name, "must be an absolute path");
}

/* Bit (suite - 1) for each that is named. */
static uint8_t read_suites(struct kgr_config_group root)
{
    uint8_t mask = 0;

    for (size_t i = 0; i < kgr_config_count(root, "suites"); i++)
        mask |= strcmp(kgr_config_text_at(root, "suites", i), suites[0]) == 0 ? 1 : 2;
    return mask;
}

enum kgr_error kgr_settings_load(struct kgr_settings *out, const char *path, struct kgr_diag *diag)
{
    struct kgr_config *config = NULL;
    struct kgr_config_group root, tpm;
    struct kgr_config_group limits;
    size_t custody;
    size_t min_custody;
    struct kgr_brokers brokers;
    struct kgr_policy *policy = NULL;
    size_t level;
    size_t establish;
    enum kgr_error err = kgr_config_load(&config, path, schema, diag);

    if (err != KGR_OK)
        return err;
    root = kgr_config_root(config);
    tpm = kgr_config_group(root, "tpm");
    err = check_path(root, "state", diag);
    if (err == KGR_OK)
        err = check_path(root, "socket", diag);
    if (err == KGR_OK && kgr_config_text(root, "pin_file")[0] != '\0' &&
        !kgr_secret_file_is_named(kgr_config_text(root, "pin_file")))
        err = kgr_config_error(diag, root, "pin_file", KGR_SECRET_FILE_RULE);
    if (err == KGR_OK)
        err = kgr_brokers_load(&brokers, root, diag);
    if (err == KGR_OK)
        err = kgr_access_load(&policy, root, diag);
    if (err != KGR_OK) {
        kgr_config_free(config);
        return err;
    }
    limits = kgr_config_group(root, "limits");
    establish = kgr_config_choice(root, "establish");
    custody = kgr_config_choice(root, "custody");
    min_custody = kgr_config_choice(root, "min_custody");
    level = kgr_config_choice(kgr_config_group(root, "log"), "level");
    *out = (struct kgr_settings){
        .config = config,
        .state = kgr_config_text(root, "state"),
        .socket = kgr_config_text(root, "socket"),
        .sandbox = kgr_config_bool(root, "sandbox"),
        .pin_file = kgr_config_text(root, "pin_file"),
        .tpm =
            {
                .tcti = kgr_config_text(tpm, "tcti"),
                .owner_auth_file = kgr_config_text(tpm, "owner_auth_file"),
                .endorsement_auth_file = kgr_config_text(tpm, "endorsement_auth_file"),
                .handles = kgr_config_text(tpm, "handles"),
            },
        .custody = (enum kgr_custody_wish)custody,
        .min_custody = (uint8_t)min_custody,
        .suites = read_suites(root),
        .nksk_lifetime_s = (uint64_t)kgr_config_int(root, "nksk_lifetime"),
        .establish = (enum kgr_establish)establish,
        .renew_at = (uint32_t)kgr_config_int(root, "renew_at"),
        .overlap_s = (uint32_t)kgr_config_int(root, "overlap"),
        .budget = (uint64_t)kgr_config_int(root, "budget"),
        .request_timeout_s = (uint32_t)kgr_config_int(root, "request_timeout"),
        .policy = policy,
        .user_limits =
            {
                .connections = (uint32_t)kgr_config_int(limits, "connections"),
                .in_flight = (uint32_t)kgr_config_int(limits, "in_flight"),
                .rate = (uint32_t)kgr_config_int(limits, "rate"),
                .burst = (uint32_t)kgr_config_int(limits, "burst"),
            },
        .connections_total = (uint32_t)kgr_config_int(limits, "connections_total"),
        .mac_streams = (uint32_t)kgr_config_int(limits, "mac_streams"),
        .first_use_wait_ms = (uint32_t)kgr_config_int(limits, "first_use_wait_ms"),
        .first_use_waits = (uint32_t)kgr_config_int(limits, "first_use_waits"),
        .waits = (uint32_t)kgr_config_int(limits, "waits"),
        .inbox_messages = (uint32_t)kgr_config_int(limits, "inbox_messages"),
        .inbox_bytes = (uint32_t)kgr_config_int(limits, "inbox_bytes"),
        .inbox_total = (uint32_t)kgr_config_int(limits, "inbox_total"),
        .events = (uint32_t)kgr_config_int(limits, "events"),
        .subscribers = (uint32_t)kgr_config_int(limits, "subscribers"),
        .brokers = brokers,
        .log_level = (enum kgr_log_level)level,
    };
    return KGR_OK;
}

void kgr_settings_deinit(struct kgr_settings *settings)
{
    kgr_policy_unref(settings->policy);
    kgr_config_free(settings->config);
    *settings = (struct kgr_settings){0};
}
