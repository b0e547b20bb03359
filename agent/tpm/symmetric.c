/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/symmetric.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/load.h"

struct kgr_tpm_hmac_stream {
    struct kgr_tpm_context context;
    bool ended;
};

static TPM2_ALG_ID mode_of(enum kgr_tpm_mode mode)
{
    switch (mode) {
    case KGR_TPM_ECB:
        return TPM2_ALG_ECB;
    case KGR_TPM_CBC:
        return TPM2_ALG_CBC;
    case KGR_TPM_CTR:
        return TPM2_ALG_CTR;
    case KGR_TPM_CFB:
        return TPM2_ALG_CFB;
    case KGR_TPM_OFB:
        return TPM2_ALG_OFB;
    }
    return TPM2_ALG_NULL;
}

/* One command; iv is replaced by what the next one goes on with. */
static enum kgr_error cipher_chunk(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                                   enum kgr_tpm_mode mode, enum kgr_tpm_direction direction,
                                   TPM2B_IV *iv, const uint8_t *in, size_t len, uint8_t *out,
                                   struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_EncryptDecrypt2",
                                  .code = TPM2_CC_EncryptDecrypt2,
                                  .handles = {key},
                                  .num_handles = 1,
                                  .num_auths = 1};
    TPM2B_MAX_BUFFER *from = &tpm->scratch.buffer.in;
    TPM2B_MAX_BUFFER *to = &tpm->scratch.buffer.out;
    TPM2B_IV next = {.size = 0};
    TSS2_RC rc;
    enum kgr_error err;

    do {
        from->size = (UINT16)len;
        memcpy(from->buffer, in, len);
        rc = Tss2_Sys_EncryptDecrypt2_Prepare(tpm->sys, key->handle, from,
                                              direction == KGR_TPM_DECRYPT ? TPM2_YES : TPM2_NO,
                                              mode_of(mode), iv);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    to->size = 0;
    err = kgr_tpm_completed(&cmd, Tss2_Sys_EncryptDecrypt2_Complete(tpm->sys, to, &next), diag);
    if (err != KGR_OK)
        return err;
    if (to->size != len || next.size != iv->size)
        return kgr_diag_set(diag, KGR_ERR_TPM, "TPM2_EncryptDecrypt2: %zu bytes sent, %u answered",
                            len, to->size);
    memcpy(out, to->buffer, len);
    *iv = next;
    return KGR_OK;
}

enum kgr_error kgr_tpm_cipher(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                              enum kgr_tpm_mode mode, enum kgr_tpm_direction direction,
                              uint8_t iv[KGR_IV_LEN], const uint8_t *in, size_t len, uint8_t *out,
                              struct kgr_diag *diag)
{
    bool blocks = mode == KGR_TPM_ECB || mode == KGR_TPM_CBC;
    size_t most = (size_t)(tpm->capability.max_buffer / KGR_BLOCK_LEN) * KGR_BLOCK_LEN;
    TPM2B_IV chain = {.size = mode == KGR_TPM_ECB ? 0 : KGR_IV_LEN};
    enum kgr_error err = KGR_OK;

    if (mode_of(mode) == TPM2_ALG_NULL || (blocks && len % KGR_BLOCK_LEN != 0))
        return kgr_diag_set(diag, KGR_ERR_INVALID, "%zu bytes are no whole blocks", len);
    if (((unsigned int)tpm->capability.modes >> (mode - 1) & 1u) == 0)
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED, "the TPM has no AES in this mode");
    if (chain.size != 0)
        memcpy(chain.buffer, iv, KGR_IV_LEN);
    for (size_t done = 0; err == KGR_OK && done < len;) {
        size_t now = len - done < most ? len - done : most;

        err = cipher_chunk(tpm, key, mode, direction, &chain, in + done, now, out + done, diag);
        done += now;
    }
    if (err == KGR_OK && chain.size != 0)
        memcpy(iv, chain.buffer, KGR_IV_LEN);
    len = len < most ? len : most;
    kgr_cleanse(tpm->scratch.buffer.in.buffer, len);
    kgr_cleanse(tpm->scratch.buffer.out.buffer, len);
    return err;
}

