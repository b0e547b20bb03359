/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the seeds of the fuzz targets: fuzz_seeds tests/fuzz/corpus. One well-formed input for every
 * message, named after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/wire/body_exchange.h"
#include "agent/wire/body_nksk.h"
#include "agent/wire/body_notice.h"
#include "agent/wire/body_registration.h"
#include "agent/wire/body_sync.h"
#include "agent/wire/credential.h"
#include "agent/wire/frame.h"
#include "agent/wire/ipc.h"
#include "agent/wire/ipc_data.h"
#include "agent/wire/ipc_status.h"
#include "agent/wire/lane.h"
#include "agent/wire/body_audit.h"
#include "agent/wire/order.h"
#include "agent/wire/record.h"

static const char *folder;
static uint8_t bytes[80000];
static struct kgr_wr wr;

static const uint8_t filler[128] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

static struct kgr_slice some(size_t len)
{
    return kgr_slice(filler, len);
}

static struct kgr_slice text(const char *s)
{
    return kgr_slice(s, strlen(s));
}

static void require(int holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fuzz_seeds: %s failed\n", what);
    exit(1);
}

static void begin(void)
{
    kgr_wr_init(&wr, bytes, sizeof(bytes));
}

/* Writes what wr holds to corpus/target/name. */
static void save(const char *target, const char *name)
{
    char path[512];
    FILE *f;

    require(kgr_wr_ok(&wr), name);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, target);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
    f = fopen(path, "wb");
    require(f != NULL && fwrite(bytes, 1, wr.len, f) == wr.len && fclose(f) == 0, path);
}

static void begin_body(uint8_t type)
{
    begin();
    kgr_wr_u8(&wr, type);
}

#define SAVE_BODY(type, name, encode, message)                                                     \
    do {                                                                                           \
        begin_body(type);                                                                          \
        require(encode(&wr, message) == KGR_OK, name);                                             \
        save("frame", name);                                                                       \
    } while (0)

static void frames(void)
{
    struct kgr_frame_header h = {
        .type = KGR_FRAME_KEY_REQ, .suite = 1, .role = KGR_ROLE_NODE, .epoch = 1, .counter = 1};
    struct kgr_frame_layout l;

    for (uint8_t suite = 1; suite <= 2; suite++) {
        h.suite = suite;
        begin_body(0);
        require(kgr_frame_layout(&l, &wr, &h, 20) == KGR_OK, "frame");
        memset(l.iv, 'i', KGR_IV_LEN);
        memset(l.body, 'b', l.body_len);
        memset(l.tag, 't', l.tag_len);
        save("frame", suite == 1 ? "frame_suite1" : "frame_suite2");
    }
}

static void registration(void)
{
    struct kgr_reg_req req = {.node = {"gateway-00001"},
                              .suites = 1,
                              .custodies = 1,
                              .ek = some(30),
                              .ek_cert = some(10),
                              .storage = some(20)};
    struct kgr_reg_chal chal = {.node = {"gateway-00001"},
                                .suite = 1,
                                .custody = KGR_WIRE_RESIDENT,
                                .credential = some(20),
                                .secret = some(30),
                                .nksk = {some(10), some(20), some(15)},
                                .nksksign = {some(11), some(21), some(16)}};
    struct kgr_reg_proof proof = {.node = {"gateway-00001"}};
    struct kgr_nksk_req renewal = {
        .node = {"gateway-00001"}, .suites = 1, .custodies = 1, .storage = some(20)};

    SAVE_BODY(KGR_FRAME_REG_REQ, "reg_req", kgr_reg_req_encode, &req);
    SAVE_BODY(KGR_FRAME_REG_CHAL, "reg_chal", kgr_reg_chal_encode, &chal);
    SAVE_BODY(KGR_FRAME_REG_PROOF, "reg_proof", kgr_reg_proof_encode, &proof);
    SAVE_BODY(KGR_FRAME_NKSK_REQ, "nksk_req", kgr_nksk_req_encode, &renewal);
    SAVE_BODY(KGR_FRAME_NKSK_CHAL, "nksk_chal", kgr_reg_chal_encode, &chal);
    SAVE_BODY(KGR_FRAME_NKSK_PROOF, "nksk_proof", kgr_reg_proof_encode, &proof);
}

