/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/error.h>

#include "agent/base/attr.h"

#include <stddef.h>

static const char *const phrases[KGR_ERR_COUNT] = {
    [KGR_OK] = "success",
    [KGR_ERR_FAILED] = "internal failure",
    [KGR_ERR_INVALID] = "invalid argument",
    [KGR_ERR_NO_AGENT] = "no agent at the socket",
    [KGR_ERR_UNKNOWN_PEER] = "unknown peer or key",
    [KGR_ERR_NOT_AUTHORIZED] = "not authorised",
    [KGR_ERR_TIMEOUT] = "timed out",
    [KGR_ERR_TPM] = "TPM missing or failed",
    [KGR_ERR_CORRUPT] = "malformed or forged data",
    [KGR_ERR_CONFIG] = "wrong configuration",
    [KGR_ERR_NO_KEY] = "key not established yet",
    [KGR_ERR_NO_MEMORY] = "out of memory",
    [KGR_ERR_IO] = "input or output failed",
    [KGR_ERR_QUOTA] = "quota exhausted",
    [KGR_ERR_BUSY] = "busy, try again later",
    [KGR_ERR_EXPIRED] = "past its lifetime",
    [KGR_ERR_REVOKED] = "revoked",
    [KGR_ERR_REPLAY] = "seen before",
    [KGR_ERR_LEASE] = "no word from the KS within the lease",
    [KGR_ERR_UNSUPPORTED] = "not supported here",
    [KGR_ERR_VERSION] = "no common protocol version",
    [KGR_ERR_STATE] = "not possible in the present state",
    [KGR_ERR_TOO_LARGE] = "input too large",
    [KGR_ERR_SHORT_BUFFER] = "output buffer too small",
    [KGR_ERR_BROKER] = "MQTT broker unreachable",
    [KGR_ERR_NOT_REGISTERED] = "node not registered",
    [KGR_ERR_SUPERSEDED] = "superseded by another exchange",
    [KGR_ERR_EXISTS] = "exists already",
    [KGR_ERR_BUDGET] = "key has used up its budget",
    [KGR_ERR_ACCESS] = "local access policy refuses",
};

KGR_EXPORT const char *kgr_strerror(enum kgr_error err)
{
    /* The number may come from another version of the library, across a socket. */
    unsigned int i = (unsigned int)err;

    if (i >= KGR_ERR_COUNT || phrases[i] == NULL)
        return "unknown error";
    return phrases[i];
}

KGR_EXPORT int kgr_exit_code(enum kgr_error err)
{
    switch (err) {
    case KGR_OK:
        return 0;
    case KGR_ERR_INVALID:
        return 2;
    case KGR_ERR_NO_AGENT:
        return 3;
    case KGR_ERR_UNKNOWN_PEER:
        return 4;
    case KGR_ERR_NOT_AUTHORIZED:
    case KGR_ERR_REVOKED:
    case KGR_ERR_ACCESS:
        return 5;
    case KGR_ERR_TIMEOUT:
        return 6;
    case KGR_ERR_TPM:
        return 7;
    case KGR_ERR_CORRUPT:
    case KGR_ERR_REPLAY:
        return 8;
    case KGR_ERR_CONFIG:
        return 9;
    default:
        return 1;
    }
}
