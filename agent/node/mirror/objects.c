/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/mirror/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/object_id.h"
#include "agent/store/token_attrs.h"
#include "agent/tpm/symmetric.h"

/* Room for the text of a row. */
#define ROW_MAX 8192u

/* Numbers of PKCS#11 3.0, and of tpm2-pkcs11 and <kgr/pkcs11.h>, which come without the header of the standard. */
enum {
    CLASS = 0,
    TOKEN = 1,
    PRIVATE = 2,
    LABEL = 3,
    VALUE = 0x11,
    TRUSTED = 0x86,
    KEY_TYPE = 0x100,
    ID = 0x102,
    SENSITIVE = 0x103,
    ENCRYPT = 0x104,
    DECRYPT = 0x105,
    WRAP = 0x106,
    UNWRAP = 0x107,
    SIGN = 0x108,
    SIGN_RECOVER = 0x109,
    VERIFY = 0x10a,
    VERIFY_RECOVER = 0x10b,
    DERIVE = 0x10c,
    START_DATE = 0x110,
    END_DATE = 0x111,
    VALUE_LEN = 0x161,
    EXTRACTABLE = 0x162,
    LOCAL = 0x163,
    NEVER_EXTRACTABLE = 0x164,
    ALWAYS_SENSITIVE = 0x165,
    KEY_GEN_MECHANISM = 0x166,
    MODIFIABLE = 0x170,
    COPYABLE = 0x171,
    DESTROYABLE = 0x172,
    ALWAYS_AUTHENTICATE = 0x202,
    WRAP_WITH_TRUSTED = 0x210,
    WRAP_TEMPLATE = 0x40000211,
    UNWRAP_TEMPLATE = 0x40000212,
    ALLOWED_MECHANISMS = 0x40000600,
};
#define UNAVAILABLE_INFORMATION UINT64_MAX
#define SECRET_KEY              4u
#define GENERIC_SECRET          0x10u
#define AES                     0x1fu

#define TPM2_OBJAUTH_ENC UINT64_C(0x8f000001)
#define TPM2_PUB_BLOB    UINT64_C(0x8f000002)
#define TPM2_PRIV_BLOB   UINT64_C(0x8f000003)

#define KGR_NODE       UINT64_C(0xcb475201)
#define KGR_PEER       UINT64_C(0xcb475202)
#define KGR_GENERATION UINT64_C(0xcb475203)
#define KGR_SUITE      UINT64_C(0xcb475204)
#define KGR_CUSTODY    UINT64_C(0xcb475205)

static void put_flags(struct kgr_token_attrs *attrs, const uint64_t *types, size_t num, bool value)
{
    for (size_t i = 0; i < num; i++)
        kgr_token_attrs_flag(attrs, types[i], value);
}

static void put_text(struct kgr_token_attrs *attrs, uint64_t type, const char *text)
{
    kgr_token_attrs_bytes(attrs, type, kgr_slice(text, strlen(text)));
}

/* A TPM2B: the bytes with their number before. */
static void put_sized(struct kgr_token_attrs *attrs, uint64_t type, const uint8_t *p, size_t len)
{
    uint8_t bytes[2 + KGR_TPM_PRIVATE_MAX];
    struct kgr_wr wr;

    _Static_assert(KGR_TPM_PUBLIC_MAX <= KGR_TPM_PRIVATE_MAX, "both fit");
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_wr_vec16(&wr, kgr_slice(p, len));
    if (kgr_wr_ok(&wr))
        kgr_token_attrs_bytes(attrs, type, kgr_wr_slice(&wr));
    else
        attrs->failed = true;
}

/* Those that libtpm2_pkcs11 has. It computes CBC_PAD itself, with CBC. */
static size_t mechanisms(const struct kgr_mirror_key *key, bool mac, uint64_t out[5])
{
    static const struct {
        enum kgr_tpm_mode mode;
        uint64_t mechanism;
    } ciphers[] = {
        {KGR_TPM_ECB, 0x1081}, {KGR_TPM_CBC, 0x1082}, {KGR_TPM_CBC, 0x1085},
        {KGR_TPM_CTR, 0x1086}, {KGR_TPM_CFB, 0x2107},
    };
    size_t num = 0;

    if (mac)
        out[num++] = key->suite == KGR_SUITE_AES256_SHA384 ? 0x261 : 0x251;
    for (size_t i = 0; i < KGR_ARRAY_LEN(ciphers) && !mac; i++)
        if ((key->modes & 1u << ciphers[i].mode) != 0)
            out[num++] = ciphers[i].mechanism;
    return num;
}

static void put_names(struct kgr_token_attrs *attrs, const struct kgr_mirror_key *key, bool mac)
{
    char label[KGR_NID_MAX + 8];
    uint8_t id[KGR_OBJECT_ID_LEN];

    (void)snprintf(label, sizeof(label), "%s%s", key->peer->s, mac ? " (sign)" : "");
    put_text(attrs, LABEL, label);
    kgr_object_id(id, key->node, key->peer->s, key->generation, mac);
    kgr_token_attrs_bytes(attrs, ID, kgr_slice(id, sizeof(id)));
    put_text(attrs, KGR_NODE, key->node);
    put_text(attrs, KGR_PEER, key->peer->s);
    kgr_token_attrs_number(attrs, KGR_GENERATION, key->generation);
    kgr_token_attrs_number(attrs, KGR_SUITE, (uint64_t)key->suite);
    kgr_token_attrs_number(attrs, KGR_CUSTODY, 1); /* resident */
}

