/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/operation.h"

#include "pkcs11/module.h"

#include <string.h>

CK_RV kgr_p11_sign_init(struct kgr_p11_session *session, enum kgr_p11_op op,
                        const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    const struct kgr_p11_mechanism *mech = NULL;
    struct kgr_p11_object object;
    struct kgr_key name;
    size_t mac_len = 0;
    CK_RV rv;

    if (mechanism == NULL) {
        return kgr_p11_operation_cancel(session, op);
    }
    rv = kgr_p11_operation_key(&object, &mech, session, op, mechanism, key);
    if (rv == CKR_OK) {
        rv = kgr_p11_mac_param(&mac_len, mech, mechanism);
    }
    if (rv != CKR_OK) {
        return rv;
    }
    memcpy(name.peer, object.info.peer, sizeof(name.peer));
    name.generation = object.info.generation;
    kgr_p11_mac_init(&session->u.mac, session->module->client, &name,
                     kgr_p11_suite_hash_len(object.info.suite), mac_len);
    session->op = op;
    return CKR_OK;
}

CK_RV kgr_p11_sign_update(struct kgr_p11_session *session, enum kgr_p11_op op, const CK_BYTE *in,
                          CK_ULONG in_len)
{
    CK_RV rv = CKR_ARGUMENTS_BAD;

    if (session->op != op) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if (in != NULL || in_len == 0) {
        rv = kgr_p11_mac_update(&session->u.mac, in, in_len);
    }
    if (rv == CKR_OK) {
        session->in_parts = true;
    } else {
        kgr_p11_session_end(session);
    }
    return rv;
}
