/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/key.h"

#include "provider/error.h"
#include "provider/param.h"
#include "provider/provider.h"

#include <stdint.h>
#include <string.h>

#define HANDLE_MIN 16
#define HANDLE_MAX 64

/* How a handle begins: docs/protocol.md, "Local protocol". */
static const uint8_t handle_magic[] = {0x4b, 0x47, 0x52, 0x68, 0x00, 0x01};

/* Room for a URI of the greatest length and for what a wrong one may look like in an error text. */
#define URI_CAP 128

/* kgr_key_to_uri fails only for a key without a peer: that has no URI. */
static const char *uri_of(char out[KGR_DIAG_MAX], const struct kgr_key *key)
{
    if (kgr_key_to_uri(out, KGR_DIAG_MAX, key) != KGR_OK) {
        out[0] = '\0';
    }
    return out;
}

/* A caller who overlooks that a key was refused must not go on with the one before. */
static void forget(struct kgr_prov_key *key)
{
    memset(key, 0, sizeof(*key));
    key->refused = true;
}

enum kgr_error kgr_prov_key_set_uri(const struct kgr_prov *prov, struct kgr_prov_key *key,
                                    const OSSL_PARAM *p)
{
    char uri[URI_CAP];
    struct kgr_key named;
    enum kgr_error err;

    forget(key);
    if (!kgr_param_get_text(p, uri, sizeof(uri))) {
        return kgr_prov_refuse(prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_URI,
                               "%s must be UTF-8 text like kgr:peer=NAME", KGR_PROV_PARAM_KEY_URI);
    }
    err = kgr_key_from_uri(&named, uri);
    if (err != KGR_OK) {
        return kgr_prov_refuse(prov, err, KGR_PROV_R_BAD_URI,
                               "%s; the form is kgr:peer=NAME[;generation=NUMBER]", uri);
    }
    kgr_prov_key_set(key, &named);
    return KGR_OK;
}

enum kgr_error kgr_prov_key_set_handle(const struct kgr_prov *prov, struct kgr_prov_key *key,
                                       const uint8_t *handle, size_t handle_len)
{
    struct kgr_key named;
    enum kgr_error err = kgr_prov_check_usable(prov);

    forget(key);
    if (err != KGR_OK) {
        return err;
    }
    /* What does not look like a handle may be a real key: it goes nowhere. */
    err = KGR_ERR_UNKNOWN_PEER;
    if (handle_len >= HANDLE_MIN && handle_len <= HANDLE_MAX &&
        memcmp(handle, handle_magic, sizeof(handle_magic)) == 0) {
        err = kgr_resolve_handle(prov->client, handle, handle_len, &named);
    }
    if (err == KGR_ERR_UNKNOWN_PEER || err == KGR_ERR_INVALID) {
        return kgr_prov_refuse(prov, err, KGR_PROV_R_NOT_A_HANDLE,
                               "kgr takes no keys, only their names: give the handle that "
                               "`kgrctl handle PEER` prints, or the parameter %s",
                               KGR_PROV_PARAM_KEY_URI);
    }
    if (err != KGR_OK) {
        return kgr_prov_refused(prov, err, "looking up the handle");
    }
    kgr_prov_key_set(key, &named);
    return KGR_OK;
}

void kgr_prov_key_set(struct kgr_prov_key *key, const struct kgr_key *named)
{
    key->named = *named;
    key->refused = false;
    kgr_prov_key_unpin(key);
}

bool kgr_prov_key_is_named(const struct kgr_prov *prov, const struct kgr_prov_key *key)
{
    return key->named.peer[0] != '\0' || prov->peer[0] != '\0';
}

void kgr_prov_key_unpin(struct kgr_prov_key *key)
{
    memset(&key->pinned, 0, sizeof(key->pinned));
    key->suite = KGR_SUITE_NONE;
}

bool kgr_prov_key_is_pinned(const struct kgr_prov_key *key)
{
    return key->pinned.peer[0] != '\0';
}

enum kgr_error kgr_prov_key_pin(const struct kgr_prov *prov, struct kgr_prov_key *key)
{
    char uri[KGR_DIAG_MAX];
    struct kgr_key wanted = key->named;
    struct kgr_peer found;
    enum kgr_error err = kgr_prov_check_usable(prov);

    kgr_prov_key_unpin(key);
    if (err != KGR_OK) {
        return err;
    }
    if (key->refused) {
        return kgr_prov_refuse(prov, KGR_ERR_STATE, KGR_PROV_R_NO_KEY, "%s",
                               "the one named last was refused");
    }
    if (wanted.peer[0] == '\0') {
        memcpy(wanted.peer, prov->peer, sizeof(wanted.peer));
    }
    if (wanted.peer[0] == '\0') {
        return kgr_prov_refuse(prov, KGR_ERR_STATE, KGR_PROV_R_NO_KEY,
                               "give the parameter %s, a handle as the key, or `peer` in the "
                               "provider's section of openssl.cnf",
                               KGR_PROV_PARAM_KEY_URI);
    }
    uri_of(uri, &wanted);
    err = kgr_get_key(prov->client, &wanted, &found);
    if (err != KGR_OK) {
        return kgr_prov_refused(prov, err, uri);
    }
    if (found.generation == 0) {
        return kgr_prov_refuse(prov, KGR_ERR_NO_KEY, KGR_ERR_NO_KEY, "%s", uri);
    }
    memcpy(key->pinned.peer, wanted.peer, sizeof(key->pinned.peer));
    key->pinned.generation = found.generation;
    key->suite = found.suite;
    return KGR_OK;
}

struct kgr_key kgr_prov_key_wanted(const struct kgr_prov *prov, const struct kgr_prov_key *key)
{
    struct kgr_key wanted = kgr_prov_key_is_pinned(key) ? key->pinned : key->named;

    if (wanted.peer[0] == '\0') {
        memcpy(wanted.peer, prov->peer, sizeof(wanted.peer));
    }
    return wanted;
}

void kgr_prov_key_set_pinned(struct kgr_prov_key *key, const struct kgr_key *pinned,
                             enum kgr_suite_id suite)
{
    key->pinned = *pinned;
    key->suite = suite;
}

const char *kgr_prov_key_uri(char out[KGR_DIAG_MAX], const struct kgr_prov_key *key)
{
    return uri_of(out, kgr_prov_key_is_pinned(key) ? &key->pinned : &key->named);
}
