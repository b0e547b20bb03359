/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Targets: kgr_ipc_header_decode, kgr_ipc_error_decode, and every other kgr_ipc_*_decode: the body is
 * read as what op and the reply flag say it is.
 * Input: a packet of the local protocol. Property: what is accepted encodes to the same bytes.
 */
#include "agent/wire/ipc.h"
#include "agent/wire/ipc_data.h"
#include "agent/wire/ipc_mirror.h"
#include "agent/wire/ipc_status.h"

#include "tests/fuzz/harness.h"

static enum kgr_error u32_encode(struct kgr_wr *wr, const uint32_t *value)
{
    return kgr_ipc_u32_encode(wr, *value);
}

static enum kgr_error resolve_encode(struct kgr_wr *wr, const struct kgr_slice *handle)
{
    return kgr_ipc_resolve_encode(wr, *handle);
}

static enum kgr_error subscribe_encode(struct kgr_wr *wr, const struct kgr_slice *peer)
{
    return kgr_ipc_subscribe_encode(wr, *peer);
}

static enum kgr_error peer_encode(struct kgr_wr *wr, const struct kgr_ipc_peer *m)
{
    kgr_ipc_peer_write(wr, m);
    return kgr_wire_write_result(wr);
}

static void header(struct kgr_slice packet, const struct kgr_ipc_header *h, struct kgr_slice body)
{
    static uint8_t bytes[KGR_IPC_PACKET_MAX];
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_ipc_header_encode(&wr, h);
    kgr_wr_bytes(&wr, body.p, body.len);
    fuzz_same(&wr, packet);
}

static void error_reply(struct kgr_slice packet, const struct kgr_ipc_header *h,
                        struct kgr_slice body)
{
    char text[KGR_IPC_TEXT_MAX + 1];
    uint8_t bytes[512];
    struct kgr_wr wr;

    if (kgr_ipc_error_decode(text, body) != KGR_OK)
        return;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    fuzz_check(kgr_ipc_error_encode(&wr, h, (enum kgr_error)h->status, text) == KGR_OK);
    fuzz_same(&wr, packet);
}

static void peers(struct kgr_slice body)
{
    static uint8_t bytes[FUZZ_CAP];
    struct kgr_ipc_peers_head head;
    struct kgr_rd rd;
    struct kgr_wr wr;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_ipc_peers_head_read(&rd, &head);
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_ipc_peers_head_write(&wr, &head);
    for (size_t i = 0; i < head.num && kgr_rd_ok(&rd); i++) {
        struct kgr_ipc_peer peer;

        kgr_ipc_peer_read(&rd, &peer);
        if (kgr_rd_ok(&rd))
            kgr_ipc_peer_write(&wr, &peer);
    }
    if (kgr_rd_done(&rd))
        fuzz_same(&wr, body);
}

