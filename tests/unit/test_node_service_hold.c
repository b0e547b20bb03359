/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/service.h"

#include "agent/wire/ipc.h"
#include "tests/support/node_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A first use that waits for its key: here nobody answers, and no broker is there. */

static struct kgr_pair_row found;

static enum kgr_error find_pair(void *arg, const struct kgr_pair_row *row, struct kgr_diag *diag)
{
    (void)arg;
    (void)diag;
    found = *row;
    return KGR_OK;
}

/* take_key leaves ends[0] a pair that is allowed and has no key. */
static void take_key(void)
{
    struct kgr_db *db;

    node_pair_open(&ends[0]);
    db = ends[0].node.db;
    assert_int_equal(kgr_pair_each(db, find_pair, NULL, NULL), KGR_OK);
    found.state.current = (struct kgr_exchange_offer){.generation = 0};
    found.status = KGR_PAIR_ALLOWED;
    assert_int_equal(kgr_pair_save(db, &found, NULL), KGR_OK);
    assert_int_equal(kgr_db_exec(db, "DELETE FROM generations", NULL), KGR_OK);
    kgr_node_close(&ends[0].node);
}

static void start(uint32_t wait_ms, uint32_t waits, enum kgr_establish establish)
{
    ends[0].settings.first_use_wait_ms = wait_ms;
    ends[0].settings.first_use_waits = waits;
    ends[0].settings.establish = establish;
    node_pair_start(true);
}

/* why uses the key in some way, and returns what the agent says to it. */
static const char *why(void)
{
    static char text[256];
    uint8_t out[256];
    size_t len = 0;

    assert_int_equal(kgr_seal(ends[0].client, node_pair_peer(&ends[0]), false, NULL, 0, out, 1, out,
                              sizeof(out), &len),
                     KGR_ERR_NO_KEY);
    return kgr_client_reason(text, sizeof(text));
}

static void use_that_waited_in_vain_says_for_what(void **state)
{
    struct kgr_key key = node_pair_key(&ends[0], 0);
    struct kgr_peer peer;
    uint8_t bytes[256] = {0};
    uint32_t id = 0;
    size_t len = 0;

    (void)state;
    start(100, 4, KGR_ESTABLISH_ON_DEMAND);
    assert_non_null(strstr(why(), "no connection to the broker"));
    assert_int_equal(kgr_get_key(ends[0].client, &key, &peer), KGR_ERR_NO_KEY);
    assert_int_equal(kgr_encrypt(ends[0].client, &key, KGR_MODE_ECB, bytes, bytes, 16, bytes),
                     KGR_ERR_NO_KEY);
    assert_int_equal(kgr_mac(ends[0].client, &key, bytes, 1, bytes, &len), KGR_ERR_NO_KEY);
    assert_int_equal(kgr_mac_start(ends[0].client, &key, &id), KGR_ERR_NO_KEY);
    node_pair_stop();
}

static void use_waits_for_no_time_when_told_so(void **state)
{
    (void)state;
    start(0, 4, KGR_ESTABLISH_ON_DEMAND);
    assert_non_null(strstr(why(), "the KS is asked for one"));
    node_pair_stop();
    start(60000, 0, KGR_ESTABLISH_ON_DEMAND);
    assert_non_null(strstr(why(), "the KS is asked for one"));
    node_pair_stop();
}

static void by_hand_nobody_asks(void **state)
{
    struct kgr_peer peer;

    (void)state;
    /* What an earlier life asked for is not wanted here. */
    node_pair_open(&ends[0]);
    assert_int_equal(kgr_pair_save(ends[0].node.db, &found, NULL), KGR_OK);
    kgr_node_close(&ends[0].node);
    start(60000, 4, KGR_ESTABLISH_MANUAL);
    assert_non_null(strstr(why(), "by hand"));
    assert_int_equal(kgr_wait(ends[0].client, node_pair_peer(&ends[0]), 0, 50, &peer),
                     KGR_ERR_TIMEOUT);
    assert_int_equal(peer.state, KGR_STATE_IDLE);
    node_pair_stop();
}

static int raw_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", ends[0].socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void raw_send(int fd, uint16_t op, struct kgr_slice body)
{
    uint8_t packet[512];
    struct kgr_ipc_header header = {.op = op, .id = 1};
    struct kgr_wr wr;

    kgr_wr_init(&wr, packet, sizeof(packet));
    kgr_ipc_header_encode(&wr, &header);
    kgr_wr_bytes(&wr, body.p, body.len);
    assert_true(kgr_wr_ok(&wr));
    assert_int_equal(send(fd, packet, wr.len, 0), wr.len);
}

/* One that waits takes the one place there is, until its client goes. */
static void places_are_bounded_and_go_with_the_client(void **state)
{
    struct kgr_ipc_hello hello = {.lowest = 1, .highest = 1};
    struct kgr_ipc_key key = {.generation = 0};
    uint8_t body[128];
    struct kgr_wr wr;
    int fd;

    (void)state;
    start(60000, 1, KGR_ESTABLISH_ON_DEMAND);
    fd = raw_connect();
    kgr_wr_init(&wr, body, sizeof(body));
    assert_int_equal(kgr_ipc_hello_encode(&wr, &hello), KGR_OK);
    raw_send(fd, KGR_IPC_HELLO, kgr_wr_slice(&wr));
    assert_true(recv(fd, body, sizeof(body), 0) > 0);
    key.peer = ends[1].nid;
    kgr_wr_init(&wr, body, sizeof(body));
    assert_int_equal(kgr_ipc_key_encode(&wr, &key), KGR_OK);
    raw_send(fd, KGR_IPC_KEY, kgr_wr_slice(&wr));
    /* Requests of one connection come in order: once this one is answered that one waits. */
    raw_send(fd, KGR_IPC_STATUS, kgr_slice(NULL, 0));
    assert_true(recv(fd, body, sizeof(body), 0) > 0);
    assert_non_null(strstr(why(), "the KS is asked for one"));
    /* At a stop what waits is dropped with everything else. */
    node_pair_stop();
    assert_int_equal(close(fd), 0);
}

static int group_setup(void **state)
{
    if (node_pair_group_setup(state) != 0)
        return -1;
    take_key();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_that_waited_in_vain_says_for_what),
        cmocka_unit_test(use_waits_for_no_time_when_told_so),
        cmocka_unit_test(by_hand_nobody_asks),
        cmocka_unit_test(places_are_bounded_and_go_with_the_client),
    };

    return cmocka_run_group_tests(tests, group_setup, node_pair_group_teardown);
}
