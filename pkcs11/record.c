/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * C_MessageEncrypt* and C_MessageDecrypt*, whose messages are records (CKM_KGR_RECORD): PKCS#11 3.0
 * sections 5.9 and 5.11. A message that fails does not end the operation; only Final does.
 */
#include "pkcs11/module.h"
#include "pkcs11/operation.h"
#include "pkcs11/translate.h"

#include <kgr/pkcs11.h>

#include <string.h>

/* Stands for the data that a NULL pointer with length 0 points to. */
static const CK_BYTE nothing[1];

/* One message, as C_EncryptMessage and C_DecryptMessage get it. */
struct message {
    const void *param;
    CK_ULONG param_len;
    const CK_BYTE *aad;
    CK_ULONG aad_len;
    const CK_BYTE *in;
    CK_ULONG in_len;
};

static CK_RV init(struct kgr_p11_session *session, enum kgr_p11_op op,
                  const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    const struct kgr_p11_mechanism *mech = NULL;
    struct kgr_p11_object object;
    CK_RV rv;

    if (mechanism == NULL) {
        return kgr_p11_operation_cancel(session, op);
    }
    rv = kgr_p11_operation_key(&object, &mech, session, op, mechanism, key);
    if (rv == CKR_OK && mechanism->ulParameterLen != 0) {
        rv = CKR_MECHANISM_PARAM_INVALID;
    }
    if (rv != CKR_OK) {
        return rv;
    }
    memcpy(session->u.peer.peer, object.info.peer, sizeof(session->u.peer.peer));
    session->u.peer.generation = 0;
    session->op = op;
    return CKR_OK;
}

static CK_RV end(struct kgr_p11_session *session, enum kgr_p11_op op)
{
    if (session->op != op) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    kgr_p11_session_end(session);
    return CKR_OK;
}

/* What is wrong with a message, or with the room for its result. *out_stored is its only flag. */
static CK_RV check(const struct message *message, const CK_BYTE *out, CK_ULONG *out_len,
                   CK_ULONG need, bool *out_stored)
{
    CK_ULONG flags = 0;

    if (out_len == NULL || (message->in == NULL && message->in_len > 0) ||
        (message->aad == NULL && message->aad_len > 0)) {
        return CKR_ARGUMENTS_BAD;
    }
    if (message->param_len != 0) {
        if (message->param == NULL || message->param_len != sizeof(flags)) {
            return CKR_MECHANISM_PARAM_INVALID;
        }
        memcpy(&flags, message->param, sizeof(flags));
    }
    if ((flags & ~CKF_KGR_STORED) != 0) {
        return CKR_MECHANISM_PARAM_INVALID;
    }
    if (out != NULL && *out_len < need) {
        *out_len = need;
        return CKR_BUFFER_TOO_SMALL;
    }
    *out_stored = (flags & CKF_KGR_STORED) != 0;
    return CKR_OK;
}

static CK_RV seal_record(struct kgr_p11_session *session, const struct message *message,
                         CK_BYTE *out, CK_ULONG *out_len)
{
    CK_ULONG need = message->in_len + KGR_RECORD_OVERHEAD;
    bool stored = false;
    size_t len = 0;
    CK_RV rv;

    if (session->op != KGR_P11_OP_MESSAGE_ENCRYPT) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if (message->in_len > KGR_DATA_MAX || message->aad_len > KGR_AAD_MAX) {
        return CKR_DATA_LEN_RANGE;
    }
    rv = check(message, out, out_len, need, &stored);
    if (rv != CKR_OK) {
        return rv;
    }
    if (out == NULL) {
        *out_len = need;
        return CKR_OK;
    }
    rv = kgr_p11_rv(kgr_seal(session->module->client, session->u.peer.peer, stored, message->aad,
                             message->aad_len, message->in != NULL ? message->in : nothing,
                             message->in_len, out, *out_len, &len));
    if (rv == CKR_OK) {
        *out_len = len;
    }
    return rv;
}

/*
 * A record opens once: that there is room must be known before, so the room asked for is the
 * record's own length, more than its content can have.
 */
static CK_RV open_record(struct kgr_p11_session *session, const struct message *message,
                         CK_BYTE *out, CK_ULONG *out_len)
{
    bool stored = false;
    size_t len = 0;
    CK_RV rv;

    if (session->op != KGR_P11_OP_MESSAGE_DECRYPT) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if (message->in_len > KGR_DATA_MAX + KGR_RECORD_OVERHEAD || message->aad_len > KGR_AAD_MAX) {
        return CKR_ENCRYPTED_DATA_LEN_RANGE;
    }
    rv = check(message, out, out_len, message->in_len, &stored);
    if (rv != CKR_OK) {
        return rv;
    }
    if (out == NULL) {
        *out_len = message->in_len;
        return CKR_OK;
    }
    rv = kgr_p11_rv_record(kgr_open(
        session->module->client, session->u.peer.peer, stored, message->aad, message->aad_len,
        message->in != NULL ? message->in : nothing, message->in_len, out, *out_len, &len));
    if (rv == CKR_OK) {
        *out_len = len;
    }
    return rv;
}

CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                           CK_OBJECT_HANDLE hKey)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = init(session, KGR_P11_OP_MESSAGE_ENCRYPT, pMechanism, hKey);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_EncryptMessage(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                       CK_BYTE_PTR pAssociatedData, CK_ULONG ulAssociatedDataLen,
                       CK_BYTE_PTR pPlaintext, CK_ULONG ulPlaintextLen, CK_BYTE_PTR pCiphertext,
                       CK_ULONG_PTR pulCiphertextLen)
{
    const struct message message = {pParameter,          ulParameterLen, pAssociatedData,
                                    ulAssociatedDataLen, pPlaintext,     ulPlaintextLen};
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = seal_record(session, &message, pCiphertext, pulCiphertextLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_MessageEncryptFinal(CK_SESSION_HANDLE hSession)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = end(session, KGR_P11_OP_MESSAGE_ENCRYPT);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                           CK_OBJECT_HANDLE hKey)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = init(session, KGR_P11_OP_MESSAGE_DECRYPT, pMechanism, hKey);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_DecryptMessage(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                       CK_BYTE_PTR pAssociatedData, CK_ULONG ulAssociatedDataLen,
                       CK_BYTE_PTR pCiphertext, CK_ULONG ulCiphertextLen, CK_BYTE_PTR pPlaintext,
                       CK_ULONG_PTR pulPlaintextLen)
{
    const struct message message = {pParameter,          ulParameterLen, pAssociatedData,
                                    ulAssociatedDataLen, pCiphertext,    ulCiphertextLen};
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = open_record(session, &message, pPlaintext, pulPlaintextLen);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_MessageDecryptFinal(CK_SESSION_HANDLE hSession)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = end(session, KGR_P11_OP_MESSAGE_DECRYPT);
    return kgr_p11_session_leave(session, __func__, rv);
}
