/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * libkgr: keys of node pairs, used through the local kgr-agent. An application names a peer and
 * never sees a key byte.
 *
 * Conventions. Every function that can fail returns enum kgr_error and leaves its outputs untouched
 * on failure, unless said otherwise. Lengths are in bytes. A struct kgr_client may be shared by
 * threads: requests are pipelined over one connection. After fork the child uses a connection of
 * its own, opened at its first call. The connection is opened at the first request and again after
 * the agent was restarted; a request that was under way then fails with KGR_ERR_NO_AGENT. Nothing
 * here writes to stderr, installs signal handlers or raises SIGPIPE.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kgr/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KGR_PEER_MAX        64    /* characters of an N_ID */
#define KGR_TOPIC_MAX       47    /* characters of an MQTT topic of ours */
#define KGR_BLOCK_LEN       16    /* AES block and IV */
#define KGR_DATA_MAX        65536 /* most bytes of data in one request */
#define KGR_AAD_MAX         4096  /* most bytes of associated data of a record */
#define KGR_MAC_MAX         64    /* room for any MAC */
#define KGR_RECORD_OVERHEAD 96    /* a record is at most this much longer than its plaintext */
#define KGR_DIAG_MAX        256
#define KGR_MESSAGE_MAX     61440 /* most bytes of one message */

enum kgr_pair_state {
    KGR_STATE_IDLE = 0,
    KGR_STATE_REQUESTING = 1,
    KGR_STATE_WAITING = 2,
    KGR_STATE_READY = 3,
    KGR_STATE_RENEWING = 4,
    KGR_STATE_REVOKED = 5,
    KGR_STATE_FAILED = 6
};

enum kgr_custody {
    KGR_CUSTODY_NONE = 0,
    KGR_CUSTODY_RESIDENT = 1,
    KGR_CUSTODY_MIXED = 2,
    KGR_CUSTODY_SEALED = 3
};

enum kgr_suite_id {
    KGR_SUITE_NONE = 0,
    KGR_SUITE_AES_128_CBC_HMAC_SHA256 = 1,
    KGR_SUITE_AES_256_CBC_HMAC_SHA384 = 2
};

enum kgr_mode {
    KGR_MODE_ECB = 1,
    KGR_MODE_CBC = 2,
    KGR_MODE_CTR = 3,
    KGR_MODE_CFB = 4,
    KGR_MODE_OFB = 5
};

/* Bits of kgr_status.modes: 1 << enum kgr_mode. */

/* Why the agent dropped what arrived on a topic of messages (docs/protocol.md, "Messages"). */
enum kgr_refusal {
    KGR_REFUSAL_RETAINED =
        0, /* marked as retained by the broker; frames of the KS count here too */
    KGR_REFUSAL_SIZE = 1,
    KGR_REFUSAL_FORMAT = 2, /* no message */
    KGR_REFUSAL_KEY = 3,    /* for another key, role or suite than the topic's */
    KGR_REFUSAL_STATE = 4,  /* pair not allowed, key expired, no lease */
    KGR_REFUSAL_REPLAY = 5,
    KGR_REFUSAL_FULL = 6,
    KGR_REFUSAL_TAG = 7,
    KGR_REFUSAL_COUNT = 8 /* how many there are */
};

/* Why the agent, or the KS, dropped a frame (docs/protocol.md, section 3.1). */
enum kgr_frame_refusal {
    KGR_FRAME_REFUSAL_SIZE = 0,
    KGR_FRAME_REFUSAL_VERSION = 1,
    KGR_FRAME_REFUSAL_KEY = 2, /* under a key that is not known, or not any more */
    KGR_FRAME_REFUSAL_TYPE = 3,
    KGR_FRAME_REFUSAL_RATE = 4,   /* more than are checked in that time */
    KGR_FRAME_REFUSAL_REPLAY = 5, /* seen before, or too old to tell */
    KGR_FRAME_REFUSAL_TAG = 6,    /* not by a holder of the key, or damaged */
    KGR_FRAME_REFUSAL_BODY = 7,
    KGR_FRAME_REFUSAL_QUEUE = 8, /* the TPM had too much to do */
    KGR_FRAME_REFUSAL_COUNT = 9  /* how many there are */
};

struct kgr_client;

struct kgr_client_options {
    const char *socket; /* NULL: $KGR_AGENT (secure_getenv), else /run/kgr/agent.sock */
    int timeout_ms;     /* for each request; 0: 10,000 */
    const char *name;   /* of the caller, for the agent's log: "kgrctl", "kgr.so"; NULL: "libkgr" */
};

