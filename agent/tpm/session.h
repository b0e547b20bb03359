/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * The HMAC session of a TPM (TPM 2.0 Part 1, "Session-based authorizations"): salted, unbound,
 * SHA-256, AES-128-CFB for parameters, continued from command to command. It authorises every
 * command that needs authorisation, checks every such answer, and encrypts the first parameter
 * where a secret crosses. It is started again by itself when the TPM lost it.
 */

/*
 * kgr_tpm_session_start reads the public area of salt_key->handle, computes its Name, and
 * compares that with salt_key->name, which the caller pinned; an interposer would offer a key of
 * its own. The salt key is an ECC storage key. KGR_ERR_CORRUPT when the Name differs.
 * Called again, it replaces the session: with the SRK first, later with the storage key.
 *
 * Until it is called commands are authorised by an unsalted session, and those which carry
 * secrets are KGR_ERR_STATE.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_session_start(struct kgr_tpm *tpm,
                                                    const struct kgr_tpm_object *salt_key,
                                                    struct kgr_diag *diag);
/* kgr_tpm_session_salted: a session with a pinned salt key was started. */
bool kgr_tpm_session_salted(const struct kgr_tpm *tpm);
