/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/mirror/job.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/pairs.h"
#include "agent/node/store/anchor.h"
#include "agent/store/token_store.h"
#include "agent/tpm/sealed.h"

/* A visit as it goes on. */
struct visit {
    struct kgr_mirror_job *job;
    struct kgr_tpm *tpm;
    struct kgr_token_store *store; /* owned */
    struct kgr_token token;
    bool has_token;
    struct kgr_tpm_auth *wrapping; /* in the arena, owned, as the two that follow */
    uint8_t *wrapping_text;
    char *storage_text;
    struct kgr_token_primary primary;
    int64_t *stale; /* rows that must go; owned */
    size_t num_stale;
};

/* Secrets */

static enum kgr_error take_secrets(struct visit *visit, struct kgr_diag *diag)
{
    const struct kgr_mirror_job *job = visit->job;
    const struct kgr_tpm_auth *storage = job->anchor->storage_auth;
    enum kgr_error err;

    if (kgr_auth_root_form(job->anchor->root) != KGR_AUTH_TEXT)
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED,
                            "this node's state is from before there were mirrors; for one: "
                            "kgr-agent wipe, init, and enrol again");
    err = kgr_token_wrapping_key(job->anchor->root, &visit->wrapping, job->store, job->token);

    if (err == KGR_OK)
        err = kgr_token_wrapping_text(&visit->wrapping_text, visit->wrapping);
    visit->storage_text = kgr_secret_alloc(KGR_TPM_AUTH_MAX + 1);
    if (err == KGR_OK && visit->storage_text == NULL)
        err = KGR_ERR_NO_MEMORY;
    if (err == KGR_OK)
        memcpy(visit->storage_text, storage->bytes, storage->len);
    return err;
}

/* A seal object with its areas as that library keeps them. */
struct seal {
    struct kgr_tpm_blob blob;
    uint8_t pub[2 + KGR_TPM_PUBLIC_MAX];
    uint8_t priv[2 + KGR_TPM_PRIVATE_MAX];
    char salt[KGR_TOKEN_SALT_LEN + 1];
    struct kgr_token_seal out;
};

/* The wrapping key, sealed for a PIN. Without one it is for nobody: the token has no security officer. */
static enum kgr_error make_seal(struct visit *visit, struct seal *seal, struct kgr_slice pin,
                                struct kgr_diag *diag)
{
    uint8_t random[KGR_TOKEN_SALT_LEN / 2];
    uint8_t *nobody = kgr_secret_alloc(KGR_TPM_AUTH_MAX);
    struct kgr_tpm_auth *auth = NULL;
    struct kgr_wr pub, priv;
    enum kgr_error err = nobody == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    kgr_random(random, sizeof(random));
    (void)kgr_hex(seal->salt, random, sizeof(random));
    if (err == KGR_OK && pin.len == 0) {
        kgr_random(nobody, KGR_TPM_AUTH_MAX);
        pin = kgr_slice(nobody, KGR_TPM_AUTH_MAX);
    }
    if (err == KGR_OK)
        err = kgr_token_pin_auth(&auth, pin, kgr_slice(seal->salt, KGR_TOKEN_SALT_LEN));
    kgr_secret_free(nobody);
    if (err == KGR_OK)
        err = kgr_tpm_seal_guarded(visit->tpm, &seal->blob, visit->job->parent, auth,
                                   kgr_slice(visit->wrapping_text, KGR_TOKEN_WRAPPING_TEXT_LEN),
                                   diag);
    kgr_secret_free(auth);
    if (err != KGR_OK)
        return err;
    kgr_wr_init(&pub, seal->pub, sizeof(seal->pub));
    kgr_wr_vec16(&pub, kgr_slice(seal->blob.pub.bytes, seal->blob.pub.len));
    kgr_wr_init(&priv, seal->priv, sizeof(seal->priv));
    kgr_wr_vec16(&priv, kgr_slice(seal->blob.priv.bytes, seal->blob.priv.len));
    if (!kgr_wr_ok(&pub) || !kgr_wr_ok(&priv))
        return KGR_ERR_FAILED;
    seal->out = (struct kgr_token_seal){kgr_wr_slice(&pub), kgr_wr_slice(&priv), seal->salt};
    return KGR_OK;
}

