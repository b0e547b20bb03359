/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/ac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/wire/frame.h"
#include "tests/support/swtpm.h"
#include "tests/unit/fake_agent.h"

#define POINT_LEN 65 /* 4, x, y */

/* What the key server of these tests does with its result. */
enum forgery {
    HONEST,
    ANOTHER_KEY,       /* signed by somebody else */
    ANOTHER_SIGNATURE, /* one bit of it */
    ANOTHER_BODY,      /* changed after it was signed */
    ANOTHER_STATUS,    /* likewise */
    ANOTHER_ORDER,     /* a true result of another order */
    ANOTHER_NUMBER,    /* signed by the KS, for another number */
    ANOTHER_KIND,
    ANOTHER_KS,
    NUM_FORGERIES,
};

struct fixture {
    struct swtpm tpm;
    struct fake_agent ks;
    enum forgery forgery; /* set before an order is given */
    EVP_PKEY *key, *stranger;
    char dir[64];
    char folder[80];
    struct kgr_ac_settings settings;
    struct kgr_ac ac;
    uint8_t *buf;
    struct kgr_diag diag;
};

static void sign(EVP_PKEY *key, uint8_t *out, const uint8_t *digest)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    uint8_t der[128];
    const uint8_t *p = der;
    size_t len = sizeof(der);
    ECDSA_SIG *sig;

    if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1 ||
        EVP_PKEY_sign(ctx, der, &len, digest, KGR_SHA256_LEN) != 1 ||
        (sig = d2i_ECDSA_SIG(NULL, &p, (long)len)) == NULL ||
        BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) != 32 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) != 32)
        abort();
    ECDSA_SIG_free(sig);
    EVP_PKEY_CTX_free(ctx);
}

static void sign_result(struct fixture *f, struct kgr_wr *wr, struct kgr_slice order)
{
    static const char other[] = "another order";
    uint8_t of_order[KGR_SHA256_LEN], digest[KGR_SHA256_LEN], signature[KGR_SIGNATURE_LEN];
    struct kgr_slice covered = kgr_wr_slice(wr);

    if (f->forgery == ANOTHER_ORDER)
        order = kgr_slice(other, sizeof(other));
    if (kgr_sha256(of_order, &order, 1) != KGR_OK)
        abort();
    const struct kgr_slice parts[] = {kgr_slice(KGR_LABEL_RESULT, strlen(KGR_LABEL_RESULT)),
                                      kgr_slice(of_order, sizeof(of_order)), covered};
    if (kgr_sha256(digest, parts, 3) != KGR_OK)
        abort();
    sign(f->forgery == ANOTHER_KEY ? f->stranger : f->key, signature, digest);
    if (f->forgery == ANOTHER_SIGNATURE)
        signature[40] ^= 1;
    if (kgr_signature_append(wr, signature) != KGR_OK)
        abort();
}

/* The thread of the fake key server. */
static void answer(void *arg, const struct fake_request *request)
{
    struct fixture *f = arg;
    const struct kgr_slice bytes = kgr_slice(request->body, request->len);
    uint8_t out[512];
    struct kgr_result result = {.body = kgr_slice("body", 4)};
    struct kgr_order order;
    struct kgr_wr wr;

    if (request->op != KGR_IPC_ORDER || kgr_order_decode(&order, bytes) != KGR_OK)
        abort();
    result.kind = order.kind;
    result.number = order.number;
    memcpy(result.ks, order.ks, sizeof(result.ks));
    if (f->forgery == ANOTHER_NUMBER)
        result.number++;
    if (f->forgery == ANOTHER_KIND)
        result.kind = KGR_ORDER_NODE_SHOW;
    if (f->forgery == ANOTHER_KS)
        result.ks[0] ^= 1;
    kgr_wr_init(&wr, out, sizeof(out));
    if (kgr_result_encode(&wr, &result) != KGR_OK)
        abort();
    sign_result(f, &wr, bytes);
    for (size_t i = 0; i + 4 <= wr.len && f->forgery == ANOTHER_BODY; i++)
        if (memcmp(out + i, "body", 4) == 0)
            out[i] = 'B';
    if (f->forgery == ANOTHER_STATUS)
        out[4 + 1 + 1 + KGR_DIGEST_LEN + 8 + 3] ^= KGR_ERR_NOT_AUTHORIZED;
    fake_agent_reply(request, KGR_OK, out, wr.len);
}