/* Every one that a program may ask for: that library has no value for what is not there. */
static void put_all(struct kgr_token_attrs *attrs, const struct kgr_mirror_key *key, bool mac)
{
    static const uint64_t always[] = {TOKEN, PRIVATE, SENSITIVE};
    static const uint64_t never[] = {SIGN_RECOVER,
                                     VERIFY_RECOVER,
                                     TRUSTED,
                                     WRAP,
                                     UNWRAP,
                                     DERIVE,
                                     EXTRACTABLE,
                                     LOCAL,
                                     NEVER_EXTRACTABLE,
                                     ALWAYS_SENSITIVE,
                                     MODIFIABLE,
                                     COPYABLE,
                                     DESTROYABLE,
                                     ALWAYS_AUTHENTICATE,
                                     WRAP_WITH_TRUSTED};
    static const uint64_t empty[] = {VALUE, START_DATE, END_DATE, UNWRAP_TEMPLATE};
    const struct kgr_tpm_blob *blob = mac ? &key->blobs->mac : &key->blobs->enc;
    uint64_t allowed[5];
    size_t num = mechanisms(key, mac, allowed);

    kgr_token_attrs_number(attrs, CLASS, SECRET_KEY);
    kgr_token_attrs_number(attrs, KEY_TYPE, mac ? GENERIC_SECRET : AES);
    put_names(attrs, key, mac);
    put_flags(attrs, always, KGR_ARRAY_LEN(always), true);
    put_flags(attrs, never, KGR_ARRAY_LEN(never), false);
    kgr_token_attrs_flag(attrs, ENCRYPT, !mac && key->sends);
    kgr_token_attrs_flag(attrs, DECRYPT, !mac);
    kgr_token_attrs_flag(attrs, SIGN, mac && key->sends);
    kgr_token_attrs_flag(attrs, VERIFY, mac);
    for (size_t i = 0; i < KGR_ARRAY_LEN(empty); i++)
        kgr_token_attrs_bytes(attrs, empty[i], kgr_slice(NULL, 0));
    kgr_token_attrs_number(
        attrs, VALUE_LEN, mac ? kgr_suite_hash_len(key->suite) : kgr_suite_enc_key_len(key->suite));
    kgr_token_attrs_number(attrs, KEY_GEN_MECHANISM, UNAVAILABLE_INFORMATION);
    kgr_token_attrs_numbers(attrs, WRAP_TEMPLATE, NULL, 0);
    kgr_token_attrs_numbers(attrs, ALLOWED_MECHANISMS, allowed, num);
    put_sized(attrs, TPM2_PUB_BLOB, blob->pub.bytes, blob->pub.len);
    put_sized(attrs, TPM2_PRIV_BLOB, blob->priv.bytes, blob->priv.len);
}

enum kgr_error kgr_mirror_object_set(struct kgr_mirror_object *out,
                                     const struct kgr_mirror_key *key, bool mac)
{
    struct kgr_token_attrs attrs;
    char *text = malloc(ROW_MAX);

    if (text == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_token_attrs_begin(&attrs, text, ROW_MAX);
    put_all(&attrs, key, mac);
    *out =
        (struct kgr_mirror_object){.peer = *key->peer, .generation = key->generation, .mac = mac};
    out->attrs = attrs.failed ? NULL : strdup(text);
    free(text);
    if (attrs.failed)
        return KGR_ERR_SHORT_BUFFER;
    return out->attrs == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;
}

void kgr_mirror_object_deinit(struct kgr_mirror_object *object)
{
    free(object->attrs);
    object->attrs = NULL;
}

enum kgr_error kgr_mirror_object_row(const struct kgr_mirror_object *object, char **out,
                                     const char wrapped[KGR_TOKEN_WRAPPED_MAX])
{
    struct kgr_token_attrs attrs = {.cap = ROW_MAX + 1024};
    size_t len = strlen(object->attrs);
    char *text = malloc(attrs.cap);
    enum kgr_error err;

    if (text == NULL)
        return KGR_ERR_NO_MEMORY;
    memcpy(text, object->attrs, len + 1);
    attrs.text = text;
    attrs.len = len;
    put_text(&attrs, TPM2_OBJAUTH_ENC, wrapped);
    err = kgr_token_attrs_end(&attrs);
    if (err != KGR_OK) {
        free(text);
        return err;
    }
    *out = text;
    return KGR_OK;
}

bool kgr_mirror_object_is(const struct kgr_mirror_object *object, const char *row)
{
    return strncmp(row, object->attrs, strlen(object->attrs)) == 0;
}

bool kgr_mirror_owns(const char *node, const char *row)
{
    uint8_t text[KGR_NID_MAX];
    size_t len = 0;

    return kgr_token_attrs_find(row, KGR_NODE, text, sizeof(text), &len) &&
           kgr_slice_equal(kgr_slice(text, len), kgr_slice(node, strlen(node))) &&
           kgr_token_attrs_find(row, KGR_PEER, text, sizeof(text), &len);
}
