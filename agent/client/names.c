/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include "agent/base/attr.h"

KGR_EXPORT const char *kgr_state_name(enum kgr_pair_state state)
{
    switch (state) {
    case KGR_STATE_IDLE:
        return "idle";
    case KGR_STATE_REQUESTING:
        return "requesting";
    case KGR_STATE_WAITING:
        return "waiting";
    case KGR_STATE_READY:
        return "ready";
    case KGR_STATE_RENEWING:
        return "renewing";
    case KGR_STATE_REVOKED:
        return "revoked";
    case KGR_STATE_FAILED:
        return "failed";
    default:
        return "unknown";
    }
}

KGR_EXPORT const char *kgr_custody_name(enum kgr_custody custody)
{
    switch (custody) {
    case KGR_CUSTODY_NONE:
        return "none";
    case KGR_CUSTODY_RESIDENT:
        return "resident";
    case KGR_CUSTODY_MIXED:
        return "mixed";
    case KGR_CUSTODY_SEALED:
        return "sealed";
    default:
        return "unknown";
    }
}

KGR_EXPORT const char *kgr_refusal_name(enum kgr_refusal refusal)
{
    static const char *const names[KGR_REFUSAL_COUNT] = {
        "retained", "size", "format", "key", "state", "replay", "full", "tag",
    };

    return (unsigned int)refusal < KGR_REFUSAL_COUNT ? names[refusal] : "unknown";
}

KGR_EXPORT const char *kgr_event_name(enum kgr_event_type type)
{
    static const char *const names[] = {
        [KGR_EVENT_KEY_READY] = "key-ready",
        [KGR_EVENT_KEY_RENEWED] = "key-renewed",
        [KGR_EVENT_REVOKED] = "revoked",
        [KGR_EVENT_FAILED] = "failed",
        [KGR_EVENT_MESSAGE] = "message",
        [KGR_EVENT_OVERFLOW] = "overflow",
        [KGR_EVENT_ALARM] = "alarm",
        [KGR_EVENT_BROKER_LOST] = "broker-lost",
        [KGR_EVENT_BROKER_BACK] = "broker-back",
        [KGR_EVENT_KS_LOST] = "ks-lost",
        [KGR_EVENT_KS_BACK] = "ks-back",
        [KGR_EVENT_LOST] = "lost",
    };
    unsigned int i = (unsigned int)type;

    return i >= KGR_EVENT_KEY_READY && i <= KGR_EVENT_LOST ? names[i] : "unknown";
}

KGR_EXPORT const char *kgr_suite_name(enum kgr_suite_id suite)
{
    switch (suite) {
    case KGR_SUITE_NONE:
        return "none";
    case KGR_SUITE_AES_128_CBC_HMAC_SHA256:
        return "AES-128-CBC-HMAC-SHA256";
    case KGR_SUITE_AES_256_CBC_HMAC_SHA384:
        return "AES-256-CBC-HMAC-SHA384";
    default:
        return "unknown";
    }
}
