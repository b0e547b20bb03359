/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As much of MQTT 3.1.1 and 5 as a proxy needs that changes what is published. */
enum { MQTT_CONNECT = 1, MQTT_CONNACK = 2, MQTT_PUBLISH = 3 };

/* packet_len is the length of the packet that p begins with, 0 while that cannot be told, SIZE_MAX for no MQTT. */
size_t packet_len(const uint8_t *p, size_t len);

/* connect_is_v5 of a whole CONNECT. */
bool connect_is_v5(const uint8_t *p, size_t len);

struct publish {
    const uint8_t *topic; /* borrowed, like payload */
    size_t topic_len;
    const uint8_t *payload;
    size_t payload_len;
    uint8_t qos;
    uint16_t id; /* with qos > 0 */
};
/* publish_parse takes a whole PUBLISH apart; false when it is malformed. */
bool publish_parse(struct publish *out, const uint8_t *p, size_t len, bool is_v5);
/* publish_write writes a PUBLISH of MQTT 3.1.1, QoS 0; out holds PUBLISH_ROOM more than topic and payload. Returns its length. */
#define PUBLISH_ROOM 8
size_t publish_write(uint8_t *out, const uint8_t *topic, size_t topic_len, const uint8_t *payload,
                     size_t payload_len, bool retain);
