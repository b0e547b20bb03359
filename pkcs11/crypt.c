/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/operation.h"

#include "pkcs11/module.h"

#include <string.h>

/* Stands for the data that a NULL pointer with length 0 points to. */
static const CK_BYTE nothing[1];

CK_RV kgr_p11_crypt_init(struct kgr_p11_session *session, enum kgr_p11_op op,
                         const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    const struct kgr_p11_mechanism *mech = NULL;
    struct kgr_p11_object object;
    struct kgr_key name;
    uint8_t iv[KGR_BLOCK_LEN];
    CK_RV rv;

    if (mechanism == NULL) {
        return kgr_p11_operation_cancel(session, op);
    }
    rv = kgr_p11_operation_key(&object, &mech, session, op, mechanism, key);
    if (rv == CKR_OK) {
        rv = kgr_p11_cipher_param(iv, mech, mechanism);
    }
    if (rv != CKR_OK) {
        return rv;
    }
    memcpy(name.peer, object.info.peer, sizeof(name.peer));
    name.generation = object.info.generation;
    kgr_p11_cipher_init(&session->u.cipher, session->module->client, &name, mech->mode, mech->pad,
                        op == KGR_P11_OP_ENCRYPT, iv);
    session->op = op;
    return CKR_OK;
}

/* Ends the operation unless rv is one of the two outcomes that leave it. */
static CK_RV finish(struct kgr_p11_session *session, CK_RV rv, bool query)
{
    if (rv != CKR_BUFFER_TOO_SMALL && !(query && rv == CKR_OK)) {
        kgr_p11_session_end(session);
    }
    return rv;
}

static CK_RV whole(struct kgr_p11_session *session, const CK_BYTE *in, CK_ULONG in_len,
                   CK_BYTE *out, CK_ULONG *out_len)
{
    struct kgr_p11_cipher *cipher = &session->u.cipher;
    size_t len;
    CK_RV rv;

    /* A multi-part operation is not this function's to finish. */
    if (session->in_parts) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if (out_len == NULL || (in == NULL && in_len > 0)) {
        return CKR_ARGUMENTS_BAD;
    }
    if (in_len > SIZE_MAX - KGR_BLOCK_LEN) {
        return CKR_DATA_LEN_RANGE;
    }
    if (out == NULL) {
        *out_len = kgr_p11_cipher_whole_max(cipher, in_len);
        return CKR_OK;
    }
    len = *out_len;
    rv = kgr_p11_cipher_whole(cipher, in != NULL ? in : nothing, in_len, out, &len);
    if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL) {
        *out_len = len;
    }
    return rv;
}

CK_RV kgr_p11_crypt_whole(struct kgr_p11_session *session, enum kgr_p11_op op, const CK_BYTE *in,
                          CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
    if (session->op != op) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    return finish(session, whole(session, in, in_len, out, out_len), out == NULL);
}

static CK_RV update(struct kgr_p11_session *session, const CK_BYTE *in, CK_ULONG in_len,
                    CK_BYTE *out, CK_ULONG *out_len)
{
    struct kgr_p11_cipher *cipher = &session->u.cipher;
    size_t need;
    CK_RV rv;

    if (out_len == NULL || (in == NULL && in_len > 0)) {
        return CKR_ARGUMENTS_BAD;
    }
    if (in_len > SIZE_MAX - KGR_BLOCK_LEN) {
        return CKR_DATA_LEN_RANGE;
    }
    need = kgr_p11_cipher_update_len(cipher, in_len);
    if (out == NULL) {
        *out_len = need;
        return CKR_OK;
    }
    if (*out_len < need) {
        *out_len = need;
        return CKR_BUFFER_TOO_SMALL;
    }
    rv = kgr_p11_cipher_update(cipher, in != NULL ? in : nothing, in_len, out);
    if (rv == CKR_OK) {
        *out_len = need;
        session->in_parts = true;
    }
    return rv;
}

CK_RV kgr_p11_crypt_update(struct kgr_p11_session *session, enum kgr_p11_op op, const CK_BYTE *in,
                           CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
    CK_RV rv;

    if (session->op != op) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    rv = update(session, in, in_len, out, out_len);
    if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL) {
        kgr_p11_session_end(session);
    }
    return rv;
}

static CK_RV final(struct kgr_p11_session *session, CK_BYTE *out, CK_ULONG *out_len)
{
    struct kgr_p11_cipher *cipher = &session->u.cipher;
    size_t len;
    CK_RV rv;

    if (out_len == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    if (out == NULL) {
        *out_len = kgr_p11_cipher_final_max(cipher);
        return CKR_OK;
    }
    len = *out_len;
    rv = kgr_p11_cipher_final(cipher, out, &len);
    if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL) {
        *out_len = len;
    }
    return rv;
}

CK_RV kgr_p11_crypt_final(struct kgr_p11_session *session, enum kgr_p11_op op, CK_BYTE *out,
                          CK_ULONG *out_len)
{
    if (session->op != op) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    return finish(session, final(session, out, out_len), out == NULL);
}
