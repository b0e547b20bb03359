/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/daemon/mistakes.h"
#include "agent/server/ks.h"
#include "agent/server/orders/audit.h"
#include "agent/server/settings.h"
#include "agent/wire/ipc_status.h"

#define TEXT_LEN (KGR_IPC_RELOAD_TEXT_MAX + 1)

static void record(struct kgr_ks *ks, const char *by, enum kgr_error result, const char *text,
                   const char *changed)
{
    char words[KGR_AUDIT_TEXT_MAX + 1];
    int first = (int)strcspn(text, "\n");
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_RELOAD, .status = result, .text = words};
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (result == KGR_OK) {
        (void)snprintf(words, sizeof(words), "%s: %.90s", by,
                       changed[0] == '\0' ? "nothing changed" : changed);
        kgr_info("reload", "by=\"%s\" changed=\"%s\" restart_needed=\"%s\"", by, changed, text);
    } else {
        (void)snprintf(words, sizeof(words), "%s: refused: %.*s", by, first, text);
        kgr_error_log("reload_refused", "by=\"%s\" reason=\"%.*s\"", by, first, text);
    }
    err = kgr_ks_begin(ks);
    if (err == KGR_OK)
        err = kgr_ks_audit(ks, &event, &diag);
    kgr_ks_end(ks, err, &diag);
}

static enum kgr_error reload(struct kgr_ks *ks, const char *by, char text[TEXT_LEN])
{
    struct kgr_ks_conf next = {0};
    struct kgr_diag why = {{0}};
    char changed[200] = "";
    enum kgr_error err = kgr_ks_settings_open(&next, kgr_config_path(ks->settings.config), true);

    if (err == KGR_OK)
        err = kgr_config_result(next.config, &why);
    if (err == KGR_OK) {
        (void)kgr_config_changes(ks->settings.config, next.config, true, changed, sizeof(changed));
        (void)kgr_config_changes(ks->settings.config, next.config, false, text, TEXT_LEN);
        ks->settings.lifetime_s = next.ks.lifetime_s;
        ks->settings.lease_s = next.ks.lease_s;
        ks->settings.advert_keep_s = next.ks.advert_keep_s;
        kgr_log_set_level(next.log_level);
    } else if (err == KGR_ERR_CONFIG && kgr_mistakes_num(kgr_config_mistakes(next.config)) > 0) {
        (void)kgr_mistakes_join(kgr_config_mistakes(next.config), text, TEXT_LEN);
    } else {
        (void)snprintf(text, TEXT_LEN, "%s", kgr_diag_text(&why, err));
    }
    kgr_ks_settings_deinit(&next);
    record(ks, by, err, text, changed);
    return err;
}

void kgr_ks_reload_reply(struct kgr_ks *ks, const struct kgr_server_request *request)
{
    struct kgr_ipc_reload reply = {.refused = false};
    uint8_t *body = malloc(3 + KGR_IPC_RELOAD_TEXT_MAX);
    char *text = malloc(TEXT_LEN), by[24];
    struct kgr_wr wr;
    enum kgr_error err = body == NULL || text == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    (void)snprintf(by, sizeof(by), "uid %u", (unsigned)request->peer.uid);
    if (err == KGR_OK) {
        text[0] = '\0';
        reply.refused = reload(ks, by, text) != KGR_OK;
        reply.text = kgr_slice(text, strlen(text));
        kgr_wr_init(&wr, body, 3 + KGR_IPC_RELOAD_TEXT_MAX);
        err = kgr_ipc_reload_encode(&wr, &reply);
    }
    if (err == KGR_OK)
        kgr_server_reply(ks->server, request->call, KGR_OK, kgr_wr_slice(&wr));
    else
        kgr_server_fail(ks->server, request->call, err, NULL);
    free(text);
    free(body);
}

void kgr_ks_on_hangup(void *arg)
{
    char *text = malloc(TEXT_LEN);

    if (text == NULL) {
        kgr_error_log("reload_refused", "by=\"signal\" reason=\"out of memory\"");
        return;
    }
    text[0] = '\0';
    if (reload(arg, "signal", text) != KGR_OK)
        kgr_warn("reload", "signal=HUP result=unchanged");
    free(text);
}
