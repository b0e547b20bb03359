/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A source of keys whose bytes are known, for tests only: linked into kgr-ks-known-source in the
 * place of agent/server/birth/source.c. It makes keys in software, wraps those of resident pairs to the two storage
 * keys as TPM2_Duplicate would, and appends "ENC MAC" in hex, a line a pair of keys, to the file $KGR_KNOWN_KEYS. The
 * keys are random, or those in the file $KGR_KNOWN_KEYS.next, for one birth, where it has such a line of the right lengths.
 */
#include "agent/server/birth/source.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "agent/base/buf.h"
#include "agent/base/secret.h"
#include "agent/base/text.h"
#include "agent/tpm/wrap.h"

#define HASH_LEN 32

struct key_shape {
    uint16_t type; /* TPM_ALG_SYMCIPHER or TPM_ALG_KEYEDHASH */
    uint32_t attributes;
    uint16_t details[3];
    size_t num_details;
    size_t len;
};

/* In the arena, as everywhere. */
struct material {
    uint8_t enc[32], mac[48], seed[HASH_LEN];
};

static enum kgr_error make_key(struct kgr_tpm_newborn *out, const struct key_shape *shape,
                               const uint8_t *key, const struct material *m,
                               const uint8_t policy[HASH_LEN],
                               const struct kgr_tpm_public *const *targets)
{
    struct kgr_tpm_wrap wrap = {.secret = kgr_slice(key, shape->len), .seed = m->seed};
    uint8_t unique[HASH_LEN];
    struct kgr_wr wr;
    enum kgr_error err = kgr_tpm_wrap_unique(unique, &wrap);

    kgr_wr_init(&wr, out->pub.bytes, sizeof out->pub.bytes);
    kgr_wr_u16(&wr, shape->type);
    kgr_wr_u16(&wr, 0x000b);
    kgr_wr_u32(&wr, shape->attributes);
    kgr_wr_vec16(&wr, kgr_slice(policy, HASH_LEN));
    for (size_t i = 0; i < shape->num_details; i++)
        kgr_wr_u16(&wr, shape->details[i]);
    kgr_wr_vec16(&wr, kgr_slice(unique, sizeof unique));
    out->pub.len = (uint16_t)wr.len;
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&out->name, &out->pub);
    for (size_t i = 0; i < KGR_TPM_TARGETS_MAX && err == KGR_OK; i++) {
        wrap.target = targets[i];
        err = kgr_tpm_wrap_as(&out->pub, &out->duplicates[i], &wrap);
    }
    out->kept.len = 0;
    return err;
}

/* Not through stdio, whose buffers would keep the digits. */
static enum kgr_error remember(const uint8_t *enc, size_t enc_len, const uint8_t *mac,
                               size_t mac_len)
{
    char line[2 * 64 + 1 + 2 * 64 + 2];
    const char *path = getenv("KGR_KNOWN_KEYS");
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    size_t len = 2 * enc_len + 1 + 2 * mac_len + 1;
    bool ok;
    if (fd < 0)
        return KGR_ERR_IO;
    (void)kgr_hex(line, enc, enc_len);
    line[2 * enc_len] = ' ';
    (void)kgr_hex(line + 2 * enc_len + 1, mac, mac_len);
    line[len - 1] = '\n';
    ok = write(fd, line, len) == (ssize_t)len;
    kgr_cleanse(line, sizeof line);
    return close(fd) == 0 && ok ? KGR_OK : KGR_ERR_IO;
}

static enum kgr_error birth_policy(uint8_t policy[HASH_LEN], const struct kgr_tpm_birth *birth)
{
    struct kgr_tpm_name names[KGR_TPM_TARGETS_MAX];
    const struct kgr_tpm_name *list[KGR_TPM_TARGETS_MAX];
    for (size_t i = 0; i < KGR_TPM_TARGETS_MAX; i++) {
        enum kgr_error err = kgr_tpm_public_name(&names[i], birth->targets[i]);
        if (err != KGR_OK)
            return err;
        list[i] = &names[i];
    }
    return kgr_tpm_birth_policy(policy, &birth->parent->name, list, KGR_TPM_TARGETS_MAX);
}

