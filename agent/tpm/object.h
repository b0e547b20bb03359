/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/tpm/sealed.h"
#include "agent/tpm/sign.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * kgr_tpm_srk finds or makes the storage root key: what stands at 0x81000001 if it is really an
 * ECC P-256 storage key of the TCG's kind, else a primary key made from the TCG's template and,
 * when that handle is free, made persistent there. Needs the owner's authorisation only for the
 * latter. Release *out with kgr_tpm_release.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_srk(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                          struct kgr_tpm_public *out_pub, struct kgr_diag *diag);
/*
 * kgr_tpm_ek makes the endorsement key (ECC P-256, template L-2) as a transient primary key.
 * Release *out with kgr_tpm_release: it holds a slot.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_ek(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                         struct kgr_tpm_public *out_pub, struct kgr_diag *diag);
/*
 * kgr_tpm_ek_certificate reads the EK's certificate (DER) from its NV index. *out_len is 0 when
 * there is none; KGR_ERR_SHORT_BUFFER when it is longer than cap.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_ek_certificate(struct kgr_tpm *tpm, uint8_t *out,
                                                     size_t *out_len, size_t cap,
                                                     struct kgr_diag *diag);

/*
 * kgr_tpm_create_storage and kgr_tpm_create_signing make a random key below parent by
 * TPM2_Create with the authorisation value auth, make it persistent at *out->handle, a free one
 * from first_handle on, and drop its private blob: there is no second copy anywhere. *out
 * borrows auth. A storage key is P-256, or P-384 when it is to protect keys of suite best = AES-256 with SHA-384;
 * that one protects those of the other suite too, and stands below a primary key of its own kind, not below parent.
 */
KGR_MUST_CHECK enum kgr_error
kgr_tpm_create_storage(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                       struct kgr_tpm_public *out_pub, const struct kgr_tpm_object *parent,
                       uint32_t first_handle, enum kgr_suite best, const struct kgr_tpm_auth *auth,
                       struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error
kgr_tpm_create_signing(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                       struct kgr_tpm_public *out_pub, const struct kgr_tpm_object *parent,
                       uint32_t first_handle, const struct kgr_tpm_auth *auth,
                       struct kgr_diag *diag);
/*
 * kgr_tpm_create_storage in two steps, for whoever must write down what will stand where before it does. make_storage
 * makes the key and finds a free handle for it; place makes it persistent there: KGR_ERR_EXISTS when the handle is taken by
 * now. The blob must reach no disk. *out borrows auth.
 */
KGR_MUST_CHECK enum kgr_error
kgr_tpm_make_storage(struct kgr_tpm *tpm, struct kgr_tpm_blob *out, uint32_t *out_handle,
                     const struct kgr_tpm_object *parent, uint32_t first_handle,
                     enum kgr_suite best, const struct kgr_tpm_auth *auth, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_tpm_place(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                            const struct kgr_tpm_blob *blob,
                                            const struct kgr_tpm_object *parent, uint32_t handle,
                                            const struct kgr_tpm_auth *auth, struct kgr_diag *diag);
/* Where KGR's persistent keys begin, unless the configuration says otherwise. */
#define KGR_TPM_FIRST_HANDLE UINT32_C(0x81004b00)

/*
 * kgr_tpm_persistent opens a persistent key and checks that its Name is the pinned one:
 * KGR_ERR_CORRUPT if it is another key, KGR_ERR_NO_KEY if nothing stands there.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_persistent(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                                 uint32_t handle, const struct kgr_tpm_name *pinned,
                                                 const struct kgr_tpm_auth *auth,
                                                 struct kgr_diag *diag);
/* kgr_tpm_read_public: KGR_ERR_NO_KEY when nothing stands at handle. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_read_public(struct kgr_tpm *tpm, struct kgr_tpm_public *out,
                                                  uint32_t handle, struct kgr_diag *diag);
/*
 * kgr_tpm_evict_named removes the persistent key of that Name from handle; KGR_OK without touching anything when another one
 * or none stands there.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_evict_named(struct kgr_tpm *tpm, uint32_t handle,
                                                  const struct kgr_tpm_name *name,
                                                  struct kgr_diag *diag);
/* kgr_tpm_evict removes a persistent key, for ever. KGR_OK when nothing stands there. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_evict(struct kgr_tpm *tpm, uint32_t handle,
                                            struct kgr_diag *diag);
/* kgr_tpm_release flushes a transient object and forgets any other; accepts a zero object. */
void kgr_tpm_release(struct kgr_tpm *tpm, struct kgr_tpm_object *object);