/* Names a key: a peer, and a generation or 0 for the latest that may be used. */
struct kgr_key {
    char peer[KGR_PEER_MAX + 1];
    uint64_t generation;
};

/* What the agent tells of one pair. Times are seconds; -1 where there is no key. */
struct kgr_peer {
    char peer[KGR_PEER_MAX + 1];
    uint64_t generation; /* 0: none */
    enum kgr_pair_state state;
    enum kgr_custody custody;
    enum kgr_suite_id suite;
    int64_t age_s;
    int64_t expires_s;
    bool may_send;             /* seal, encrypt, sign are possible now */
    bool may_receive;          /* open, decrypt, verify are possible now */
    uint8_t iv[KGR_BLOCK_LEN]; /* delivered with the key; an attribute, used for no message */
    char receive_topic[KGR_TOPIC_MAX + 1];
    char send_topic[KGR_TOPIC_MAX + 1];
    enum kgr_error error;      /* why the last exchange failed; KGR_OK if it did not */
    char reason[KGR_DIAG_MAX]; /* the same for people; may be empty */
    bool
        mirrored; /* in a store of tpm2-pkcs11 too: whoever has its PIN uses the key past the agent */
};

struct kgr_status {
    char node[KGR_PEER_MAX + 1];
    char version[32]; /* of the agent */
    bool registered;
    bool broker_connected;
    char broker[280];        /* host:port */
    int64_t ks_answer_age_s; /* -1: never */
    int64_t lease_s;         /* what is left of it; -1: none */
    uint32_t epoch;
    uint32_t num_peers;
    char tpm[256];           /* manufacturer, firmware, what it can and lacks, one line */
    bool tpm_resident;       /* this TPM can hold resident keys */
    bool sealed;             /* this node keeps its keys in sealed custody, else in resident */
    bool pin;                /* the PKCS#11 token of this node has a PIN */
    uint32_t modes;          /* cipher modes that work here */
    uint32_t frames_refused; /* since start, all causes */
    char alarms[1024];       /* one a line; empty when there is none */
    uint64_t messages_sent;  /* handed to the broker's connection since start */
    uint64_t messages_accepted;
    uint32_t messages_waiting;                           /* accepted, not fetched yet */
    uint32_t messages_refused[KGR_REFUSAL_COUNT];        /* by cause, since start */
    uint32_t frames_refused_by[KGR_FRAME_REFUSAL_COUNT]; /* likewise */
};

/* What came with a message. */
struct kgr_message {
    char peer[KGR_PEER_MAX + 1]; /* who sent it */
    uint64_t generation;         /* of the key */
    uint64_t sequence; /* of the sender under that key: grows, with gaps where he sealed records */
    uint32_t waiting;  /* messages behind this one, of the peer that was asked for */
};

enum kgr_event_type {
    KGR_EVENT_KEY_READY = 1,   /* peer has a first key: generation */
    KGR_EVENT_KEY_RENEWED = 2, /* peer has another key: generation */
    KGR_EVENT_REVOKED =
        3, /* the pair was revoked or denied (error KGR_ERR_REVOKED), or is not named any more */
    KGR_EVENT_FAILED = 4,      /* no key with peer: error */
    KGR_EVENT_MESSAGE = 5,     /* count messages wait; there was none before */
    KGR_EVENT_OVERFLOW = 6,    /* the inbox of peer was full: count messages dropped so far */
    KGR_EVENT_ALARM = 7,       /* of the node: text */
    KGR_EVENT_BROKER_LOST = 8, /* of the node: text */
    KGR_EVENT_BROKER_BACK = 9,
    KGR_EVENT_KS_LOST = 10, /* of the node: no answer for too long */
    KGR_EVENT_KS_BACK = 11,
    KGR_EVENT_LOST = 12 /* count events are missing here: they were not fetched in time */
};

struct kgr_event {
    enum kgr_event_type type;
    char peer[KGR_PEER_MAX + 1]; /* empty: of the node */
    uint64_t generation;         /* 0: none */
    uint64_t count;
    enum kgr_error error;
    int64_t unix_s; /* when, by the wall clock of the node */
    char text[KGR_DIAG_MAX];
};

struct kgr_events;

/*
 * kgr_client_new makes a client; it does no I/O. *out is the caller's, freed by kgr_client_free.
 * Errors: KGR_ERR_INVALID (socket path too long), KGR_ERR_NO_MEMORY.
 */
