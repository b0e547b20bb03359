/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/operation.h"

#include "pkcs11/module.h"
#include "pkcs11/translate.h"

static bool is_for(const struct kgr_p11_mechanism *mech, enum kgr_p11_op op)
{
    switch (op) {
    case KGR_P11_OP_ENCRYPT:
    case KGR_P11_OP_DECRYPT:
        return mech->kind == KGR_P11_CIPHER_KEY && !mech->record;
    case KGR_P11_OP_SIGN:
    case KGR_P11_OP_VERIFY:
        return mech->kind == KGR_P11_MAC_KEY;
    default:
        return mech->record;
    }
}

static CK_RV check_permitted(const struct kgr_peer *info, enum kgr_p11_op op)
{
    bool sends =
        op == KGR_P11_OP_ENCRYPT || op == KGR_P11_OP_SIGN || op == KGR_P11_OP_MESSAGE_ENCRYPT;

    if (sends ? info->may_send : info->may_receive) {
        return CKR_OK;
    }
    /* A key that may do nothing has not the wrong permissions: the lease is over, or its time is. */
    return info->may_send || info->may_receive ? CKR_KEY_FUNCTION_NOT_PERMITTED
                                               : CKR_FUNCTION_FAILED;
}

CK_RV kgr_p11_operation_key(struct kgr_p11_object *out_object,
                            const struct kgr_p11_mechanism **out_mech,
                            struct kgr_p11_session *session, enum kgr_p11_op op,
                            const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    const struct kgr_p11_mechanism *mech = kgr_p11_mechanism_find(mechanism->mechanism);
    struct kgr_p11_object object;
    struct kgr_p11_token token;
    enum kgr_error err;
    CK_RV rv;

    if (session->op != KGR_P11_OP_NONE) {
        return CKR_OPERATION_ACTIVE;
    }
    if (mech == NULL || !is_for(mech, op)) {
        return CKR_MECHANISM_INVALID;
    }
    err = kgr_p11_token_peek(session->module, &token);
    if (err != KGR_OK) {
        return kgr_p11_rv(err);
    }
    if (mech->kind == KGR_P11_CIPHER_KEY &&
        !kgr_p11_mechanism_works(session->module, mech, token.modes)) {
        return CKR_MECHANISM_INVALID;
    }
    err = kgr_p11_key_get_recent(session->module, key, &object);
    if (err != KGR_OK) {
        return kgr_p11_rv_key(err);
    }
    if (!kgr_p11_mechanism_fits(mech, &object)) {
        return CKR_KEY_TYPE_INCONSISTENT;
    }
    rv = check_permitted(&object.info, op);
    if (rv != CKR_OK) {
        return rv;
    }
    *out_object = object;
    *out_mech = mech;
    return CKR_OK;
}

CK_RV kgr_p11_operation_cancel(struct kgr_p11_session *session, enum kgr_p11_op op)
{
    if (session->op != op) {
        return CKR_ARGUMENTS_BAD;
    }
    kgr_p11_session_end(session);
    return CKR_OK;
}
