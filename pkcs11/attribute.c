/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/attribute.h"

#include "agent/base/attr.h"
#include "agent/base/text.h"
#include "pkcs11/mechanism.h"

#include <kgr/pkcs11.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

/* What is the same for every key: it came from the KS, stays in its TPM, and is not ours to change. */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL value;
} constants[] = {
    {CKA_TOKEN, CK_TRUE},
    {CKA_MODIFIABLE, CK_FALSE},
    {CKA_COPYABLE, CK_FALSE},
    {CKA_DESTROYABLE, CK_FALSE},
    {CKA_TRUSTED, CK_FALSE},
    {CKA_SENSITIVE, CK_TRUE},
    {CKA_EXTRACTABLE, CK_FALSE},
    {CKA_LOCAL, CK_FALSE},
    {CKA_ALWAYS_SENSITIVE, CK_FALSE},
    {CKA_NEVER_EXTRACTABLE, CK_FALSE},
    {CKA_WRAP_WITH_TRUSTED, CK_FALSE},
    {CKA_WRAP, CK_FALSE},
    {CKA_UNWRAP, CK_FALSE},
    {CKA_DERIVE, CK_FALSE},
    {CKA_ALWAYS_AUTHENTICATE, CK_FALSE}, /* of private keys only, but tools ask all keys for it */
};

static CK_RV set(struct kgr_p11_value *out, const void *p, size_t len)
{
    if (len > sizeof(out->bytes)) {
        return CKR_GENERAL_ERROR;
    }
    if (len > 0) {
        memcpy(out->bytes, p, len);
    }
    out->len = len;
    return CKR_OK;
}

static CK_RV set_bool(struct kgr_p11_value *out, bool value)
{
    CK_BBOOL b = value ? CK_TRUE : CK_FALSE;

    return set(out, &b, sizeof(b));
}

static CK_RV set_ulong(struct kgr_p11_value *out, CK_ULONG value)
{
    return set(out, &value, sizeof(value));
}

static CK_RV set_text(struct kgr_p11_value *out, const char *text, size_t cap)
{
    return set(out, text, strnlen(text, cap));
}

static CK_RV set_label(struct kgr_p11_value *out, const struct kgr_p11_object *object)
{
    char label[KGR_PEER_MAX + sizeof(KGR_P11_SIGN_LABEL)];
    int len = snprintf(label, sizeof(label), "%.*s%s", KGR_PEER_MAX, object->info.peer,
                       object->kind == KGR_P11_MAC_KEY ? KGR_P11_SIGN_LABEL : "");

    return set(out, label, (size_t)len);
}