static enum kgr_error make_token(struct visit *visit, struct kgr_diag *diag)
{
    struct kgr_slice pin = kgr_slice(visit->job->pin, visit->job->pin_len);
    struct seal *seals = calloc(2, sizeof(*seals));
    enum kgr_error err = seals == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = make_seal(visit, &seals[0], pin, diag);
    if (err == KGR_OK)
        err = make_seal(visit, &seals[1], kgr_slice(NULL, 0), diag);
    if (err == KGR_OK)
        err = kgr_token_store_begin(visit->store, diag);
    if (err == KGR_OK && visit->has_token)
        err = kgr_token_store_remove(visit->store, visit->token.id, diag);
    if (err == KGR_OK)
        err = kgr_token_store_add(visit->store, &visit->token.id, visit->job->token,
                                  &visit->primary, &seals[0].out, &seals[1].out, diag);
    free(seals);
    return err;
}

static enum kgr_error read_sized(struct kgr_slice in, uint8_t *out, uint16_t *out_len, size_t cap)
{
    struct kgr_rd rd;
    struct kgr_slice bytes;

    kgr_rd_init(&rd, in.p, in.len);
    bytes = kgr_rd_vec16(&rd, cap);
    if (!kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    kgr_copy(out, bytes.p, bytes.len);
    *out_len = (uint16_t)bytes.len;
    return KGR_OK;
}

/* The one try of the PIN: it must open the seal object, and what is in it must be the wrapping key of this mirror. */
static enum kgr_error try_pin(void *arg, const struct kgr_token_seal *seal, struct kgr_diag *diag)
{
    struct visit *visit = arg;
    const struct kgr_mirror_job *job = visit->job;
    struct kgr_tpm_blob blob;
    struct kgr_tpm_auth *auth = NULL;
    uint8_t *text = kgr_secret_alloc(KGR_TOKEN_WRAPPING_TEXT_LEN);
    struct kgr_diag own = {{0}};
    enum kgr_error err = text == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = read_sized(seal->pub, blob.pub.bytes, &blob.pub.len, sizeof(blob.pub.bytes));
    if (err == KGR_OK)
        err = read_sized(seal->priv, blob.priv.bytes, &blob.priv.len, sizeof(blob.priv.bytes));
    if (err == KGR_OK)
        err = kgr_token_pin_auth(&auth, kgr_slice(job->pin, job->pin_len),
                                 kgr_slice(seal->salt, strlen(seal->salt)));
    if (err == KGR_OK)
        err = kgr_tpm_unseal_once(visit->tpm, text, KGR_TOKEN_WRAPPING_TEXT_LEN, job->parent, auth,
                                  &blob, &own);
    if (err == KGR_ERR_NOT_AUTHORIZED)
        err = kgr_diag_set(diag, err,
                           "token %s: the PIN is wrong; the TPM counted it and locks after a few",
                           job->token);
    else if (err != KGR_OK)
        err = kgr_diag_set(diag, err, "token %s: the PIN cannot be tried: %s", job->token,
                           kgr_diag_text(&own, err));
    if (err == KGR_OK && !kgr_equal_ct(text, visit->wrapping_text, KGR_TOKEN_WRAPPING_TEXT_LEN))
        err = kgr_diag_set(diag, KGR_ERR_EXISTS,
                           "a token %s is there that no mirror of this node made: name another",
                           job->token);
    kgr_secret_free(auth);
    kgr_secret_free(text);
    return err;
}

/* The token */

static enum kgr_error open_store(struct visit *visit, struct kgr_diag *diag)
{
    const struct kgr_mirror_job *job = visit->job;
    enum kgr_error err = kgr_token_store_open(&visit->store, job->store, job->wait_ms,
                                              job->what == KGR_MIRROR_ADD, diag);

