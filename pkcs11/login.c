/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Login and PINs: PKCS#11 3.0 sections 5.5.7, 5.5.8 and 5.6.8 to 5.6.10. The token has none: the
 * agent knows its user by the socket. Whoever tries is told so.
 */
#include "pkcs11/module.h"

static CK_RV refuse_login(const struct kgr_p11_session *session, CK_USER_TYPE type)
{
    switch (type) {
    case CKU_USER:
        return CKR_USER_PIN_NOT_INITIALIZED;
    case CKU_SO:
        return (session->flags & CKF_RW_SESSION) == 0 ? CKR_SESSION_READ_ONLY_EXISTS
                                                      : CKR_PIN_INCORRECT;
    case CKU_CONTEXT_SPECIFIC:
        return CKR_OPERATION_NOT_INITIALIZED;
    default:
        return CKR_USER_TYPE_INVALID;
    }
}

CK_RV C_Login(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin,
              CK_ULONG ulPinLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = pPin == NULL && ulPinLen > 0 ? CKR_ARGUMENTS_BAD : refuse_login(session, userType);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_LoginUser(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin,
                  CK_ULONG ulPinLen, CK_UTF8CHAR_PTR pUsername, CK_ULONG ulUsernameLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if ((pPin == NULL && ulPinLen > 0) || (pUsername == NULL && ulUsernameLen > 0)) {
        rv = CKR_ARGUMENTS_BAD;
    } else {
        rv = refuse_login(session, userType);
    }
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_Logout(CK_SESSION_HANDLE hSession)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    return rv != CKR_OK ? rv : kgr_p11_session_leave(session, __func__, CKR_USER_NOT_LOGGED_IN);
}

CK_RV C_InitPIN(CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    /* Only the SO may, and cannot log in. */
    rv = pPin == NULL && ulPinLen > 0 ? CKR_ARGUMENTS_BAD : CKR_USER_NOT_LOGGED_IN;
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_SetPIN(CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pOldPin, CK_ULONG ulOldLen,
               CK_UTF8CHAR_PTR pNewPin, CK_ULONG ulNewLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if ((pOldPin == NULL && ulOldLen > 0) || (pNewPin == NULL && ulNewLen > 0)) {
        rv = CKR_ARGUMENTS_BAD;
    } else {
        rv = (session->flags & CKF_RW_SESSION) == 0 ? CKR_SESSION_READ_ONLY
                                                    : CKR_TOKEN_WRITE_PROTECTED;
    }
    return kgr_p11_session_leave(session, __func__, rv);
}