static enum kgr_error take_digest(uint8_t *out, size_t out_len, const TPM2B_DIGEST *digest,
                                  struct kgr_diag *diag)
{
    if (digest->size != out_len)
        return kgr_diag_set(diag, KGR_ERR_TPM, "the key's HMAC has %u bytes, not %zu", digest->size,
                            out_len);
    memcpy(out, digest->buffer, out_len);
    return KGR_OK;
}

static size_t total_len(const struct kgr_slice *parts, size_t num_parts)
{
    size_t len = 0;

    for (size_t i = 0; i < num_parts; i++)
        len += parts[i].len;
    return len;
}

/* take fills out with len bytes of the parts, after skip; both lie within them. */
static void take(TPM2B_MAX_BUFFER *out, const struct kgr_slice *parts, size_t skip, size_t len)
{
    out->size = 0;
    for (size_t i = 0; out->size < len; i++) {
        size_t now = parts[i].len > skip ? parts[i].len - skip : 0;

        if (now > len - out->size)
            now = len - out->size;
        kgr_copy(out->buffer + out->size, parts[i].p + (now == 0 ? 0 : skip), now);
        skip -= parts[i].len < skip ? parts[i].len : skip;
        out->size = (UINT16)(out->size + now);
    }
}

static enum kgr_error hmac_at_once(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                                   const struct kgr_slice *parts, size_t len, uint8_t *out,
                                   size_t out_len, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_HMAC",
                                  .code = TPM2_CC_HMAC,
                                  .handles = {key},
                                  .num_handles = 1,
                                  .num_auths = 1};
    TPM2B_MAX_BUFFER *in = &tpm->scratch.buffer.in;
    TPM2B_DIGEST digest = {.size = 0};
    TSS2_RC rc;
    enum kgr_error err;

    do {
        take(in, parts, 0, len);
        rc = Tss2_Sys_HMAC_Prepare(tpm->sys, key->handle, in, TPM2_ALG_NULL);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    err = cmd.err;
    if (err == KGR_OK)
        err = kgr_tpm_completed(&cmd, Tss2_Sys_HMAC_Complete(tpm->sys, &digest), diag);
    if (err == KGR_OK)
        err = take_digest(out, out_len, &digest, diag);
    kgr_cleanse(in->buffer, len);
    return err;
}

static enum kgr_error sequence_start(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                     const struct kgr_tpm_object *key, struct kgr_diag *diag)
{
    static const TPM2B_AUTH no_auth = {.size = 0};
    struct kgr_tpm_command cmd = {.name = "TPM2_HMAC_Start",
                                  .code = TPM2_CC_HMAC_Start,
                                  .handles = {key},
                                  .num_handles = 1,
                                  .num_auths = 1};
    struct kgr_tpm_object sequence = {.handle = 0}; /* its Name is empty */
    TSS2_RC rc;
    enum kgr_error err;

    do {
        rc = Tss2_Sys_HMAC_Start_Prepare(tpm->sys, key->handle, &no_auth, TPM2_ALG_NULL);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    err = kgr_tpm_completed(&cmd, Tss2_Sys_HMAC_Start_Complete(tpm->sys, &sequence.handle), diag);
    if (err == KGR_OK)
        *out = sequence;
    return err;
}

/* Of the parts, len bytes after skip: as much as fits one command. */
static enum kgr_error sequence_update(struct kgr_tpm *tpm, const struct kgr_tpm_object *sequence,
                                      const struct kgr_slice *parts, size_t skip, size_t len,
                                      struct kgr_diag *diag)
{
    TPM2B_MAX_BUFFER *in = &tpm->scratch.buffer.in;
    struct kgr_tpm_command cmd = {.name = "TPM2_SequenceUpdate",
                                  .code = TPM2_CC_SequenceUpdate,
                                  .handles = {sequence},
                                  .num_handles = 1,
                                  .num_auths = 1};
    TSS2_RC rc;

