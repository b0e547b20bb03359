/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/vault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/tpm/derive.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/remove.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"

#define PATH_LEN 1100
#define FILE_MAX 1024u

static const char magic[] = "KGRVLT0"; /* 7 bytes on disk, then the digit of the form */
static const char label[] = "KGR root 1";

/* The file, and what it says. */
struct file {
    enum kgr_auth_form form;
    char path[PATH_LEN];
    uint8_t bytes[FILE_MAX];
    struct kgr_tpm_public srk_public; /* room only */
    struct kgr_tpm_object srk;
    struct kgr_tpm_name srk_name;
    struct kgr_tpm_derive_key key;
    uint32_t counter;
    struct kgr_tpm_name counter_name;
    uint64_t first;
};

static enum kgr_error path_of(char out[PATH_LEN], const char *folder, struct kgr_diag *diag)
{
    int n = snprintf(out, PATH_LEN, "%s/vault", folder);

    return n < 0 || n >= PATH_LEN
               ? kgr_diag_set(diag, KGR_ERR_CONFIG, "state: the path is too long")
               : KGR_OK;
}

bool kgr_vault_exists(const char *folder)
{
    char path[PATH_LEN];

    return path_of(path, folder, NULL) == KGR_OK && access(path, F_OK) == 0;
}

static enum kgr_error append_hash(struct kgr_wr *wr)
{
    uint8_t hash[KGR_SHA256_LEN];
    struct kgr_slice all = kgr_wr_slice(wr);
    enum kgr_error err = kgr_sha256(hash, &all, 1);

    if (err != KGR_OK)
        return err;
    kgr_wr_bytes(wr, hash, sizeof(hash));
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

static enum kgr_error save(struct file *file, struct kgr_diag *diag)
{
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, file->bytes, sizeof(file->bytes));
    kgr_wr_bytes(&wr, magic, 7);
    kgr_wr_u8(&wr, (uint8_t)('0' + (int)file->form));
    kgr_wr_vec16(&wr, kgr_slice(file->srk_name.bytes, file->srk_name.len));
    kgr_wr_bytes(&wr, file->key.unique, sizeof(file->key.unique));
    kgr_wr_vec16(&wr, kgr_slice(file->key.priv.bytes, file->key.priv.len));
    kgr_wr_u32(&wr, file->counter);
    kgr_wr_vec16(&wr, kgr_slice(file->counter_name.bytes, file->counter_name.len));
    kgr_wr_u64(&wr, file->first);
    err = append_hash(&wr);
    return err == KGR_OK ? kgr_file_replace(file->path, 0600, kgr_wr_slice(&wr), diag) : err;
}

static void take_name(struct kgr_tpm_name *out, struct kgr_rd *rd)
{
    struct kgr_slice name = kgr_rd_vec16(rd, sizeof(out->bytes));

    out->len = (uint16_t)name.len;
    kgr_copy(out->bytes, name.p, name.len);
}

static enum kgr_error decode(struct file *out, struct kgr_slice bytes)
{
    uint8_t hash[KGR_SHA256_LEN];
    struct kgr_slice priv;
    struct kgr_slice all;
    struct kgr_rd rd;
    const uint8_t *head;
    enum kgr_error err;

    if (bytes.len < sizeof(hash))
        return KGR_ERR_CORRUPT;
    all = kgr_slice(bytes.p, bytes.len - sizeof(hash));
    err = kgr_sha256(hash, &all, 1);
    if (err != KGR_OK)
        return err;
    if (memcmp(hash, bytes.p + all.len, sizeof(hash)) != 0)
        return KGR_ERR_CORRUPT;
    kgr_rd_init(&rd, all.p, all.len);
    head = kgr_rd_ref(&rd, 8);
    if (head == NULL || memcmp(head, magic, 7) != 0)
        return KGR_ERR_CORRUPT;
    if (head[7] < '0' + KGR_AUTH_BINARY || head[7] > '0' + KGR_AUTH_TEXT)
        return KGR_ERR_VERSION;
    out->form = head[7] == '0' + KGR_AUTH_TEXT ? KGR_AUTH_TEXT : KGR_AUTH_BINARY;
    take_name(&out->srk_name, &rd);
    kgr_rd_bytes(&rd, out->key.unique, sizeof(out->key.unique));
    priv = kgr_rd_vec16(&rd, sizeof(out->key.priv.bytes));
    out->key.priv.len = (uint16_t)priv.len;
    kgr_copy(out->key.priv.bytes, priv.p, priv.len);
    out->counter = kgr_rd_u32(&rd);
    take_name(&out->counter_name, &rd);
    out->first = kgr_rd_u64(&rd);
    return kgr_rd_done(&rd) ? KGR_OK : KGR_ERR_CORRUPT;
}

