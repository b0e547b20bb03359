/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/auth.h"

#include <string.h>

#include "agent/base/secret.h"
#include "agent/seal/digest.h"

struct kgr_auth_root {
    uint8_t bytes[KGR_AUTH_ROOT_LEN];
};

enum kgr_error kgr_auth_root_new(struct kgr_auth_root **out, const uint8_t bytes[KGR_AUTH_ROOT_LEN])
{
    struct kgr_auth_root *root = kgr_secret_alloc(sizeof(*root));

    if (root == NULL)
        return KGR_ERR_NO_MEMORY;
    memcpy(root->bytes, bytes, sizeof(root->bytes));
    *out = root;
    return KGR_OK;
}

void kgr_auth_root_free(struct kgr_auth_root *root)
{
    kgr_secret_free(root);
}

enum kgr_error kgr_auth_derive(const struct kgr_auth_root *root, struct kgr_tpm_auth **out,
                               const char *label, struct kgr_slice id)
{
    static const char prefix[] = "KGR auth 1"; /* with its NUL */
    const struct kgr_slice parts[] = {
        kgr_slice(prefix, sizeof(prefix)),
        kgr_slice(label, strlen(label) + 1),
        id,
    };
    struct kgr_tpm_auth *auth = kgr_secret_alloc(sizeof(*auth));
    enum kgr_error err;

    if (auth == NULL)
        return KGR_ERR_NO_MEMORY;
    err = kgr_hmac_sha256(auth->bytes, kgr_slice(root->bytes, sizeof(root->bytes)), parts,
                          KGR_ARRAY_LEN(parts));
    if (err != KGR_OK) {
        kgr_secret_free(auth);
        return err;
    }
    auth->len = KGR_TPM_AUTH_MAX;
    /* A TPM drops zeroes at the end; some versions of its software disagree on them. */
    if (auth->bytes[KGR_TPM_AUTH_MAX - 1] == 0)
        auth->bytes[KGR_TPM_AUTH_MAX - 1] = 1;
    *out = auth;
    return KGR_OK;
}
