/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc.h"

#include "tests/unit/codec.h"

static enum kgr_error u32_encode(struct kgr_wr *wr, const uint32_t *value)
{
    return kgr_ipc_u32_encode(wr, *value);
}

static enum kgr_error resolve_encode(struct kgr_wr *wr, const struct kgr_slice *handle)
{
    return kgr_ipc_resolve_encode(wr, *handle);
}

CODEC_CHECK(check_hello, struct kgr_ipc_hello, kgr_ipc_hello_encode, kgr_ipc_hello_decode)
CODEC_CHECK(check_hello_reply, struct kgr_ipc_hello_reply, kgr_ipc_hello_reply_encode,
            kgr_ipc_hello_reply_decode)
CODEC_CHECK(check_key, struct kgr_ipc_key, kgr_ipc_key_encode, kgr_ipc_key_decode)
CODEC_CHECK(check_handle, struct kgr_ipc_handle, kgr_ipc_handle_encode, kgr_ipc_handle_decode)
CODEC_CHECK(check_resolve, struct kgr_slice, resolve_encode, kgr_ipc_resolve_decode)
CODEC_CHECK(check_nid, struct kgr_nid, kgr_wire_nid_encode, kgr_wire_nid_decode)
CODEC_CHECK(check_request, struct kgr_ipc_request, kgr_ipc_request_encode, kgr_ipc_request_decode)
CODEC_CHECK(check_rekey, struct kgr_ipc_rekey, kgr_ipc_rekey_encode, kgr_ipc_rekey_decode)
CODEC_CHECK(check_wait, struct kgr_ipc_wait, kgr_ipc_wait_encode, kgr_ipc_wait_decode)
CODEC_CHECK(check_u32, uint32_t, u32_encode, kgr_ipc_u32_decode)

static void header_has_the_documented_layout(void **state)
{
    struct kgr_ipc_header h = {.op = 0x0102, .reply = true, .id = 0x03040506, .status = 7};
    struct kgr_ipc_header out;
    struct kgr_slice body;
    uint8_t buf[20];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    kgr_ipc_header_encode(&wr, &h);
    kgr_wr_bytes(&wr, "body", 4);
    assert_memory_equal(buf, "KGRI\1\2\0\1\3\4\5\6\0\0\0\7body", 20);
    assert_int_equal(kgr_ipc_header_decode(&out, &body, kgr_wr_slice(&wr)), KGR_OK);
    assert_int_equal(out.op, h.op);
    assert_true(out.reply);
    assert_true(out.id == h.id);
    assert_int_equal(out.status, 7);
    assert_ptr_equal(body.p, buf + 16);
    assert_int_equal(body.len, 4);
}

static void header_refuses_truncation_and_oversize(void **state)
{
    static uint8_t packet[KGR_IPC_PACKET_MAX + 1] = "KGRI\0\1";
    struct kgr_ipc_header out;
    struct kgr_slice body;

    (void)state;
    for (size_t len = 0; len < KGR_IPC_HEADER_LEN; len++) {
        uint8_t *copy = codec_copy(packet, len);

        assert_int_equal(kgr_ipc_header_decode(&out, &body, kgr_slice(copy, len)), KGR_ERR_CORRUPT);
        free(copy);
    }
    assert_int_equal(kgr_ipc_header_decode(&out, &body, kgr_slice(packet, KGR_IPC_PACKET_MAX)),
                     KGR_OK);
    assert_int_equal(kgr_ipc_header_decode(&out, &body, kgr_slice(packet, KGR_IPC_PACKET_MAX + 1)),
                     KGR_ERR_TOO_LARGE);
}

static void header_refuses_reserved_bits_and_a_status_in_a_request(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum kgr_error err;
    } cases[] = {
        {0, 'k', KGR_ERR_CORRUPT}, {3, 'F', KGR_ERR_CORRUPT}, {6, 1, KGR_ERR_CORRUPT},
        {7, 2, KGR_ERR_CORRUPT},   {7, 3, KGR_ERR_CORRUPT},   {7, 0x80, KGR_ERR_CORRUPT},
        {15, 1, KGR_ERR_CORRUPT},  {12, 1, KGR_ERR_CORRUPT},  {7, 1, KGR_OK},
        {4, 0xff, KGR_OK},         {11, 0xff, KGR_OK},
    };

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        uint8_t packet[16] = {'K', 'G', 'R', 'I', 0, 1};
        struct kgr_ipc_header out;
        struct kgr_slice body;

        packet[cases[i].at] = cases[i].value;
        assert_int_equal(kgr_ipc_header_decode(&out, &body, kgr_slice(packet, 16)), cases[i].err);
    }
}

