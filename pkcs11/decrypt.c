/* SPDX-License-Identifier: BSD-2-Clause */

/* C_Decrypt*: PKCS#11 3.0 section 5.10. */
#include "pkcs11/module.h"
#include "pkcs11/operation.h"

CK_RV C_DecryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_crypt_init(session, KGR_P11_OP_DECRYPT, pMechanism, hKey);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_Decrypt(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedData, CK_ULONG ulEncryptedDataLen,
                CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_crypt_whole(session, KGR_P11_OP_DECRYPT, pEncryptedData, ulEncryptedDataLen, pData,
                             pulDataLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart,
                      CK_ULONG ulEncryptedPartLen, CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_crypt_update(session, KGR_P11_OP_DECRYPT, pEncryptedPart, ulEncryptedPartLen,
                              pPart, pulPartLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_DecryptFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastPart, CK_ULONG_PTR pulLastPartLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_crypt_final(session, KGR_P11_OP_DECRYPT, pLastPart, pulLastPartLen);
    return kgr_p11_session_leave(session, __func__, rv);
}