enum kgr_error kgr_client_new(struct kgr_client **out, const struct kgr_client_options *options);

/* kgr_client_free closes the connection and frees; NULL is accepted. No call may be under way. */
void kgr_client_free(struct kgr_client *client);

/*
 * kgr_client_reason copies what is known about the calling thread's last failure on any client
 * into out (always terminated): the agent's own words where it gave some. Returns out.
 */
const char *kgr_client_reason(char *out, size_t out_cap);

/* kgr_key_from_uri reads `kgr:peer=<N_ID>[;generation=<n>]`; KGR_ERR_INVALID if it is not that. */
enum kgr_error kgr_key_from_uri(struct kgr_key *out, const char *uri);

/* kgr_key_to_uri writes the URI of key (at most 112 bytes with the NUL); KGR_ERR_SHORT_BUFFER. */
enum kgr_error kgr_key_to_uri(char *out, size_t out_cap, const struct kgr_key *key);

enum kgr_error kgr_get_status(struct kgr_client *client, struct kgr_status *out);

/* kgr_list_peers: every peer that the agent knows; *out is freed with free(). */
enum kgr_error kgr_list_peers(struct kgr_client *client, struct kgr_peer **out, size_t *out_num);

/*
 * kgr_list_keys: every key that the agent holds, one entry for each generation: of every pair (peer NULL) or of one the current one,
 * and the one before it while that still receives. *out is freed with free(), and may be NULL if there is none.
 */
enum kgr_error kgr_list_keys(struct kgr_client *client, const char *peer, struct kgr_peer **out,
                             size_t *out_num);

/*
 * kgr_get_key tells about one key without using it. With key->generation 0 the answer names the
 * generation that would be used to send, so that a stream of calls can pin it.
 * Errors: KGR_ERR_UNKNOWN_PEER, KGR_ERR_NO_KEY, KGR_ERR_NOT_AUTHORIZED. Where no key is there yet this is its first
 * use: the agent asks the KS and answers when the key is there, or after the time that it is configured to wait.
 */
enum kgr_error kgr_get_key(struct kgr_client *client, const struct kgr_key *key,
                           struct kgr_peer *out);

/*
 * kgr_check_pin asks whether this is the PIN of the PKCS#11 token; no other operation depends on it. KGR_ERR_NOT_AUTHORIZED: it is
 * not; KGR_ERR_BUSY: not looked at, this user gave too many wrong ones (the reason says for how long); KGR_ERR_STATE: there is none.
 */
enum kgr_error kgr_check_pin(struct kgr_client *client, const uint8_t *pin, size_t len);

/*
 * kgr_make_handle returns the name of peer's key in the shape of key bytes for a cipher or MAC of
 * key_len bytes (16 to 64), for callers that insist on key bytes. A name, not a capability.
 */
enum kgr_error kgr_make_handle(struct kgr_client *client, const char *peer, uint8_t *out,
                               size_t key_len);

/* kgr_resolve_handle: KGR_ERR_UNKNOWN_PEER if the bytes are no handle of this agent. */
enum kgr_error kgr_resolve_handle(struct kgr_client *client, const uint8_t *handle, size_t len,
                                  struct kgr_key *out);

/*
 * kgr_request asks the KS for a key with peer, unless one is ready or under way; it returns when
 * the agent has begun. kgr_wait waits for the outcome.
 */
enum kgr_error kgr_request(struct kgr_client *client, const char *peer);

/*
 * kgr_renew asks the KS for another key with peer, whatever the age of the one there is, unless an exchange is under
 * way; it returns when the agent has begun. kgr_wait with the next generation waits for the outcome.
 */
enum kgr_error kgr_renew(struct kgr_client *client, const char *peer);

/*
 * kgr_wait returns when the pair is ready with a generation of at least min_generation, or has
 * failed (the error of the failure), or after timeout_ms (KGR_ERR_TIMEOUT). *out, if not NULL, is
 * the state then, also after a failure or KGR_ERR_TIMEOUT, unless the agent did not answer at all.
 */
enum kgr_error kgr_wait(struct kgr_client *client, const char *peer, uint64_t min_generation,
                        int timeout_ms, struct kgr_peer *out);

/*
 * kgr_rekey has the node renew NKSK, the key that it shares with the KS, and with KGR_REKEY_STORAGE_KEY its TPM's storage
 * key too: then all its pairs get new keys. It returns when that is done, or after timeout_ms (KGR_ERR_TIMEOUT; it goes
 * on), or at once when timeout_ms is 0. KGR_ERR_INVALID for unknown flags or a negative time-out.
 */
