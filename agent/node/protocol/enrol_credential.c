/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/enrol.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/machines/exchange_state.h"
#include "agent/node/node.h"
#include "agent/seal/digest.h"
#include "agent/tpm/object.h"
#include "agent/tpm/template.h"
#include "agent/wire/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A credential as read: the bytes stand in the arena, for NTAG is among them. */
struct credential {
    uint8_t *bytes;
    size_t len;
    struct kgr_credential_file file; /* borrows bytes */
};

static void credential_deinit(struct credential *c)
{
    kgr_secret_free(c->bytes);
    *c = (struct credential){0};
}

static enum kgr_error read_all(struct credential *out, const char *path, struct kgr_diag *diag)
{
    struct stat st;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: not a regular file", path);
    }
    /* One byte more than allowed shows what is too long. */
    while (out->len <= KGR_CREDENTIAL_MAX) {
        n = read(fd, out->bytes + out->len, KGR_CREDENTIAL_MAX + 1 - out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        out->len += (size_t)n;
    }
    (void)close(fd);
    return n < 0 ? kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", path, strerror(errno)) : KGR_OK;
}

static enum kgr_error check_ks(const struct credential *c)
{
    struct kgr_tpm_public ks;
    enum kgr_error err = kgr_tpm_public_set(&ks, c->file.ks_signing);

    return err == KGR_OK ? kgr_tpm_check_signing(&ks) : err;
}

static enum kgr_error check(struct credential *c, const char *path, struct kgr_diag *diag)
{
    uint8_t hash[KGR_SHA256_LEN];
    enum kgr_error err = kgr_credential_decode(&c->file, kgr_slice(c->bytes, c->len));

    if (err == KGR_OK)
        err = kgr_sha256(hash, &c->file.covered, 1);
    if (err == KGR_OK && memcmp(hash, c->file.hash, sizeof(hash)) != 0)
        err = KGR_ERR_CORRUPT;
    if (err == KGR_OK)
        err = check_ks(c);
    if (err == KGR_ERR_CORRUPT)
        return kgr_diag_set(diag, err, "%s: the credential is damaged; ask for a new one", path);
    if (err != KGR_OK)
        return err;
    if (kgr_clock_wall_s() >= 0 && (uint64_t)kgr_clock_wall_s() >= c->file.expires)
        return kgr_diag_set(diag, KGR_ERR_EXPIRED,
                            "%s: the credential has expired; ask for a new one", path);
    return KGR_OK;
}

/* is_wiped: what a process leaves that was killed between the two halves of wipe. */
static bool is_wiped(const struct credential *c)
{
    for (size_t i = 0; i < c->len; i++)
        if (c->bytes[i] != 0)
            return false;
    return c->len > 0;
}

/* is_pending tells whether a credential was taken, and its enrolment not finished. */
static bool is_pending(struct kgr_node *node)
{
    return kgr_node_load_identity(node, NULL) == KGR_OK &&
           node->reg.s.phase != KGR_REGISTRATION_REGISTERED;
}

/* known tells whether this very credential was taken before; others are refused once one was. */
static enum kgr_error known(struct kgr_node *node, const struct credential *c, const char *path,
                            bool *out, struct kgr_diag *diag)
{
    uint8_t key_id[KGR_KEY_ID_LEN];
    enum kgr_error err = kgr_node_load_identity(node, NULL);

    *out = false;
    if (err == KGR_ERR_NOT_REGISTERED)
        return KGR_OK;
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the state of this node is damaged");
    if (node->reg.s.phase == KGR_REGISTRATION_REGISTERED)
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "%s: this node is registered already, as %s",
                            path, node->self.s);
    if (node->ks_public.len != c->file.ks_signing.len ||
        memcmp(node->ks_public.bytes, c->file.ks_signing.p, c->file.ks_signing.len) != 0)
        return kgr_diag_set(diag, KGR_ERR_EXISTS,
                            "%s: of another KS than the credential that this node is using", path);
    err = kgr_meta_get_exact(node->db, KGR_META_NTAG_KEY_ID, key_id, sizeof(key_id), diag);
    if (err != KGR_OK)
        return err;
    if (memcmp(key_id, c->file.key_id, sizeof(key_id)) != 0)
        return kgr_diag_set(diag, KGR_ERR_EXISTS,
                            "%s: this node is registering as %s with another credential", path,
                            node->self.s);
    *out = true;
    return KGR_OK;
}

static enum kgr_error seal_ntag(struct kgr_node *node, const struct credential *c,
                                struct kgr_tpm_blob *out, struct kgr_diag *diag)
{
    struct kgr_tpm_auth *auth = NULL;
    enum kgr_error err = kgr_auth_derive(node->anchor.root, &auth, "ntag",
                                         kgr_slice(c->file.key_id, KGR_KEY_ID_LEN));

