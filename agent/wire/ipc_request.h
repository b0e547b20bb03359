/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/suite.h"
#include "agent/base/text.h"
#include "agent/wire/record.h"

/*
 * Requests of the local protocol, and replies that are more than a run of bytes. For encoders and
 * decoders see agent/wire/body_registration.h.
 */

#define KGR_IPC_DATA_MAX 65536
#define KGR_IPC_STIR_MAX 4096
#define KGR_HANDLE_MIN   16
#define KGR_HANDLE_MAX   64
#define KGR_HANDLE_MAGIC "KGRh\0\1" /* 6 bytes */
#define KGR_LABEL_HANDLE "KGR handle 1"

/* Ops key and mac_start; also the reply of resolve, with the generation left out. */
struct kgr_ipc_key {
    struct kgr_nid peer;
    uint64_t generation; /* 0: latest */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_key_encode(struct kgr_wr *wr, const struct kgr_ipc_key *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_key_decode(struct kgr_ipc_key *out, struct kgr_slice body);

/* The request of peers (offset), mac_final and mac_abort (id), random (length at most
 * KGR_IPC_DATA_MAX, to be checked by the caller), and the reply of mac_start (id). */
KGR_MUST_CHECK enum kgr_error kgr_ipc_u32_encode(struct kgr_wr *wr, uint32_t value);
KGR_MUST_CHECK enum kgr_error kgr_ipc_u32_decode(uint32_t *out, struct kgr_slice body);

/* The reply of resolve. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_nid_encode(struct kgr_wr *wr, const struct kgr_nid *nid);
KGR_MUST_CHECK enum kgr_error kgr_ipc_nid_decode(struct kgr_nid *out, struct kgr_slice body);

struct kgr_ipc_handle {
    struct kgr_nid peer;
    uint8_t key_len; /* KGR_HANDLE_MIN to KGR_HANDLE_MAX */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_handle_encode(struct kgr_wr *wr,
                                                    const struct kgr_ipc_handle *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_handle_decode(struct kgr_ipc_handle *out,
                                                    struct kgr_slice body);

/* The request of resolve: the handle, KGR_HANDLE_MIN to KGR_HANDLE_MAX bytes. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_resolve_encode(struct kgr_wr *wr, struct kgr_slice handle);
KGR_MUST_CHECK enum kgr_error kgr_ipc_resolve_decode(struct kgr_slice *out, struct kgr_slice body);

enum kgr_ipc_cause {
    KGR_IPC_UNLESS_READY = 0,
    KGR_IPC_RENEW = 2,
};

struct kgr_ipc_request {
    struct kgr_nid peer;
    uint8_t cause; /* enum kgr_ipc_cause */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_request_encode(struct kgr_wr *wr,
                                                     const struct kgr_ipc_request *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_request_decode(struct kgr_ipc_request *out,
                                                     struct kgr_slice body);

struct kgr_ipc_wait {
    struct kgr_nid peer;
    uint64_t min_generation;
    uint32_t timeout_ms;
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_wait_encode(struct kgr_wr *wr, const struct kgr_ipc_wait *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_wait_decode(struct kgr_ipc_wait *out, struct kgr_slice body);

enum kgr_ipc_direction {
    KGR_IPC_ENCRYPT = 1,
    KGR_IPC_DECRYPT = 2,
};

struct kgr_ipc_cipher {
    struct kgr_ipc_key key;
    uint8_t direction; /* enum kgr_ipc_direction */
    uint8_t mode;      /* enum kgr_mode of kgr/client.h */
    uint8_t iv[KGR_IV_LEN];
    struct kgr_slice data; /* at most KGR_IPC_DATA_MAX; whole blocks for ECB and CBC */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_cipher_encode(struct kgr_wr *wr,
                                                    const struct kgr_ipc_cipher *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_cipher_decode(struct kgr_ipc_cipher *out,
                                                    struct kgr_slice body);

struct kgr_ipc_cipher_reply {
    uint8_t iv[KGR_IV_LEN]; /* continues the stream */
    struct kgr_slice data;
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_cipher_reply_encode(struct kgr_wr *wr,
                                                          const struct kgr_ipc_cipher_reply *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_cipher_reply_decode(struct kgr_ipc_cipher_reply *out,
                                                          struct kgr_slice body);

struct kgr_ipc_mac {
    struct kgr_ipc_key key;
    struct kgr_slice data; /* at most KGR_IPC_DATA_MAX */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_mac_encode(struct kgr_wr *wr, const struct kgr_ipc_mac *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_mac_decode(struct kgr_ipc_mac *out, struct kgr_slice body);

struct kgr_ipc_mac_update {
    uint32_t id;
    struct kgr_slice data; /* at most KGR_IPC_DATA_MAX */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_mac_update_encode(struct kgr_wr *wr,
                                                        const struct kgr_ipc_mac_update *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_mac_update_decode(struct kgr_ipc_mac_update *out,
                                                        struct kgr_slice body);

/* seal (data at most KGR_IPC_DATA_MAX) and open (a record, at most KGR_RECORD_MAX). */
struct kgr_ipc_seal {
    struct kgr_nid peer;
    bool stored;
    struct kgr_slice aad; /* at most KGR_RECORD_AAD_MAX */
    struct kgr_slice data;
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_seal_encode(struct kgr_wr *wr, const struct kgr_ipc_seal *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_seal_decode(struct kgr_ipc_seal *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_open_encode(struct kgr_wr *wr, const struct kgr_ipc_seal *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_open_decode(struct kgr_ipc_seal *out, struct kgr_slice body);

/* The body of a reply whose status is not KGR_OK: kgr_reason_* of agent/wire/order_body.h. */