/* Whoever else writes it chooses which counter is read; the TPM judges the rest. */
static enum kgr_error check_hands(const char *path, struct kgr_diag *diag)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? KGR_ERR_NO_KEY
                               : kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: not a file", path);
    if (st.st_uid != geteuid())
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: belongs to uid %u, but this process runs as uid %u", path,
                            (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: others may use it (mode %04o), chmod it to 0600", path,
                            (unsigned)(st.st_mode & 07777));
    return KGR_OK;
}

static enum kgr_error load(struct file *file, struct kgr_diag *diag)
{
    size_t len = 0;
    enum kgr_error err = check_hands(file->path, diag);

    if (err != KGR_OK)
        return err;
    err = kgr_file_read(file->bytes, &len, sizeof(file->bytes), file->path, diag);
    if (err == KGR_ERR_TOO_LARGE)
        err = KGR_ERR_CORRUPT;
    else if (err == KGR_OK)
        err = decode(file, kgr_slice(file->bytes, len));
    if (err == KGR_ERR_VERSION)
        return kgr_diag_set(diag, err, "%s: written by a newer program", file->path);
    return err == KGR_ERR_CORRUPT ? kgr_diag_set(diag, err, "%s: damaged", file->path) : err;
}

static enum kgr_error file_new(struct file **out, const char *folder, struct kgr_diag *diag)
{
    struct file *file = calloc(1, sizeof(*file));
    enum kgr_error err = file == NULL ? KGR_ERR_NO_MEMORY : path_of(file->path, folder, diag);

    if (err == KGR_OK)
        *out = file;
    else
        free(file);
    return err;
}

/* derive fills root and counter_auth from what the TPM computes with the key. */
static enum kgr_error derive(struct kgr_vault *vault, struct kgr_tpm *tpm, const struct file *file,
                             struct kgr_diag *diag)
{
    uint8_t *bytes = kgr_secret_alloc(KGR_AUTH_ROOT_LEN);
    enum kgr_error err = bytes == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_derive(tpm, bytes, &file->srk, &file->key,
                             kgr_slice(label, sizeof(label) - 1), diag);
    if (err == KGR_OK)
        err = kgr_auth_root_new(&vault->root, bytes, file->form);
    kgr_secret_free(bytes);
    if (err == KGR_OK)
        err = kgr_auth_derive(vault->root, &vault->counter_auth, "counter", kgr_slice(NULL, 0));
    return err == KGR_ERR_NO_MEMORY ? kgr_diag_set(diag, err, "the guarded arena is full") : err;
}

static enum kgr_error create(struct kgr_vault *vault, struct kgr_tpm *tpm, struct file *file,
                             struct kgr_diag *diag)
{
    enum kgr_error err = kgr_tpm_session_start(tpm, &file->srk, diag);

    file->form = KGR_AUTH_TEXT;
    file->srk_name = file->srk.name;
    if (err == KGR_OK)
        err = kgr_tpm_derive_key_create(tpm, &file->key, &file->srk, diag);
    if (err == KGR_OK)
        err = derive(vault, tpm, file, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_define(tpm, &vault->counter, KGR_TPM_FIRST_NV, vault->counter_auth,
                                     diag);
    if (err != KGR_OK)
        return err;
    file->counter = vault->counter.handle;
    file->counter_name = vault->counter.name;
    err = kgr_tpm_counter_read(tpm, &file->first, &vault->counter, diag);
    vault->first = file->first;
    if (err == KGR_OK)
        err = save(file, diag);
    if (err != KGR_OK && kgr_tpm_counter_undefine(tpm, vault->counter.handle, NULL) != KGR_OK)
        kgr_warn("left_in_tpm", "nv=0x%08x", vault->counter.handle);
    return err;
}

enum kgr_error kgr_vault_create(struct kgr_vault *out, struct kgr_tpm *tpm, const char *folder,
                                struct kgr_diag *diag)
{
    struct file *file = NULL;
    enum kgr_error err = file_new(&file, folder, diag);