/* Takes the keys that the test gives for the next birth. */
static bool take_given(uint8_t *enc, size_t enc_len, uint8_t *mac, size_t mac_len)
{
    char path[4096], line[2 * 64 + 1 + 2 * 64 + 2] = "";
    const char *keys = getenv("KGR_KNOWN_KEYS");
    size_t len = 2 * enc_len + 1 + 2 * mac_len + 1;
    ssize_t got;
    bool ok;
    int fd;

    (void)snprintf(path, sizeof path, "%s.next", keys != NULL ? keys : "");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    got = read(fd, line, sizeof line);
    (void)close(fd);
    ok = got >= 0 && (size_t)got == len && line[2 * enc_len] == ' ';
    if (ok) {
        line[2 * enc_len] = line[len - 1] = '\0';
        ok = kgr_unhex(enc, enc_len, line) == KGR_OK &&
             kgr_unhex(mac, mac_len, line + 2 * enc_len + 1) == KGR_OK && unlink(path) == 0;
    }
    kgr_cleanse(line, sizeof line);
    return ok;
}

static enum kgr_error make_keys(uint8_t *enc, size_t enc_len, uint8_t *mac, size_t mac_len)
{
    if (take_given(enc, enc_len, mac, mac_len))
        return KGR_OK;
    return RAND_bytes(enc, (int)enc_len) == 1 && RAND_bytes(mac, (int)mac_len) == 1
               ? KGR_OK
               : KGR_ERR_FAILED;
}

enum kgr_error kgr_source_birth(struct kgr_tpm *tpm, struct kgr_tpm_newborn *out_enc,
                                struct kgr_tpm_newborn *out_mac, const struct kgr_tpm_birth *birth,
                                struct kgr_diag *diag)
{
    (void)tpm;
    uint8_t policy[HASH_LEN];
    if (birth->num_targets != KGR_TPM_TARGETS_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "the known source makes keys for pairs only");
    bool large = birth->suite == KGR_SUITE_AES256_SHA384;
    const struct key_shape enc_shape = {
        0x0025, 0x00060460, {0x0006, large ? 256 : 128, 0x0010}, 3, large ? 32 : 16};
    const struct key_shape mac_shape = {
        0x0008, 0x00040460, {0x0005, large ? 0x000c : 0x000b, 0}, 2, large ? 48 : 32};
    struct material *m = kgr_secret_alloc(sizeof *m);
    enum kgr_error err = m == NULL ? KGR_ERR_NO_MEMORY : birth_policy(policy, birth);
    if (err == KGR_OK)
        err = make_keys(m->enc, enc_shape.len, m->mac, mac_shape.len);
    if (err == KGR_OK && RAND_bytes(m->seed, sizeof m->seed) != 1)
        err = KGR_ERR_FAILED;
    if (err == KGR_OK)
        err = make_key(out_enc, &enc_shape, m->enc, m, policy, birth->targets);
    if (err == KGR_OK)
        err = make_key(out_mac, &mac_shape, m->mac, m, policy, birth->targets);
    if (err == KGR_OK)
        err = remember(m->enc, enc_shape.len, m->mac, mac_shape.len);
    kgr_secret_free(m);
    return err;
}

enum kgr_error kgr_source_secrets(struct kgr_tpm *tpm, enum kgr_suite suite, uint8_t *enc,
                                  uint8_t *mac, struct kgr_diag *diag)
{
    (void)tpm;
    (void)diag;
    size_t enc_len = kgr_suite_enc_key_len(suite), mac_len = kgr_suite_mac_key_len(suite);
    enum kgr_error err = make_keys(enc, enc_len, mac, mac_len);
    return err == KGR_OK ? remember(enc, enc_len, mac, mac_len) : err;
}
