/* SPDX-License-Identifier: BSD-2-Clause */

/* C_Sign*: PKCS#11 3.0 section 5.13. */
#include "pkcs11/module.h"
#include "pkcs11/operation.h"

CK_RV C_SignInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_sign_init(session, KGR_P11_OP_SIGN, pMechanism, hKey);
    return kgr_p11_session_leave(session, __func__, rv);
}

/* Tells the length if that is what is asked or what is wrong: then *out_done, and nothing changes. */
static CK_RV check_room(const struct kgr_p11_mac *mac, const CK_BYTE *signature,
                        CK_ULONG *signature_len, bool *out_done)
{
    CK_ULONG room = *signature_len;

    *out_done = true;
    *signature_len = mac->mac_len;
    if (signature == NULL) {
        return CKR_OK;
    }
    if (room < mac->mac_len) {
        return CKR_BUFFER_TOO_SMALL;
    }
    *out_done = false;
    return CKR_OK;
}

static CK_RV sign(struct kgr_p11_session *session, const CK_BYTE *data, CK_ULONG data_len,
                  CK_BYTE *signature, CK_ULONG *signature_len)
{
    static const CK_BYTE nothing[1];
    CK_RV rv = CKR_ARGUMENTS_BAD;

    if (session->op != KGR_P11_OP_SIGN) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if (session->in_parts) {
        rv = CKR_OPERATION_NOT_INITIALIZED;
    } else if (signature_len != NULL && (data != NULL || data_len == 0)) {
        bool done = false;

        rv = check_room(&session->u.mac, signature, signature_len, &done);
        if (done) {
            return rv;
        }
        rv = kgr_p11_mac_whole(&session->u.mac, data != NULL ? data : nothing, data_len, signature);
    }
    kgr_p11_session_end(session);
    return rv;
}

CK_RV C_Sign(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
             CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = sign(session, pData, ulDataLen, pSignature, pulSignatureLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_sign_update(session, KGR_P11_OP_SIGN, pPart, ulPartLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

static CK_RV sign_final(struct kgr_p11_session *session, CK_BYTE *signature,
                        CK_ULONG *signature_len)
{
    CK_RV rv = CKR_ARGUMENTS_BAD;

    if (session->op != KGR_P11_OP_SIGN) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if (signature_len != NULL) {
        bool done = false;

        rv = check_room(&session->u.mac, signature, signature_len, &done);
        if (done) {
            return rv;
        }
        rv = kgr_p11_mac_final(&session->u.mac, signature);
    }
    kgr_p11_session_end(session);
    return rv;
}

CK_RV C_SignFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = sign_final(session, pSignature, pulSignatureLen);
    return kgr_p11_session_leave(session, __func__, rv);
}
