/* SPDX-License-Identifier: BSD-2-Clause */

/* Object management: PKCS#11 3.0 section 5.7. Objects come, change and go with the keys only. */
#include "pkcs11/attribute.h"
#include "pkcs11/module.h"
#include "pkcs11/translate.h"

#include <string.h>

/* Of the errors of one attribute each, the first stays. */
static CK_RV fill(CK_ATTRIBUTE *attr, const struct kgr_p11_object *object, const char *node)
{
    struct kgr_p11_value value;
    CK_RV rv = kgr_p11_attribute(&value, object, node, attr->type);

    if (rv == CKR_OK && attr->pValue != NULL && attr->ulValueLen < value.len) {
        rv = CKR_BUFFER_TOO_SMALL;
    }
    if (rv != CKR_OK) {
        attr->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return rv;
    }
    if (attr->pValue != NULL && value.len > 0) {
        memcpy(attr->pValue, value.bytes, value.len);
    }
    attr->ulValueLen = value.len;
    return CKR_OK;
}

static CK_RV get_object(struct kgr_p11_module *module, CK_OBJECT_HANDLE handle, bool fresh,
                        struct kgr_p11_object *out)
{
    enum kgr_error err =
        fresh ? kgr_p11_key_get_fresh(module, handle, out) : kgr_p11_key_get(module, handle, out);
    CK_RV rv = kgr_p11_rv_key(err);

    return rv == CKR_KEY_HANDLE_INVALID || rv == CKR_KEY_FUNCTION_NOT_PERMITTED
               ? CKR_OBJECT_HANDLE_INVALID
               : rv;
}

static CK_RV get_attributes(struct kgr_p11_module *module, CK_OBJECT_HANDLE handle,
                            CK_ATTRIBUTE *template, CK_ULONG count)
{
    struct kgr_p11_object object;
    struct kgr_p11_token token;
    bool fresh = false;
    CK_RV rv;

    if (template == NULL || count == 0) {
        return CKR_ARGUMENTS_BAD;
    }
    for (CK_ULONG i = 0; i < count; i++) {
        fresh = fresh || kgr_p11_attribute_is_volatile(template[i].type);
    }
    rv = get_object(module, handle, fresh, &object);
    if (rv == CKR_OK) {
        rv = kgr_p11_rv(kgr_p11_token_peek(module, &token));
    }
    if (rv != CKR_OK) {
        return rv;
    }
    for (CK_ULONG i = 0; i < count; i++) {
        CK_RV one = fill(&template[i], &object, token.node);

        rv = rv == CKR_OK ? one : rv;
    }
    return rv;
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
                          CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = get_attributes(session->module, hObject, pTemplate, ulCount);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ULONG_PTR pulSize)
{
    struct kgr_p11_session *session = NULL;
    struct kgr_p11_object object;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (pulSize == NULL) {
        rv = CKR_ARGUMENTS_BAD;
    } else {
        rv = get_object(session->module, hObject, false, &object);
    }
    if (rv == CKR_OK) {
        *pulSize =
            CK_UNAVAILABLE_INFORMATION; /* what it takes is the TPM's and the agent's matter */
    }
    return kgr_p11_session_leave(session, __func__, rv);
}

static CK_RV refuse_create(const struct kgr_p11_session *session, const CK_ATTRIBUTE *template,
                           CK_ULONG count)
{
    if (template == NULL && count > 0) {
        return CKR_ARGUMENTS_BAD;
    }
    for (CK_ULONG i = 0; i < count; i++) {
        CK_BBOOL value = CK_FALSE;

        if (template[i].type == CKA_TOKEN && template[i].pValue != NULL &&
            template[i].ulValueLen == sizeof(value)) {
            memcpy(&value, template[i].pValue, sizeof(value));
        }
        if (value != CK_FALSE && (session->flags & CKF_RW_SESSION) == 0) {
            return CKR_SESSION_READ_ONLY;
        }
    }
    return CKR_TOKEN_WRITE_PROTECTED;
}

CK_RV C_CreateObject(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount,
                     CK_OBJECT_HANDLE_PTR phObject)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = phObject == NULL ? CKR_ARGUMENTS_BAD : refuse_create(session, pTemplate, ulCount);
    return kgr_p11_session_leave(session, __func__, rv);
}

/* What changes an object: it must exist, the session must be read/write, and then it is refused. */
static CK_RV refuse_change(struct kgr_p11_session *session, CK_OBJECT_HANDLE handle)
{
    struct kgr_p11_object object;
    CK_RV rv = get_object(session->module, handle, false, &object);

    if (rv != CKR_OK) {
        return rv;
    }
    return (session->flags & CKF_RW_SESSION) == 0 ? CKR_SESSION_READ_ONLY : CKR_ACTION_PROHIBITED;
}

CK_RV C_CopyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ATTRIBUTE_PTR pTemplate,
                   CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phNewObject)
{
    struct kgr_p11_session *session = NULL;
    struct kgr_p11_object object;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (phNewObject == NULL || (pTemplate == NULL && ulCount > 0)) {
        rv = CKR_ARGUMENTS_BAD;
    } else {
        rv = get_object(session->module, hObject, false, &object);
    }
    rv = rv == CKR_OK ? CKR_ACTION_PROHIBITED : rv; /* CKA_COPYABLE is false */
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = refuse_change(session, hObject);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
                          CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (pTemplate == NULL && ulCount > 0) {
        rv = CKR_ARGUMENTS_BAD;
    } else {
        rv = refuse_change(session, hObject);
    }
    return kgr_p11_session_leave(session, __func__, rv);
}
