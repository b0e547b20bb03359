/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/template.h"

#include <string.h>

#include <tss2/tss2_mu.h>

#include "agent/tpm/crypto.h"
#include "agent/tpm/public.h"

#define FIXED (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT)

/* PolicyA of the EK Credential Profile: TPM2_PolicySecret(TPM_RH_ENDORSEMENT). */
static const uint8_t ek_policy[KGR_TPM_HASH_LEN] = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};

static void ecc_p256(TPM2B_PUBLIC *out, TPMA_OBJECT attributes)
{
    TPMS_ECC_PARMS *ecc = &out->publicArea.parameters.eccDetail;
    TPMS_ECC_POINT *point = &out->publicArea.unique.ecc;

    memset(out, 0, sizeof(*out));
    out->publicArea.type = TPM2_ALG_ECC;
    out->publicArea.nameAlg = TPM2_ALG_SHA256;
    out->publicArea.objectAttributes = attributes;
    ecc->symmetric.algorithm = TPM2_ALG_NULL;
    ecc->scheme.scheme = TPM2_ALG_NULL;
    ecc->curveID = TPM2_ECC_NIST_P256;
    ecc->kdf.scheme = TPM2_ALG_NULL;
    /* The TCG's templates for primary keys have 32 zeroes here; TPM2_Create does not look at it. */
    point->x.size = KGR_P256_LEN;
    point->y.size = KGR_P256_LEN;
}

static void parent(TPM2B_PUBLIC *out)
{
    TPMT_SYM_DEF_OBJECT *sym = &out->publicArea.parameters.eccDetail.symmetric;

    sym->algorithm = TPM2_ALG_AES;
    sym->keyBits.aes = 128;
    sym->mode.aes = TPM2_ALG_CFB;
}

void kgr_tpm_template_storage(TPM2B_PUBLIC *out)
{
    ecc_p256(out, FIXED | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                      TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT);
    parent(out);
}

void kgr_tpm_template_wide_storage(TPM2B_PUBLIC *out)
{
    TPMS_ECC_PARMS *ecc = &out->publicArea.parameters.eccDetail;

    kgr_tpm_template_storage(out);
    out->publicArea.nameAlg = TPM2_ALG_SHA384;
    ecc->symmetric.keyBits.aes = 256;
    ecc->curveID = TPM2_ECC_NIST_P384;
    out->publicArea.unique.ecc.x.size = 48;
    out->publicArea.unique.ecc.y.size = 48;
}

void kgr_tpm_template_ek(TPM2B_PUBLIC *out)
{
    ecc_p256(out, FIXED | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                      TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT);
    parent(out);
    out->publicArea.authPolicy.size = sizeof(ek_policy);
    memcpy(out->publicArea.authPolicy.buffer, ek_policy, sizeof(ek_policy));
}

void kgr_tpm_template_signing(TPM2B_PUBLIC *out)
{
    TPMT_ECC_SCHEME *scheme = &out->publicArea.parameters.eccDetail.scheme;

    ecc_p256(out, FIXED | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                      TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT);
    scheme->scheme = TPM2_ALG_ECDSA;
    scheme->details.ecdsa.hashAlg = TPM2_ALG_SHA256;
}

void kgr_tpm_template_data(TPM2B_PUBLIC *out)
{
    memset(out, 0, sizeof(*out));
    out->publicArea.type = TPM2_ALG_KEYEDHASH;
    out->publicArea.nameAlg = TPM2_ALG_SHA256;
    out->publicArea.objectAttributes = FIXED | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
    out->publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
}

void kgr_tpm_template_guarded(TPM2B_PUBLIC *out)
{
    kgr_tpm_template_data(out);
    out->publicArea.objectAttributes &= ~(TPMA_OBJECT)TPMA_OBJECT_NODA;
}

