/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_data.h"

#include "tests/unit/codec.h"

static enum kgr_error subscribe_encode(struct kgr_wr *wr, const struct kgr_slice *peer)
{
    return kgr_ipc_subscribe_encode(wr, *peer);
}

CODEC_CHECK(check_recv, struct kgr_ipc_recv, kgr_ipc_recv_encode, kgr_ipc_recv_decode)
CODEC_CHECK(check_subscribe, struct kgr_slice, subscribe_encode, kgr_ipc_subscribe_decode)
CODEC_CHECK(check_event, struct kgr_ipc_event, kgr_ipc_event_encode, kgr_ipc_event_decode)

static void requests_survive_and_nothing_else_does(void **state)
{
    struct kgr_ipc_recv recv = {kgr_slice("N2", 2), 0x01020304};
    struct kgr_slice peer = kgr_slice("N2", 2);
    struct kgr_slice none = kgr_slice(NULL, 0);

    (void)state;
    check_recv(&recv);
    recv.peer = none;
    check_recv(&recv);
    check_subscribe(&peer);
    check_subscribe(&none);
}

static void event_survives_and_nothing_else_does(void **state)
{
    struct kgr_ipc_event event = {.type = KGR_IPC_EVENT_FIRST,
                                  .peer = kgr_slice("N2", 2),
                                  .generation = 7,
                                  .count = 9,
                                  .error = KGR_ERR_COUNT - 1,
                                  .unix_s = 1800000000,
                                  .text = kgr_slice("why", 3)};
    uint8_t buf[256];
    struct kgr_ipc_event out;
    struct kgr_wr wr;

    (void)state;
    check_event(&event);
    event.type = KGR_IPC_EVENT_LAST;
    event.peer = kgr_slice(NULL, 0);
    event.text = kgr_slice(NULL, 0);
    check_event(&event);
    for (int type = 0; type <= 255; type++) {
        bool known = type >= KGR_IPC_EVENT_FIRST && type <= KGR_IPC_EVENT_LAST;

        event.type = (uint8_t)type;
        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_ipc_event_encode(&wr, &event), KGR_OK);
        assert_int_equal(kgr_ipc_event_decode(&out, kgr_wr_slice(&wr)),
                         known ? KGR_OK : KGR_ERR_CORRUPT);
    }
}

/* A body that ends in "whatever is left" has no truncation of its own to refuse there. */
static void send_takes_up_to_the_largest_message(void **state)
{
    struct kgr_ipc_send in = {codec_nid("gateway-00002"), codec_bytes(1, KGR_RECORD_PLAIN_MAX)};
    static uint8_t buf[KGR_RECORD_PLAIN_MAX + 100];
    struct kgr_ipc_send out;
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_send_encode(&wr, &in), KGR_OK);
    assert_int_equal(kgr_ipc_send_decode(&out, kgr_wr_slice(&wr)), KGR_OK);
    assert_string_equal(out.peer.s, "gateway-00002");
    assert_true(kgr_slice_equal(out.data, in.data));
    assert_int_equal(kgr_ipc_send_decode(&out, kgr_slice(buf, wr.len + 1)), KGR_ERR_CORRUPT);
    for (size_t len = 0; len < 14; len++)
        assert_int_equal(kgr_ipc_send_decode(&out, kgr_slice(buf, len)), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_ipc_send_decode(&out, kgr_slice(buf, 14)), KGR_OK);
    assert_int_equal(out.data.len, 0);
    in.data = codec_bytes(1, KGR_RECORD_PLAIN_MAX + 1);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_send_encode(&wr, &in), KGR_ERR_TOO_LARGE);
}

static void message_has_a_generation_and_a_sequence(void **state)
{
    static uint8_t buf[KGR_RECORD_PLAIN_MAX + 100];
    struct kgr_ipc_message out;
    struct kgr_wr wr;

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct kgr_ipc_message in = {
            .peer = codec_nid("N2"),
            .generation = (uint64_t)(i & 1),
            .sequence = (uint64_t)(i >> 1),
            .waiting = 5,
            .data = codec_bytes(3, i == 3 ? KGR_RECORD_PLAIN_MAX : 0),
        };

        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_ipc_message_encode(&wr, &in), KGR_OK);
        assert_int_equal(kgr_ipc_message_decode(&out, kgr_wr_slice(&wr)),
                         i == 3 ? KGR_OK : KGR_ERR_CORRUPT);
    }
    assert_int_equal(out.waiting, 5);
    assert_int_equal(out.data.len, KGR_RECORD_PLAIN_MAX);
    assert_int_equal(kgr_ipc_message_decode(&out, kgr_slice(buf, wr.len + 1)), KGR_ERR_CORRUPT);
    for (size_t len = 0; len < 3 + 20; len++)
        assert_int_equal(kgr_ipc_message_decode(&out, kgr_slice(buf, len)), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_survive_and_nothing_else_does),
        cmocka_unit_test(event_survives_and_nothing_else_does),
        cmocka_unit_test(send_takes_up_to_the_largest_message),
        cmocka_unit_test(message_has_a_generation_and_a_sequence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
