/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"
#include "pkcs11/key_table.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/session_table.h"

#include <stdint.h>

/*
 * What the C_*Init, C_*, C_*Update and C_*Final functions have in common. All work on a locked
 * session. PKCS#11 3.0 section 5.2: a call for the length and CKR_BUFFER_TOO_SMALL leave an
 * operation as it was; every other error ends it.
 */

/*
 * kgr_p11_operation_key checks what was given to a C_*Init for op, in the order of the standard, and
 * asks the agent whether the key is still there and may be used so.
 */
CK_RV kgr_p11_operation_key(struct kgr_p11_object *out_object,
                            const struct kgr_p11_mechanism **out_mech,
                            struct kgr_p11_session *session, enum kgr_p11_op op,
                            const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

/*
 * kgr_p11_operation_cancel is what a C_*Init without a mechanism does (PKCS#11 3.0): ends op if it
 * is active, else CKR_ARGUMENTS_BAD.
 */
CK_RV kgr_p11_operation_cancel(struct kgr_p11_session *session, enum kgr_p11_op op);

/* Encryption and decryption: op says which. */
CK_RV kgr_p11_crypt_init(struct kgr_p11_session *session, enum kgr_p11_op op,
                         const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
CK_RV kgr_p11_crypt_whole(struct kgr_p11_session *session, enum kgr_p11_op op, const CK_BYTE *in,
                          CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len);
CK_RV kgr_p11_crypt_update(struct kgr_p11_session *session, enum kgr_p11_op op, const CK_BYTE *in,
                           CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len);
CK_RV kgr_p11_crypt_final(struct kgr_p11_session *session, enum kgr_p11_op op, CK_BYTE *out,
                          CK_ULONG *out_len);

/* Signatures: op says whether they are made or verified. */
CK_RV kgr_p11_sign_init(struct kgr_p11_session *session, enum kgr_p11_op op,
                        const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
CK_RV kgr_p11_sign_update(struct kgr_p11_session *session, enum kgr_p11_op op, const CK_BYTE *in,
                          CK_ULONG in_len);
