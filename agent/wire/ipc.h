/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/* The local protocol: docs/protocol.md, section 11. Slices borrow the decoded input. */
#define KGR_IPC_PACKET_MAX  73728
#define KGR_IPC_HEADER_LEN  16
#define KGR_IPC_VERSION     1
#define KGR_IPC_IN_FLIGHT   64
#define KGR_IPC_NAME_MAX    32
#define KGR_IPC_PROGRAM_MAX 31
#define KGR_IPC_DATA_MAX    65536
#define KGR_IPC_RECORD_MAX  (KGR_IPC_DATA_MAX + 96)
#define KGR_IPC_AAD_MAX     4096
#define KGR_IPC_STIR_MAX    4096
#define KGR_IPC_PIN_MAX     64
#define KGR_IPC_TEXT_MAX    255
#define KGR_IPC_NONE_S      UINT64_MAX /* a time that is not there */

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
    KGR_IPC_SEND = 19,
    KGR_IPC_RECV = 20,
    KGR_IPC_SUBSCRIBE = 21,
    KGR_IPC_EVENT = 22,
    KGR_IPC_REKEY = 23,
    KGR_IPC_KEYS = 25,
    KGR_IPC_PIN = 26,
    KGR_IPC_RING = 27,
    KGR_IPC_SEAL_BATCH = 28,
    KGR_IPC_OPEN_BATCH = 29,
    KGR_IPC_METRICS = 30,
    KGR_IPC_AUDIT = 31,
    KGR_IPC_RELOAD = 32,
    KGR_IPC_MIRROR_ADD = 33,
    KGR_IPC_MIRROR_LIST = 34,
    KGR_IPC_MIRROR_REMOVE = 35,
    KGR_IPC_DIAGNOSIS = 36,
    KGR_IPC_ETM = 37,
    KGR_IPC_ETM_OPEN = 38,
    KGR_IPC_ORDER = 256,
    KGR_IPC_KS_STATUS = 257,
    KGR_IPC_KS_METRICS = 258,
    KGR_IPC_KS_RELOAD = 259,
};

struct kgr_ipc_header {
    uint16_t op;
    bool reply;
    uint32_t id;
    uint32_t status; /* enum kgr_error in a reply, 0 in a request */
};

/* kgr_ipc_header_decode splits a packet; *out_body borrows it. KGR_ERR_CORRUPT, or KGR_ERR_TOO_LARGE. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_header_decode(struct kgr_ipc_header *out,
                                                    struct kgr_slice *out_body,
                                                    struct kgr_slice packet);
void kgr_ipc_header_encode(struct kgr_wr *wr, const struct kgr_ipc_header *in);
/* kgr_ipc_error_encode writes a whole error reply: header and text (cut to fit, NULL is empty). */
KGR_MUST_CHECK enum kgr_error kgr_ipc_error_encode(struct kgr_wr *wr,
                                                   const struct kgr_ipc_header *request,
                                                   enum kgr_error status, const char *text);
/* kgr_ipc_error_decode copies the text of an error reply. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_error_decode(char out[KGR_IPC_TEXT_MAX + 1],
                                                   struct kgr_slice body);

/* A key: a peer and a generation, 0 for the latest. */
struct kgr_ipc_key {
    struct kgr_nid peer;
    uint64_t generation;
};

struct kgr_ipc_hello {
    uint16_t lowest;
    uint16_t highest;
    struct kgr_slice name;
};

struct kgr_ipc_hello_reply {
    uint16_t version;
    struct kgr_slice program; /* version, at most 31 */
    struct kgr_slice node;    /* N_ID, empty when not enrolled */
};

struct kgr_ipc_handle {
    struct kgr_nid peer;
    uint8_t key_len; /* 16 to 64 */
};

struct kgr_ipc_request {
    struct kgr_nid peer;
    uint8_t cause; /* 0 unless ready, 2 renew */
};

