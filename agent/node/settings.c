/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/settings.h"

#include "agent/daemon/config.h"
#include "agent/daemon/config_metrics.h"
#include "agent/daemon/config_tpm.h"
#include "agent/mqtt/broker_config.h"
#include "agent/socket/access_config.h"
#include "agent/socket/policy.h"
#include "agent/wire/common.h"

#include <string.h>

static const char *const custodies[] = {"auto", "resident", "sealed", NULL};
static const char *const suites[] = {"AES-128-CBC-HMAC-SHA256", "AES-256-CBC-HMAC-SHA384", NULL};
static const char *const minima[] = {"any", "resident", "mixed",
                                     NULL}; /* as numbered on the wire */
static const char *const establishes[] = {"on-demand", "allowed", "manual", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

static const struct kgr_config_key limit_keys[] = {
    {.name = "connections", .type = KGR_CONFIG_INT, .live = true, .min = 1, .max = 4096, .def = 64},
    {.name = "connections_total", .type = KGR_CONFIG_INT, .min = 1, .max = 4096, .def = 256},
    {.name = "in_flight",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 1,
     .max = 262144,
     .def = 4096},
    {.name = "rate", .type = KGR_CONFIG_INT, .live = true, .min = 0, .max = 100000000, .def = 0},
    {.name = "burst", .type = KGR_CONFIG_INT, .live = true, .min = 0, .max = 100000000, .def = 0},
    {.name = "mac_streams", .type = KGR_CONFIG_INT, .live = true, .min = 1, .max = 1024, .def = 16},
    {.name = "first_use_wait_ms",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 0,
     .max = 60000,
     .def = 5000},
    {.name = "first_use_waits",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 0,
     .max = 1024,
     .def = 64},
    {.name = "waits", .type = KGR_CONFIG_INT, .live = true, .min = 1, .max = 65536, .def = 1024},
    {.name = "inbox_messages",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 1,
     .max = 1048576,
     .def = 1024},
    {.name = "inbox_bytes",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 65536,
     .max = 1 << 30,
     .def = 4 << 20},
    {.name = "inbox_total",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 65536,
     .max = 1 << 30,
     .def = 64 << 20},
    {.name = "events", .type = KGR_CONFIG_INT, .live = true, .min = 2, .max = 65536, .def = 256},
    {.name = "subscribers", .type = KGR_CONFIG_INT, .live = true, .min = 1, .max = 4096, .def = 64},
    {.name = NULL},
};

static const struct kgr_config_key log_keys[] = {
    {.name = "level", .type = KGR_CONFIG_TEXT, .live = true, .choices = levels, .def_text = "info"},
    {.name = NULL},
};

const struct kgr_config_key kgr_settings_keys[] = {
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
    {.name = "establish",
     .type = KGR_CONFIG_TEXT,
     .live = true,
     .choices = establishes,
     .def_text = "on-demand"},
    {.name = "renew_at", .type = KGR_CONFIG_INT, .live = true, .min = 10, .max = 95, .def = 75},
    {.name = "overlap",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 1,
     .max = 30 * 86400,
     .def = 3600},
    {.name = "budget",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 1024,
     .max = INT64_C(1) << 32,
     .def = INT64_C(1) << 32},
    {.name = "request_timeout",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 1,
     .max = 86400,
     .def = 30},
    {.name = "nksk_lifetime",
     .type = KGR_CONFIG_INT,
     .live = true,
     .min = 3,
     .max = 100 * 365 * 86400ll,
     .def = 90 * 86400},
    {.name = "access", .type = KGR_CONFIG_GROUPS, .live = true, .keys = kgr_access_keys},
    {.name = "mirror", .type = KGR_CONFIG_GROUPS, .keys = kgr_mirror_keys},
    {.name = "limits", .type = KGR_CONFIG_GROUP, .keys = limit_keys},
    {.name = "log", .type = KGR_CONFIG_GROUP, .keys = log_keys},
    {.name = "metrics", .type = KGR_CONFIG_GROUP, .keys = kgr_config_metrics_keys},
    {.name = NULL},
};

/* Bit (suite - 1) for each that is named. */
static uint8_t read_suites(struct kgr_config_group root)
{
    uint8_t mask = 0;

    for (size_t i = 0; i < kgr_config_count(root, "suites"); i++)
        mask |= strcmp(kgr_config_text_at(root, "suites", i), suites[0]) == 0 ? 1 : 2;
    return mask;
}

static struct kgr_account_limits read_user_limits(struct kgr_config_group limits)
{
    return (struct kgr_account_limits){
        .connections = (uint32_t)kgr_config_int(limits, "connections"),
        .in_flight = (uint32_t)kgr_config_int(limits, "in_flight"),
        .rate = (uint32_t)kgr_config_int(limits, "rate"),
        .burst = (uint32_t)kgr_config_int(limits, "burst"),
    };
}

static struct kgr_settings read_settings(struct kgr_config *config)
{
    struct kgr_config_group root = kgr_config_root(config);
    struct kgr_config_group tpm = kgr_config_group(root, "tpm");
    struct kgr_config_group limits = kgr_config_group(root, "limits");
    struct kgr_config_group metrics = kgr_config_group(root, "metrics");
    size_t establish = kgr_config_choice(root, "establish");
    size_t custody = kgr_config_choice(root, "custody");
    size_t min_custody = kgr_config_choice(root, "min_custody");
    size_t level = kgr_config_choice(kgr_config_group(root, "log"), "level");

    return (struct kgr_settings){
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
        .user_limits = read_user_limits(limits),
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
        .log_level = (enum kgr_log_level)level,
        .metrics_file = kgr_config_text(metrics, "textfile"),
        .metrics_interval_s = (uint32_t)kgr_config_int(metrics, "interval"),
        .metrics_peers = (uint32_t)kgr_config_int(metrics, "peers"),
    };
}

/* What each key alone may say, and both together not. */
static void check_together(const struct kgr_settings *s, struct kgr_config_group root)
{
    struct kgr_config_group limits = kgr_config_group(root, "limits");

    if (s->custody == KGR_CUSTODY_WANT_SEALED && s->min_custody == KGR_WIRE_RESIDENT)
        (void)kgr_config_error(NULL, root, "min_custody",
                               "is \"resident\", but custody is \"sealed\": no pair could have a "
                               "key");
    if (s->inbox_bytes > s->inbox_total)
        (void)kgr_config_error(NULL, limits, "inbox_bytes",
                               "is %lu for one peer, more than inbox_total, %lu, for all",
                               (unsigned long)s->inbox_bytes, (unsigned long)s->inbox_total);
    if (s->user_limits.connections > s->connections_total)
        (void)kgr_config_error(
            NULL, limits, "connections", "is %lu for one user, more than connections_total, %lu",
            (unsigned long)s->user_limits.connections, (unsigned long)s->connections_total);
    if (s->user_limits.burst != 0 && s->user_limits.rate == 0)
        (void)kgr_config_error(NULL, limits, "burst", "needs rate: without one it bounds nothing");
}

enum kgr_error kgr_settings_open(struct kgr_settings *out, const char *path, bool files)
{
    struct kgr_config *config = NULL;
    struct kgr_config_group root;
    struct kgr_brokers brokers;
    struct kgr_policy *policy = NULL;
    bool brokers_right;
    enum kgr_error err = kgr_config_open(&config, path, kgr_settings_keys);

    if (err != KGR_OK)
        return err;
    *out = read_settings(config);
    root = kgr_config_root(config);
    kgr_config_check_path(root, "state");
    kgr_config_check_path(root, "socket");
    kgr_config_check_secret(root, "pin_file", files);
    kgr_config_tpm_check(root, files);
    kgr_config_metrics_check(root);
    brokers_right = kgr_brokers_load(&brokers, root, NULL) == KGR_OK;
    out->brokers = brokers;
    if (files && brokers_right)
        kgr_brokers_check_files(&brokers, root);
    out->num_mirrors = kgr_mirror_settings_read(out->mirrors, root, files);
    check_together(out, root);
    err = kgr_access_load(&policy, root, NULL);
    out->policy = policy;
    return err == KGR_ERR_CONFIG ? KGR_OK : err; /* noted */
}

enum kgr_error kgr_settings_load(struct kgr_settings *out, const char *path, struct kgr_diag *diag)
{
    struct kgr_settings settings = {0};
    enum kgr_error err = kgr_settings_open(&settings, path, false);

    if (err == KGR_OK)
        err = kgr_config_result(settings.config, diag);
    if (err == KGR_OK)
        *out = settings;
    else
        kgr_settings_deinit(&settings);
    return err;
}

enum kgr_error kgr_settings_check(const char *path)
{
    struct kgr_settings settings = {0};
    enum kgr_error err = kgr_settings_open(&settings, path, true);

    if (err == KGR_OK)
        err = kgr_config_report(settings.config);
    kgr_settings_deinit(&settings);
    return err;
}

void kgr_settings_go_live(struct kgr_settings *running, const struct kgr_settings *next)
{
    running->establish = next->establish;
    running->renew_at = next->renew_at;
    running->overlap_s = next->overlap_s;
    running->budget = next->budget;
    running->request_timeout_s = next->request_timeout_s;
    running->nksk_lifetime_s = next->nksk_lifetime_s;
    running->policy = next->policy;
    running->user_limits = next->user_limits;
    running->mac_streams = next->mac_streams;
    running->first_use_wait_ms = next->first_use_wait_ms;
    running->first_use_waits = next->first_use_waits;
    running->waits = next->waits;
    running->inbox_messages = next->inbox_messages;
    running->inbox_bytes = next->inbox_bytes;
    running->inbox_total = next->inbox_total;
    running->events = next->events;
    running->subscribers = next->subscribers;
    running->log_level = next->log_level;
}

void kgr_settings_deinit(struct kgr_settings *settings)
{
    kgr_policy_unref(settings->policy);
    kgr_config_free(settings->config);
    *settings = (struct kgr_settings){0};
}
