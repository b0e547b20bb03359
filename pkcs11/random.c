/* SPDX-License-Identifier: BSD-2-Clause */

/* Random numbers, of the TPM: PKCS#11 3.0 section 5.20. */
#include "pkcs11/module.h"
#include "pkcs11/translate.h"

CK_RV C_SeedRandom(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSeed, CK_ULONG ulSeedLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (pSeed == NULL && ulSeedLen > 0) {
        rv = CKR_ARGUMENTS_BAD;
    } else if (ulSeedLen > 0) {
        rv = kgr_p11_rv(kgr_add_random(session->module->client, pSeed, ulSeedLen));
    }
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pRandomData, CK_ULONG ulRandomLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (pRandomData == NULL && ulRandomLen > 0) {
        rv = CKR_ARGUMENTS_BAD;
    } else if (ulRandomLen > 0) {
        rv = kgr_p11_rv(kgr_get_random(session->module->client, pRandomData, ulRandomLen));
    }
    return kgr_p11_session_leave(session, __func__, rv);
}