    if (err != KGR_OK)
        return err;
    visit->primary = (struct kgr_token_primary){kgr_slice(job->primary.bytes, job->primary.len),
                                                visit->storage_text};
    err = kgr_token_store_find(visit->store, &visit->token, job->token, &visit->primary, diag);
    visit->has_token = err == KGR_OK;
    return err == KGR_ERR_NO_KEY ? KGR_OK : err;
}

/* Whether the token that is there is one of a mirror of ours, below a storage key that was replaced. */
static enum kgr_error was_ours(struct visit *visit, bool *out, struct kgr_diag *diag)
{
    const struct kgr_mirror_job *job = visit->job;
    struct kgr_token_primary before = {kgr_slice(job->before.bytes, job->before.len), ""};
    struct kgr_token token = {0};
    enum kgr_error err = KGR_OK;

    if (job->before.len != 0)
        err = kgr_token_store_find(visit->store, &token, job->token, &before, diag);
    *out = err == KGR_OK && token.ours;
    return err;
}

static enum kgr_error add_token(struct visit *visit, struct kgr_diag *diag)
{
    bool replace = false;
    enum kgr_error err = KGR_OK;

    if (visit->has_token && !visit->token.ours)
        err = was_ours(visit, &replace, diag);
    if (err != KGR_OK)
        return err;
    if (!visit->has_token || replace)
        return make_token(visit, diag);
    if (!visit->token.ours)
        return kgr_diag_set(
            diag, KGR_ERR_EXISTS,
            "a token %s is there below another primary object: keys of KGR can only "
            "be below this node's storage key; name another token",
            visit->job->token);
    err = kgr_token_store_user_seal(visit->store, visit->token.id, try_pin, visit, diag);
    return err == KGR_OK ? kgr_token_store_begin(visit->store, diag) : err;
}

/* Objects */

/* A row is one that is wanted, one of ours that must go, or somebody else's. */
static enum kgr_error judge_row(void *arg, int64_t row, const char *attrs, struct kgr_diag *diag)
{
    struct visit *visit = arg;
    struct kgr_mirror_job *job = visit->job;
    int64_t *stale;

    (void)diag;
    if (!kgr_mirror_owns(job->node, attrs))
        return KGR_OK;
    for (size_t i = 0; i < job->num_objects; i++) {
        if (!job->objects[i].stands && kgr_mirror_object_is(&job->objects[i], attrs)) {
            job->objects[i].stands = true;
            return KGR_OK;
        }
    }
    stale = realloc(visit->stale, (visit->num_stale + 1) * sizeof(*stale));
    if (stale == NULL)
        return KGR_ERR_NO_MEMORY;
    visit->stale = stale;
    visit->stale[visit->num_stale++] = row;
    return KGR_OK;
}

static enum kgr_error put(struct visit *visit, const struct kgr_mirror_object *object,
                          struct kgr_diag *diag)
{
    char wrapped[KGR_TOKEN_WRAPPED_MAX];
    uint8_t iv[KGR_GCM_IV_LEN];
    struct kgr_tpm_auth *enc = NULL, *mac = NULL;
    char *row = NULL;
    enum kgr_error err =
        kgr_pair_auths(visit->job->anchor, &object->peer, object->generation, &enc, &mac);

    kgr_random(iv, sizeof(iv));
    if (err == KGR_OK)
        err = kgr_token_wrap(wrapped, visit->wrapping, iv, object->mac ? mac : enc);
    if (err == KGR_OK)
        err = kgr_mirror_object_row(object, &row, wrapped);
    if (err == KGR_OK)
        err = kgr_token_store_put(visit->store, visit->token.id, row, diag);
    free(row);
    kgr_secret_free(enc);
    kgr_secret_free(mac);
    if (err == KGR_OK)
        visit->job->put++;
    return err;
}

static enum kgr_error write_rows(struct visit *visit, struct kgr_diag *diag)
{
    struct kgr_mirror_job *job = visit->job;
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < visit->num_stale && err == KGR_OK; i++)
        err = kgr_token_store_erase(visit->store, visit->token.id, visit->stale[i], diag);
    job->erased = (uint32_t)visit->num_stale;
    for (size_t i = 0; i < job->num_objects && err == KGR_OK; i++)
        if (!job->objects[i].stands)
            err = put(visit, &job->objects[i], diag);
    return err;
}

