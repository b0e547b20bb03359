/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/mac.h"

#include "agent/base/buf.h"
#include "agent/base/secret.h"
#include "pkcs11/translate.h"

#include <stdlib.h>
#include <string.h>

void kgr_p11_mac_init(struct kgr_p11_mac *mac, struct kgr_client *client, const struct kgr_key *key,
                      size_t hash_len, size_t mac_len)
{
    memset(mac, 0, sizeof(*mac));
    mac->client = client;
    mac->key = *key;
    mac->hash_len = hash_len;
    mac->mac_len = mac_len;
}

static void release_held(struct kgr_p11_mac *mac)
{
    if (mac->held != NULL) {
        kgr_cleanse(mac->held, mac->held_len);
        free(mac->held);
    }
    mac->held = NULL;
    mac->held_len = 0;
    mac->held_cap = 0;
}

void kgr_p11_mac_deinit(struct kgr_p11_mac *mac)
{
    release_held(mac);
    if (mac->remote) {
        kgr_mac_abort(mac->client, mac->id);
    }
    memset(mac, 0, sizeof(*mac));
}

static CK_RV hold(struct kgr_p11_mac *mac, const uint8_t *in, size_t in_len)
{
    size_t need = mac->held_len + in_len;

    if (need > mac->held_cap) {
        size_t cap = mac->held_cap == 0 ? 256 : mac->held_cap;
        uint8_t *held;

        while (cap < need) {
            cap *= 2;
        }
        held = malloc(cap);
        if (held == NULL) {
            return CKR_HOST_MEMORY;
        }
        kgr_copy(held, mac->held, mac->held_len);
        need = mac->held_len;
        release_held(mac);
        mac->held = held;
        mac->held_len = need;
        mac->held_cap = cap;
    }
    memcpy(mac->held + mac->held_len, in, in_len);
    mac->held_len += in_len;
    return CKR_OK;
}

static CK_RV send_all(struct kgr_p11_mac *mac, const uint8_t *in, size_t in_len)
{
    enum kgr_error err = KGR_OK;

    while (in_len > 0 && err == KGR_OK) {
        size_t n = in_len < KGR_DATA_MAX ? in_len : KGR_DATA_MAX;

        err = kgr_mac_update(mac->client, mac->id, in, n);
        in += n;
        in_len -= n;
    }
    return kgr_p11_rv(err);
}

static CK_RV go_remote(struct kgr_p11_mac *mac)
{
    enum kgr_error err = kgr_mac_start(mac->client, &mac->key, &mac->id);

    mac->remote = err == KGR_OK;
    return kgr_p11_rv(err);
}

static CK_RV flush(struct kgr_p11_mac *mac)
{
    CK_RV rv = mac->remote ? CKR_OK : go_remote(mac);

    if (rv == CKR_OK && mac->held_len > 0) {
        rv = send_all(mac, mac->held, mac->held_len);
        kgr_cleanse(mac->held, mac->held_len);
        mac->held_len = 0;
    }
    return rv;
}

CK_RV kgr_p11_mac_update(struct kgr_p11_mac *mac, const uint8_t *in, size_t in_len)
{
    CK_RV rv = CKR_OK;

    if (in_len == 0) {
        return CKR_OK;
    }
    if (in_len <= KGR_DATA_MAX - mac->held_len) {
        return hold(mac, in, in_len);
    }
    /* Full requests only: fill up what is held, then send what is left in its own pieces. */
    if (mac->held_len > 0) {
        size_t n = KGR_DATA_MAX - mac->held_len;

        rv = hold(mac, in, n);
        in += n;
        in_len -= n;
    }
    if (rv == CKR_OK) {
        rv = flush(mac);
    }
    if (rv == CKR_OK && in_len > KGR_DATA_MAX) {
        size_t n = (in_len - 1) / KGR_DATA_MAX * KGR_DATA_MAX;

        rv = send_all(mac, in, n);
        in += n;
        in_len -= n;
    }
    return rv == CKR_OK ? hold(mac, in, in_len) : rv;
}

/* Keeps mac_len bytes of a result of the right length. */
static CK_RV keep(const struct kgr_p11_mac *mac, uint8_t *out, uint8_t *full, size_t full_len)
{
    CK_RV rv = full_len == mac->hash_len ? CKR_OK : CKR_DEVICE_ERROR;

    if (rv == CKR_OK) {
        memcpy(out, full, mac->mac_len);
    }
    kgr_cleanse(full, KGR_MAC_MAX);
    return rv;
}

CK_RV kgr_p11_mac_final(struct kgr_p11_mac *mac, uint8_t *out)
{
    static const uint8_t none[1];
    uint8_t full[KGR_MAC_MAX];
    size_t full_len = 0;
    CK_RV rv;

    if (!mac->remote) {
        rv = kgr_p11_rv(kgr_mac(mac->client, &mac->key, mac->held != NULL ? mac->held : none,
                                mac->held_len, full, &full_len));
    } else {
        rv = flush(mac);
        if (rv == CKR_OK) {
            mac->remote = false; /* whatever comes of it, the agent's state is gone */
            rv = kgr_p11_rv(kgr_mac_final(mac->client, mac->id, full, &full_len));
        }
    }
    return rv == CKR_OK ? keep(mac, out, full, full_len) : rv;
}

CK_RV kgr_p11_mac_whole(struct kgr_p11_mac *mac, const uint8_t *in, size_t in_len, uint8_t *out)
{
    uint8_t full[KGR_MAC_MAX];
    size_t full_len = 0;
    CK_RV rv;

    if (in_len <= KGR_DATA_MAX) {
        rv = kgr_p11_rv(kgr_mac(mac->client, &mac->key, in, in_len, full, &full_len));
        return rv == CKR_OK ? keep(mac, out, full, full_len) : rv;
    }
    rv = go_remote(mac);
    if (rv == CKR_OK) {
        rv = send_all(mac, in, in_len);
    }
    return rv == CKR_OK ? kgr_p11_mac_final(mac, out) : rv;
}