static void sync_pages(void)
{
    static struct kgr_sync_req req = {.epoch = 1, .num_peers = 2, .num_open = 1};
    static struct kgr_sync_ans ans = {.epoch = 2,
                                      .num_pages = 1,
                                      .lease_s = 86400,
                                      .nksk_age_s = 60,
                                      .num_pairs = 2,
                                      .num_results = 1};

    req.peers[0] = (struct kgr_sync_peer){{"gateway-00002"}, 1, 1};
    req.peers[1] = (struct kgr_sync_peer){{"gateway-00003"}, 0, 0};
    ans.pairs[0] =
        (struct kgr_sync_pair){{"gateway-00002"}, KGR_SYNC_ALLOWED, 5, 0, 1, 1, 60, 86400, 1, 1};
    ans.pairs[1] =
        (struct kgr_sync_pair){{"gateway-00003"}, KGR_SYNC_REVOKED, 6, 3, 0, 0, 0, 0, 0, 0};
    ans.results[0].outcome = KGR_SYNC_COMMITTED;
    ans.results[0].generation = 1;
    SAVE_BODY(KGR_FRAME_SYNC_REQ, "sync_req", kgr_sync_req_encode, &req);
    SAVE_BODY(KGR_FRAME_SYNC_ANS, "sync_ans", kgr_sync_ans_encode, &ans);
}

static void notices(void)
{
    static const struct kgr_notice pair = {7, KGR_NOTICE_REVOKED, 3, {"gateway-00002"}};
    static const struct kgr_notice node = {8, KGR_NOTICE_NODE_REVOKED, 0, {""}};

    SAVE_BODY(KGR_FRAME_NOTICE, "notice_pair", kgr_notice_encode, &pair);
    SAVE_BODY(KGR_FRAME_NOTICE, "notice_node", kgr_notice_encode, &node);
    SAVE_BODY(KGR_FRAME_NOTICE_ACK, "notice_ack", kgr_notice_ack_encode, 8);
}

static void exchange(void)
{
    struct kgr_exchange_head head = {
        .nid1 = {"gateway-00001"}, .nid2 = {"gateway-00002"}, .generation = 1};
    struct kgr_key_req req = {.nid1 = {"gateway-00001"}, .nid2 = {"gateway-00002"}, .cause = 1};
    struct kgr_adv_req adv = {.key = {.head = head,
                                      .suite = 1,
                                      .custody = 1,
                                      .lifetime_s = 86400,
                                      .nnsk = {some(10), some(20), some(15)},
                                      .nnsksign = {some(11), some(21), some(16)}}};
    struct kgr_adv_ans adv_ans = {.head = head, .kc = some(32)};
    struct kgr_conf_ans conf_ans = {.head = head, .kc = some(48)};
    struct kgr_nack nack = {.type = KGR_FRAME_KEY_REQ,
                            .sequence = 1,
                            .reason = KGR_NACK_BUSY,
                            .retry_after_s = 5,
                            .generation = 0};

    SAVE_BODY(KGR_FRAME_KEY_REQ, "key_req", kgr_key_req_encode, &req);
    SAVE_BODY(KGR_FRAME_KEY_ANS, "key_ans", kgr_key_ans_encode, &adv.key);
    SAVE_BODY(KGR_FRAME_ADV_REQ, "adv_req", kgr_adv_req_encode, &adv);
    SAVE_BODY(KGR_FRAME_ADV_ANS, "adv_ans", kgr_adv_ans_encode, &adv_ans);
    SAVE_BODY(KGR_FRAME_CONF_ANS, "conf_ans", kgr_conf_ans_encode, &conf_ans);
    SAVE_BODY(KGR_FRAME_NACK, "nack", kgr_nack_encode, &nack);
}