/* A day, or the empty date when it is not known. */
static CK_RV set_date(struct kgr_p11_value *out, int64_t read_at, int64_t offset, bool known)
{
    char text[sizeof("YYYYMMDD")];
    time_t when = (time_t)(read_at + offset);
    struct tm tm;

    if (!known || gmtime_r(&when, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y%m%d", &tm) != sizeof(CK_DATE)) {
        return set(out, NULL, 0);
    }
    return set(out, text, sizeof(CK_DATE));
}

static CK_RV set_mechanisms(struct kgr_p11_value *out, const struct kgr_p11_object *object)
{
    CK_MECHANISM_TYPE types[KGR_P11_VALUE_MAX / sizeof(CK_MECHANISM_TYPE)];
    const struct kgr_p11_mechanism *mech;
    size_t num = 0;

    for (size_t i = 0; (mech = kgr_p11_mechanism_at(i)) != NULL; i++) {
        if (kgr_p11_mechanism_fits(mech, object) && num < KGR_ARRAY_LEN(types)) {
            types[num++] = mech->type;
        }
    }
    return set(out, types, num * sizeof(types[0]));
}

static CK_RV vendor(struct kgr_p11_value *out, const struct kgr_peer *info, const char *node,
                    CK_ATTRIBUTE_TYPE type)
{
    switch (type) {
    case CKA_KGR_NODE:
        return set_text(out, node, KGR_PEER_MAX);
    case CKA_KGR_PEER:
        return set_text(out, info->peer, sizeof(info->peer));
    case CKA_KGR_GENERATION:
        return set_ulong(out, (CK_ULONG)info->generation);
    case CKA_KGR_SUITE:
        return set_ulong(out, (CK_ULONG)info->suite);
    case CKA_KGR_CUSTODY:
        return set_ulong(out, (CK_ULONG)info->custody);
    case CKA_KGR_STATE:
        return set_ulong(out, (CK_ULONG)info->state);
    case CKA_KGR_IV:
        return set(out, info->iv, sizeof(info->iv));
    case CKA_KGR_RECEIVE_TOPIC:
        return set_text(out, info->receive_topic, sizeof(info->receive_topic));
    case CKA_KGR_SEND_TOPIC:
        return set_text(out, info->send_topic, sizeof(info->send_topic));
    default:
        return CKR_ATTRIBUTE_TYPE_INVALID;
    }
}

/* What it may be used for now: a generation that has been replaced only receives. */
static CK_RV usage(struct kgr_p11_value *out, const struct kgr_p11_object *object,
                   CK_ATTRIBUTE_TYPE type)
{
    bool sends = type == CKA_ENCRYPT || type == CKA_SIGN;
    bool is_cipher = type == CKA_ENCRYPT || type == CKA_DECRYPT;

    return set_bool(out, is_cipher == (object->kind == KGR_P11_CIPHER_KEY) &&
                             (sends ? object->info.may_send : object->info.may_receive));
}

static CK_RV unique_id(struct kgr_p11_value *out, const struct kgr_p11_object *object)
{
    char hex[2 * KGR_P11_ID_LEN + 1];

    return set(out, kgr_hex(hex, object->id, sizeof(object->id)), sizeof(hex) - 1);
}

CK_RV kgr_p11_attribute(struct kgr_p11_value *out, const struct kgr_p11_object *object,
                        const char *node, CK_ATTRIBUTE_TYPE type)
{
    const struct kgr_peer *info = &object->info;

    for (size_t i = 0; i < KGR_ARRAY_LEN(constants); i++) {
        if (constants[i].type == type) {
            return set(out, &constants[i].value, sizeof(constants[i].value));
        }
    }
    switch (type) {
    case CKA_CLASS:
        return set_ulong(out, CKO_SECRET_KEY);
    case CKA_KEY_TYPE:
        return set_ulong(out, object->kind == KGR_P11_CIPHER_KEY ? CKK_AES : CKK_GENERIC_SECRET);
    case CKA_PRIVATE:
        return set_bool(out, object->is_private);
    case CKA_LABEL:
        return set_label(out, object);
    case CKA_ID:
        return set(out, object->id, sizeof(object->id));
    case CKA_UNIQUE_ID:
        return unique_id(out, object);
    case CKA_VALUE:
        return CKR_ATTRIBUTE_SENSITIVE;
    case CKA_VALUE_LEN:
        return set_ulong(out, kgr_p11_suite_key_len(info->suite, object->kind));
    case CKA_ENCRYPT:
    case CKA_DECRYPT:
    case CKA_SIGN:
    case CKA_VERIFY:
        return usage(out, object, type);
    case CKA_START_DATE:
        return set_date(out, object->read_at, -info->age_s, info->age_s >= 0);
    case CKA_END_DATE:
        return set_date(out, object->read_at, info->expires_s, info->expires_s >= 0);
    case CKA_KEY_GEN_MECHANISM:
        return set_ulong(out, CK_UNAVAILABLE_INFORMATION);
    case CKA_ALLOWED_MECHANISMS:
        return set_mechanisms(out, object);
    case CKA_WRAP_TEMPLATE:
    case CKA_UNWRAP_TEMPLATE:
    case CKA_DERIVE_TEMPLATE:
        return set(out, NULL, 0);
    default:
        return vendor(out, info, node, type);
    }
}

bool kgr_p11_attribute_is_volatile(CK_ATTRIBUTE_TYPE type)
{
    switch (type) {
    case CKA_ENCRYPT:
    case CKA_DECRYPT:
    case CKA_SIGN:
    case CKA_VERIFY:
    case CKA_START_DATE:
    case CKA_END_DATE:
    case CKA_KGR_STATE:
    case CKA_KGR_CUSTODY:
    case CKA_KGR_RECEIVE_TOPIC:
    case CKA_KGR_SEND_TOPIC:
        return true;
    default:
        return false;
    }
}

bool kgr_p11_attributes_match(const struct kgr_p11_object *object, const char *node,
                              const CK_ATTRIBUTE *template, CK_ULONG count)
{
    struct kgr_p11_value value;

    for (CK_ULONG i = 0; i < count; i++) {
        if (kgr_p11_attribute(&value, object, node, template[i].type) != CKR_OK ||
            value.len != template[i].ulValueLen ||
            (value.len > 0 && memcmp(value.bytes, template[i].pValue, value.len) != 0)) {
            return false;
        }
    }
    return true;
}
