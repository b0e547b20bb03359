/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/ipc.h"

/* What the services tell of themselves: peers, status, ks_status (docs/protocol.md, section 11). */
#define KGR_IPC_ALARMS_MAX  1000
#define KGR_IPC_BROKER_MAX  270
#define KGR_IPC_TPM_MAX     255
#define KGR_IPC_ENTROPY_MAX 1200
#define KGR_IPC_REFUSALS    8 /* causes for which messages are refused */
#define KGR_IPC_CAUSES      9 /* likewise frames */

struct kgr_ipc_peer {
    struct kgr_nid peer;
    uint64_t generation;
    uint8_t state;   /* enum kgr_pair_state of kgr/client.h, 0 to 6 */
    uint8_t custody; /* 0 to 3 */
    uint8_t suite;   /* 0 to 2 */
    bool may_send;
    bool may_receive;
    bool mirrored;      /* the keys stand in a store of tpm2-pkcs11 too */
    uint64_t age_s;     /* KGR_IPC_NONE_S: none */
    uint64_t expires_s; /* likewise */
    uint8_t iv[KGR_IV_LEN];
    struct kgr_slice receive_topic; /* text of 47 characters, or empty */
    struct kgr_slice send_topic;
    uint32_t error; /* enum kgr_error */
    struct kgr_slice reason;
};
/* Room that any peer entry needs. */
#define KGR_IPC_PEER_MAX                                                                           \
    (1 + KGR_NID_MAX + 8 + 4 + 16 + KGR_IV_LEN + 2 * (1 + KGR_TOPIC_TEXT_LEN) + 4 + 256)

/* Entries are read and written one by one. */
void kgr_ipc_peer_read(struct kgr_rd *rd, struct kgr_ipc_peer *out);
void kgr_ipc_peer_write(struct kgr_wr *wr, const struct kgr_ipc_peer *in);
/* The replies to key and wait: exactly one entry. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_peer_decode(struct kgr_ipc_peer *out, struct kgr_slice body);

/* The head of the reply to peers; num entries follow. */
struct kgr_ipc_peers_head {
    uint32_t total;
    uint16_t num;
};
void kgr_ipc_peers_head_read(struct kgr_rd *rd, struct kgr_ipc_peers_head *out);
void kgr_ipc_peers_head_write(struct kgr_wr *wr, const struct kgr_ipc_peers_head *in);

/* keys; the reply is one of peers, an entry for each key. */
struct kgr_ipc_keys {
    struct kgr_slice peer; /* N_ID; empty: of every peer */
    uint32_t offset;
};
KGR_MUST_CHECK enum kgr_error kgr_ipc_keys_decode(struct kgr_ipc_keys *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_keys_encode(struct kgr_wr *wr, const struct kgr_ipc_keys *in);

/* audit; the reply is vec16 public area, a head and entries of agent/wire/body_audit.h. */
struct kgr_ipc_audit {
    uint64_t from; /* lowest record */
    bool sign;     /* a head first */
};
KGR_MUST_CHECK enum kgr_error kgr_ipc_audit_decode(struct kgr_ipc_audit *out,
                                                   struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_audit_encode(struct kgr_wr *wr,
                                                   const struct kgr_ipc_audit *in);

struct kgr_ipc_status {
    bool registered;
    bool broker_connected;
    bool resident;         /* the TPM can hold such keys */
    bool sealed;           /* this node's custody, else resident */
    bool pin;              /* the PKCS#11 token has a PIN */
    struct kgr_slice node; /* N_ID, may be empty */
    struct kgr_slice version;
    struct kgr_slice broker;
    uint64_t ks_answer_age_s; /* KGR_IPC_NONE_S: never */
    uint64_t lease_s;
    uint32_t epoch;
    uint32_t num_peers;
    struct kgr_slice tpm;
    uint32_t modes;
    uint32_t frames_refused;
    struct kgr_slice alarms; /* one a line */
    uint64_t messages_sent;
    uint64_t messages_accepted;
    uint32_t messages_waiting;
    uint32_t messages_refused[KGR_IPC_REFUSALS]; /* enum kgr_refusal of kgr/client.h */
    uint32_t frames_refused_by[KGR_IPC_CAUSES];  /* enum kgr_frame_refusal of it */
};
KGR_MUST_CHECK enum kgr_error kgr_ipc_status_decode(struct kgr_ipc_status *out,
                                                    struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_status_encode(struct kgr_wr *wr,
                                                    const struct kgr_ipc_status *in);

struct kgr_ipc_ks_status {
    struct kgr_slice version;
    uint32_t epoch;
    bool broker_connected;
    struct kgr_slice broker;
    uint32_t nodes;
    uint32_t registered;
    uint32_t open_exchanges;
    uint32_t holding_duplicates;
    uint32_t frames_refused;
    struct kgr_slice tpm;
    uint8_t topic0[KGR_TOPIC_LEN];
    struct kgr_slice alarms;
    struct kgr_slice entropy; /* a source a line */
    uint32_t frames_refused_by[KGR_IPC_CAUSES];
};
KGR_MUST_CHECK enum kgr_error kgr_ipc_ks_status_decode(struct kgr_ipc_ks_status *out,
                                                       struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_ks_status_encode(struct kgr_wr *wr,
                                                       const struct kgr_ipc_ks_status *in);

/* What became of a reload: refused, and each mistake a line, or done, and the names of keys that need a restart. */
#define KGR_IPC_RELOAD_TEXT_MAX 4096
struct kgr_ipc_reload {
    bool refused;
    struct kgr_slice text;
};
KGR_MUST_CHECK enum kgr_error kgr_ipc_reload_decode(struct kgr_ipc_reload *out,
                                                    struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_reload_encode(struct kgr_wr *wr,
                                                    const struct kgr_ipc_reload *in);
