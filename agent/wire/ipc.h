/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"

/*
 * The local protocol (docs/protocol.md, "Local protocol"): header and hello. Requests are in agent/wire/ipc_request.h, what the
 * agent and the KS tell of themselves in agent/wire/ipc_status.h. For encoders and decoders see
 * agent/wire/body_registration.h.
 *
 * Bodies that are one run of bytes (handle, MAC, record, random, order) have no codec: the body is
 * the value.
 */

#define KGR_IPC_MAX        73728 /* one packet */
#define KGR_IPC_HEADER_LEN 16
#define KGR_IPC_BODY_MAX   (KGR_IPC_MAX - KGR_IPC_HEADER_LEN)
#define KGR_IPC_IN_FLIGHT  64 /* requests of a connection under way */
#define KGR_IPC_VERSION    1

enum kgr_ipc_op {
    KGR_IPC_HELLO = 1,
    KGR_IPC_STATUS = 2,
    KGR_IPC_PEERS = 3,
    KGR_IPC_KEY = 4,
    KGR_IPC_HANDLE = 5,
    KGR_IPC_RESOLVE = 6,
    KGR_IPC_REQUEST = 7,
    KGR_IPC_WAIT = 8,
    KGR_IPC_CIPHER = 9,
    KGR_IPC_MAC = 10,
    KGR_IPC_MAC_START = 11,
    KGR_IPC_MAC_UPDATE = 12,
    KGR_IPC_MAC_FINAL = 13,
    KGR_IPC_MAC_ABORT = 14,
    KGR_IPC_SEAL = 15,
    KGR_IPC_OPEN = 16,
    KGR_IPC_RANDOM = 17,
    KGR_IPC_STIR = 18,
    KGR_IPC_ORDER = 256,
    KGR_IPC_KS_STATUS = 257,
};

struct kgr_ipc_header {
    uint16_t op; /* enum kgr_ipc_op, or a number that the receiver does not know */
    bool reply;
    uint32_t id;           /* chosen by the client, echoed */
    enum kgr_error status; /* KGR_OK in a request */
};

/* kgr_ipc_header_encode appends the 16 bytes; the body follows in the same packet. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_header_encode(struct kgr_wr *wr,
                                                    const struct kgr_ipc_header *m);
/* kgr_ipc_header_decode takes a packet apart; *out_body is borrowed. KGR_ERR_CORRUPT. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_header_decode(struct kgr_ipc_header *out,
                                                    struct kgr_slice *out_body,
                                                    struct kgr_slice packet);

#define KGR_IPC_NAME_MAX    32
#define KGR_IPC_PROGRAM_MAX 31

struct kgr_ipc_hello {
    uint16_t lowest;
    uint16_t highest; /* not below lowest */
    char name[KGR_IPC_NAME_MAX + 1];
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_hello_encode(struct kgr_wr *wr,
                                                   const struct kgr_ipc_hello *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_hello_decode(struct kgr_ipc_hello *out,
                                                   struct kgr_slice body);

struct kgr_ipc_welcome {
    uint16_t version; /* chosen by the server */
    char program[KGR_IPC_PROGRAM_MAX + 1];
    struct kgr_nid nid; /* empty when not enrolled */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_welcome_encode(struct kgr_wr *wr,
                                                     const struct kgr_ipc_welcome *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_welcome_decode(struct kgr_ipc_welcome *out,
                                                     struct kgr_slice body);
