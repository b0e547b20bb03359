/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buf[KGR_IPC_PACKET_MAX];
static struct kgr_ipc_batch_item items[KGR_IPC_BATCH_MAX];

static size_t encode(size_t num)
{
    static uint8_t data[KGR_IPC_BATCH_MAX];
    struct kgr_ipc_batch batch = {.stored = num % 2 == 0, .num = num};
    struct kgr_wr wr;

    memcpy(batch.peer.s, "N2", 3);
    kgr_wr_init(&wr, buf, sizeof(buf));
    kgr_ipc_batch_head_write(&wr, &batch);
    for (size_t i = 0; i < num; i++) {
        const struct kgr_ipc_batch_item item = {kgr_slice("associated", i % 11),
                                                kgr_slice(data, i)};

        data[i] = (uint8_t)i;
        kgr_ipc_batch_item_write(&wr, &item);
    }
    assert_int_equal(kgr_wire_write_result(&wr), KGR_OK);
    return wr.len;
}

static void batches_of_every_length_come_back(void **state)
{
    (void)state;
    for (size_t num = 1; num <= KGR_IPC_BATCH_MAX; num++) {
        size_t len = encode(num);
        size_t sum = 3 + 1 + 2;
        struct kgr_ipc_batch batch;

        assert_int_equal(kgr_ipc_batch_decode(&batch, items, kgr_slice(buf, len)), KGR_OK);
        assert_string_equal(batch.peer.s, "N2");
        assert_int_equal(batch.num, num);
        assert_int_equal(batch.stored, num % 2 == 0);
        for (size_t i = 0; i < num; i++) {
            assert_int_equal(items[i].aad.len, i % 11);
            assert_int_equal(items[i].data.len, i);
            if (i > 0)
                assert_int_equal(items[i].data.p[i - 1], i - 1);
            sum += kgr_ipc_batch_item_len(&items[i]);
        }
        assert_int_equal(sum, len);
    }
}

static void every_cut_and_every_addition_is_refused(void **state)
{
    size_t len = encode(5);
    struct kgr_ipc_batch batch;

    (void)state;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(kgr_ipc_batch_decode(&batch, items, kgr_slice(buf, cut)), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_ipc_batch_decode(&batch, items, kgr_slice(buf, len + 1)), KGR_ERR_CORRUPT);
}

static void numbers_out_of_range_are_refused(void **state)
{
    static const uint16_t bad[] = {0, KGR_IPC_BATCH_MAX + 1, 0xffff};
    struct kgr_ipc_batch batch = {.num = 0};
    struct kgr_wr wr;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++) {
        memset(buf, 0, sizeof(buf));
        buf[0] = 2;
        memcpy(buf + 1, "N2", 2);
        buf[4] = (uint8_t)(bad[i] >> 8);
        buf[5] = (uint8_t)bad[i];
        assert_int_equal(
            kgr_ipc_batch_decode(&batch, items, kgr_slice(buf, 6 + 6 * (size_t)bad[i] % 60000)),
            KGR_ERR_CORRUPT);
    }
    kgr_wr_init(&wr, buf, sizeof(buf));
    memcpy(batch.peer.s, "N2", 3);
    kgr_ipc_batch_head_write(&wr, &batch);
    assert_false(kgr_wr_ok(&wr));
}

static void a_length_beyond_the_packet_is_refused(void **state)
{
    size_t len = encode(1);
    struct kgr_ipc_batch batch;

    (void)state;
    memset(buf + 8, 0xff, 4); /* of the data */
    assert_int_equal(kgr_ipc_batch_decode(&batch, items, kgr_slice(buf, len)), KGR_ERR_CORRUPT);
}

static void answers_come_back(void **state)
{
    struct kgr_ipc_opened opened = {.status = KGR_OK, .data = kgr_slice("plain", 5)};
    struct kgr_ipc_opened read;
    struct kgr_slice record;
    uint8_t *room;
    struct kgr_wr wr;
    struct kgr_rd rd;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    kgr_ipc_opened_write(&wr, &opened);
    opened = (struct kgr_ipc_opened){.status = KGR_ERR_CORRUPT, .data = kgr_slice("forged", 6)};
    kgr_ipc_opened_write(&wr, &opened);
    kgr_ipc_sealed_write(&wr, kgr_slice("record", 6));
    room = kgr_ipc_sealed_reserve(&wr, 3);
    assert_non_null(room);
    memcpy(room, "two", 3);
    assert_true(kgr_wr_ok(&wr));
    kgr_rd_init(&rd, buf, wr.len);
    kgr_ipc_opened_read(&rd, &read);
    assert_int_equal(read.status, KGR_OK);
    assert_true(kgr_slice_equal(read.data, kgr_slice("plain", 5)));
    kgr_ipc_opened_read(&rd, &read);
    assert_int_equal(read.status, KGR_ERR_CORRUPT);
    assert_true(kgr_slice_equal(read.data, kgr_slice("forged", 6)));
    record = kgr_ipc_sealed_read(&rd);
    assert_true(kgr_slice_equal(record, kgr_slice("record", 6)));
    record = kgr_ipc_sealed_read(&rd);
    assert_true(kgr_slice_equal(record, kgr_slice("two", 3)));
    assert_true(kgr_rd_done(&rd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_every_length_come_back),
        cmocka_unit_test(every_cut_and_every_addition_is_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(a_length_beyond_the_packet_is_refused),
        cmocka_unit_test(answers_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