static bool is_settled(const struct visit *visit)
{
    for (size_t i = 0; i < visit->job->num_objects; i++)
        if (!visit->job->objects[i].stands)
            return false;
    return visit->num_stale == 0;
}

static enum kgr_error judge_rows(struct visit *visit, struct kgr_diag *diag)
{
    return kgr_token_store_each(visit->store, visit->token.id, judge_row, visit, diag);
}

/* The three visits */

static enum kgr_error add(struct visit *visit, struct kgr_diag *diag)
{
    enum kgr_error err = add_token(visit, diag);

    if (err == KGR_OK)
        err = judge_rows(visit, diag);
    if (err == KGR_OK)
        err = write_rows(visit, diag);
    return err == KGR_OK ? kgr_token_store_commit(visit->store, diag) : err;
}

/* Nothing but what must go stands in a token below a storage key that was replaced. */
static void want_nothing(struct kgr_mirror_job *job)
{
    while (job->num_objects > 0)
        kgr_mirror_object_deinit(&job->objects[--job->num_objects]);
}

static enum kgr_error apply(struct visit *visit, struct kgr_diag *diag)
{
    const char *label = visit->job->token;
    bool stale = false;
    enum kgr_error err = KGR_OK;

    if (!visit->has_token)
        return kgr_diag_set(diag, KGR_ERR_NO_KEY,
                            "the token %s is not there any more: remove the"
                            " mirror, or remove and add it",
                            label);
    visit->job->is_current = visit->token.ours;
    if (!visit->token.ours)
        err = was_ours(visit, &stale, diag);
    if (err != KGR_OK)
        return err;
    if (!visit->token.ours && !stale)
        return kgr_diag_set(diag, KGR_ERR_STATE,
                            "the token %s that is there now is below another primary object: it is "
                            "left alone",
                            label);
    if (stale)
        want_nothing(visit->job);
    err = judge_rows(visit, diag);
    if (err != KGR_OK || is_settled(visit))
        return err;
    err = kgr_token_store_begin(visit->store, diag);
    if (err == KGR_OK)
        err = write_rows(visit, diag);
    return err == KGR_OK ? kgr_token_store_commit(visit->store, diag) : err;
}

static enum kgr_error remove_token(struct visit *visit, struct kgr_diag *diag)
{
    bool ours = visit->has_token && visit->token.ours;
    enum kgr_error err = KGR_OK;

    if (visit->has_token && !ours)
        err = was_ours(visit, &ours, diag);
    if (err != KGR_OK || !ours)
        return err;
    err = kgr_token_store_begin(visit->store, diag);
    if (err == KGR_OK)
        err = kgr_token_store_remove(visit->store, visit->token.id, diag);
    return err == KGR_OK ? kgr_token_store_commit(visit->store, diag) : err;
}

enum kgr_error kgr_mirror_job_run(struct kgr_mirror_job *job, struct kgr_tpm *tpm,
                                  struct kgr_diag *diag)
{
    struct visit visit = {.job = job, .tpm = tpm};
    enum kgr_error err = job->what == KGR_MIRROR_REMOVE ? KGR_OK : take_secrets(&visit, diag);

    if (err == KGR_OK)
        err = open_store(&visit, diag);
    if (err == KGR_ERR_NO_KEY && job->what == KGR_MIRROR_REMOVE)
        err = KGR_OK; /* the store went before */
    else if (err == KGR_OK && job->what == KGR_MIRROR_ADD)
        err = add(&visit, diag);
    else if (err == KGR_OK && job->what == KGR_MIRROR_APPLY)
        err = apply(&visit, diag);
    else if (err == KGR_OK)
        err = remove_token(&visit, diag);
    kgr_token_store_close(visit.store);
    kgr_secret_free(visit.wrapping);
    kgr_secret_free(visit.wrapping_text);
    kgr_secret_free(visit.storage_text);
    free(visit.stale);
    return err;
}

void kgr_mirror_job_free(struct kgr_mirror_job *job)
{
    for (size_t i = 0; i < job->num_objects; i++)
        kgr_mirror_object_deinit(&job->objects[i]);
    free(job->objects);
    free(job->store);
    kgr_secret_free(job->pin);
    free(job);
}
