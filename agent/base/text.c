/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_nid_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

enum kgr_error kgr_nid_set(struct kgr_nid *out, const char *text, size_t len)
{
    if (text == NULL || len == 0 || len > KGR_NID_MAX)
        return KGR_ERR_INVALID;
    for (size_t i = 0; i < len; i++)
        if (!is_nid_char(text[i]))
            return KGR_ERR_INVALID;
    memset(out, 0, sizeof(*out));
    memmove(out->s, text, len);
    return KGR_OK;
}

int kgr_nid_cmp(const struct kgr_nid *a, const struct kgr_nid *b)
{
    /* N_IDs are ASCII, so strcmp is bytewise; the NUL makes a prefix the smaller. */
    return strcmp(a->s, b->s);
}

char *kgr_hex(char *out, const void *p, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = p;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum kgr_error kgr_unhex(void *out, size_t len, const char *text)
{
    uint8_t *b = out;

    if (text == NULL || strnlen(text, 2 * len + 1) != 2 * len)
        return KGR_ERR_INVALID;
    for (size_t i = 0; i < 2 * len; i++)
        if (hex_value(text[i]) < 0)
            return KGR_ERR_INVALID;
    for (size_t i = 0; i < len; i++)
        b[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    return KGR_OK;
}

char *kgr_base64url(char *out, const void *p, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *b = p;
    uint32_t acc = 0;
    unsigned int bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        acc = (acc << 8 | b[i]) & 0xffff;
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            out[n++] = alphabet[acc >> bits & 63];
        }
    }
    if (bits > 0)
        out[n++] = alphabet[acc << (6 - bits) & 63];
    out[n] = '\0';
    return out;
}

char *kgr_topic_text(char out[KGR_TOPIC_TEXT_LEN + 1], const uint8_t topic[KGR_TOPIC_LEN])
{
    memcpy(out, "kgr/", 4);
    (void)kgr_base64url(out + 4, topic, KGR_TOPIC_LEN);
    return out;
}

/* 1 to UINT64_MAX in decimal without a leading zero. */
static enum kgr_error parse_generation(uint64_t *out, const char *text, size_t len)
{
    uint64_t v = 0;

    if (len == 0 || text[0] == '0')
        return KGR_ERR_INVALID;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit;

        if (text[i] < '0' || text[i] > '9')
            return KGR_ERR_INVALID;
        digit = (uint64_t)(text[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return KGR_ERR_INVALID;
        v = v * 10 + digit;
    }
    *out = v;
    return KGR_OK;
}

/* The length of name if the attribute that starts at text has that name, else 0. */
static size_t match_name(const char *text, size_t len, const char *name)
{
    size_t name_len = strlen(name);

    return len >= name_len && memcmp(text, name, name_len) == 0 ? name_len : 0;
}

enum kgr_error kgr_uri_parse(struct kgr_nid *out_peer, uint64_t *out_generation, const char *uri)
{
    struct kgr_nid peer = {{0}};
    uint64_t generation = 0;
    bool has_peer = false;
    const char *p;

    if (uri == NULL || strncmp(uri, "kgr:", 4) != 0)
        return KGR_ERR_INVALID;
    for (p = uri + 4;; p++) {
        size_t len = strcspn(p, ";");
        size_t skip;

        if ((skip = match_name(p, len, "peer=")) != 0 && !has_peer) {
            if (kgr_nid_set(&peer, p + skip, len - skip) != KGR_OK)
                return KGR_ERR_INVALID;
            has_peer = true;
        } else if ((skip = match_name(p, len, "generation=")) != 0 && generation == 0) {
            if (parse_generation(&generation, p + skip, len - skip) != KGR_OK)
                return KGR_ERR_INVALID;
        } else {
            return KGR_ERR_INVALID;
        }
        p += len;
        if (*p == '\0')
            break;
    }
    if (!has_peer)
        return KGR_ERR_INVALID;
    *out_peer = peer;
    *out_generation = generation;
    return KGR_OK;
}

char *kgr_uri_format(char out[KGR_URI_MAX], const struct kgr_nid *peer, uint64_t generation)
{
    if (generation == 0)
        (void)snprintf(out, KGR_URI_MAX, "kgr:peer=%s", peer->s);
    else
        (void)snprintf(out, KGR_URI_MAX, "kgr:peer=%s;generation=%" PRIu64, peer->s, generation);
    return out;
}
