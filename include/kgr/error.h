/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Results of every function of KGR that can fail. The numbers are part of libkgr's ABI and of the
 * agent's local protocol (docs/protocol.md, "Local protocol"): they are never reused.
 */
#ifdef __cplusplus
extern "C" {
#endif

enum kgr_error {
    KGR_OK = 0,
    KGR_ERR_FAILED = 1,         /* an internal fault; the agent's log says more */
    KGR_ERR_INVALID = 2,        /* an argument that the caller could have known to be wrong */
    KGR_ERR_NO_AGENT = 3,       /* nobody serves the socket, or it is not the user we trust */
    KGR_ERR_UNKNOWN_PEER = 4,   /* no such peer, key, handle or generation */
    KGR_ERR_NOT_AUTHORIZED = 5, /* the AC or the KS says no, or a PIN is wrong */
    KGR_ERR_TIMEOUT = 6,        /* no answer within the stated time */
    KGR_ERR_TPM = 7,            /* the TPM is missing, failed or refused */
    KGR_ERR_CORRUPT = 8,        /* malformed, truncated or forged data */
    KGR_ERR_CONFIG = 9,         /* a configuration file is wrong */
    KGR_ERR_NO_KEY = 10,        /* the peer is known, its key is not established yet */
    KGR_ERR_NO_MEMORY = 11,
    KGR_ERR_IO = 12,             /* a file, a socket or the database */
    KGR_ERR_QUOTA = 13,          /* a limit of this user, peer or node is spent */
    KGR_ERR_BUSY = 14,           /* try again later */
    KGR_ERR_EXPIRED = 15,        /* key, credential or order past its lifetime */
    KGR_ERR_REVOKED = 16,        /* the pair or node was revoked */
    KGR_ERR_REPLAY = 17,         /* this record or frame was seen before */
    KGR_ERR_LEASE = 18,          /* no word from the KS for longer than the lease */
    KGR_ERR_UNSUPPORTED = 19,    /* a suite, custody, mode or operation that this end cannot do */
    KGR_ERR_VERSION = 20,        /* the other end speaks no version that we speak */
    KGR_ERR_STATE = 21,          /* not possible in the present state */
    KGR_ERR_TOO_LARGE = 22,      /* input longer than the stated limit */
    KGR_ERR_SHORT_BUFFER = 23,   /* the caller's output buffer is too small */
    KGR_ERR_BROKER = 24,         /* the MQTT broker is unreachable or refuses */
    KGR_ERR_NOT_REGISTERED = 25, /* the node is not enrolled */
    KGR_ERR_SUPERSEDED = 26,     /* another exchange for this pair came first */
    KGR_ERR_EXISTS = 27,         /* it is there already */
    KGR_ERR_BUDGET = 28,         /* the key has processed all that it may: it sends no more */
    KGR_ERR_ACCESS = 29,         /* the agent's group access does not let this user do this */
    KGR_ERR_COUNT                /* not an error: one more than the last */
};

/*
 * kgr_strerror returns a short English phrase for err, never NULL, with static lifetime.
 * Thread-safe.
 */
const char *kgr_strerror(enum kgr_error err);

/*
 * kgr_exit_code returns the exit status that KGR's programs use for err (0 to 9).
 * Thread-safe.
 */
int kgr_exit_code(enum kgr_error err);

#ifdef __cplusplus
}
#endif
