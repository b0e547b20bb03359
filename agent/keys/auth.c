/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/auth.h"

#include <string.h>

#include "agent/base/secret.h"
#include "agent/base/text.h"
#include "agent/seal/digest.h"

#define TEXT_OF 24 /* bytes that become the text of a value: 192 bits */

struct kgr_auth_root {
    uint8_t bytes[KGR_AUTH_ROOT_LEN];
    enum kgr_auth_form form;
};

enum kgr_error kgr_auth_root_new(struct kgr_auth_root **out, const uint8_t bytes[KGR_AUTH_ROOT_LEN],
                                 enum kgr_auth_form form)
{
    struct kgr_auth_root *root = kgr_secret_alloc(sizeof(*root));

    if (root == NULL)
        return KGR_ERR_NO_MEMORY;
    memcpy(root->bytes, bytes, sizeof(root->bytes));
    root->form = form;
    *out = root;
    return KGR_OK;
}

enum kgr_auth_form kgr_auth_root_form(const struct kgr_auth_root *root)
{
    return root->form;
}

void kgr_auth_root_free(struct kgr_auth_root *root)
{
    kgr_secret_free(root);
}

enum kgr_error kgr_auth_bytes(const struct kgr_auth_root *root, struct kgr_tpm_auth **out,
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
    *out = auth;
    return KGR_OK;
}

_Static_assert((TEXT_OF * 4 + 2) / 3 == KGR_TPM_AUTH_MAX, "the text is as long as a value may be");

enum kgr_error kgr_auth_derive(const struct kgr_auth_root *root, struct kgr_tpm_auth **out,
                               const char *label, struct kgr_slice id)
{
    struct kgr_tpm_auth *auth = NULL;
    char *text;
    enum kgr_error err;

    if (root->form == KGR_AUTH_BINARY) {
        err = kgr_auth_bytes(root, out, label, id);
        /* A TPM drops zeroes at the end; some versions of its software disagree on them. */
        if (err == KGR_OK && (*out)->bytes[KGR_TPM_AUTH_MAX - 1] == 0)
            (*out)->bytes[KGR_TPM_AUTH_MAX - 1] = 1;
        return err;
    }
    text = kgr_secret_alloc(KGR_TPM_AUTH_MAX + 1);
    err = text == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;
    if (err == KGR_OK)
        err = kgr_auth_bytes(root, &auth, label, id);
    if (err == KGR_OK) {
        (void)kgr_base64url(text, auth->bytes, TEXT_OF);
        memcpy(auth->bytes, text, KGR_TPM_AUTH_MAX);
        *out = auth;
    }
    kgr_secret_free(text);
    return err;
}
