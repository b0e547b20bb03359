/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/mqtt/mqtt.h"

#include <stddef.h>
#include <stdint.h>

/* Clients of a real Mosquitto for tests of agent/mqtt. */
struct client {
    struct kgr_mqtt *mqtt; /* NULL: not open */
    int wake_fd;
    unsigned num_ready;
    unsigned num_lost;
    unsigned num_messages;
    char reason[256];
    char topic[64];
    char payload[64];
    size_t payload_len;
    const char *publish_when_ready;
};

/* client_open fails the test unless the options are accepted; their brokers may go after it. */
void client_open(struct client *client, const struct kgr_mqtt_options *options);
/* client_close accepts one that is not open. */
void client_close(struct client *client);
/*
 * serve_until serves two clients (b may be NULL) until *value has reached at_least. Nothing waits for a time to pass;
 * a minute without it fails the test.
 */
void serve_until(struct client *a, struct client *b, const unsigned *value, unsigned at_least);
