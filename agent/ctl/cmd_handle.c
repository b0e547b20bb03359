/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/ctl/candidates.h"
#include "agent/ctl/json.h"
#include "agent/ctl/key.h"
#include "agent/ctl/terminal.h"

#define KEY_MAX 64

/* Key lengths in bytes of what may ask for key bytes, with or without "KGR-" in front. */
static const struct {
    const char *name;
    size_t key_len;
} ciphers[] = {
    {"AES-128-ECB", 16},
    {"AES-128-CBC", 16},
    {"AES-128-CTR", 16},
    {"AES-128-CFB", 16},
    {"AES-128-OFB", 16},
    {"AES-256-ECB", 32},
    {"AES-256-CBC", 32},
    {"AES-256-CTR", 32},
    {"AES-256-CFB", 32},
    {"AES-256-OFB", 32},
    {"HMAC-SHA256", 32},
    {"HMAC-SHA384", 48},
    {"AES-128-CBC-HMAC-SHA256-ETM", 16},
    {"AES-256-CBC-HMAC-SHA384-ETM", 32},
};

/* 0: unknown. */
static size_t key_len_of(const char *cipher)
{
    if (strncasecmp(cipher, "KGR-", 4) == 0)
        cipher += 4;
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
        if (strcasecmp(cipher, ciphers[i].name) == 0)
            return ciphers[i].key_len;
    return 0;
}

/* As long as the AES key of the pair's suite; 16 bytes while there is no key. */
static size_t default_key_len(const struct kgr_ctl *ctl, const char *name)
{
    struct kgr_key key = kgr_ctl_key(name);
    struct kgr_peer peer;

    if (kgr_get_key(ctl->client, &key, &peer) == KGR_OK &&
        peer.suite == KGR_SUITE_AES_256_CBC_HMAC_SHA384)
        return 32;
    return 16;
}

int kgr_ctl_handle(const struct kgr_ctl *ctl)
{
    const char *peer = ctl->options->operands[0];
    const char *cipher = ctl->options->cipher;
    uint8_t handle[KEY_MAX];
    char hex[2 * KEY_MAX + 1];
    size_t key_len = cipher == NULL ? default_key_len(ctl, peer) : key_len_of(cipher);
    enum kgr_error err;

    if (key_len == 0)
        return kgr_ctl_fail_text(KGR_ERR_INVALID, cipher,
                                 "unknown cipher; name one like KGR-AES-128-CBC or HMAC-SHA256");
    err = kgr_make_handle(ctl->client, peer, handle, key_len);
    if (err != KGR_OK)
        return kgr_ctl_fail_peer(ctl, err, peer);
    for (size_t i = 0; i < key_len; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", handle[i]);
    if (ctl->options->json)
        return kgr_json_print(json_pack("{s:i, s:s, s:s}", "version", KGR_CTL_JSON_VERSION, "peer",
                                        peer, "handle", hex));
    (void)puts(hex);
    return kgr_ctl_flush();
}
