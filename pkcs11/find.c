/* SPDX-License-Identifier: BSD-2-Clause */

/* C_FindObjects*: PKCS#11 3.0 section 5.7. */
#include "pkcs11/attribute.h"
#include "pkcs11/module.h"
#include "pkcs11/translate.h"

#include "agent/base/attr.h"
#include "agent/base/text.h"

#include <kgr/pkcs11.h>

#include <stdlib.h>
#include <string.h>

struct search {
    const CK_ATTRIBUTE *template;
    CK_ULONG count;
    struct kgr_p11_token token;
    struct kgr_p11_find found; /* handles are owned until the session takes them */
    size_t cap;
    CK_RV rv;
};

static CK_RV check_template(const CK_ATTRIBUTE *template, CK_ULONG count)
{
    if (template == NULL && count > 0) {
        return CKR_ARGUMENTS_BAD;
    }
    for (CK_ULONG i = 0; i < count; i++) {
        if (template[i].pValue == NULL && template[i].ulValueLen > 0) {
            return CKR_ATTRIBUTE_VALUE_INVALID;
        }
    }
    return CKR_OK;
}

static const CK_ATTRIBUTE *lookup(const struct search *search, CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < search->count; i++) {
        if (search->template[i].type == type) {
            return &search->template[i];
        }
    }
    return NULL;
}

/* Is every object of this token excluded, so that the agent need not be asked? */
static bool excludes_all(const struct search *search)
{
    const CK_ATTRIBUTE *attr = lookup(search, CKA_CLASS);
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;

    return attr != NULL &&
           (attr->ulValueLen != sizeof(class) || memcmp(attr->pValue, &class, sizeof(class)) != 0);
}

/* The peer that a label names, with what tells its MAC key from the other cut off. */
static size_t peer_len(const CK_ATTRIBUTE *attr)
{
    static const char suffix[] = KGR_P11_SIGN_LABEL;
    size_t suffix_len = sizeof(suffix) - 1;
    size_t len = attr->ulValueLen;

    if (attr->type == CKA_LABEL && len > suffix_len &&
        memcmp((const char *)attr->pValue + len - suffix_len, suffix, suffix_len) == 0) {
        len -= suffix_len;
    }
    return len;
}

/* Does the template name one peer, so that only that one must be asked for? An empty name: nobody. */
static bool names_peer(struct kgr_p11_module *module, const struct search *search,
                       char out[KGR_PEER_MAX + 1])
{
    static const CK_ATTRIBUTE_TYPE by_name[] = {CKA_LABEL, CKA_KGR_PEER};
    const CK_ATTRIBUTE *attr;
    struct kgr_nid nid;

    for (size_t i = 0; i < KGR_ARRAY_LEN(by_name); i++) {
        attr = lookup(search, by_name[i]);
        if (attr != NULL) {
            out[0] = '\0';
            if (attr->pValue != NULL && kgr_nid_set(&nid, attr->pValue, peer_len(attr)) == KGR_OK) {
                memcpy(out, nid.s, sizeof(nid.s));
            }
            return true;
        }
    }
    attr = lookup(search, CKA_ID);
    return attr != NULL && attr->pValue != NULL &&
           kgr_p11_keys_find_id(module, attr->pValue, attr->ulValueLen, out);
}

static bool collect(void *ctx, const struct kgr_p11_object *object)
{
    struct search *search = ctx;

    if (!kgr_p11_attributes_match(object, search->token.node, search->template, search->count)) {
        return true;
    }
    if (search->found.num == search->cap) {
        size_t cap = search->cap == 0 ? 16 : search->cap * 2;
        CK_OBJECT_HANDLE *handles = realloc(search->found.handles, cap * sizeof(*handles));

        if (handles == NULL) {
            search->rv = CKR_HOST_MEMORY;
            return false;
        }
        search->found.handles = handles;
        search->cap = cap;
    }
    search->found.handles[search->found.num++] = object->handle;
    return true;
}

static CK_RV run_search(struct kgr_p11_module *module, struct search *search)
{
    char peer[KGR_PEER_MAX + 1] = "";
    enum kgr_error err = kgr_p11_token_peek(module, &search->token);
    bool one;

    if (err != KGR_OK) {
        return kgr_p11_rv(err);
    }
    if (!kgr_p11_login_allows(module)) {
        return CKR_OK; /* private objects are not there */
    }
    one = names_peer(module, search, peer);
    if (one && peer[0] == '\0') {
        return CKR_OK;
    }
    err = one ? kgr_p11_keys_refresh_peer(module, peer) : kgr_p11_keys_refresh(module);
    if (err != KGR_OK) {
        return kgr_p11_rv(err);
    }
    kgr_p11_keys_each(module, one ? peer : NULL, collect, search);
    return search->rv;
}

static CK_RV find_init(struct kgr_p11_session *session, const CK_ATTRIBUTE *template,
                       CK_ULONG count)
{
    struct search search = {.template = template, .count = count, .rv = CKR_OK};
    CK_RV rv = check_template(template, count);

    if (rv != CKR_OK) {
        return rv;
    }
    if (session->op != KGR_P11_OP_NONE) {
        return CKR_OPERATION_ACTIVE;
    }
    if (!excludes_all(&search)) {
        rv = run_search(session->module, &search);
    }
    if (rv != CKR_OK) {
        free(search.found.handles);
        return rv;
    }
    session->u.find = search.found;
    session->op = KGR_P11_OP_FIND;
    return CKR_OK;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = find_init(session, pTemplate, ulCount);
    return kgr_p11_session_leave(session, __func__, rv);
}

static CK_RV find_next(struct kgr_p11_session *session, CK_OBJECT_HANDLE *out, CK_ULONG max,
                       CK_ULONG *out_num)
{
    struct kgr_p11_find *find = &session->u.find;
    size_t num;

    if (session->op != KGR_P11_OP_FIND) {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if (out_num == NULL || (out == NULL && max > 0)) {
        return CKR_ARGUMENTS_BAD;
    }
    num = find->num - find->next;
    if (num > max) {
        num = max;
    }
    if (num > 0) {
        memcpy(out, find->handles + find->next, num * sizeof(*out));
    }
    find->next += num;
    *out_num = num;
    return CKR_OK;
}

CK_RV C_FindObjects(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE_PTR phObject,
                    CK_ULONG ulMaxObjectCount, CK_ULONG_PTR pulObjectCount)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = find_next(session, phObject, ulMaxObjectCount, pulObjectCount);
    return kgr_p11_session_leave(session, __func__, rv);
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE hSession)
{
    struct kgr_p11_session *session = NULL;
    CK_RV rv = kgr_p11_session_enter(&session, __func__, hSession);

    if (rv != CKR_OK) {
        return rv;
    }
    if (session->op != KGR_P11_OP_FIND) {
        rv = CKR_OPERATION_NOT_INITIALIZED;
    } else {
        kgr_p11_session_end(session);
    }
    return kgr_p11_session_leave(session, __func__, rv);
}
