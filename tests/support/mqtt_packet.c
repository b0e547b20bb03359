/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/mqtt_packet.h"

#include <string.h>

/* The variable length integer at p; *out_len is how many bytes it takes, 0 when it is cut off, 5 when it is none. */
static size_t read_varint(const uint8_t *p, size_t len, size_t *out_len)
{
    size_t value = 0;

    for (size_t i = 0; i < 4; i++) {
        if (i >= len) {
            *out_len = 0;
            return 0;
        }
        value |= (size_t)(p[i] & 0x7f) << (7 * i);
        if ((p[i] & 0x80) == 0) {
            *out_len = i + 1;
            return value;
        }
    }
    *out_len = 5;
    return 0;
}

size_t packet_len(const uint8_t *p, size_t len)
{
    size_t n, rest;

    if (len < 2)
        return 0;
    rest = read_varint(p + 1, len - 1, &n);
    if (n == 5)
        return SIZE_MAX;
    return n == 0 ? 0 : 1 + n + rest;
}

/* What follows the fixed header. */
static const uint8_t *body_of(const uint8_t *p, size_t len, size_t *out_len)
{
    size_t n;

    (void)read_varint(p + 1, len - 1, &n);
    *out_len = len - 1 - n;
    return p + 1 + n;
}

bool connect_is_v5(const uint8_t *p, size_t len)
{
    size_t body_len;
    const uint8_t *body = body_of(p, len, &body_len);

    return body_len >= 7 && memcmp(body, "\0\4MQTT\5", 7) == 0;
}

bool publish_parse(struct publish *out, const uint8_t *p, size_t len, bool is_v5)
{
    size_t left, n, properties;
    const uint8_t *body = body_of(p, len, &left);

    out->qos = (p[0] >> 1) & 3;
    out->id = 0;
    if (left < 2)
        return false;
    out->topic_len = (size_t)(body[0] << 8 | body[1]);
    if (out->topic_len + 2 > left)
        return false;
    out->topic = body + 2;
    body += 2 + out->topic_len;
    left -= 2 + out->topic_len;
    if (out->qos > 0) {
        if (left < 2)
            return false;
        out->id = (uint16_t)(body[0] << 8 | body[1]);
        body += 2;
        left -= 2;
    }
    if (is_v5) {
        properties = read_varint(body, left, &n);
        if (n == 0 || n == 5 || n + properties > left)
            return false;
        body += n + properties;
        left -= n + properties;
    }
    out->payload = body;
    out->payload_len = left;
    return true;
}

size_t publish_write(uint8_t *out, const uint8_t *topic, size_t topic_len, const uint8_t *payload,
                     size_t payload_len, bool retain)
{
    size_t rest = 2 + topic_len + payload_len, n = 0;

    out[n++] = (uint8_t)(MQTT_PUBLISH << 4 | (retain ? 1 : 0));
    do {
        out[n++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        rest >>= 7;
    } while (rest > 0);
    out[n++] = (uint8_t)(topic_len >> 8);
    out[n++] = (uint8_t)topic_len;
    memcpy(out + n, topic, topic_len);
    memcpy(out + n + topic_len, payload, payload_len);
    return n + topic_len + payload_len;
}
