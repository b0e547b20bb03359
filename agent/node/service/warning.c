/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/warning.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/log.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/audit.h"
#include "agent/node/broker.h"
#include "agent/node/service/parts.h"
#include "agent/node/service/service.h"
#include "agent/tpm/worker.h"

#define LOOK_MS 10000u
/* A wall clock that is set by less is being kept, not broken. */
#define JUMP_S       60
#define UNSIGNED_MAX 1024u

const char *kgr_warning_name(enum kgr_warning warning)
{
    static const char *const names[KGR_NUM_WARNINGS] = {
        [KGR_WARNING_BROKER] = "broker",
        [KGR_WARNING_KS] = "ks",
        [KGR_WARNING_LEASE_CLOSE] = "lease_close",
        [KGR_WARNING_LEASE] = "lease",
        [KGR_WARNING_KEY_EXPIRING] = "key_expiring",
        [KGR_WARNING_BUDGET_CLOSE] = "budget_close",
        [KGR_WARNING_TPM] = "tpm",
        [KGR_WARNING_TPM_LOCKOUT] = "tpm_lockout",
        [KGR_WARNING_DISK] = "disk",
        [KGR_WARNING_CLOCK] = "clock",
        [KGR_WARNING_AUDIT] = "audit",
    };

    return names[warning];
}

static void raise_warning(struct kgr_warnings *out, enum kgr_warning warning, const char *fmt, ...)
    KGR_PRINTF(3, 4);
static void raise_warning(struct kgr_warnings *out, enum kgr_warning warning, const char *fmt, ...)
{
    va_list ap;

    out->on[warning] = true;
    va_start(ap, fmt);
    (void)vsnprintf(out->text[warning], sizeof(out->text[warning]), fmt, ap); /* cut to fit */
    va_end(ap);
}

static void look_at_broker(const struct kgr_node *node, struct kgr_warnings *out, uint64_t now_ms)
{
    const char *trouble = node->mqtt == NULL ? "" : kgr_mqtt_trouble(node->mqtt);
    char broker[KGR_BROKER_TEXT_MAX + 1];

    (void)kgr_node_broker(node, broker);
    if (node->lost_ms != 0)
        raise_warning(out, KGR_WARNING_BROKER,
                      "no connection to the broker %.90s for %" PRIu64 " s: %.150s", broker,
                      (now_ms - node->lost_ms) / 1000, trouble);
    else if (trouble[0] != '\0')
        raise_warning(out, KGR_WARNING_BROKER, "broker %.90s: %.150s", broker, trouble);
}

static void look_at_ks(const struct kgr_service *service, struct kgr_warnings *out, uint64_t now_ms)
{
    const struct kgr_node *node = service->node;
    bool is_lost = service->ks_lost;
    uint64_t since = is_lost ? service->silent_since_ms : node->sync.begun_ms;
    uint64_t lease_ms = node->sync.lease_s * UINT64_C(1000);

    if (node->lost_ms == 0 && node->sync.active &&
        (is_lost || now_ms - since >= node->settings->request_timeout_s * UINT64_C(1000)))
        raise_warning(out, KGR_WARNING_KS, "no answer from the KS for %" PRIu64 " s",
                      (now_ms - since) / 1000);
    else if (node->lost_ms == 0 && !kgr_sync_has_lease(&node->sync, now_ms))
        raise_warning(out, KGR_WARNING_LEASE, "no lease from the KS: keys are kept and not used");
    /* A node asks for another one after a third: by now it has missed that twice. */
    if (kgr_sync_has_lease(&node->sync, now_ms) && node->sync.lease_ms - now_ms < lease_ms / 4)
        raise_warning(out, KGR_WARNING_LEASE_CLOSE,
                      "the lease from the KS ends in %" PRIu64 " s: then no key can be used",
                      (node->sync.lease_ms - now_ms) / 1000);
}

/* What of a whole is used when its renewal is overdue: two thirds of what is left after renew_at. */
static uint64_t overdue(uint64_t whole, uint32_t renew_at)
{
    return whole - whole / 100 * (100 - renew_at) / 3;
}