struct kgr_ipc_wait {
    struct kgr_nid peer;
    uint64_t generation; /* lowest */
    uint32_t timeout_ms;
};

struct kgr_ipc_rekey {
    bool storage;        /* with a new storage key */
    uint32_t timeout_ms; /* 0: do not wait */
};

struct kgr_ipc_cipher {
    struct kgr_ipc_key key;
    uint8_t direction; /* 1 encrypt, 2 decrypt */
    uint8_t mode;      /* 1 to 5 */
    uint8_t iv[KGR_IV_LEN];
    struct kgr_slice data;
};

struct kgr_ipc_cipher_reply {
    uint8_t iv[KGR_IV_LEN];
    struct kgr_slice data;
};

struct kgr_ipc_mac {
    struct kgr_ipc_key key;
    struct kgr_slice data;
};

struct kgr_ipc_mac_update {
    uint32_t id;
    struct kgr_slice data;
};

/*
 * seal, and open with data the record, which is longer than the KGR_IPC_DATA_MAX bytes that seal takes: the
 * decoder cannot tell them apart, so the service of seal checks that.
 */
struct kgr_ipc_seal {
    struct kgr_nid peer;
    bool stored;
    struct kgr_slice aad;
    struct kgr_slice data;
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_hello_decode(struct kgr_ipc_hello *out,
                                                   struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_hello_encode(struct kgr_wr *wr,
                                                   const struct kgr_ipc_hello *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_hello_reply_decode(struct kgr_ipc_hello_reply *out,
                                                         struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_hello_reply_encode(struct kgr_wr *wr,
                                                         const struct kgr_ipc_hello_reply *in);
/* key, mac_start */
KGR_MUST_CHECK enum kgr_error kgr_ipc_key_decode(struct kgr_ipc_key *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_key_encode(struct kgr_wr *wr, const struct kgr_ipc_key *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_handle_decode(struct kgr_ipc_handle *out,
                                                    struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_handle_encode(struct kgr_wr *wr,
                                                    const struct kgr_ipc_handle *in);
/* resolve: 16 to 64 bytes. The reply: kgr_wire_nid_decode. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_resolve_decode(struct kgr_slice *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_resolve_encode(struct kgr_wr *wr, struct kgr_slice handle);
KGR_MUST_CHECK enum kgr_error kgr_ipc_request_decode(struct kgr_ipc_request *out,
                                                     struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_request_encode(struct kgr_wr *wr,
                                                     const struct kgr_ipc_request *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_wait_decode(struct kgr_ipc_wait *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_wait_encode(struct kgr_wr *wr, const struct kgr_ipc_wait *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_rekey_decode(struct kgr_ipc_rekey *out,
                                                   struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_rekey_encode(struct kgr_wr *wr,
                                                   const struct kgr_ipc_rekey *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_cipher_decode(struct kgr_ipc_cipher *out,
                                                    struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_cipher_encode(struct kgr_wr *wr,
                                                    const struct kgr_ipc_cipher *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_cipher_reply_decode(struct kgr_ipc_cipher_reply *out,
                                                          struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_cipher_reply_encode(struct kgr_wr *wr,
                                                          const struct kgr_ipc_cipher_reply *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_mac_decode(struct kgr_ipc_mac *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_mac_encode(struct kgr_wr *wr, const struct kgr_ipc_mac *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_mac_update_decode(struct kgr_ipc_mac_update *out,
                                                        struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_mac_update_encode(struct kgr_wr *wr,
                                                        const struct kgr_ipc_mac_update *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_seal_decode(struct kgr_ipc_seal *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_seal_encode(struct kgr_wr *wr, const struct kgr_ipc_seal *in);
/* one u32: offset of peers, id of mac_start's reply, mac_final and mac_abort, length of random */
KGR_MUST_CHECK enum kgr_error kgr_ipc_u32_decode(uint32_t *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_u32_encode(struct kgr_wr *wr, uint32_t value);