    *out = (struct kgr_vault){0};
    if (err != KGR_OK)
        return err;
    if (access(file->path, F_OK) == 0)
        err = kgr_diag_set(diag, KGR_ERR_EXISTS, "%s: initialised already", folder);
    if (err == KGR_OK)
        err = kgr_tpm_srk(tpm, &file->srk, &file->srk_public, diag);
    if (err == KGR_OK)
        err = create(out, tpm, file, diag);
    kgr_tpm_release(tpm, &file->srk);
    free(file);
    if (err != KGR_OK)
        kgr_vault_close(out);
    return err;
}

static enum kgr_error open_with(struct kgr_vault *vault, struct kgr_tpm *tpm, struct file *file,
                                struct kgr_diag *diag)
{
    enum kgr_error err;

    if (!kgr_tpm_name_equal(&file->srk.name, &file->srk_name))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "this TPM is not the one that the state was made with, or it was"
                            " cleared (another SRK); to begin anew: "
                            "wipe, init, and enrol again");
    err = kgr_tpm_session_start(tpm, &file->srk, diag);
    if (err == KGR_OK)
        err = derive(vault, tpm, file, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_open(tpm, &vault->counter, file->counter, &file->counter_name,
                                   vault->counter_auth, diag);
    vault->first = file->first;
    /* The file says that it was made: what is missing is missing in the TPM. */
    return err == KGR_ERR_NO_KEY
               ? kgr_diag_set(
                     diag, KGR_ERR_CORRUPT,
                     "the TPM does not hold what the state says; wrong TPM, or it was cleared; "
                     "to begin anew: wipe, init, and enrol again")
               : err;
}

enum kgr_error kgr_vault_open(struct kgr_vault *out, struct kgr_tpm *tpm, const char *folder,
                              struct kgr_diag *diag)
{
    struct file *file = NULL;
    enum kgr_error err = file_new(&file, folder, diag);

    *out = (struct kgr_vault){0};
    if (err != KGR_OK)
        return err;
    err = load(file, diag);
    if (err == KGR_OK)
        err = kgr_tpm_srk(tpm, &file->srk, &file->srk_public, diag);
    if (err == KGR_OK)
        err = open_with(out, tpm, file, diag);
    kgr_tpm_release(tpm, &file->srk);
    free(file);
    if (err != KGR_OK)
        kgr_vault_close(out);
    return err;
}

enum kgr_error kgr_vault_no_state(const struct kgr_vault *vault, uint64_t counter,
                                  const char *folder, struct kgr_diag *diag)
{
    if (counter == vault->first)
        return KGR_ERR_NO_KEY;
    return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                        "%s: the database is missing or empty, but was in use; put it back, or "
                        "begin anew: wipe, init, and enrol again",
                        folder);
}

void kgr_vault_close(struct kgr_vault *vault)
{
    kgr_secret_free(vault->counter_auth);
    kgr_auth_root_free(vault->root);
    *vault = (struct kgr_vault){0};
}

enum kgr_error kgr_vault_erase(struct kgr_tpm *tpm, const char *folder, struct kgr_diag *diag)
{
    struct file *file = NULL;
    enum kgr_error err = file_new(&file, folder, diag);

    if (err == KGR_OK)
        err = load(file, diag);
    if (err == KGR_OK)
        err = kgr_tpm_remove(
            tpm, &(struct kgr_tpm_remains){.handle = file->counter, .name = file->counter_name},
            diag);
    if (err == KGR_ERR_CORRUPT) { /* which counter was ours cannot be told any more */
        kgr_warn("left_in_tpm", "reason=\"%s is damaged\"", file->path);
        err = KGR_OK;
    }
    if (err == KGR_OK && unlink(file->path) != 0 && errno != ENOENT)
        err = kgr_diag_set(diag, KGR_ERR_IO, "cannot remove %s: %s", file->path, strerror(errno));
    if (err == KGR_OK)
        err = kgr_file_sync_folder(file->path, diag);
    free(file);
    return err == KGR_ERR_NO_KEY ? KGR_OK : err;
}