static void error_reply_carries_its_reason(void **state)
{
    struct kgr_ipc_header request = {.op = KGR_IPC_SEAL, .id = 9};
    struct kgr_ipc_header out;
    char text[KGR_IPC_TEXT_MAX + 1];
    struct kgr_slice body;
    uint8_t buf[300];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_error_encode(&wr, &request, KGR_ERR_NO_KEY, "no key yet"), KGR_OK);
    assert_int_equal(kgr_ipc_header_decode(&out, &body, kgr_wr_slice(&wr)), KGR_OK);
    assert_true(out.reply);
    assert_int_equal(out.op, KGR_IPC_SEAL);
    assert_int_equal(out.id, 9);
    assert_int_equal(out.status, KGR_ERR_NO_KEY);
    assert_int_equal(kgr_ipc_error_decode(text, body), KGR_OK);
    assert_string_equal(text, "no key yet");
    for (size_t len = 0; len < body.len; len++)
        assert_int_equal(kgr_ipc_error_decode(text, kgr_slice(body.p, len)), KGR_ERR_CORRUPT);
    assert_string_equal(text, "no key yet");
}

static void error_reply_takes_any_text(void **state)
{
    struct kgr_ipc_header request = {.op = KGR_IPC_SEAL};
    char text[KGR_IPC_TEXT_MAX + 1];
    char big[400];
    uint8_t buf[300];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_error_encode(&wr, &request, KGR_ERR_IO, NULL), KGR_OK);
    assert_int_equal(kgr_ipc_error_decode(text, kgr_slice(buf + 16, wr.len - 16)), KGR_OK);
    assert_string_equal(text, "");
    memset(big, '\n', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_error_encode(&wr, &request, KGR_ERR_IO, big), KGR_OK);
    assert_int_equal(kgr_ipc_error_decode(text, kgr_slice(buf + 16, wr.len - 16)), KGR_OK);
    assert_int_equal(strlen(text), KGR_IPC_TEXT_MAX);
    assert_int_equal(text[0], '?');
}

static void small_messages_round_trip(void **state)
{
    struct kgr_ipc_hello hello = {1, 3, kgr_slice("kgrctl", 6)};
    struct kgr_ipc_hello_reply reply = {1, kgr_slice("0.1.0", 5), kgr_slice("gateway-1", 9)};
    struct kgr_ipc_key key = {codec_nid("gateway-2"), 5};
    struct kgr_ipc_handle handle = {codec_nid("gateway-2"), 16};
    struct kgr_slice bytes = codec_bytes(1, 48);
    struct kgr_nid nid = codec_nid("a");
    struct kgr_ipc_request request = {codec_nid("gateway-2"), 2};
    struct kgr_ipc_wait wait = {codec_nid("gateway-2"), 3, 10000};
    struct kgr_ipc_rekey rekey = {true, 60000};
    uint32_t value = 0xfedcba98;

    (void)state;
    check_hello(&hello);
    check_hello_reply(&reply);
    reply.node = kgr_slice(NULL, 0);
    check_hello_reply(&reply);
    check_key(&key);
    check_handle(&handle);
    check_resolve(&bytes);
    check_nid(&nid);
    check_request(&request);
    check_wait(&wait);
    check_rekey(&rekey);
    check_u32(&value);
}

static void hello_with_its_versions_reversed_is_refused(void **state)
{
    struct kgr_ipc_hello m = {2, 1, kgr_slice("x", 1)};
    struct kgr_ipc_hello out;
    uint8_t buf[16];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_hello_encode(&wr, &m), KGR_OK);
    assert_int_equal(kgr_ipc_hello_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void handles_are_16_to_64_bytes(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 64; len++) {
        struct kgr_ipc_handle handle = {codec_nid("a"), (uint8_t)len};
        struct kgr_ipc_handle out_handle;
        struct kgr_slice out;
        uint8_t buf[80];
        struct kgr_wr wr;

        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_ipc_resolve_encode(&wr, codec_bytes(1, len)), KGR_OK);
        assert_int_equal(kgr_ipc_resolve_decode(&out, kgr_wr_slice(&wr)),
                         len >= 16 ? KGR_OK : KGR_ERR_CORRUPT);
        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_ipc_handle_encode(&wr, &handle), KGR_OK);
        assert_int_equal(kgr_ipc_handle_decode(&out_handle, kgr_wr_slice(&wr)),
                         len >= 16 ? KGR_OK : KGR_ERR_CORRUPT);
    }
}

