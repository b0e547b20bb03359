/* SPDX-License-Identifier: BSD-2-Clause */

/* Session management: PKCS#11 3.0 section 5.6. */
#include "pkcs11/module.h"
#include "pkcs11/translate.h"

#include <string.h>

static CK_RV open_session(struct kgr_p11_module *module, CK_SLOT_ID slot, CK_FLAGS flags,
                          CK_SESSION_HANDLE *out)
{
    enum kgr_error err;

    if (slot != KGR_P11_SLOT_ID) {
        return CKR_SLOT_ID_INVALID;
    }
    if (out == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    if ((flags & CKF_SERIAL_SESSION) == 0) {
        return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    }
    err = kgr_p11_token_read(module, NULL);
    if (err != KGR_OK) {
        return kgr_p11_rv_slot(err);
    }
    /* Read/write sessions are given although there is nothing to write: many tools ask for one. */
    return kgr_p11_session_open(out, module, flags & (CKF_SERIAL_SESSION | CKF_RW_SESSION));
}

CK_RV C_OpenSession(CK_SLOT_ID slotID, CK_FLAGS flags, CK_VOID_PTR pApplication, CK_NOTIFY Notify,
                    CK_SESSION_HANDLE_PTR phSession)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, slotID);

    (void)pApplication;
    (void)Notify; /* nothing is ever surrendered */
    if (rv != CKR_OK) {
        return rv;
    }
    rv = open_session(module, slotID, flags, phSession);
    return kgr_p11_leave(module, __func__, slotID, rv);
}

/* Who closed his last session is logged out. */
static void look_for_last(struct kgr_p11_module *module)
{
    size_t num_open = 0;
    size_t num_rw = 0;

    kgr_p11_session_count(&module->sessions, &num_open, &num_rw);
    if (num_open == 0) {
        (void)kgr_p11_login_end(module);
    }
}

CK_RV C_CloseSession(CK_SESSION_HANDLE hSession)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = kgr_p11_session_close(&module->sessions, hSession);
    look_for_last(module);
    return kgr_p11_leave(module, __func__, hSession, rv);
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slotID)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, slotID);

    if (rv != CKR_OK) {
        return rv;
    }
    if (slotID != KGR_P11_SLOT_ID) {
        rv = CKR_SLOT_ID_INVALID;
    } else {
        kgr_p11_session_close_all(&module->sessions);
        look_for_last(module);
    }
    return kgr_p11_leave(module, __func__, slotID, rv);
}

static CK_STATE state_of(const struct kgr_p11_session *session)
{
    bool writes = (session->flags & CKF_RW_SESSION) != 0;

    if (atomic_load(&session->module->login.is_in)) {
        return writes ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
    }
    return writes ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE hSession, CK_SESSION_INFO_PTR pInfo)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (pInfo == NULL) {
        rv = CKR_ARGUMENTS_BAD;
    } else {
        memset(pInfo, 0, sizeof(*pInfo));
        pInfo->slotID = KGR_P11_SLOT_ID;
        pInfo->state = state_of(session);
        pInfo->flags = session->flags;
    }
    return kgr_p11_session_leave(session, __func__, rv);
}

static CK_FLAGS flag_of(enum kgr_p11_op op)
{
    switch (op) {
    case KGR_P11_OP_FIND:
        return CKF_FIND_OBJECTS;
    case KGR_P11_OP_ENCRYPT:
        return CKF_ENCRYPT;
    case KGR_P11_OP_DECRYPT:
        return CKF_DECRYPT;
    case KGR_P11_OP_SIGN:
        return CKF_SIGN;
    case KGR_P11_OP_VERIFY:
        return CKF_VERIFY;
    case KGR_P11_OP_MESSAGE_ENCRYPT:
        return CKF_MESSAGE_ENCRYPT;
    case KGR_P11_OP_MESSAGE_DECRYPT:
        return CKF_MESSAGE_DECRYPT;
    default:
        return 0;
    }
}

/* Flags of operations that are not active are no error: there is nothing left of them to cancel. */
CK_RV C_SessionCancel(CK_SESSION_HANDLE hSession, CK_FLAGS flags)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if ((flag_of(session->op) & flags) != 0) {
        kgr_p11_session_end(session);
    }
    return kgr_p11_session_leave(session, __func__, CKR_OK);
}

/* What an operation needs lies with the agent and is bound to this process. */
CK_RV C_GetOperationState(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pOperationState,
                          CK_ULONG_PTR pulOperationStateLen)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    (void)pOperationState;
    if (rv != CKR_OK) {
        return rv;
    }
    if (pulOperationStateLen == NULL) {
        rv = CKR_ARGUMENTS_BAD;
    } else {
        rv = session->op == KGR_P11_OP_NONE ? CKR_OPERATION_NOT_INITIALIZED : CKR_STATE_UNSAVEABLE;
    }
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_SetOperationState(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pOperationState,
                          CK_ULONG ulOperationStateLen, CK_OBJECT_HANDLE hEncryptionKey,
                          CK_OBJECT_HANDLE hAuthenticationKey)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    (void)ulOperationStateLen;
    (void)hEncryptionKey;
    (void)hAuthenticationKey;
    if (rv != CKR_OK) {
        return rv;
    }
    rv = pOperationState == NULL ? CKR_ARGUMENTS_BAD : CKR_SAVED_STATE_INVALID;
    return kgr_p11_session_leave(session, __func__, rv);
}