#define KGR_REKEY_STORAGE_KEY 0x1u
enum kgr_error kgr_rekey(struct kgr_client *client, unsigned int flags, int timeout_ms);

/*
 * kgr_encrypt and kgr_decrypt run AES in mode over len bytes (at most KGR_DATA_MAX; a multiple of 16
 * for ECB and CBC; for CTR, CFB and OFB the last call of a stream may be partial). iv is read, and
 * replaced by the one that continues the stream (unused for ECB; may be NULL there). No padding.
 * in and out may be the same buffer. Source of the modes: NIST SP 800-38A.
 */
enum kgr_error kgr_encrypt(struct kgr_client *client, const struct kgr_key *key, enum kgr_mode mode,
                           uint8_t iv[KGR_BLOCK_LEN], const uint8_t *in, size_t len, uint8_t *out);
enum kgr_error kgr_decrypt(struct kgr_client *client, const struct kgr_key *key, enum kgr_mode mode,
                           uint8_t iv[KGR_BLOCK_LEN], const uint8_t *in, size_t len, uint8_t *out);

/*
 * kgr_mac computes HMAC (FIPS 198-1) with the hash of the pair's suite over len bytes, at most
 * KGR_DATA_MAX. out has room for KGR_MAC_MAX bytes; *out_len is 32 or 48.
 */
enum kgr_error kgr_mac(struct kgr_client *client, const struct kgr_key *key, const uint8_t *in,
                       size_t len, uint8_t *out, size_t *out_len);

/*
 * The same over any length, in parts. The state lives in the agent, bound to the connection: after
 * fork or a lost connection it is gone (KGR_ERR_STATE). kgr_mac_final and kgr_mac_abort end it, and so
 * does an update that the agent did not answer. At most 4,096 of them in one client.
 */
enum kgr_error kgr_mac_start(struct kgr_client *client, const struct kgr_key *key,
                             uint32_t *out_id);
enum kgr_error kgr_mac_update(struct kgr_client *client, uint32_t id, const uint8_t *in,
                              size_t len);
enum kgr_error kgr_mac_final(struct kgr_client *client, uint32_t id, uint8_t *out, size_t *out_len);
void kgr_mac_abort(struct kgr_client *client, uint32_t id);

/*
 * kgr_seal makes a record (docs/protocol.md, "Record") of plaintext for peer under its current key.
 * out_cap must be at least plaintext_len + KGR_RECORD_OVERHEAD. aad may be NULL with aad_len 0; the
 * receiver must give the same. stored: the record may be opened more than once (kgr_open's stored).
 */
enum kgr_error kgr_seal(struct kgr_client *client, const char *peer, bool stored,
                        const uint8_t *aad, size_t aad_len, const uint8_t *plaintext,
                        size_t plaintext_len, uint8_t *out, size_t out_cap, size_t *out_len);

/*
 * kgr_open verifies and opens a record from peer. out_cap must be at least record_len.
 * Errors: KGR_ERR_CORRUPT, KGR_ERR_REPLAY, KGR_ERR_EXPIRED, KGR_ERR_REVOKED, KGR_ERR_NO_KEY.
 */
enum kgr_error kgr_open(struct kgr_client *client, const char *peer, bool stored,
                        const uint8_t *aad, size_t aad_len, const uint8_t *record,
                        size_t record_len, uint8_t *out, size_t out_cap, size_t *out_len);

/* One message of a batch. */
struct kgr_batch_item {
    const uint8_t *aad; /* may be NULL with aad_len 0 */
    size_t aad_len;
    const uint8_t *in; /* the plaintext, or the record */
    size_t in_len;
    uint8_t *out; /* apart from every in and out of the batch */
    size_t out_cap;
    size_t out_len;       /* set when error is KGR_OK */
    enum kgr_error error; /* set, always */
};

/*
 * kgr_seal_batch and kgr_open_batch do what kgr_seal and kgr_open do, for any number of messages of one peer, in order, with
 * the same demands on out_cap: an order of magnitude cheaper than as many calls where messages are short. What one packet of the local
 * protocol does not hold goes in several, and several threads may be at it. Each message has its own result in error, so that one that is forged or was
 * seen before spoils no other; the call returns the first of them that is not KGR_OK, and kgr_client_reason has its words. A batch
 * that is sealed fails from the first failure on: what stands before it is sealed and good.
 * Errors: those of kgr_seal and kgr_open; KGR_ERR_INVALID and KGR_ERR_SHORT_BUFFER before anything was done;
 * KGR_ERR_UNSUPPORTED (an older agent). Thread-safe. Source: docs/protocol.md, section 11, operations 28 and 29.
 */