static void records(void)
{
    struct kgr_record_header h = {.suite = 1, .role = 1, .generation = 1, .sequence = 1};

    begin();
    require(kgr_record_header_encode(&wr, &h) == KGR_OK, "record");
    kgr_wr_bytes(&wr, filler, 16 + 16 + 16);
    save("record", "suite1");
    h = (struct kgr_record_header){
        .suite = 2, .role = 2, .stored = true, .generation = 7, .sequence = 9};
    begin();
    require(kgr_record_header_encode(&wr, &h) == KGR_OK, "record");
    kgr_wr_bytes(&wr, filler, 16);
    kgr_wr_bytes(&wr, filler, 32);
    kgr_wr_bytes(&wr, filler, 24);
    save("record", "suite2_stored");
    h = (struct kgr_record_header){
        .suite = 1, .role = 1, .message = true, .generation = 7, .sequence = 9};
    begin();
    require(kgr_record_header_encode(&wr, &h) == KGR_OK, "record");
    kgr_wr_bytes(&wr, filler, 16 + 16 + 16);
    save("record", "message");
}

static void begin_packet(uint16_t op, bool reply, enum kgr_error status)
{
    struct kgr_ipc_header h = {op, reply, 1, (uint32_t)status};

    begin();
    kgr_ipc_header_encode(&wr, &h);
}

#define SAVE_PACKET(op, reply, name, encode, message)                                              \
    do {                                                                                           \
        begin_packet(op, reply, KGR_OK);                                                           \
        require(encode(&wr, message) == KGR_OK, name);                                             \
        save("ipc", name);                                                                         \
    } while (0)

static void ipc_requests(void)
{
    struct kgr_ipc_hello hello = {1, 1, text("kgrctl")};
    struct kgr_ipc_key key = {{"gateway-00002"}, 0};
    struct kgr_ipc_handle handle = {{"gateway-00002"}, 16};
    struct kgr_ipc_request request = {{"gateway-00002"}, 2};
    struct kgr_ipc_wait wait = {{"gateway-00002"}, 1, 1000};
    struct kgr_ipc_cipher cipher = {.key = key, .direction = 1, .mode = 2, .data = some(16)};
    struct kgr_ipc_rekey rekey = {true, 60000};
    struct kgr_ipc_mac mac = {key, some(5)};
    struct kgr_ipc_mac_update update = {1, some(5)};
    struct kgr_ipc_seal seal = {{"gateway-00002"}, true, text("aad"), text("plaintext")};
    struct kgr_ipc_send send = {{"gateway-00002"}, text("plaintext")};
    struct kgr_ipc_recv recv = {text("gateway-00002"), 1000};
    struct kgr_ipc_keys keys = {text("gateway-00002"), 0};

    SAVE_PACKET(KGR_IPC_HELLO, false, "hello", kgr_ipc_hello_encode, &hello);
    SAVE_PACKET(KGR_IPC_KEY, false, "key", kgr_ipc_key_encode, &key);
    SAVE_PACKET(KGR_IPC_HANDLE, false, "handle", kgr_ipc_handle_encode, &handle);
    SAVE_PACKET(KGR_IPC_RESOLVE, false, "resolve", kgr_ipc_resolve_encode, some(16));
    SAVE_PACKET(KGR_IPC_REQUEST, false, "request", kgr_ipc_request_encode, &request);
    SAVE_PACKET(KGR_IPC_WAIT, false, "wait", kgr_ipc_wait_encode, &wait);
    SAVE_PACKET(KGR_IPC_REKEY, false, "rekey", kgr_ipc_rekey_encode, &rekey);
    SAVE_PACKET(KGR_IPC_CIPHER, false, "cipher", kgr_ipc_cipher_encode, &cipher);
    SAVE_PACKET(KGR_IPC_MAC, false, "mac", kgr_ipc_mac_encode, &mac);
    SAVE_PACKET(KGR_IPC_MAC_UPDATE, false, "mac_update", kgr_ipc_mac_update_encode, &update);
    SAVE_PACKET(KGR_IPC_SEAL, false, "seal", kgr_ipc_seal_encode, &seal);
    SAVE_PACKET(KGR_IPC_RANDOM, false, "random", kgr_ipc_u32_encode, 32);
    SAVE_PACKET(KGR_IPC_SEND, false, "send", kgr_ipc_send_encode, &send);
    SAVE_PACKET(KGR_IPC_RECV, false, "recv", kgr_ipc_recv_encode, &recv);
    SAVE_PACKET(KGR_IPC_KEYS, false, "keys", kgr_ipc_keys_encode, &keys);
    SAVE_PACKET(KGR_IPC_SUBSCRIBE, false, "subscribe", kgr_ipc_subscribe_encode,
                text("gateway-00002"));
}