/* Pins a KS whose signing key is f->key: the AC's own public with another point. */
static void pin(struct fixture *f)
{
    static const struct kgr_ac_broker broker = {.host = "localhost", .port = 1883};
    struct kgr_ac_nksk *nksk = calloc(1, sizeof(*nksk));
    struct kgr_ac_identity ks;
    uint8_t point[POINT_LEN];
    uint8_t *unique;
    size_t len = 0;

    assert_non_null(nksk);
    assert_int_equal(kgr_ac_found(&f->ac, &ks, &f->diag), KGR_OK);
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(f->key, "encoded-pub-key", point, sizeof(point), &len), 1);
    assert_int_equal(len, POINT_LEN);
    /* The area ends with the point: two sizes of 32 before x and y. */
    unique = ks.signing.bytes + ks.signing.len - 68;
    memcpy(unique + 2, point + 1, 32);
    memcpy(unique + 36, point + 33, 32);
    assert_int_equal(kgr_ac_state_pin(f->ac.state, &ks, nksk, &broker, &f->diag), KGR_OK);
    free(nksk);
}

static int setup(void **state)
{
    static const struct kgr_ac closed = KGR_AC_INIT;
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL || kgr_arena_init(262144) != KGR_OK)
        return -1;
    swtpm_start(&f->tpm);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/kgr-ac-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    (void)snprintf(f->folder, sizeof(f->folder), "%s/state", f->dir);
    f->key = EVP_EC_gen("P-256");
    f->stranger = EVP_EC_gen("P-256");
    f->buf = malloc(KGR_FRAME_MAX);
    if (f->key == NULL || f->stranger == NULL || f->buf == NULL)
        return -1;
    fake_agent_init(&f->ks, answer, f);
    f->settings.state = f->folder;
    f->settings.tpm.tcti = f->tpm.tcti;
    f->settings.ks_socket = f->ks.path;
    f->settings.timeout_s = 60;
    f->ac = closed;
    *state = f;
    return kgr_ac_open_state(&f->ac, &f->settings, true, &f->diag) == KGR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const names[] = {"ac.db", "vault", "lock"};
    struct fixture *f = *state;
    char path[120];

    fake_agent_deinit(&f->ks);
    kgr_ac_close(&f->ac);
    swtpm_stop(&f->tpm);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->folder);
    (void)rmdir(f->dir);
    EVP_PKEY_free(f->key);
    EVP_PKEY_free(f->stranger);
    free(f->buf);
    kgr_arena_deinit();
    free(f);
    return 0;
}

static enum kgr_error give(struct fixture *f, struct kgr_slice *out, enum forgery forgery)
{
    f->forgery = forgery;
    return kgr_ac_order(&f->ac, out, f->buf, KGR_ORDER_PAIR_LIST, kgr_slice("\0\0", 2), &f->diag);
}

static void result_of_the_pinned_ks_is_believed_and_no_forged_one(void **state)
{
    struct fixture *f = *state;
    struct kgr_slice body = {0};

    pin(f);
    fake_agent_start(&f->ks);
    assert_int_equal(give(f, &body, HONEST), KGR_OK);
    assert_int_equal(body.len, 4);
    assert_memory_equal(body.p, "body", 4);
    for (enum forgery forgery = HONEST + 1; forgery < NUM_FORGERIES; forgery++) {
        if (give(f, &body, forgery) != KGR_ERR_CORRUPT)
            fail_msg("forgery %d: %s", (int)forgery, f->diag.text);
        assert_non_null(strstr(f->diag.text, "not signed"));
    }
    assert_int_equal(give(f, &body, HONEST), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(result_of_the_pinned_ks_is_believed_and_no_forged_one,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
