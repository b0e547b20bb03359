/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/ks_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wire/ipc_status.h"
#include "tests/unit/scripted_agent.h"

static void get_ks_status_copies_every_field(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_ks_status in = {
        .version = kgr_slice("1.2.3", 5),
        .epoch = 1,
        .broker_connected = true,
        .broker = kgr_slice("host:1883", 9),
        .nodes = 2,
        .registered = 3,
        .open_exchanges = 4,
        .holding_duplicates = 5,
        .frames_refused = 6,
        .tpm = kgr_slice("IBM", 3),
        .alarms = kgr_slice("one\ntwo", 7),
        .entropy = kgr_slice("/dev/hwrng: good", 16),
    };
    struct kgr_ks_status out;
    uint8_t body[256];
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    assert_int_equal(kgr_ipc_ks_status_encode(&wr, &in), KGR_OK);
    will_reply(f, KGR_OK, body, wr.len);
    assert_int_equal(kgr_get_ks_status(f->client, &out), KGR_OK);
    assert_int_equal(asked(f, 0, KGR_IPC_KS_STATUS).len, 0);
    assert_string_equal(out.version, "1.2.3");
    assert_int_equal(out.epoch, 1);
    assert_true(out.broker_connected);
    assert_string_equal(out.broker, "host:1883");
    assert_int_equal(out.nodes, 2);
    assert_int_equal(out.registered, 3);
    assert_int_equal(out.open_exchanges, 4);
    assert_int_equal(out.holding_duplicates, 5);
    assert_int_equal(out.frames_refused, 6);
    assert_string_equal(out.tpm, "IBM");
    assert_string_equal(out.topic0, "kgr/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_string_equal(out.alarms, "one\ntwo");
    assert_string_equal(out.entropy, "/dev/hwrng: good");
}

static void get_ks_status_of_an_agent_is_unsupported(void **state)
{
    struct fixture *f = *state;
    struct kgr_ks_status out;

    will_refuse(f, KGR_ERR_UNSUPPORTED, "the KS's socket only");
    assert_int_equal(kgr_get_ks_status(f->client, &out), KGR_ERR_UNSUPPORTED);
    assert_reason("the KS's socket only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(get_ks_status_copies_every_field),
        CLIENT_TEST(get_ks_status_of_an_agent_is_unsupported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