static void ipc_replies(void)
{
    static const char topic[] = "kgr/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct kgr_ipc_header request = {KGR_IPC_SEAL, false, 1, 0};
    struct kgr_ipc_hello_reply hello = {1, text("0.1.0"), text("gateway-00001")};
    struct kgr_ipc_cipher_reply cipher = {.data = some(16)};
    struct kgr_nid nid = {"gateway-00002"};
    struct kgr_ipc_peer peer = {.peer = nid,
                                .generation = 1,
                                .state = 3,
                                .custody = 1,
                                .suite = 1,
                                .may_send = true,
                                .age_s = 60,
                                .expires_s = KGR_IPC_NONE_S,
                                .receive_topic = text(topic),
                                .reason = text("fine")};
    struct kgr_ipc_status status = {.registered = true,
                                    .node = text("gateway-00001"),
                                    .version = text("0.1.0"),
                                    .broker = text("broker:1883"),
                                    .tpm = text("SW TPM"),
                                    .alarms = text("one\ntwo")};
    struct kgr_ipc_ks_status ks = {
        .version = text("0.1.0"), .broker_connected = true, .broker = text("broker:1883")};
    struct kgr_ipc_message message = {nid, 1, 2, 3, text("plaintext")};
    struct kgr_ipc_event event = {
        .type = 2, .peer = text("gateway-00002"), .generation = 2, .text = text("fine")};
    const struct kgr_ipc_peers_head head = {2, 2};

    SAVE_PACKET(KGR_IPC_HELLO, true, "hello_reply", kgr_ipc_hello_reply_encode, &hello);
    SAVE_PACKET(KGR_IPC_RESOLVE, true, "resolve_reply", kgr_wire_nid_encode, &nid);
    SAVE_PACKET(KGR_IPC_CIPHER, true, "cipher_reply", kgr_ipc_cipher_reply_encode, &cipher);
    SAVE_PACKET(KGR_IPC_STATUS, true, "status_reply", kgr_ipc_status_encode, &status);
    SAVE_PACKET(KGR_IPC_KS_STATUS, true, "ks_status_reply", kgr_ipc_ks_status_encode, &ks);
    SAVE_PACKET(KGR_IPC_RECV, true, "recv_reply", kgr_ipc_message_encode, &message);
    SAVE_PACKET(KGR_IPC_EVENT, true, "event_reply", kgr_ipc_event_encode, &event);
    begin_packet(KGR_IPC_KEY, true, KGR_OK);
    kgr_ipc_peer_write(&wr, &peer);
    save("ipc", "key_reply");
    begin_packet(KGR_IPC_PEERS, true, KGR_OK);
    kgr_ipc_peers_head_write(&wr, &head);
    kgr_ipc_peer_write(&wr, &peer);
    kgr_ipc_peer_write(&wr, &peer);
    save("ipc", "peers_reply");
    begin();
    require(kgr_ipc_error_encode(&wr, &request, KGR_ERR_NO_KEY, "no key yet") == KGR_OK, "error");
    save("ipc", "error_reply");
}

static void save_order(uint8_t kind, struct kgr_slice body, const char *name)
{
    struct kgr_order m = {.kind = kind, .number = 1, .expires = 1800000000, .body = body};

    begin();
    require(kgr_order_encode(&wr, &m) == KGR_OK, name);
    require(kgr_signature_append(&wr, filler) == KGR_OK, name);
    save("order", name);
}

static void save_result(uint8_t kind, enum kgr_error status, struct kgr_slice body,
                        const char *name)
{
    struct kgr_result m = {.kind = kind, .number = 1, .status = (uint32_t)status, .body = body};

    begin();
    require(kgr_result_encode(&wr, &m) == KGR_OK, name);
    require(kgr_signature_append(&wr, filler) == KGR_OK, name);
    save("order", name);
}

/* A body of its own, so that the envelope can be written to the common buffer. */
static uint8_t body_bytes[1024];
static struct kgr_wr body_wr;

