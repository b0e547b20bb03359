/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_mirror.h"

#include "tests/unit/codec.h"

static enum kgr_error entry_encode(struct kgr_wr *wr, const struct kgr_ipc_mirror_entry *entry)
{
    kgr_ipc_mirror_entry_write(wr, entry);
    return kgr_wire_write_result(wr);
}

static enum kgr_error entry_decode(struct kgr_ipc_mirror_entry *out, struct kgr_slice body)
{
    struct kgr_ipc_mirror_entry entry;
    enum kgr_error err;
    struct kgr_rd rd;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_ipc_mirror_entry_read(&rd, &entry);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = entry;
    return err;
}

CODEC_CHECK(check_add, struct kgr_ipc_mirror_add, kgr_ipc_mirror_add_encode,
            kgr_ipc_mirror_add_decode)
CODEC_CHECK(check_mirror, struct kgr_ipc_mirror, kgr_ipc_mirror_encode, kgr_ipc_mirror_decode)
CODEC_CHECK(check_entry, struct kgr_ipc_mirror_entry, entry_encode, entry_decode)

static struct kgr_slice text(const char *s)
{
    return kgr_slice(s, strlen(s));
}

static void mirrors_survive_and_nothing_else_does(void **state)
{
    struct kgr_ipc_mirror_add add = {{text("/etc/tpm2_pkcs11"), text("kgr"), text("N2")},
                                     text("1234")};
    struct kgr_ipc_mirror_entry entry = {add.mirror, true, 4, KGR_ERR_BUSY, text("why")};

    (void)state;
    check_add(&add);
    check_mirror(&add.mirror);
    check_entry(&entry);
    add.mirror.peer = text("");
    entry.mirror.peer = text("");
    entry.configured = false;
    check_add(&add);
    check_mirror(&add.mirror);
    check_entry(&entry);
}

static void mirrors_are_named_in_full(void **state)
{
    static const struct kgr_ipc_mirror wrong[] = {
        {{(const uint8_t *)"etc", 3}, {(const uint8_t *)"kgr", 3}, {NULL, 0}},
        {{NULL, 0}, {(const uint8_t *)"kgr", 3}, {NULL, 0}},
        {{(const uint8_t *)"/a\nb", 4}, {(const uint8_t *)"kgr", 3}, {NULL, 0}},
        {{(const uint8_t *)"/etc", 4}, {NULL, 0}, {NULL, 0}},
        {{(const uint8_t *)"/etc", 4}, {(const uint8_t *)"k\nr", 3}, {NULL, 0}},
    };
    uint8_t bytes[64];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(wrong); i++) {
        struct kgr_ipc_mirror out;
        struct kgr_wr wr;

        kgr_wr_init(&wr, bytes, sizeof(bytes));
        assert_int_equal(kgr_ipc_mirror_encode(&wr, &wrong[i]), KGR_OK);
        assert_int_equal(kgr_ipc_mirror_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mirrors_survive_and_nothing_else_does),
        cmocka_unit_test(mirrors_are_named_in_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