static void request(uint16_t op, struct kgr_slice in)
{
    switch (op) {
    case KGR_IPC_HELLO:
        FUZZ_ROUND_TRIP(struct kgr_ipc_hello, kgr_ipc_hello_decode, kgr_ipc_hello_encode, in);
        break;
    case KGR_IPC_KEY:
    case KGR_IPC_MAC_START:
        FUZZ_ROUND_TRIP(struct kgr_ipc_key, kgr_ipc_key_decode, kgr_ipc_key_encode, in);
        break;
    case KGR_IPC_HANDLE:
        FUZZ_ROUND_TRIP(struct kgr_ipc_handle, kgr_ipc_handle_decode, kgr_ipc_handle_encode, in);
        break;
    case KGR_IPC_RESOLVE:
        FUZZ_ROUND_TRIP(struct kgr_slice, kgr_ipc_resolve_decode, resolve_encode, in);
        break;
    case KGR_IPC_REQUEST:
        FUZZ_ROUND_TRIP(struct kgr_ipc_request, kgr_ipc_request_decode, kgr_ipc_request_encode, in);
        break;
    case KGR_IPC_WAIT:
        FUZZ_ROUND_TRIP(struct kgr_ipc_wait, kgr_ipc_wait_decode, kgr_ipc_wait_encode, in);
        break;
    case KGR_IPC_REKEY:
        FUZZ_ROUND_TRIP(struct kgr_ipc_rekey, kgr_ipc_rekey_decode, kgr_ipc_rekey_encode, in);
        break;
    case KGR_IPC_CIPHER:
        FUZZ_ROUND_TRIP(struct kgr_ipc_cipher, kgr_ipc_cipher_decode, kgr_ipc_cipher_encode, in);
        break;
    case KGR_IPC_MAC:
        FUZZ_ROUND_TRIP(struct kgr_ipc_mac, kgr_ipc_mac_decode, kgr_ipc_mac_encode, in);
        break;
    case KGR_IPC_MAC_UPDATE:
        FUZZ_ROUND_TRIP(struct kgr_ipc_mac_update, kgr_ipc_mac_update_decode,
                        kgr_ipc_mac_update_encode, in);
        break;
    case KGR_IPC_SEAL:
    case KGR_IPC_OPEN:
        FUZZ_ROUND_TRIP(struct kgr_ipc_seal, kgr_ipc_seal_decode, kgr_ipc_seal_encode, in);
        break;
    case KGR_IPC_SEND:
        FUZZ_ROUND_TRIP(struct kgr_ipc_send, kgr_ipc_send_decode, kgr_ipc_send_encode, in);
        break;
    case KGR_IPC_RECV:
        FUZZ_ROUND_TRIP(struct kgr_ipc_recv, kgr_ipc_recv_decode, kgr_ipc_recv_encode, in);
        break;
    case KGR_IPC_SUBSCRIBE:
        FUZZ_ROUND_TRIP(struct kgr_slice, kgr_ipc_subscribe_decode, subscribe_encode, in);
        break;
    case KGR_IPC_AUDIT:
        FUZZ_ROUND_TRIP(struct kgr_ipc_audit, kgr_ipc_audit_decode, kgr_ipc_audit_encode, in);
        break;
    case KGR_IPC_KEYS:
        FUZZ_ROUND_TRIP(struct kgr_ipc_keys, kgr_ipc_keys_decode, kgr_ipc_keys_encode, in);
        break;
    case KGR_IPC_MIRROR_ADD:
        FUZZ_ROUND_TRIP(struct kgr_ipc_mirror_add, kgr_ipc_mirror_add_decode,
                        kgr_ipc_mirror_add_encode, in);
        break;
    case KGR_IPC_MIRROR_REMOVE:
        FUZZ_ROUND_TRIP(struct kgr_ipc_mirror, kgr_ipc_mirror_decode, kgr_ipc_mirror_encode, in);
        break;
    case KGR_IPC_MIRROR_LIST:
    case KGR_IPC_PEERS:
    case KGR_IPC_MAC_FINAL:
    case KGR_IPC_MAC_ABORT:
    case KGR_IPC_RANDOM:
        FUZZ_ROUND_TRIP(uint32_t, kgr_ipc_u32_decode, u32_encode, in);
        break;
    default:
        break;
    }
}

static void reply(uint16_t op, struct kgr_slice in)
{
    switch (op) {
    case KGR_IPC_HELLO:
        FUZZ_ROUND_TRIP(struct kgr_ipc_hello_reply, kgr_ipc_hello_reply_decode,
                        kgr_ipc_hello_reply_encode, in);
        break;
    case KGR_IPC_STATUS:
        FUZZ_ROUND_TRIP(struct kgr_ipc_status, kgr_ipc_status_decode, kgr_ipc_status_encode, in);
        break;
    case KGR_IPC_PEERS:
        peers(in);
        break;
    case KGR_IPC_KEY:
    case KGR_IPC_WAIT:
        FUZZ_ROUND_TRIP(struct kgr_ipc_peer, kgr_ipc_peer_decode, peer_encode, in);
        break;
    case KGR_IPC_RESOLVE:
        FUZZ_ROUND_TRIP(struct kgr_nid, kgr_wire_nid_decode, kgr_wire_nid_encode, in);
        break;
    case KGR_IPC_CIPHER:
        FUZZ_ROUND_TRIP(struct kgr_ipc_cipher_reply, kgr_ipc_cipher_reply_decode,
                        kgr_ipc_cipher_reply_encode, in);
        break;
    case KGR_IPC_MAC_START:
        FUZZ_ROUND_TRIP(uint32_t, kgr_ipc_u32_decode, u32_encode, in);
        break;
    case KGR_IPC_RECV:
        FUZZ_ROUND_TRIP(struct kgr_ipc_message, kgr_ipc_message_decode, kgr_ipc_message_encode, in);
        break;
    case KGR_IPC_EVENT:
        FUZZ_ROUND_TRIP(struct kgr_ipc_event, kgr_ipc_event_decode, kgr_ipc_event_encode, in);
        break;
    case KGR_IPC_KS_STATUS:
        FUZZ_ROUND_TRIP(struct kgr_ipc_ks_status, kgr_ipc_ks_status_decode,
                        kgr_ipc_ks_status_encode, in);
        break;
    case KGR_IPC_RELOAD:
        FUZZ_ROUND_TRIP(struct kgr_ipc_reload, kgr_ipc_reload_decode, kgr_ipc_reload_encode, in);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kgr_slice packet = kgr_slice(data, size);
    struct kgr_ipc_header h;
    struct kgr_slice body;

    if (kgr_ipc_header_decode(&h, &body, packet) != KGR_OK)
        return 0;
    header(packet, &h, body);
    if (!h.reply)
        request(h.op, body);
    else if (h.status != KGR_OK)
        error_reply(packet, &h, body);
    else
        reply(h.op, body);
    return 0;
}