void kgr_tpm_template_resident(TPM2B_PUBLIC *out, enum kgr_suite suite, enum kgr_tpm_kind kind,
                               const uint8_t policy[KGR_TPM_HASH_LEN])
{
    TPMT_PUBLIC *area = &out->publicArea;

    memset(out, 0, sizeof(*out));
    area->nameAlg = TPM2_ALG_SHA256;
    area->objectAttributes = TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                             TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
    area->authPolicy.size = KGR_TPM_HASH_LEN;
    memcpy(area->authPolicy.buffer, policy, KGR_TPM_HASH_LEN);
    if (kind == KGR_TPM_ENC) {
        TPMT_SYM_DEF_OBJECT *sym = &area->parameters.symDetail.sym;

        area->type = TPM2_ALG_SYMCIPHER;
        area->objectAttributes |= TPMA_OBJECT_DECRYPT;
        sym->algorithm = TPM2_ALG_AES;
        sym->keyBits.aes = (TPMI_AES_KEY_BITS)(8 * kgr_suite_enc_key_len(suite));
        sym->mode.aes = TPM2_ALG_NULL;
    } else {
        TPMT_KEYEDHASH_SCHEME *scheme = &area->parameters.keyedHashDetail.scheme;

        area->type = TPM2_ALG_KEYEDHASH;
        scheme->scheme = TPM2_ALG_HMAC;
        scheme->details.hmac.hashAlg =
            suite == KGR_SUITE_AES256_SHA384 ? TPM2_ALG_SHA384 : TPM2_ALG_SHA256;
    }
}

void kgr_tpm_template_wrapped(TPM2B_PUBLIC *out, enum kgr_suite suite, enum kgr_tpm_kind kind,
                              enum kgr_tpm_form form, const uint8_t unique[KGR_TPM_HASH_LEN])
{
    static const uint8_t no_policy[KGR_TPM_HASH_LEN];
    TPMT_PUBLIC *area = &out->publicArea;
    TPM2B_DIGEST *digest = &area->unique.keyedHash;

    if (form == KGR_TPM_DATA) {
        kgr_tpm_template_data(out);
        area->objectAttributes &= ~(TPMA_OBJECT)FIXED;
    } else {
        kgr_tpm_template_resident(out, suite, kind, no_policy);
        area->objectAttributes &= ~(TPMA_OBJECT)TPMA_OBJECT_SENSITIVEDATAORIGIN;
        area->authPolicy.size = 0;
    }
    if (form != KGR_TPM_DATA && kind == KGR_TPM_ENC)
        digest = &area->unique.sym;
    digest->size = KGR_TPM_HASH_LEN;
    memcpy(digest->buffer, unique, KGR_TPM_HASH_LEN);
}

enum kgr_error kgr_tpm_public_marshal(struct kgr_tpm_public *out, const TPM2B_PUBLIC *pub)
{
    struct kgr_tpm_public area = {.len = 0};
    size_t offset = 0;

    if (Tss2_MU_TPMT_PUBLIC_Marshal(&pub->publicArea, area.bytes, sizeof(area.bytes), &offset) !=
        TSS2_RC_SUCCESS)
        return KGR_ERR_CORRUPT;
    area.len = (uint16_t)offset;
    *out = area;
    return KGR_OK;
}

/* On failure out is undefined. What the library lets through here, the comparisons below do not. */
static enum kgr_error unmarshal(TPM2B_PUBLIC *out, const struct kgr_tpm_public *pub)
{
    size_t offset = 0;

    memset(out, 0, sizeof(*out));
    if (pub->len == 0 || pub->len > sizeof(pub->bytes) ||
        Tss2_MU_TPMT_PUBLIC_Unmarshal(pub->bytes, pub->len, &offset, &out->publicArea) !=
            TSS2_RC_SUCCESS ||
        offset != pub->len)
        return KGR_ERR_CORRUPT;
    return KGR_OK;
}

/* Whether area marshals to the very bytes of pub. */
static enum kgr_error compare(const struct kgr_tpm_public *pub, const TPM2B_PUBLIC *area)
{
    struct kgr_tpm_public expected;
    enum kgr_error err = kgr_tpm_public_marshal(&expected, area);

    if (err != KGR_OK)
        return err;
    return kgr_tpm_public_equal(&expected, pub) ? KGR_OK : KGR_ERR_CORRUPT;
}

enum kgr_error kgr_tpm_public_parse(TPM2B_PUBLIC *out, const struct kgr_tpm_public *pub)
{
    enum kgr_error err = unmarshal(out, pub);

    return err == KGR_OK ? compare(pub, out) : err;
}

/* The template with nothing but the point taken over must be the whole of it. */
static enum kgr_error check_ecc(const struct kgr_tpm_public *pub,
                                void (*make_template)(TPM2B_PUBLIC *out))
{
    TPM2B_PUBLIC area;
    TPM2B_PUBLIC template;
    const TPMS_ECC_POINT *size = &template.publicArea.unique.ecc;
    const TPMS_ECC_POINT *point = &area.publicArea.unique.ecc;
    enum kgr_error err = unmarshal(&area, pub);

    if (err != KGR_OK)
        return err;
    make_template(&template);
    if (area.publicArea.type != TPM2_ALG_ECC || point->x.size != size->x.size ||
        point->y.size != size->y.size)
        return KGR_ERR_CORRUPT;
    template.publicArea.unique.ecc = *point;
    return compare(pub, &template);
}