    if (err == KGR_OK)
        err = kgr_tpm_seal(node->tpm, out, node->anchor.storage, auth,
                           kgr_slice(c->file.ntag, KGR_NTAG_LEN), diag);
    kgr_secret_free(auth);
    return err;
}

static enum kgr_error save_values(struct kgr_node *node, const struct kgr_credential_file *f,
                                  const struct kgr_tpm_blob *ntag, const uint8_t *topic2,
                                  struct kgr_diag *diag)
{
    const struct {
        const char *name;
        struct kgr_slice value;
    } values[] = {
        {KGR_META_NODE, kgr_slice(f->node.s, strlen(f->node.s))},
        {KGR_META_TOPIC0, kgr_slice(f->topic0, sizeof(f->topic0))},
        {KGR_META_TOPIC2, kgr_slice(topic2, KGR_TOPIC_LEN)},
        {KGR_META_KS_PUBLIC, f->ks_signing},
        {KGR_META_BROKER_HOST, f->host},
        {KGR_META_NTAG_KEY_ID, kgr_slice(f->key_id, sizeof(f->key_id))},
        {KGR_META_NTAG_PUBLIC, kgr_slice(ntag->pub.bytes, ntag->pub.len)},
        {KGR_META_NTAG_PRIVATE, kgr_slice(ntag->priv.bytes, ntag->priv.len)},
    };
    enum kgr_error err = kgr_meta_set_u64(node->db, KGR_META_BROKER_PORT, f->port, diag);

    if (err == KGR_OK)
        err = kgr_meta_set_u64(node->db, KGR_META_EXPIRES, f->expires, diag);
    for (size_t i = 0; i < KGR_ARRAY_LEN(values) && err == KGR_OK; i++)
        err = kgr_meta_set(node->db, values[i].name, values[i].value, diag);
    return err;
}

static enum kgr_error save(struct kgr_node *node, const struct kgr_credential_file *f,
                           const struct kgr_tpm_blob *ntag, struct kgr_diag *diag)
{
    struct kgr_registration_state state = {.phase = KGR_REGISTRATION_ENROLLED};
    uint8_t topic2[KGR_TOPIC_LEN];
    enum kgr_error err = kgr_db_begin(node->db, diag);

    kgr_random(topic2, sizeof(topic2));
    kgr_random(state.exchange, sizeof(state.exchange));
    kgr_random(state.nonce_n, sizeof(state.nonce_n));
    if (err == KGR_OK)
        err = save_values(node, f, ntag, topic2, diag);
    if (err == KGR_OK)
        err = kgr_enrol_save_state(node, &state, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(node->db, diag);
    kgr_db_rollback(node->db);
    return err;
}

enum kgr_error kgr_enrol_save_state(struct kgr_node *node,
                                    const struct kgr_registration_state *state,
                                    struct kgr_diag *diag)
{
    uint8_t bytes[KGR_REGISTRATION_BYTES_MAX];
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_registration_state_encode(&wr, state);
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_FAILED;
    return kgr_meta_set(node->db, KGR_META_REGISTRATION, kgr_wr_slice(&wr), diag);
}

/* wipe: from here on the TPM has NTAG; a file that cannot be wiped is said, and no reason to stop. */
static void wipe(const char *path, size_t len)
{
    static const uint8_t zeroes[KGR_CREDENTIAL_MAX];
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 && len <= sizeof(zeroes) && pwrite(fd, zeroes, len, 0) == (ssize_t)len &&
              fsync(fd) == 0;

    if (fd >= 0)
        (void)close(fd);
    if (unlink(path) != 0)
        ok = false;
    if (!ok)
        kgr_warn("credential_not_wiped", "path=%s reason=\"%s\"", path, strerror(errno));
}

enum kgr_error kgr_enrol_read(struct kgr_node *node, const char *path, struct kgr_diag *diag)
{
    struct credential c = {.bytes = kgr_secret_alloc(KGR_CREDENTIAL_MAX + 1)};
    struct kgr_tpm_blob *ntag = malloc(sizeof(*ntag));
    bool again = false;
    enum kgr_error err = c.bytes == NULL || ntag == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = read_all(&c, path, diag);
    if (err == KGR_OK && is_wiped(&c) && is_pending(node)) {
        wipe(path, c.len);
        goto out;
    }
    if (err == KGR_OK)
        err = check(&c, path, diag);
    if (err == KGR_OK)
        err = known(node, &c, path, &again, diag);
    if (err == KGR_OK && !again)
        err = seal_ntag(node, &c, ntag, diag);
    if (err == KGR_OK && !again)
        err = save(node, &c.file, ntag, diag);
    if (err == KGR_OK) {
        kgr_info("credential_read", "node=%s", c.file.node.s);
        wipe(path, c.len);
    }
out:
    free(ntag);
    credential_deinit(&c);
    return err;
}
