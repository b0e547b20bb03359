/* SPDX-License-Identifier: BSD-2-Clause */

/* C_Verify*: PKCS#11 3.0 section 5.15. Verifying is making the MAC again and comparing it here. */
#include "pkcs11/module.h"
#include "pkcs11/operation.h"

#include "agent/base/secret.h"

CK_RV C_VerifyInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_sign_init(session, KGR_P11_OP_VERIFY, pMechanism, hKey);
    return kgr_p11_session_leave(session, __func__, rv);
}

static CK_RV compare(const struct kgr_p11_mac *mac, uint8_t right[KGR_MAC_MAX],
                     const CK_BYTE *signature)
{
    CK_RV rv = kgr_equal_ct(right, signature, mac->mac_len) ? CKR_OK : CKR_SIGNATURE_INVALID;

    /* The right MAC of forged data must not be left on the stack for the forger. */
    kgr_cleanse(right, KGR_MAC_MAX);
    return rv;
}

static CK_RV verify(struct kgr_p11_session *session, const CK_BYTE *data, CK_ULONG data_len,
                    const CK_BYTE *signature, CK_ULONG signature_len)
{
    static const CK_BYTE nothing[1];
    struct kgr_p11_mac *mac = &session->u.mac;
    uint8_t right[KGR_MAC_MAX];
    CK_RV rv;

    if (session->in_parts) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if (signature == NULL || (data == NULL && data_len > 0)) {
        return CKR_ARGUMENTS_BAD;
    }
    if (signature_len != mac->mac_len) {
        return CKR_SIGNATURE_LEN_RANGE;
    }
    rv = kgr_p11_mac_whole(mac, data != NULL ? data : nothing, data_len, right);
    return rv == CKR_OK ? compare(mac, right, signature) : rv;
}

CK_RV C_Verify(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
               CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (session->op != KGR_P11_OP_VERIFY) {
        rv = CKR_OPERATION_NOT_INITIALIZED;
    } else {
        rv = verify(session, pData, ulDataLen, pSignature, ulSignatureLen);
        kgr_p11_session_end(session);
    }
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_sign_update(session, KGR_P11_OP_VERIFY, pPart, ulPartLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

static CK_RV verify_final(struct kgr_p11_session *session, const CK_BYTE *signature,
                          CK_ULONG signature_len)
{
    struct kgr_p11_mac *mac = &session->u.mac;
    uint8_t right[KGR_MAC_MAX];
    CK_RV rv;

    if (signature == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    if (signature_len != mac->mac_len) {
        return CKR_SIGNATURE_LEN_RANGE;
    }
    rv = kgr_p11_mac_final(mac, right);
    return rv == CKR_OK ? compare(mac, right, signature) : rv;
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (session->op != KGR_P11_OP_VERIFY) {
        rv = CKR_OPERATION_NOT_INITIALIZED;
    } else {
        rv = verify_final(session, pSignature, ulSignatureLen);
        kgr_p11_session_end(session);
    }
    return kgr_p11_session_leave(session, __func__, rv);
}
