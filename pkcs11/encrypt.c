/* SPDX-License-Identifier: BSD-2-Clause */

/* C_Encrypt*: PKCS#11 3.0 section 5.8. */
#include "pkcs11/module.h"
#include "pkcs11/operation.h"

CK_RV C_EncryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_crypt_init(session, KGR_P11_OP_ENCRYPT, pMechanism, hKey);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_Encrypt(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
                CK_BYTE_PTR pEncryptedData, CK_ULONG_PTR pulEncryptedDataLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_crypt_whole(session, KGR_P11_OP_ENCRYPT, pData, ulDataLen, pEncryptedData,
                             pulEncryptedDataLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen,
                      CK_BYTE_PTR pEncryptedPart, CK_ULONG_PTR pulEncryptedPartLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_crypt_update(session, KGR_P11_OP_ENCRYPT, pPart, ulPartLen, pEncryptedPart,
                              pulEncryptedPartLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_EncryptFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastEncryptedPart,
                     CK_ULONG_PTR pulLastEncryptedPartLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_crypt_final(session, KGR_P11_OP_ENCRYPT, pLastEncryptedPart,
                             pulLastEncryptedPartLen);
    return kgr_p11_session_leave(session, __func__, rv);
}
