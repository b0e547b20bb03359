/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/reload.h"

#include "agent/base/log.h"
#include "agent/daemon/config.h"
#include "agent/daemon/mistakes.h"
#include "agent/node/audit.h"
#include "agent/node/node.h"
#include "agent/node/service/service.h"
#include "agent/wire/ipc_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the answer of a reload and its records say. */
struct outcome {
    enum kgr_error err;
    char *text;
    size_t cap;
    char changed[200];
};

static void record(struct kgr_node *node, const char *by, const struct outcome *outcome)
{
    char words[KGR_AUDIT_TEXT_MAX + 1];
    size_t first = strcspn(outcome->text, "\n");
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_RELOAD, .status = outcome->err, .text = words};

    if (outcome->err == KGR_OK) {
        (void)snprintf(words, sizeof(words), "%s: %.90s", by,
                       outcome->changed[0] == '\0' ? "nothing changed" : outcome->changed);
        kgr_info("reload", "by=\"%s\" changed=\"%s\" restart_needed=\"%s\"", by, outcome->changed,
                 outcome->text);
    } else {
        (void)snprintf(words, sizeof(words), "%s: refused: %.*s", by, (int)first, outcome->text);
        kgr_error_log("reload_refused", "by=\"%s\" reason=\"%.*s\"", by, (int)first, outcome->text);
    }
    if (node->audit != NULL)
        kgr_node_audit(node, &event);
}

/* go_live cannot fail any more. The last reloaded settings own the policy that those in use borrow. */
static void go_live(struct kgr_node *node, struct kgr_settings *next)
{
    if (node->settings != &node->live)
        node->live = *node->settings;
    node->settings = &node->live;
    kgr_settings_go_live(&node->live, next);
    kgr_settings_deinit(&node->reloaded);
    node->reloaded = *next;
    *next = (struct kgr_settings){0};
    kgr_log_set_level(node->settings->log_level);
    kgr_service_reloaded(node->service);
    kgr_node_reschedule(node);
}

static void load(struct kgr_node *node, struct kgr_settings *next, struct outcome *outcome)
{
    const struct kgr_config *started = node->settings->config;
    const struct kgr_config *before =
        node->reloaded.config != NULL ? node->reloaded.config : started;
    struct kgr_diag why = {{0}};

    outcome->err = kgr_settings_open(next, kgr_config_path(started), true);
    if (outcome->err == KGR_OK)
        outcome->err = kgr_config_result(next->config, &why);
    if (outcome->err == KGR_OK)
        outcome->err = kgr_service_set_rights(node->service, next->policy, &next->user_limits);
    if (outcome->err == KGR_OK) {
        (void)kgr_config_changes(before, next->config, true, outcome->changed,
                                 sizeof(outcome->changed));
        (void)kgr_config_changes(started, next->config, false, outcome->text, outcome->cap);
        go_live(node, next);
    } else if (outcome->err == KGR_ERR_CONFIG &&
               kgr_mistakes_num(kgr_config_mistakes(next->config)) > 0) {
        (void)kgr_mistakes_join(kgr_config_mistakes(next->config), outcome->text, outcome->cap);
    } else {
        (void)snprintf(outcome->text, outcome->cap, "%s", kgr_diag_text(&why, outcome->err));
    }
}

enum kgr_error kgr_node_reload(struct kgr_node *node, const char *by, char *text, size_t cap)
{
    struct outcome outcome = {.err = KGR_ERR_NO_MEMORY, .text = text, .cap = cap};
    struct kgr_settings *next;

    text[0] = '\0';
    if (node->settings->config == NULL || node->service == NULL) {
        outcome.err = KGR_ERR_STATE;
        (void)snprintf(text, cap, "there is no configuration to be read anew");
        return outcome.err;
    }
    next = calloc(1, sizeof(*next));
    if (next != NULL) {
        load(node, next, &outcome);
        kgr_settings_deinit(next);
    }
    free(next);
    record(node, by, &outcome);
    return outcome.err;
}

void kgr_node_on_hangup(void *node)
{
    char *text = malloc(KGR_IPC_RELOAD_TEXT_MAX + 1);

    if (text == NULL ||
        kgr_node_reload(node, "signal", text, KGR_IPC_RELOAD_TEXT_MAX + 1) != KGR_OK)
        kgr_warn("reload", "signal=HUP result=unchanged");
    free(text);
}