static struct kgr_wr *begin_order_body(void)
{
    kgr_wr_init(&body_wr, body_bytes, sizeof(body_bytes));
    return &body_wr;
}

static void orders(void)
{
    static struct kgr_order_node_add add = {.node = {"gateway-00001"},
                                            .validity_s = 3600,
                                            .port = 1883,
                                            .num_peers = 2,
                                            .peers = {{"gateway-00002"}, {"gateway-00003"}}};
    struct kgr_order_pair pair = {{{"gateway-00001"}, {"gateway-00002"}}, 1, 1};
    struct kgr_order_rekey rekey = {{"gateway-00001"}, true};
    const struct kgr_audit_query query = {3, 1800000000};
    int ok;

    add.ek_hash = some(32);
    add.host = text("broker");
    ok = kgr_order_node_add_encode(begin_order_body(), &add) == KGR_OK;
    save_order(KGR_ORDER_NODE_ADD, kgr_wr_slice(&body_wr), "node_add");
    ok = ok && kgr_order_offset_encode(begin_order_body(), 5) == KGR_OK;
    save_order(KGR_ORDER_NODE_LIST, kgr_wr_slice(&body_wr), "node_list");
    ok = ok && kgr_order_pair_encode(begin_order_body(), &pair, true) == KGR_OK;
    save_order(KGR_ORDER_PAIR_ALLOW, kgr_wr_slice(&body_wr), "pair_allow");
    ok = ok && kgr_order_pair_encode(begin_order_body(), &pair, false) == KGR_OK;
    save_order(KGR_ORDER_PAIR_DENY, kgr_wr_slice(&body_wr), "pair_deny");
    ok = ok && kgr_wire_nid_encode(begin_order_body(), &add.node) == KGR_OK;
    save_order(KGR_ORDER_NODE_SHOW, kgr_wr_slice(&body_wr), "node_show");
    ok = ok && kgr_order_rekey_encode(begin_order_body(), &rekey) == KGR_OK;
    save_order(KGR_ORDER_NODE_REKEY, kgr_wr_slice(&body_wr), "node_rekey");
    kgr_wr_vec16(begin_order_body(), some(100));
    save_order(KGR_ORDER_AC_REKEY, kgr_wr_slice(&body_wr), "ac_rekey");
    ok = ok && kgr_audit_query_encode(begin_order_body(), &query) == KGR_OK;
    save_order(KGR_ORDER_AUDIT_LIST, kgr_wr_slice(&body_wr), "audit_list");
    require(ok, "orders");
}

static void results(void)
{
    struct kgr_sealed_credential sealed = {
        .credential = some(20), .secret = some(30), .body = some(48)};
    struct kgr_node_entry node = {.node = {"gateway-00001"},
                                  .state = KGR_NODE_REGISTERED,
                                  .flags = KGR_NODE_EK_PROVEN,
                                  .ek_name = some(34),
                                  .added = 1,
                                  .suites = 1,
                                  .custodies = 1};
    struct kgr_pair_entry pair = {{{"gateway-00001"}, {"gateway-00002"}}, 0, 0, 1, 1};
    const struct kgr_list_head head = {2, 2};
    const struct kgr_ac_grant grant = {.credential = some(20),
                                       .secret = some(30),
                                       .nksk = {some(10), some(20), some(30)},
                                       .nksksign = {some(10), some(20), some(30)}};
    const struct kgr_audit_head audit_head = {.newest = 9, .num = 1};
    const struct kgr_audit_entry audit = {.id = 9,
                                          .time_s = 1800000000,
                                          .what = KGR_AUDIT_REFUSED,
                                          .kind = KGR_ORDER_PAIR_ALLOW,
                                          .number = 1,
                                          .status = 13,
                                          .count = 2,
                                          .subject = text("gateway-00001 gateway-00002"),
                                          .text = text("replay")};

    require(kgr_sealed_credential_encode(begin_order_body(), &sealed) == KGR_OK, "sealed");
    save_result(KGR_ORDER_NODE_ADD, KGR_OK, kgr_wr_slice(&body_wr), "node_add_result");
    kgr_node_entry_write(begin_order_body(), &node);
    save_result(KGR_ORDER_NODE_SHOW, KGR_OK, kgr_wr_slice(&body_wr), "node_show_result");
    kgr_list_head_write(begin_order_body(), &head);
    kgr_node_entry_write(&body_wr, &node);
    kgr_node_entry_write(&body_wr, &node);
    save_result(KGR_ORDER_NODE_LIST, KGR_OK, kgr_wr_slice(&body_wr), "node_list_result");
    kgr_list_head_write(begin_order_body(), &head);
    kgr_pair_entry_write(&body_wr, &pair);
    kgr_pair_entry_write(&body_wr, &pair);
    save_result(KGR_ORDER_PAIR_LIST, KGR_OK, kgr_wr_slice(&body_wr), "pair_list_result");
    require(kgr_ac_grant_encode(begin_order_body(), &grant) == KGR_OK, "grant");
    save_result(KGR_ORDER_AC_REKEY, KGR_OK, kgr_wr_slice(&body_wr), "ac_rekey_result");
    kgr_audit_head_write(begin_order_body(), &audit_head);
    kgr_audit_entry_write(&body_wr, &audit);
    kgr_wr_bytes(&body_wr, filler, KGR_DIGEST_LEN);
    save_result(KGR_ORDER_AUDIT_LIST, KGR_OK, kgr_wr_slice(&body_wr), "audit_list_result");
    save_result(KGR_ORDER_NODE_ADD, KGR_ERR_EXISTS, text("\x05there"), "failed_result");
}