static void look_at_pairs(const struct kgr_node *node, struct kgr_warnings *out, uint64_t now_ms)
{
    uint32_t renew_at = node->settings->renew_at;
    size_t expiring = 0, spent = 0;

    for (size_t i = 0; i < node->pairs.num; i++) {
        struct kgr_pair *pair = node->pairs.list[i];
        const char *peer = pair->ex.s.peer.s;
        const struct kgr_ring_key *key = kgr_ring_sending(node->pairs.ring, &pair->ex.s.peer);
        const struct kgr_pair_records *records;

        if (key == NULL || pair->status != KGR_PAIR_ALLOWED)
            continue;
        records = kgr_pair_find_records(pair, key->generation);
        if (now_ms - key->born_ms >= overdue(key->lifetime_s * UINT64_C(1000), renew_at) &&
            expiring++ == 0)
            raise_warning(out, KGR_WARNING_KEY_EXPIRING,
                          "the key with %s expires in %" PRIu64 " s and has no successor", peer,
                          kgr_ring_key_rest_s(key, now_ms));
        if (records != NULL && records->budget.used >= overdue(node->settings->budget, renew_at) &&
            spent++ == 0)
            raise_warning(out, KGR_WARNING_BUDGET_CLOSE,
                          "the budget of the key with %s is used by %" PRIu64
                          " %% and it has no successor",
                          peer, records->budget.used * 100 / node->settings->budget);
    }
    if (expiring > 1)
        raise_warning(out, KGR_WARNING_KEY_EXPIRING,
                      "keys with %zu peers expire soon and have no successors", expiring);
}

static void look_at_host(const struct kgr_service *service, struct kgr_warnings *out)
{
    const struct kgr_node *node = service->node;
    /* A revoked node has no more use for its TPM. */
    uint64_t failing_ms = node->worker == NULL ? 0 : kgr_tpm_worker_failing(node->worker);
    struct kgr_node_audit_stats audit;

    if (failing_ms != 0)
        raise_warning(out, KGR_WARNING_TPM, "the TPM has failed for %" PRIu64 " s",
                      failing_ms / 1000);
    if (node->worker != NULL && kgr_tpm_worker_lockout(node->worker))
        raise_warning(out, KGR_WARNING_TPM_LOCKOUT,
                      "the TPM is in lockout: somebody tried wrong passwords; our keys still work");
    if (node->disk_failed)
        raise_warning(out, KGR_WARNING_DISK, "%s", KGR_NODE_DISK_FAILED);
    if (service->clock_jump_s != 0)
        raise_warning(out, KGR_WARNING_CLOCK,
                      "the wall clock was set by %" PRId64
                      " s: times in the audit log and in events jump",
                      service->clock_jump_s);
    kgr_node_audit_stats(node, &audit);
    if (audit.lost != 0)
        raise_warning(out, KGR_WARNING_AUDIT,
                      "%" PRIu64 " records of the audit log could not be written", audit.lost);
    else if (audit.unsigned_n > UNSIGNED_MAX)
        raise_warning(out, KGR_WARNING_AUDIT, "%" PRIu64 " records of the audit log are not signed",
                      audit.unsigned_n);
}

void kgr_service_warnings(const struct kgr_service *service, struct kgr_warnings *out,
                          uint64_t now_ms)
{
    const struct kgr_node *node = service->node;

    for (int i = 0; i < KGR_NUM_WARNINGS; i++)
        out->on[i] = false;
    if (node->revoked == 0) { /* else that is all that is wrong now */
        look_at_broker(node, out, now_ms);
        look_at_ks(service, out, now_ms);
        if (node->synced)
            look_at_pairs(node, out, now_ms);
    }
    look_at_host(service, out);
}

static void look_at_clock(struct kgr_service *service, uint64_t now_ms)
{
    const struct kgr_clock_look now = {now_ms, kgr_clock_wall_s()};
    int64_t jump_s = kgr_clock_jump(&service->looked, &now);
    char text[64];

    if (jump_s == 0)
        return;
    service->clock_jump_s = jump_s;
    (void)snprintf(text, sizeof(text), "the wall clock was set by %" PRId64 " s", jump_s);
    kgr_node_audit(service->node,
                   &(struct kgr_audit_event){.what = KGR_AUDIT_SERVICE, .text = text});
}

/* Events of their own tell of broker, KS and disk; keys are told by the machine that should renew them. */
static bool is_told(enum kgr_warning warning)
{
    return warning == KGR_WARNING_BROKER || warning == KGR_WARNING_KS ||
           warning == KGR_WARNING_DISK || warning == KGR_WARNING_KEY_EXPIRING;
}

uint64_t kgr_service_warning_deadline(const struct kgr_service *service)
{
    return service->looked.boot_ms + LOOK_MS;
}

void kgr_service_warning_timer(struct kgr_service *service, uint64_t now_ms)
{
    struct kgr_warnings *now;

    if (now_ms < kgr_service_warning_deadline(service))
        return;
    look_at_clock(service, now_ms);
    now = malloc(sizeof(*now));
    if (now == NULL)
        return; /* the next look comes */
    kgr_service_warnings(service, now, now_ms);
    for (int i = 0; i < KGR_NUM_WARNINGS; i++) {
        if (now->on[i] && !service->warned[i] && !is_told((enum kgr_warning)i)) {
            kgr_error_log("alarm", "name=%s text=\"%s\"", kgr_warning_name((enum kgr_warning)i),
                          now->text[i]);
            kgr_service_happened(service, KGR_EVENT_ALARM, now->text[i]);
        }
        service->warned[i] = now->on[i];
    }
    free(now);
}