/* Bodies that end in "whatever is left" have no truncation of their own to refuse. */
#define DATA_ROUND_TRIP(type, encode, decode, message, max)                                        \
    do {                                                                                           \
        static uint8_t first[CODEC_CAP];                                                           \
        static uint8_t second[CODEC_CAP];                                                          \
        struct kgr_wr wr;                                                                          \
        type out;                                                                                  \
        size_t fixed;                                                                              \
                                                                                                   \
        kgr_wr_init(&wr, first, sizeof(first));                                                    \
        assert_int_equal(encode(&wr, &(message)), KGR_OK);                                         \
        fixed = wr.len - (message).data.len;                                                       \
        assert_int_equal(decode(&out, kgr_wr_slice(&wr)), KGR_OK);                                 \
        assert_true(kgr_slice_equal(out.data, (message).data));                                    \
        kgr_wr_init(&wr, second, sizeof(second));                                                  \
        assert_int_equal(encode(&wr, &out), KGR_OK);                                               \
        assert_memory_equal(first, second, wr.len);                                                \
        for (size_t len = 0; len < fixed; len++) {                                                 \
            uint8_t *copy = codec_copy(first, len);                                                \
                                                                                                   \
            assert_int_equal(decode(&out, kgr_slice(copy, len)), KGR_ERR_CORRUPT);                 \
            free(copy);                                                                            \
        }                                                                                          \
        assert_int_equal(decode(&out, kgr_slice(first, fixed + (max))), KGR_OK);                   \
        assert_int_equal(decode(&out, kgr_slice(first, fixed + (max) + 1)), KGR_ERR_CORRUPT);      \
        (message).data = kgr_slice(second, (max) + 1);                                             \
        kgr_wr_init(&wr, first, sizeof(first));                                                    \
        assert_int_equal(encode(&wr, &(message)), KGR_ERR_TOO_LARGE);                              \
    } while (0)

static void data_messages_round_trip(void **state)
{
    struct kgr_ipc_cipher cipher = {
        .key = {codec_nid("b"), 0}, .direction = 1, .mode = 2, .data = codec_bytes(1, 32)};
    struct kgr_ipc_cipher_reply reply = {.data = codec_bytes(2, 32)};
    struct kgr_ipc_mac mac = {.key = {codec_nid("b"), 9}, .data = codec_bytes(3, 1)};
    struct kgr_ipc_mac_update update = {.id = 5, .data = codec_bytes(4, 0)};
    struct kgr_ipc_seal seal = {
        .peer = codec_nid("b"),
        .stored = true,
        .aad = codec_bytes(5, KGR_IPC_AAD_MAX),
        .data = codec_bytes(6, 100),
    };

    (void)state;
    DATA_ROUND_TRIP(struct kgr_ipc_cipher, kgr_ipc_cipher_encode, kgr_ipc_cipher_decode, cipher,
                    KGR_IPC_DATA_MAX);
    DATA_ROUND_TRIP(struct kgr_ipc_cipher_reply, kgr_ipc_cipher_reply_encode,
                    kgr_ipc_cipher_reply_decode, reply, KGR_IPC_DATA_MAX);
    DATA_ROUND_TRIP(struct kgr_ipc_mac, kgr_ipc_mac_encode, kgr_ipc_mac_decode, mac,
                    KGR_IPC_DATA_MAX);
    DATA_ROUND_TRIP(struct kgr_ipc_mac_update, kgr_ipc_mac_update_encode, kgr_ipc_mac_update_decode,
                    update, KGR_IPC_DATA_MAX);
    DATA_ROUND_TRIP(struct kgr_ipc_seal, kgr_ipc_seal_encode, kgr_ipc_seal_decode, seal,
                    KGR_IPC_RECORD_MAX);
}

static void cipher_refuses_other_directions_and_modes(void **state)
{
    static const uint8_t bad[][2] = {{0, 2}, {3, 2}, {1, 0}, {1, 6}};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++) {
        struct kgr_ipc_cipher m = {
            .key = {codec_nid("b"), 0}, .direction = bad[i][0], .mode = bad[i][1]};
        struct kgr_ipc_cipher out;
        uint8_t buf[64];
        struct kgr_wr wr;

        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_ipc_cipher_encode(&wr, &m), KGR_OK);
        assert_int_equal(kgr_ipc_cipher_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    }
}

static void largest_request_fits_a_packet(void **state)
{
    static uint8_t packet[KGR_IPC_PACKET_MAX];
    static uint8_t data[KGR_IPC_RECORD_MAX];
    struct kgr_ipc_header h = {.op = KGR_IPC_OPEN};
    struct kgr_ipc_seal m = {
        .aad = kgr_slice(data, KGR_IPC_AAD_MAX),
        .data = kgr_slice(data, sizeof(data)),
    };
    struct kgr_wr wr;

    (void)state;
    memset(m.peer.s, 'a', KGR_NID_MAX);
    kgr_wr_init(&wr, packet, sizeof(packet));
    kgr_ipc_header_encode(&wr, &h);
    assert_int_equal(kgr_ipc_seal_encode(&wr, &m), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_has_the_documented_layout),
        cmocka_unit_test(header_refuses_truncation_and_oversize),
        cmocka_unit_test(header_refuses_reserved_bits_and_a_status_in_a_request),
        cmocka_unit_test(error_reply_carries_its_reason),
        cmocka_unit_test(error_reply_takes_any_text),
        cmocka_unit_test(small_messages_round_trip),
        cmocka_unit_test(hello_with_its_versions_reversed_is_refused),
        cmocka_unit_test(handles_are_16_to_64_bytes),
        cmocka_unit_test(data_messages_round_trip),
        cmocka_unit_test(cipher_refuses_other_directions_and_modes),
        cmocka_unit_test(largest_request_fits_a_packet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
