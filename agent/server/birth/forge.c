/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth/forge.h"

#include "agent/base/secret.h"
#include "agent/server/birth/source.h"
#include "agent/tpm/random.h"
#include "agent/tpm/wrap.h"

/* In the arena, for as long as it takes to wrap them. */
struct material {
    uint8_t enc[KGR_ENC_KEY_MAX];
    uint8_t mac[KGR_MAC_KEY_MAX];
    uint8_t seeds[2][KGR_TPM_HASH_LEN];
};

static enum kgr_error wrap_both(struct kgr_ks_parcel *out, const struct kgr_ks_end *end,
                                const struct material *m, enum kgr_suite suite)
{
    struct kgr_tpm_wrap wrap = {
        .suite = suite,
        .kind = KGR_TPM_ENC,
        .form = end->form,
        .secret = kgr_slice(m->enc, kgr_suite_enc_key_len(suite)),
        .seed = m->seeds[0],
        .target = &end->storage,
        .inner = end->inner_enc,
    };
    enum kgr_error err = kgr_tpm_wrap(&out->enc_pub, &out->enc, &wrap);

    if (err != KGR_OK)
        return err;
    wrap.kind = KGR_TPM_MAC;
    wrap.secret = kgr_slice(m->mac, kgr_suite_mac_key_len(suite));
    wrap.seed = m->seeds[1];
    wrap.inner = end->inner_mac;
    return kgr_tpm_wrap(&out->mac_pub, &out->mac, &wrap);
}

enum kgr_error kgr_ks_forge(struct kgr_ks_parcel *out, const struct kgr_ks_end *ends, size_t num,
                            enum kgr_suite suite, struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct material *m = kgr_secret_alloc(sizeof *m);
    enum kgr_error err = m == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_source_secrets(tpm, suite, m->enc, m->mac, diag);
    if (err == KGR_OK)
        err = kgr_tpm_random(tpm, m->seeds[0], sizeof m->seeds, diag);
    for (size_t i = 0; i < num && err == KGR_OK; i++) {
        err = wrap_both(&out[i], &ends[i], m, suite);
        if (err != KGR_OK)
            (void)kgr_diag_set(diag, err, "the keys could not be wrapped for end %zu", i + 1);
    }
    kgr_secret_free(m);
    return err;
}