enum kgr_error kgr_seal_batch(struct kgr_client *client, const char *peer, bool stored,
                              struct kgr_batch_item *items, size_t num);
enum kgr_error kgr_open_batch(struct kgr_client *client, const char *peer, bool stored,
                              struct kgr_batch_item *items, size_t num);

/*
 * kgr_send seals data (at most KGR_MESSAGE_MAX bytes, 0 is legal) as a message to peer and returns when the agent's connection
 * to the broker has taken it. That is all it says: the broker may drop it, and so may the peer's agent if nobody
 * fetches there. Who needs to know lets the peer answer. There is no queue for later.
 * Errors: KGR_ERR_BROKER (no connection), KGR_ERR_BUSY (more is under way than the connection takes: later again),
 * KGR_ERR_TOO_LARGE, KGR_ERR_UNSUPPORTED (an older agent), and those of kgr_seal. Thread-safe.
 */
enum kgr_error kgr_send(struct kgr_client *client, const char *peer, const uint8_t *data,
                        size_t len);

/*
 * kgr_recv fetches the oldest message of peer (NULL: of any peer). out_cap must be at least KGR_MESSAGE_MAX, because
 * a message is given out once: to one receiver, the one that has waited longest, whichever process it is. It was
 * verified, decrypted and found new when it arrived. info may be NULL.
 * timeout_ms: 0 does not wait, negative waits for ever. Errors: KGR_ERR_TIMEOUT (none came), KGR_ERR_UNKNOWN_PEER,
 * KGR_ERR_NOT_AUTHORIZED and KGR_ERR_REVOKED (none can come), KGR_ERR_SHORT_BUFFER, KGR_ERR_NO_AGENT (it went away: a message on
 * its way to us then is lost, as are those that waited in it), KGR_ERR_UNSUPPORTED (an older agent). Thread-safe.
 */
enum kgr_error kgr_recv(struct kgr_client *client, const char *peer, int timeout_ms,
                        struct kgr_message *info, uint8_t *out, size_t out_cap, size_t *out_len);

/*
 * kgr_events_open subscribes to what happens to peer and to the node (peer NULL: to all peers). It has a connection of
 * its own, opened like client's; *out is the caller's, freed by kgr_events_close, and may outlive client. The first events
 * tell what holds already: messages that wait, a broker or KS that is away. A struct kgr_events belongs to one thread at a time, and to
 * the process that opened it.
 */
enum kgr_error kgr_events_open(struct kgr_client *client, struct kgr_events **out,
                               const char *peer);
/*
 * kgr_events_fd is a descriptor for poll (POLLIN): readable when kgr_events_next would not wait. Together with kgr_recv
 * and timeout_ms 0, repeated until KGR_ERR_TIMEOUT at each KGR_EVENT_MESSAGE, a program receives without a thread that
 * waits. Borrowed: read from it, and close it, by kgr_events_* only.
 */
int kgr_events_fd(const struct kgr_events *events);
/*
 * kgr_events_next gives the next event. timeout_ms as for kgr_recv. Who is slow loses events, never memory of the
 * agent: KGR_EVENT_LOST stands where they are missing. Errors: KGR_ERR_TIMEOUT (there is none), KGR_ERR_NO_AGENT (the agent went away:
 * close, and open another), KGR_ERR_CORRUPT.
 */
enum kgr_error kgr_events_next(struct kgr_events *events, struct kgr_event *out, int timeout_ms);
/* kgr_events_close accepts NULL. */
void kgr_events_close(struct kgr_events *events);

/*
 * kgr_get_random fills out from the TPM's generator; any len, in several requests if need be: after a
 * failure out may be filled in part. kgr_add_random stirs the TPM's.
 */
enum kgr_error kgr_get_random(struct kgr_client *client, uint8_t *out, size_t len);
enum kgr_error kgr_add_random(struct kgr_client *client, const uint8_t *in, size_t len);

/* kgr_state_name and the like return the word of docs and JSON ("ready"); "unknown" otherwise. */
const char *kgr_state_name(enum kgr_pair_state state);
const char *kgr_custody_name(enum kgr_custody custody);
const char *kgr_suite_name(enum kgr_suite_id suite);
const char *kgr_refusal_name(enum kgr_refusal refusal);
const char *kgr_event_name(enum kgr_event_type type);

#ifdef __cplusplus
}
#endif
