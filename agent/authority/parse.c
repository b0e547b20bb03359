/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/parse.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VALIDITY_S (365u * 86400u)

static const char *const suite_words[] = {"any", "AES-128-CBC-HMAC-SHA256",
                                          "AES-256-CBC-HMAC-SHA384"};
static const char *const custody_words[] = {"any", "resident", "mixed", "sealed"};
static const char *const state_words[] = {"unknown", "issued",  "challenged", "registered",
                                          "revoked", "expired", "removed"};

const char *kgr_suite_word(uint8_t suite)
{
    return suite < KGR_ARRAY_LEN(suite_words) ? suite_words[suite] : "unknown";
}

const char *kgr_custody_word(uint8_t custody)
{
    return custody < KGR_ARRAY_LEN(custody_words) ? custody_words[custody] : "unknown";
}

const char *kgr_node_state_word(uint8_t state)
{
    return state < KGR_ARRAY_LEN(state_words) ? state_words[state] : state_words[0];
}

enum kgr_error kgr_parse_nid(struct kgr_nid *out, const char *text, struct kgr_diag *diag)
{
    if (kgr_nid_set(out, text, strlen(text)) == KGR_OK)
        return KGR_OK;
    return kgr_diag_set(diag, KGR_ERR_INVALID,
                        "'%.80s' is no N_ID: 1 to 64 characters of A-Z a-z 0-9 . _ -", text);
}

enum kgr_error kgr_parse_peers(struct kgr_order_node_add *out, const char *text,
                               struct kgr_diag *diag)
{
    uint8_t num = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        if (num == KGR_ORDER_PEERS_MAX)
            return kgr_diag_set(diag, KGR_ERR_INVALID, "at most %d peers in one order",
                                KGR_ORDER_PEERS_MAX);
        if (kgr_nid_set(&out->peers[num], text, len) != KGR_OK)
            return kgr_diag_set(diag, KGR_ERR_INVALID, "'%.*s' in --peers is no N_ID",
                                (int)(len > 80 ? 80 : len), text);
        num++;
        text += len;
        text += *text == ',' ? 1 : 0;
    }
    out->num_peers = num;
    return KGR_OK;
}

enum kgr_error kgr_parse_duration(uint32_t *out_s, const char *text, struct kgr_diag *diag)
{
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end = NULL;
    unsigned long value = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    for (size_t i = 0; value > 0 && i < KGR_ARRAY_LEN(units); i++) {
        if (end[0] != units[i].unit || end[1] != '\0')
            continue;
        if (value > MAX_VALIDITY_S / units[i].seconds)
            break;
        *out_s = (uint32_t)value * units[i].seconds;
        return KGR_OK;
    }
    return kgr_diag_set(diag, KGR_ERR_INVALID,
                        "'%.40s' is no duration: a number and s, m, h or d, at most 365d", text);
}

enum kgr_error kgr_parse_broker(struct kgr_slice *out_host, uint16_t *out_port, const char *text,
                                struct kgr_diag *diag)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = 0;
    if (colon != NULL && colon[1] >= '0' && colon[1] <= '9')
        port = strtoul(colon + 1, &end, 10);
    if (port == 0 || port > UINT16_MAX || *end != '\0' || colon == text)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "'%.80s' is no broker: HOST:PORT", text);
    size_t len = (size_t)(colon - text);
    if (text[0] == '[' && len > 2 && colon[-1] == ']') {
        text++;
        len -= 2;
    }
    if (len > KGR_HOST_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "the broker's name is too long");
    *out_host = kgr_slice(text, len);
    *out_port = (uint16_t)port;
    return KGR_OK;
}

static enum kgr_error parse_word(uint8_t *out, const char *const *words, size_t num,
                                 const char *text)
{
    for (size_t i = 0; i < num; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = (uint8_t)i;
            return KGR_OK;
        }
    }
    return KGR_ERR_INVALID;
}

enum kgr_error kgr_parse_suite(uint8_t *out, const char *text, struct kgr_diag *diag)
{
    if (parse_word(out, suite_words, KGR_ARRAY_LEN(suite_words), text) == KGR_OK)
        return KGR_OK;
    return kgr_diag_set(diag, KGR_ERR_INVALID, "'%.40s' is no suite: any, %s or %s", text,
                        suite_words[1], suite_words[2]);
}

enum kgr_error kgr_parse_custody(uint8_t *out, const char *text, struct kgr_diag *diag)
{
    /* sealed as a minimum would mean any */
    if (parse_word(out, custody_words, KGR_ARRAY_LEN(custody_words) - 1, text) == KGR_OK)
        return KGR_OK;
    return kgr_diag_set(diag, KGR_ERR_INVALID,
                        "'%.40s' is no least custody: any, mixed or resident", text);
}
