/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Login and PINs: PKCS#11 3.0 sections 5.5.7, 5.5.8 and 5.6.8 to 5.6.10. The agent knows its user by the
 * socket; where it is configured with a PIN besides, keys are private objects, and the agent counts the tries.
 */
#include "pkcs11/login.h"

#include "pkcs11/module.h"
#include "pkcs11/translate.h"

bool kgr_p11_login_needed(struct kgr_p11_module *module)
{
    struct kgr_p11_token token;

    return kgr_p11_token_peek(module, &token) == KGR_OK && token.needs_pin;
}

bool kgr_p11_login_allows(struct kgr_p11_module *module)
{
    return atomic_load(&module->login.is_in) || !kgr_p11_login_needed(module);
}

bool kgr_p11_login_end(struct kgr_p11_module *module)
{
    bool was_in = atomic_exchange(&module->login.is_in, false);

    if (was_in) {
        (void)atomic_fetch_add(&module->login.era, 1);
        kgr_p11_keys_forget(module);
    }
    return was_in;
}

static CK_RV rv_of_pin(enum kgr_error err)
{
    switch (err) {
    case KGR_ERR_NOT_AUTHORIZED:
        return CKR_PIN_INCORRECT;
    case KGR_ERR_BUSY:
        return CKR_PIN_LOCKED; /* for a while */
    case KGR_ERR_STATE:
        return CKR_USER_PIN_NOT_INITIALIZED;
    default:
        return kgr_p11_rv(err);
    }
}

static CK_RV login_user(struct kgr_p11_module *module, const CK_UTF8CHAR *pin, CK_ULONG pin_len)
{
    struct kgr_p11_token token;
    enum kgr_error err = kgr_p11_token_read(module, &token);

    if (err != KGR_OK) {
        return kgr_p11_rv(err);
    }
    if (!token.needs_pin) {
        return CKR_USER_PIN_NOT_INITIALIZED;
    }
    if (atomic_load(&module->login.is_in)) {
        return CKR_USER_ALREADY_LOGGED_IN;
    }
    if (pin == NULL) {
        return CKR_ARGUMENTS_BAD; /* there is no other way to give it */
    }
    err = kgr_check_pin(module->client, pin, pin_len);
    if (err == KGR_OK) {
        atomic_store(&module->login.is_in, true);
    }
    return rv_of_pin(err);
}

static CK_RV login(const struct kgr_p11_session *session, CK_USER_TYPE type, const CK_UTF8CHAR *pin,
                   CK_ULONG pin_len)
{
    switch (type) {
    case CKU_USER:
        return login_user(session->module, pin, pin_len);
    case CKU_SO:
        if (atomic_load(&session->module->login.is_in)) {
            return CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
        }
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
    rv =
        pPin == NULL && ulPinLen > 0 ? CKR_ARGUMENTS_BAD : login(session, userType, pPin, ulPinLen);
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
        rv = login(session, userType, pPin, ulPinLen);
    }
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_Logout(CK_SESSION_HANDLE hSession)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_login_end(session->module) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
    return kgr_p11_session_leave(session, __func__, rv);
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