enum kgr_error kgr_tpm_check_storage(const struct kgr_tpm_public *pub)
{
    return kgr_tpm_storage_suites(pub) != 0 ? KGR_OK : KGR_ERR_CORRUPT;
}

uint8_t kgr_tpm_storage_suites(const struct kgr_tpm_public *pub)
{
    const uint8_t narrow = 1u << (KGR_SUITE_AES128_SHA256 - 1);
    const uint8_t wide = 1u << (KGR_SUITE_AES256_SHA384 - 1);

    if (check_ecc(pub, kgr_tpm_template_storage) == KGR_OK)
        return narrow;
    return check_ecc(pub, kgr_tpm_template_wide_storage) == KGR_OK ? narrow | wide : 0;
}

enum kgr_error kgr_tpm_check_ek(const struct kgr_tpm_public *pub)
{
    return check_ecc(pub, kgr_tpm_template_ek);
}

enum kgr_error kgr_tpm_check_signing(const struct kgr_tpm_public *pub)
{
    return check_ecc(pub, kgr_tpm_template_signing);
}

enum kgr_error kgr_tpm_check_resident(const struct kgr_tpm_public *pub, enum kgr_suite suite,
                                      enum kgr_tpm_kind kind)
{
    TPM2B_PUBLIC area;
    TPM2B_DIGEST unique;
    TPM2B_DIGEST policy;
    enum kgr_error err = unmarshal(&area, pub);

    if (err != KGR_OK)
        return err;
    if (area.publicArea.type != (kind == KGR_TPM_ENC ? TPM2_ALG_SYMCIPHER : TPM2_ALG_KEYEDHASH))
        return KGR_ERR_CORRUPT;
    unique = kind == KGR_TPM_ENC ? area.publicArea.unique.sym : area.publicArea.unique.keyedHash;
    policy = area.publicArea.authPolicy;
    if (unique.size != KGR_TPM_HASH_LEN || policy.size != KGR_TPM_HASH_LEN)
        return KGR_ERR_CORRUPT;
    kgr_tpm_template_resident(&area, suite, kind, policy.buffer);
    if (kind == KGR_TPM_ENC)
        area.publicArea.unique.sym = unique;
    else
        area.publicArea.unique.keyedHash = unique;
    return compare(pub, &area);
}

enum kgr_error kgr_tpm_check_guarded(const struct kgr_tpm_public *pub)
{
    TPM2B_PUBLIC area;
    TPM2B_PUBLIC template;
    enum kgr_error err = unmarshal(&area, pub);

    if (err != KGR_OK)
        return err;
    if (area.publicArea.type != TPM2_ALG_KEYEDHASH)
        return KGR_ERR_CORRUPT;
    kgr_tpm_template_guarded(&template);
    template.publicArea.unique.keyedHash = area.publicArea.unique.keyedHash;
    return compare(pub, &template);
}

enum kgr_error kgr_tpm_public_unique(const struct kgr_tpm_public *pub,
                                     uint8_t out[KGR_TPM_HASH_LEN])
{
    TPM2B_PUBLIC area;
    const TPM2B_DIGEST *unique = &area.publicArea.unique.keyedHash;
    enum kgr_error err = unmarshal(&area, pub);

    if (err != KGR_OK)
        return err;
    if (area.publicArea.type == TPM2_ALG_SYMCIPHER)
        unique = &area.publicArea.unique.sym;
    else if (area.publicArea.type != TPM2_ALG_KEYEDHASH)
        return KGR_ERR_CORRUPT;
    if (unique->size != KGR_TPM_HASH_LEN)
        return KGR_ERR_CORRUPT;
    memcpy(out, unique->buffer, KGR_TPM_HASH_LEN);
    return KGR_OK;
}

enum kgr_error kgr_tpm_check_form(const struct kgr_tpm_public *pub, enum kgr_suite suite,
                                  enum kgr_tpm_kind kind, enum kgr_tpm_form form)
{
    TPM2B_PUBLIC area;
    uint8_t unique[KGR_TPM_HASH_LEN];
    enum kgr_error err;

