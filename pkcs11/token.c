/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/token.h"

#include "pkcs11/module.h"

#include <stdlib.h>
#include <string.h>

void kgr_p11_token_cache_init(struct kgr_p11_token_cache *cache)
{
    memset(cache, 0, sizeof(*cache));
    (void)pthread_mutex_init(&cache->lock, NULL);
}

void kgr_p11_token_cache_deinit(struct kgr_p11_token_cache *cache)
{
    (void)pthread_mutex_destroy(&cache->lock);
}

CK_VERSION kgr_p11_version(const char *text)
{
    CK_VERSION version = {0, 0};
    char *end = NULL;
    unsigned long major = strtoul(text, &end, 10);
    unsigned long minor = end != text && *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

    if (major <= 255 && minor <= 255) {
        version.major = (CK_BYTE)major;
        version.minor = (CK_BYTE)minor;
    }
    return version;
}

enum kgr_error kgr_p11_token_read(struct kgr_p11_module *module, struct kgr_p11_token *out)
{
    struct kgr_status *status = calloc(1, sizeof(*status));
    struct kgr_p11_token token;
    enum kgr_error err;

    if (status == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    err = kgr_get_status(module->client, status);
    if (err == KGR_OK) {
        memset(&token, 0, sizeof(token));
        memcpy(token.node, status->node, sizeof(token.node));
        token.node[sizeof(token.node) - 1] = '\0';
        token.registered = status->registered;
        token.resident = status->tpm_resident && !status->sealed;
        token.modes = status->modes;
        token.needs_pin = status->pin;
        status->version[sizeof(status->version) - 1] = '\0';
        token.version = kgr_p11_version(status->version);
        (void)pthread_mutex_lock(&module->token.lock);
        module->token.token = token;
        module->token.known = true;
        (void)pthread_mutex_unlock(&module->token.lock);
        if (out != NULL) {
            *out = token;
        }
    }
    free(status);
    return err;
}

enum kgr_error kgr_p11_token_peek(struct kgr_p11_module *module, struct kgr_p11_token *out)
{
    bool known;

    (void)pthread_mutex_lock(&module->token.lock);
    known = module->token.known;
    if (known) {
        *out = module->token.token;
    }
    (void)pthread_mutex_unlock(&module->token.lock);
    return known ? KGR_OK : kgr_p11_token_read(module, out);
}

void kgr_p11_pad(unsigned char *field, size_t cap, const char *text)
{
    size_t len = strnlen(text, cap);

    memcpy(field, text, len);
    memset(field + len, ' ', cap - len);
}