    do {
        take(in, parts, skip, len);
        rc = Tss2_Sys_SequenceUpdate_Prepare(tpm->sys, sequence->handle, in);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    kgr_cleanse(in->buffer, len);
    return cmd.err;
}

/* Ends the sequence with the last len bytes of the parts, after skip: when it succeeds, the TPM has flushed it. */
static enum kgr_error sequence_complete(struct kgr_tpm *tpm, const struct kgr_tpm_object *sequence,
                                        const struct kgr_slice *parts, size_t skip, size_t len,
                                        uint8_t *out, size_t out_len, struct kgr_diag *diag)
{
    TPM2B_MAX_BUFFER *in = &tpm->scratch.buffer.in;
    struct kgr_tpm_command cmd = {.name = "TPM2_SequenceComplete",
                                  .code = TPM2_CC_SequenceComplete,
                                  .handles = {sequence},
                                  .num_handles = 1,
                                  .num_auths = 1};
    TPM2B_DIGEST digest = {.size = 0};
    TSS2_RC rc;
    enum kgr_error err;

    do {
        take(in, parts, skip, len);
        rc = Tss2_Sys_SequenceComplete_Prepare(tpm->sys, sequence->handle, in, TPM2_RH_NULL);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    kgr_cleanse(in->buffer, len);
    if (cmd.err != KGR_OK)
        return cmd.err;
    rc = Tss2_Sys_SequenceComplete_Complete(tpm->sys, &digest, NULL);
    err = kgr_tpm_completed(&cmd, rc, diag);
    return err == KGR_OK ? take_digest(out, out_len, &digest, diag) : err;
}

/* Lets others in, if somebody waits, with the sequence out of the TPM. sequence->handle is 0 when it is lost. */
static enum kgr_error step_aside(struct kgr_tpm *tpm, struct kgr_tpm_object *sequence,
                                 struct kgr_diag *diag)
{
    struct kgr_tpm_context context = {.bytes = NULL};
    enum kgr_error err;

    if (!kgr_tpm_others_wait(tpm))
        return KGR_OK;
    err = kgr_tpm_context_save(tpm, &context, sequence->handle, diag);
    if (err != KGR_OK)
        return err;
    kgr_tpm_flush(tpm, sequence->handle);
    sequence->handle = 0;
    kgr_tpm_let_others(tpm);
    err = kgr_tpm_context_load(tpm, &sequence->handle, &context, diag);
    kgr_tpm_context_clear(&context);
    return err;
}

/*
 * As few commands as hold the input: the last of it goes with the one that ends the sequence. When others wait, the sequence makes
 * room for them now and then.
 */
static enum kgr_error hmac_in_sequence(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                                       const struct kgr_slice *parts, size_t len, uint8_t *out,
                                       size_t out_len, struct kgr_diag *diag)
{
    size_t most = tpm->capability.max_buffer;
    size_t done = 0;
    struct kgr_tpm_object sequence;
    enum kgr_error err = sequence_start(tpm, &sequence, key, diag);

    if (err != KGR_OK)
        return err;
    for (; err == KGR_OK && len - done > most; done += most) {
        if (done % (KGR_TPM_STEP * most) == KGR_TPM_STEP * most - most)
            err = step_aside(tpm, &sequence, diag);
        if (err == KGR_OK)
            err = sequence_update(tpm, &sequence, parts, done, most, diag);
    }
    if (err == KGR_OK)
        err = sequence_complete(tpm, &sequence, parts, done, len - done, out, out_len, diag);
    if (err != KGR_OK && sequence.handle != 0)
        kgr_tpm_flush(tpm, sequence.handle);
    return err;
}

enum kgr_error kgr_tpm_hmac(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                            const struct kgr_slice *parts, size_t num_parts, uint8_t *out,
                            size_t out_len, struct kgr_diag *diag)
{
    size_t len = total_len(parts, num_parts);

    return len <= tpm->capability.max_buffer
               ? hmac_at_once(tpm, key, parts, len, out, out_len, diag)
               : hmac_in_sequence(tpm, key, parts, len, out, out_len, diag);
}

/* Into the stream's context and out of the TPM, whatever happens. */
static enum kgr_error put_away(struct kgr_tpm *tpm, struct kgr_tpm_hmac_stream *stream,
                               const struct kgr_tpm_object *sequence, struct kgr_diag *diag)
{
    enum kgr_error err;

    kgr_tpm_context_clear(&stream->context);
    err = kgr_tpm_context_save(tpm, &stream->context, sequence->handle, diag);
    kgr_tpm_flush(tpm, sequence->handle);
    return err;
}

static enum kgr_error take_out(struct kgr_tpm *tpm, struct kgr_tpm_hmac_stream *stream,
                               struct kgr_tpm_object *out, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_ERR_STATE;

    memset(out, 0, sizeof(*out));
    if (!stream->ended && stream->context.bytes != NULL)
        err = kgr_tpm_context_load(tpm, &out->handle, &stream->context, NULL);
    if (err == KGR_OK)
        return KGR_OK;
    stream->ended = true;
    return kgr_diag_set(diag, KGR_ERR_STATE, "the HMAC was cut off; it must begin anew");
}

enum kgr_error kgr_tpm_hmac_start(struct kgr_tpm *tpm, struct kgr_tpm_hmac_stream **out,
                                  const struct kgr_tpm_object *key, struct kgr_diag *diag)
{
    struct kgr_tpm_hmac_stream *stream = calloc(1, sizeof(*stream));
    struct kgr_tpm_object sequence;
    enum kgr_error err;

    if (stream == NULL)
        return KGR_ERR_NO_MEMORY;
    err = sequence_start(tpm, &sequence, key, diag);
    if (err == KGR_OK)
        err = put_away(tpm, stream, &sequence, diag);
    if (err == KGR_OK)
        *out = stream;
    else
        kgr_tpm_hmac_stream_free(stream);
    return err;
}

enum kgr_error kgr_tpm_hmac_update(struct kgr_tpm *tpm, struct kgr_tpm_hmac_stream *stream,
                                   struct kgr_slice data, struct kgr_diag *diag)
{
    size_t most = tpm->capability.max_buffer;
    struct kgr_tpm_object sequence;
    enum kgr_error err = take_out(tpm, stream, &sequence, diag);

    if (err != KGR_OK)
        return err;
    for (size_t done = 0; err == KGR_OK && done < data.len; done += most) {
        if (done % (KGR_TPM_STEP * most) == KGR_TPM_STEP * most - most)
            err = step_aside(tpm, &sequence, diag);
        if (err == KGR_OK)
            err = sequence_update(tpm, &sequence, &data, done,
                                  data.len - done < most ? data.len - done : most, diag);
    }
    if (err == KGR_OK)
        err = put_away(tpm, stream, &sequence, diag);
    else if (sequence.handle != 0)
        kgr_tpm_flush(tpm, sequence.handle);
    stream->ended = err != KGR_OK;
    return err;
}

enum kgr_error kgr_tpm_hmac_final(struct kgr_tpm *tpm, struct kgr_tpm_hmac_stream *stream,
                                  uint8_t *out, size_t out_len, struct kgr_diag *diag)
{
    struct kgr_tpm_object sequence;
    enum kgr_error err = take_out(tpm, stream, &sequence, diag);

    if (err != KGR_OK)
        return err;
    stream->ended = true;
    err = sequence_complete(tpm, &sequence, NULL, 0, 0, out, out_len, diag);
    if (err != KGR_OK)
        kgr_tpm_flush(tpm, sequence.handle);
    return err;
}

void kgr_tpm_hmac_stream_free(struct kgr_tpm_hmac_stream *stream)
{
    if (stream == NULL)
        return;
    kgr_tpm_context_clear(&stream->context);
    free(stream);
}