static void files(void)
{
    struct kgr_credential_file credential = {.node = {"gateway-00001"},
                                             .ntag = filler,
                                             .ks_signing = some(20),
                                             .expires = 1800000000,
                                             .host = text("broker"),
                                             .port = 1883};
    struct kgr_identity identity = {
        .kind = KGR_IDENTITY_AC, .signing = some(20), .storage = some(21), .ek = some(22)};

    begin();
    require(kgr_credential_encode(&wr, &credential) == KGR_OK, "credential");
    kgr_wr_bytes(&wr, filler, KGR_DIGEST_LEN);
    save("credential", "credential");
    begin();
    require(kgr_identity_encode(&wr, &identity) == KGR_OK, "identity");
    kgr_wr_bytes(&wr, filler, KGR_DIGEST_LEN);
    save("credential", "ac_pub");
    identity.kind = KGR_IDENTITY_KS;
    identity.grant.credential = some(20);
    identity.grant.secret = some(30);
    identity.grant.nksk = identity.grant.nksksign =
        (struct kgr_wire_object){some(10), some(20), some(30)};
    identity.host = text("broker");
    identity.port = 1883;
    begin();
    require(kgr_identity_encode(&wr, &identity) == KGR_OK, "identity");
    kgr_wr_bytes(&wr, filler, KGR_DIGEST_LEN);
    save("credential", "ks_pub");
}

/* Two messages, the first of which goes on at the start of the ring. */
static void lane(void)
{
    const uint32_t start[3] = {KGR_SHM_RING - 64, KGR_SHM_RING + 128, 0};
    const uint32_t frame[2] = {100, 0};

    begin();
    kgr_wr_bytes(&wr, start, sizeof(start));
    for (int i = 0; i < 2; i++) {
        struct kgr_ipc_header header = {.op = KGR_IPC_SEAL, .id = (uint32_t)i};

        kgr_wr_bytes(&wr, frame, sizeof(frame));
        kgr_ipc_header_encode(&wr, &header);
        kgr_wr_bytes(&wr, filler, 64);
        kgr_wr_bytes(&wr, filler, 20);
        kgr_wr_zero(&wr, 20);
    }
    save("lane", "two");
}

static void faults(void)
{
    begin();
    kgr_wr_bytes(&wr, "over!", 5);
    save("negative", "over");
    begin();
    kgr_wr_bytes(&wr, "trip\x80", 5);
    save("negative", "trip");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
        return 2;
    }
    folder = argv[1];
    (void)mkdir(folder, 0755);
    frames();
    registration();
    sync_pages();
    notices();
    exchange();
    records();
    ipc_requests();
    ipc_replies();
    orders();
    results();
    files();
    lane();
    faults();
    return 0;
}
