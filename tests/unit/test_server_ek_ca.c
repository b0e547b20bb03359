/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/ek_ca.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "agent/tpm/public.h"
#include "agent/tpm/template.h"

/* A maker with a root and an intermediate CA, and keys as TPMs have them. */
static char folder[] = "/tmp/kgr-ek-ca-XXXXXX";
static EVP_PKEY *root_key, *issuer_key, *ek_key, *other_key;
static X509 *root, *issuer;

static EVP_PKEY *new_key(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

    assert_non_null(key);
    return key;
}

static void add_extension(X509 *cert, X509 *by, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, by, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* constraints and usage NULL: without that extension. expired: long ago. */
static X509 *certify(EVP_PKEY *key, const char *name, X509 *by, EVP_PKEY *by_key,
                     const char *constraints, const char *usage, bool expired)
{
    X509 *cert = X509_new();
    X509_NAME *subject;

    assert_non_null(cert);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 7), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), expired ? -20000 : -100));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), expired ? -10000 : 10000));
    subject = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(cert, by == NULL ? subject : X509_get_subject_name(by)),
                     1);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    if (constraints != NULL)
        add_extension(cert, by == NULL ? cert : by, NID_basic_constraints, constraints);
    if (usage != NULL)
        add_extension(cert, by == NULL ? cert : by, NID_ext_key_usage, usage);
    assert_true(X509_sign(cert, by_key, EVP_sha256()) > 0);
    return cert;
}

static void save(const char *name, X509 *cert)
{
    char path[200];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    if (cert != NULL)
        assert_int_equal(PEM_write_X509(f, cert), 1);
    else
        assert_true(fputs("-----BEGIN CERTIFICATE-----\nbroken\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void drop(const char *name)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)unlink(path);
}

static struct kgr_tpm_public public_of(EVP_PKEY *key)
{
    struct kgr_tpm_public out = {0};
    TPM2B_PUBLIC area;
    TPMS_ECC_POINT *point = &area.publicArea.unique.ecc;
    uint8_t bytes[65];
    size_t len = 0;

    assert_int_equal(
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes), &len),
        1);
    kgr_tpm_template_ek(&area);
    point->x.size = point->y.size = 32;
    memcpy(point->x.buffer, bytes + 1, 32);
    memcpy(point->y.buffer, bytes + 33, 32);
    assert_int_equal(kgr_tpm_public_marshal(&out, &area), KGR_OK);
    assert_int_equal(kgr_tpm_check_ek(&out), KGR_OK);
    return out;
}

/* What the KS says of this certificate for the EK; the certificate is freed. */
static enum kgr_error checked(X509 *cert, const char *pattern)
{
    struct kgr_tpm_public ek = public_of(ek_key);
    struct kgr_ek_ca *ca = NULL;
    struct kgr_diag diag = {{0}};
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    enum kgr_error err;

    assert_true(len > 0);
    assert_int_equal(kgr_ek_ca_load(&ca, folder, &diag), KGR_OK);
    err = kgr_ek_ca_check(ca, kgr_slice(der, (size_t)len), &ek, &diag);
    if (pattern != NULL && strstr(diag.text, pattern) == NULL)
        fail_msg("'%s' does not say '%s'", diag.text, pattern);
    kgr_ek_ca_free(ca);
    OPENSSL_free(der);
    X509_free(cert);
    return err;
}

static void certificate_of_the_maker_proves_the_ek(void **state)
{
    (void)state;
    assert_int_equal(
        checked(certify(ek_key, "ek", issuer, issuer_key, "CA:FALSE", "2.23.133.8.1", false), NULL),
        KGR_OK);
    assert_int_equal(checked(certify(ek_key, "ek", issuer, issuer_key, NULL, NULL, false), NULL),
                     KGR_OK);
    /* The clock decides nothing. */
    assert_int_equal(checked(certify(ek_key, "ek", issuer, issuer_key, NULL, NULL, true), NULL),
                     KGR_OK);
    /* An intermediate alone will do. */
    drop("root.pem");
    assert_int_equal(checked(certify(ek_key, "ek", issuer, issuer_key, NULL, NULL, false), NULL),
                     KGR_OK);
    save("root.pem", root);
}