    if (form == KGR_TPM_BORN)
        return kgr_tpm_check_resident(pub, suite, kind);
    err = kgr_tpm_public_unique(pub, unique);
    if (err != KGR_OK)
        return err;
    kgr_tpm_template_wrapped(&area, suite, kind, form, unique);
    return compare(pub, &area);
}

enum kgr_error kgr_tpm_public_point(const struct kgr_tpm_public *pub, struct kgr_tpm_point *out)
{
    TPM2B_PUBLIC parsed;
    const TPMS_ECC_POINT *point = &parsed.publicArea.unique.ecc;
    TPMI_ECC_CURVE curve;
    size_t len;
    enum kgr_error err = kgr_tpm_public_parse(&parsed, pub);

    if (err != KGR_OK)
        return err;
    curve = parsed.publicArea.parameters.eccDetail.curveID;
    if (parsed.publicArea.type != TPM2_ALG_ECC ||
        (curve != TPM2_ECC_NIST_P256 && curve != TPM2_ECC_NIST_P384))
        return KGR_ERR_CORRUPT;
    out->curve = curve == TPM2_ECC_NIST_P384 ? KGR_TPM_P384 : KGR_TPM_P256;
    len = kgr_tpm_curve_len(out->curve);
    if (point->x.size != len || point->y.size != len)
        return KGR_ERR_CORRUPT;
    memcpy(out->x, point->x.buffer, len);
    memcpy(out->y, point->y.buffer, len);
    return KGR_OK;
}

enum kgr_error kgr_tpm_public_set(struct kgr_tpm_public *out, struct kgr_slice bytes)
{
    if (bytes.len == 0 || bytes.len > sizeof(out->bytes))
        return KGR_ERR_CORRUPT;
    memset(out, 0, sizeof(*out));
    out->len = (uint16_t)bytes.len;
    memcpy(out->bytes, bytes.p, bytes.len);
    return KGR_OK;
}

enum kgr_error kgr_tpm_public_hash(uint8_t out[KGR_TPM_HASH_LEN], const struct kgr_tpm_public *pub)
{
    if (pub->len > sizeof(pub->bytes))
        return KGR_ERR_CORRUPT;
    return kgr_tpm_digest256(out, kgr_slice(pub->bytes, pub->len));
}

enum kgr_error kgr_tpm_public_name(struct kgr_tpm_name *out, const struct kgr_tpm_public *pub)
{
    struct kgr_tpm_name name = {.len = 2 + KGR_TPM_HASH_LEN};
    struct kgr_rd rd;
    struct kgr_wr wr;
    uint16_t name_alg;
    enum kgr_error err;

    if (pub->len > sizeof(pub->bytes))
        return KGR_ERR_CORRUPT;
    kgr_rd_init(&rd, pub->bytes, pub->len);
    (void)kgr_rd_u16(&rd); /* the type stands first */
    name_alg = kgr_rd_u16(&rd);
    if (!kgr_rd_ok(&rd) || (name_alg != TPM2_ALG_SHA256 && name_alg != TPM2_ALG_SHA384))
        return KGR_ERR_CORRUPT;
    kgr_wr_init(&wr, name.bytes, sizeof(name.bytes));
    kgr_wr_u16(&wr, name_alg);
    if (name_alg == TPM2_ALG_SHA384) {
        name.len = 2 + 48;
        err = kgr_tpm_digest384(name.bytes + 2, kgr_slice(pub->bytes, pub->len));
    } else {
        err = kgr_tpm_public_hash(name.bytes + 2, pub);
    }
    if (err == KGR_OK)
        *out = name;
    return err;
}

enum kgr_error kgr_tpm_ek_point(const struct kgr_tpm_public *ek, uint8_t x[32], uint8_t y[32])
{
    struct kgr_tpm_point point;
    enum kgr_error err = kgr_tpm_public_point(ek, &point);

    if (err != KGR_OK || kgr_tpm_check_ek(ek) != KGR_OK)
        return KGR_ERR_CORRUPT;
    memcpy(x, point.x, 32);
    memcpy(y, point.y, 32);
    return KGR_OK;
}

bool kgr_tpm_public_equal(const struct kgr_tpm_public *a, const struct kgr_tpm_public *b)
{
    return kgr_slice_equal(kgr_slice(a->bytes, a->len), kgr_slice(b->bytes, b->len));
}

bool kgr_tpm_name_equal(const struct kgr_tpm_name *a, const struct kgr_tpm_name *b)
{
    return kgr_slice_equal(kgr_slice(a->bytes, a->len), kgr_slice(b->bytes, b->len));
}
