/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/ek_ca.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "agent/base/log.h"
#include "agent/seal/library.h"
#include "agent/tpm/template.h"

#define KP_EK_CERTIFICATE "2.23.133.8.1" /* tcg-kp-EKCertificate */
#define DEPTH_MAX         8
#define PATH_LEN          1100
#define POINT_LEN         65 /* 04 || x || y of P-256 */

struct kgr_ek_ca {
    X509_STORE *store;
    size_t num;
};

static bool is_named_so(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL && (strcmp(dot, ".pem") == 0 || strcmp(dot, ".crt") == 0);
}

static X509 *new_certificate(void)
{
    OSSL_LIB_CTX *library = kgr_crypto_library();

    return library == NULL ? NULL : X509_new_ex(library, NULL);
}

/* Every certificate of one file. */
static enum kgr_error load_file(struct kgr_ek_ca *ca, const char *path, struct kgr_diag *diag)
{
    FILE *f = fopen(path, "re");
    size_t before = ca->num;
    unsigned long last;
    X509 *cert;
    bool ok = true;

    if (f == NULL)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: %s", path, strerror(errno));
    ERR_clear_error();
    for (;;) {
        cert = new_certificate();
        if (cert == NULL || PEM_read_X509(f, &cert, NULL, NULL) == NULL)
            break;
        ok = ok && X509_STORE_add_cert(ca->store, cert) == 1;
        ca->num++;
        X509_free(cert);
    }
    X509_free(cert);
    last = ERR_peek_last_error();
    ok = ok && ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    (void)fclose(f); /* only read */
    return ok && ca->num > before ? KGR_OK
                                  : kgr_diag_set(diag, KGR_ERR_CONFIG,
                                                 "%s: no PEM certificate, or a damaged one", path);
}

static enum kgr_error load_folder(struct kgr_ek_ca *ca, const char *folder, struct kgr_diag *diag)
{
    DIR *dir = opendir(folder);
    enum kgr_error err = KGR_OK;
    struct dirent *entry;

    if (dir == NULL)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "ek_ca: %s: %s", folder, strerror(errno));
    while (err == KGR_OK && (entry = readdir(dir)) != NULL) {
        char path[PATH_LEN];
        int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);

        if (!is_named_so(entry->d_name))
            continue;
        err = n > 0 && n < PATH_LEN
                  ? load_file(ca, path, diag)
                  : kgr_diag_set(diag, KGR_ERR_CONFIG, "ek_ca: a path is too long");
    }
    (void)closedir(dir); /* only read */
    if (err == KGR_OK && ca->num == 0)
        err = kgr_diag_set(
            diag, KGR_ERR_CONFIG,
            "ek_ca: %s holds no file *.pem or *.crt; leave ek_ca out to trust no maker", folder);
    return err;
}

enum kgr_error kgr_ek_ca_load(struct kgr_ek_ca **out, const char *folder, struct kgr_diag *diag)
{
    struct kgr_ek_ca *ca = calloc(1, sizeof *ca);
    enum kgr_error err;

    if (ca == NULL)
        return KGR_ERR_NO_MEMORY;
    ca->store = X509_STORE_new();
    err = ca->store == NULL ? KGR_ERR_NO_MEMORY : load_folder(ca, folder, diag);
    /* An intermediate CA in the folder is as good as its root: the operator put it there. */
    if (err == KGR_OK && (X509_STORE_set_flags(ca->store, X509_V_FLAG_NO_CHECK_TIME |
                                                              X509_V_FLAG_PARTIAL_CHAIN) != 1 ||
                          X509_STORE_set_depth(ca->store, DEPTH_MAX) != 1))
        err = KGR_ERR_FAILED;
    if (err != KGR_OK) {
        kgr_ek_ca_free(ca);
        return err;
    }
    *out = ca;
    return KGR_OK;
}

void kgr_ek_ca_free(struct kgr_ek_ca *ca)
{
    if (ca == NULL)
        return;
    X509_STORE_free(ca->store);
    free(ca);
}

static bool is_of(X509 *cert, const struct kgr_tpm_public *ek)
{
    uint8_t wanted[POINT_LEN] = {0x04}, point[POINT_LEN];
    EVP_PKEY *key = X509_get0_pubkey(cert);
    char group[32];
    size_t len = 0;

    return kgr_tpm_ek_point(ek, wanted + 1, wanted + 33) == KGR_OK && key != NULL &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           OBJ_txt2nid(group) == NID_X9_62_prime256v1 &&
           EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                           &len) == 1 &&
           len == sizeof point && memcmp(point, wanted, sizeof point) == 0;
}

/* has_usage: the certificate has no extended key usage, or that of an EK among others. */
static bool has_usage(X509 *cert)
{
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    bool found = usage == NULL && X509_get_ext_by_NID(cert, NID_ext_key_usage, -1) < 0;

    for (int i = 0; usage != NULL && i < sk_ASN1_OBJECT_num(usage) && !found; i++) {
        char text[64];

        found = OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(usage, i), 1) > 0 &&
                strcmp(text, KP_EK_CERTIFICATE) == 0;
    }
    EXTENDED_KEY_USAGE_free(usage);
    return found;
}

static enum kgr_error refuse(struct kgr_diag *diag, const char *reason)
{
    return kgr_diag_set(diag, KGR_ERR_NOT_AUTHORIZED, "%s", reason);
}

static enum kgr_error verify(struct kgr_ek_ca *ca, X509 *cert, struct kgr_diag *diag)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(kgr_crypto_library(), NULL);
    enum kgr_error err = KGR_ERR_FAILED;

    if (ctx != NULL && X509_STORE_CTX_init(ctx, ca->store, cert, NULL) == 1)
        err = X509_verify_cert(ctx) == 1
                  ? KGR_OK
                  : refuse(diag, X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return err;
}

enum kgr_error kgr_ek_ca_check(struct kgr_ek_ca *ca, struct kgr_slice certificate,
                               const struct kgr_tpm_public *ek, struct kgr_diag *diag)
{
    const unsigned char *p = certificate.p;
    X509 *cert = certificate.len == 0 || certificate.len > LONG_MAX ? NULL : new_certificate();
    enum kgr_error err;

    if (certificate.len == 0)
        return refuse(diag, "the TPM has no certificate of its EK");
    if (cert == NULL)
        return KGR_ERR_NO_MEMORY;
    if (d2i_X509(&cert, &p, (long)certificate.len) == NULL || p != certificate.p + certificate.len)
        err = refuse(diag, "the EK's certificate is malformed");
    else if (!is_of(cert, ek))
        err = refuse(diag, "the certificate is of another key");
    else if (X509_check_ca(cert) != 0)
        err = refuse(diag, "the certificate is that of a CA");
    else if (!has_usage(cert))
        err = refuse(diag, "the certificate is not one of an EK");
    else
        err = verify(ca, cert, diag);
    X509_free(cert);
    ERR_clear_error();
    return err;
}
