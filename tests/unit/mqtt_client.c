/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/mqtt_client.h"

#include "agent/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define GIVE_UP_MS 60000

static void notify(void *arg)
{
    struct client *client = arg;
    uint64_t one = 1;

    if (write(client->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        abort();
}

static void on_ready(void *arg)
{
    struct client *client = arg;

    client->num_ready++;
    assert_true(kgr_mqtt_is_ready(client->mqtt));
    if (client->publish_when_ready != NULL)
        assert_int_equal(
            kgr_mqtt_publish(client->mqtt, client->publish_when_ready, kgr_slice("ready", 5)),
            KGR_OK);
}

static void on_lost(void *arg, const char *reason)
{
    struct client *client = arg;

    client->num_lost++;
    (void)snprintf(client->reason, sizeof(client->reason), "%s", reason);
    assert_false(kgr_mqtt_is_ready(client->mqtt));
}

static void on_message(void *arg, const char *topic, struct kgr_slice payload)
{
    struct client *client = arg;

    client->num_messages++;
    (void)snprintf(client->topic, sizeof(client->topic), "%s", topic);
    client->payload_len = payload.len;
    if (payload.len <= sizeof(client->payload))
        kgr_copy(client->payload, payload.p, payload.len);
}

void client_open(struct client *client, const struct kgr_mqtt_options *options)
{
    const struct kgr_mqtt_callbacks callbacks = {.notify = notify,
                                                 .notify_arg = client,
                                                 .on_ready = on_ready,
                                                 .on_lost = on_lost,
                                                 .on_message = on_message,
                                                 .arg = client};
    struct kgr_diag diag = {{0}};

    memset(client, 0, sizeof(*client));
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(client->wake_fd >= 0);
    if (kgr_mqtt_new(&client->mqtt, options, &callbacks, &diag) != KGR_OK)
        fail_msg("%s", diag.text);
}

void client_close(struct client *client)
{
    if (client->mqtt == NULL)
        return;
    kgr_mqtt_free(client->mqtt);
    client->mqtt = NULL;
    close(client->wake_fd);
}

void serve_until(struct client *a, struct client *b, const unsigned *value, unsigned at_least)
{
    uint64_t give_up_ms = kgr_clock_boot_ms() + GIVE_UP_MS;
    struct client *clients[] = {a, b};
    nfds_t num = b != NULL ? 2 : 1;

    while (*value < at_least) {
        uint64_t next_ms = give_up_ms, now_ms;
        struct pollfd fds[2];

        for (size_t i = 0; i < num; i++) {
            uint64_t wanted_ms = kgr_mqtt_drain(clients[i]->mqtt);

            if (wanted_ms < next_ms)
                next_ms = wanted_ms;
            fds[i] = (struct pollfd){.fd = clients[i]->wake_fd, .events = POLLIN};
        }
        if (*value >= at_least)
            return;
        now_ms = kgr_clock_boot_ms();
        if (now_ms >= give_up_ms)
            fail_msg("nothing happens; the last reason is '%s'", a->reason);
        (void)poll(fds, num, next_ms > now_ms ? (int)(next_ms - now_ms) : 0);
        for (size_t i = 0; i < num; i++) {
            uint64_t count;

            if (read(clients[i]->wake_fd, &count, sizeof(count)) < 0)
                count = 0;
        }
    }
}