static void certificates_of_others_do_not(void **state)
{
    X509 *stranger = certify(other_key, "issuer", NULL, other_key, "critical,CA:TRUE", NULL, false);

    (void)state;
    assert_int_equal(
        checked(certify(other_key, "ek", issuer, issuer_key, NULL, NULL, false), "another key"),
        KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(checked(certify(ek_key, "ek", NULL, ek_key, NULL, NULL, false), "self"),
                     KGR_ERR_NOT_AUTHORIZED);
    /* Of a CA of the same name. */
    assert_int_equal(checked(certify(ek_key, "ek", stranger, other_key, NULL, NULL, false), NULL),
                     KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(
        checked(certify(ek_key, "ek", issuer, issuer_key, "CA:TRUE", NULL, false), "of a CA"),
        KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(checked(certify(ek_key, "ek", issuer, issuer_key, NULL, "serverAuth", false),
                             "not one of an EK"),
                     KGR_ERR_NOT_AUTHORIZED);
    X509_free(stranger);
}

static void malformed_certificates_are_refused(void **state)
{
    struct kgr_tpm_public ek = public_of(ek_key);
    X509 *cert = certify(ek_key, "ek", issuer, issuer_key, NULL, NULL, false);
    struct kgr_ek_ca *ca = NULL;
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    uint8_t *bytes = calloc(1, (size_t)len + 1);
    struct kgr_diag diag = {{0}};

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, der, (size_t)len);
    assert_int_equal(kgr_ek_ca_load(&ca, folder, &diag), KGR_OK);
    for (int i = 0; i < len; i++) /* cut, and with a byte too many */
        assert_int_equal(kgr_ek_ca_check(ca, kgr_slice(bytes, (size_t)i), &ek, NULL),
                         KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(kgr_ek_ca_check(ca, kgr_slice(bytes, (size_t)len + 1), &ek, NULL),
                     KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(kgr_ek_ca_check(ca, kgr_slice(bytes, (size_t)len), &ek, NULL), KGR_OK);
    for (int i = 0; i < len; i++) { /* changed: refused, whatever it is then */
        bytes[i] ^= 1;
        assert_int_not_equal(kgr_ek_ca_check(ca, kgr_slice(bytes, (size_t)len), &ek, NULL), KGR_OK);
        bytes[i] ^= 1;
    }
    kgr_ek_ca_free(ca);
    free(bytes);
    OPENSSL_free(der);
    X509_free(cert);
}

static void bad_folders_are_wrong_configuration(void **state)
{
    struct kgr_ek_ca *ca = NULL;
    struct kgr_diag diag = {{0}};

    (void)state;
    assert_int_equal(kgr_ek_ca_load(&ca, "/nonexistent", &diag), KGR_ERR_CONFIG);
    save("broken.crt", NULL);
    diag.text[0] = '\0';
    assert_int_equal(kgr_ek_ca_load(&ca, folder, &diag), KGR_ERR_CONFIG);
    assert_non_null(strstr(diag.text, "broken.crt"));
    drop("broken.crt");
    drop("root.pem");
    drop("issuer.pem");
    assert_int_equal(kgr_ek_ca_load(&ca, folder, NULL), KGR_ERR_CONFIG); /* empty */
    save("root.pem", root);
    save("issuer.pem", issuer);
}

static int make(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    root_key = new_key();
    issuer_key = new_key();
    ek_key = new_key();
    other_key = new_key();
    root = certify(root_key, "root", NULL, root_key, "critical,CA:TRUE", NULL, true);
    issuer = certify(issuer_key, "issuer", root, root_key, "critical,CA:TRUE", NULL, true);
    save("root.pem", root);
    save("issuer.pem", issuer);
    return 0;
}

static int end(void **state)
{
    (void)state;
    drop("root.pem");
    drop("issuer.pem");
    X509_free(root);
    X509_free(issuer);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(issuer_key);
    EVP_PKEY_free(ek_key);
    EVP_PKEY_free(other_key);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_of_the_maker_proves_the_ek),
        cmocka_unit_test(certificates_of_others_do_not),
        cmocka_unit_test(malformed_certificates_are_refused),
        cmocka_unit_test(bad_folders_are_wrong_configuration),
    };

    return cmocka_run_group_tests(tests, make, end);
}
