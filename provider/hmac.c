/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/hmac.h"

#include "agent/base/secret.h"
#include "provider/error.h"
#include "provider/provider.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 512

static enum kgr_error refused(const struct kgr_prov *prov, struct kgr_prov_hmac *h,
                              const struct kgr_prov_key *key, enum kgr_error err)
{
    char uri[KGR_DIAG_MAX];

    h->broken = true;
    return kgr_prov_refused(prov, err, kgr_prov_key_uri(uri, key));
}

static enum kgr_error check_whole(const struct kgr_prov *prov, const struct kgr_prov_hmac *h)
{
    if (h->broken) {
        return kgr_prov_refuse(prov, KGR_ERR_STATE, KGR_PROV_R_BROKEN, "%s",
                               "the MAC must be initialised again");
    }
    return KGR_OK;
}

static void forget_data(struct kgr_prov_hmac *h)
{
    if (h->data != NULL) {
        kgr_cleanse(h->data, h->data_len);
    }
    h->data_len = 0;
}

void kgr_prov_hmac_restart(const struct kgr_prov *prov, struct kgr_prov_hmac *h)
{
    if (h->streamed) {
        kgr_mac_abort(prov->client, h->stream);
        h->streamed = false;
    }
    forget_data(h);
    h->broken = false;
}

void kgr_prov_hmac_deinit(const struct kgr_prov *prov, struct kgr_prov_hmac *h)
{
    kgr_prov_hmac_restart(prov, h);
    free(h->data);
    memset(h, 0, sizeof(*h));
}

/* Makes room for cap bytes; what is there stays. */
static enum kgr_error reserve(const struct kgr_prov *prov, struct kgr_prov_hmac *h, size_t cap)
{
    size_t grown = h->data_cap > 0 ? h->data_cap : FIRST_CAP;
    uint8_t *data;

    if (cap <= h->data_cap) {
        return KGR_OK;
    }
    while (grown < cap) {
        grown *= 2;
    }
    data = malloc(grown);
    if (data == NULL) {
        h->broken = true;
        return kgr_prov_no_memory(prov);
    }
    if (h->data != NULL) {
        memcpy(data, h->data, h->data_len);
        kgr_cleanse(h->data, h->data_len);
    }
    free(h->data);
    h->data = data;
    h->data_cap = grown;
    return KGR_OK;
}

enum kgr_error kgr_prov_hmac_copy(const struct kgr_prov *prov, struct kgr_prov_hmac *out,
                                  const struct kgr_prov_hmac *h)
{
    struct kgr_prov_hmac copy = {.broken = h->broken};

    if (h->streamed) {
        return kgr_prov_refuse(prov, KGR_ERR_STATE, KGR_PROV_R_NO_COPY,
                               "after %d bytes the agent holds the state of a MAC", KGR_DATA_MAX);
    }
    if (h->data_len > 0) {
        enum kgr_error err = reserve(prov, &copy, h->data_len);

        if (err != KGR_OK) {
            return err;
        }
        memcpy(copy.data, h->data, h->data_len);
        copy.data_len = h->data_len;
    }
    *out = copy;
    return KGR_OK;
}

/* Moves what waits here into the agent. */
static enum kgr_error flush(const struct kgr_prov *prov, struct kgr_prov_hmac *h,
                            const struct kgr_prov_key *key)
{
    enum kgr_error err;

    if (!h->streamed) {
        err = kgr_mac_start(prov->client, &key->pinned, &h->stream);
        if (err != KGR_OK) {
            return refused(prov, h, key, err);
        }
        h->streamed = true;
    }
    err = kgr_mac_update(prov->client, h->stream, h->data, h->data_len);
    if (err != KGR_OK) {
        return refused(prov, h, key, err);
    }
    forget_data(h);
    return KGR_OK;
}

enum kgr_error kgr_prov_hmac_update(const struct kgr_prov *prov, struct kgr_prov_hmac *h,
                                    const struct kgr_prov_key *key, const uint8_t *data,
                                    size_t data_len)
{
    enum kgr_error err = check_whole(prov, h);

    while (err == KGR_OK && data_len > 0) {
        size_t n;

        /* A full buffer is flushed only when more comes: exactly KGR_DATA_MAX are one request. */
        if (h->data_len == KGR_DATA_MAX) {
            err = flush(prov, h, key);
            if (err != KGR_OK) {
                break;
            }
        }
        n = KGR_DATA_MAX - h->data_len;
        n = data_len < n ? data_len : n;
        err = reserve(prov, h, h->data_len + n);
        if (err == KGR_OK) {
            memcpy(h->data + h->data_len, data, n);
            h->data_len += n;
            data += n;
            data_len -= n;
        }
    }
    return err;
}

enum kgr_error kgr_prov_hmac_final(const struct kgr_prov *prov, struct kgr_prov_hmac *h,
                                   const struct kgr_prov_key *key, uint8_t out[KGR_MAC_MAX],
                                   size_t mac_len)
{
    uint8_t mac[KGR_MAC_MAX];
    size_t len;
    enum kgr_error err = check_whole(prov, h);

    if (err != KGR_OK) {
        return err;
    }
    if (h->streamed) {
        err = h->data_len > 0 ? flush(prov, h, key) : KGR_OK;
        if (err != KGR_OK) {
            return err;
        }
        h->streamed = false;
        err = kgr_mac_final(prov->client, h->stream, mac, &len);
    } else {
        err = kgr_mac(prov->client, &key->pinned, h->data, h->data_len, mac, &len);
    }
    if (err != KGR_OK) {
        return refused(prov, h, key, err);
    }
    if (len != mac_len) {
        h->broken = true;
        return kgr_prov_refuse(prov, KGR_ERR_FAILED, KGR_ERR_FAILED,
                               "%zu bytes of MAC from the agent, not %zu", len, mac_len);
    }
    memcpy(out, mac, len);
    kgr_prov_hmac_restart(prov, h);
    return KGR_OK;
}
