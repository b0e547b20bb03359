/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/command.h"

#include <string.h>
#include <time.h>

#include <tss2/tss2_rc.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/tpm/context.h"

/* What can be done about a failure, each once a command, but waiting, which is bounded by tries. */
enum remedy { REMEDY_RECONNECT = 1, REMEDY_STARTUP = 2, REMEDY_SESSION = 4, REMEDY_NONCE = 8 };

#define TRIES_MAX   40
#define WAIT_MS     10
#define NOT_PRESENT ((size_t)-1)

/* What one command puts into the authorisation area, in its order. */
struct area {
    TSS2L_SYS_AUTH_COMMAND cmd;
    TSS2L_SYS_AUTH_RESPONSE rsp;
    size_t hmac;                     /* where our session stands, or NOT_PRESENT */
    const struct kgr_tpm_auth *auth; /* of the entity that our session authorises */
};

TPM2_RC kgr_tpm_rc(TSS2_RC rc)
{
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
    TPM2_RC code = rc & 0xffffu;

    if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER &&
        layer != TSS2_RESMGR_RC_LAYER)
        return TPM2_RC_SUCCESS;
    if ((code & TPM2_RC_FMT1) != 0)
        return code & 0x0bfu;
    if (code >= TPM2_RC_REFERENCE_H0 && code < TPM2_RC_REFERENCE_S0)
        return TPM2_RC_REFERENCE_H0;
    if (code >= TPM2_RC_REFERENCE_S0 && code < TPM2_RC_REFERENCE_S0 + 7)
        return TPM2_RC_REFERENCE_S0;
    return code;
}

enum kgr_error kgr_tpm_translate(const char *command, TSS2_RC rc, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_ERR_TPM;

    if ((rc & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER)
        return kgr_diag_set(diag, KGR_ERR_TPM, "%s: the TPM cannot be reached: %s (0x%x)", command,
                            Tss2_RC_Decode(rc), rc);
    switch (kgr_tpm_rc(rc)) {
    case TPM2_RC_FAILURE:
        return kgr_diag_set(diag, KGR_ERR_TPM,
                            "%s: the TPM is in failure mode (0x101); it must be reset", command);
    case TPM2_RC_LOCKOUT:
        return kgr_diag_set(diag, KGR_ERR_TPM,
                            "%s: the TPM is locked against dictionary attacks (0x921)", command);
    case TPM2_RC_COMMAND_CODE:
        err = KGR_ERR_UNSUPPORTED;
        break;
    case TPM2_RC_INTEGRITY:
        err = KGR_ERR_CORRUPT;
        break;
    default:
        break;
    }
    return kgr_diag_set(diag, err, "%s: %s (0x%x)", command, Tss2_RC_Decode(rc), rc);
}

enum kgr_error kgr_tpm_completed(const struct kgr_tpm_command *cmd, TSS2_RC rc,
                                 struct kgr_diag *diag)
{
    return rc == TSS2_RC_SUCCESS ? KGR_OK : kgr_tpm_translate(cmd->name, rc, diag);
}

static void be32(uint8_t out[4], uint32_t v)
{
    struct kgr_wr wr;

    kgr_wr_init(&wr, out, 4);
    kgr_wr_u32(&wr, v);
}

/* The value without the zeroes at its end, which a TPM drops as well. */
static struct kgr_slice auth_value(const struct kgr_tpm_auth *auth)
{
    size_t len = auth == NULL ? 0 : auth->len;

    while (len > 0 && auth->bytes[len - 1] == 0)
        len--;
    return kgr_slice(auth == NULL ? NULL : auth->bytes, len);
}

/* sessionKey || authValue; out has room for both. */
static struct kgr_slice session_value(const struct kgr_tpm *tpm, const struct area *area,
                                      uint8_t out[KGR_TPM_HASH_LEN + KGR_TPM_AUTH_MAX])
{
    struct kgr_slice auth = auth_value(area->auth);
    struct kgr_wr wr;

    kgr_wr_init(&wr, out, KGR_TPM_HASH_LEN + KGR_TPM_AUTH_MAX);
    if (tpm->session.keyed)
        kgr_wr_bytes(&wr, tpm->session.key, KGR_TPM_HASH_LEN);
    kgr_wr_bytes(&wr, auth.p, auth.len);
    return kgr_wr_slice(&wr);
}

static struct kgr_slice nonce_slice(const TPM2B_NONCE *nonce)
{
    return kgr_slice(nonce->buffer, nonce->size);
}

/* TPM 2.0 Part 1, "CFB mode parameter encryption". */
static enum kgr_error crypt_parameter(struct kgr_tpm *tpm, const struct area *area, bool encrypt,
                                      uint8_t *data, size_t len)
{
    uint8_t value[KGR_TPM_HASH_LEN + KGR_TPM_AUTH_MAX];
    uint8_t key_iv[KGR_TPM_HASH_LEN];
    struct kgr_slice caller = nonce_slice(&tpm->session.nonce_caller);
    struct kgr_slice tpms = nonce_slice(&tpm->session.nonce_tpm);
    enum kgr_error err = kgr_tpm_kdfa256(tpm->crypto, key_iv, session_value(tpm, area, value),
                                         "CFB", encrypt ? caller : tpms, encrypt ? tpms : caller);

    if (err == KGR_OK)
        err = kgr_tpm_cfb128(tpm->crypto, encrypt, key_iv, key_iv + 16, data, len);
    kgr_cleanse(value, sizeof(value));
    kgr_cleanse(key_iv, sizeof(key_iv));
    return err;
}

static enum kgr_error encrypt_first(struct kgr_tpm *tpm, const struct area *area)
{
    uint8_t *copy = NULL;
    const uint8_t *p = NULL;
    size_t len = 0;
    enum kgr_error err = KGR_ERR_FAILED;

    if (Tss2_Sys_GetDecryptParam(tpm->sys, &len, &p) != TSS2_RC_SUCCESS)
        return KGR_ERR_FAILED;
    if (len == 0)
        return KGR_OK;
    copy = kgr_secret_alloc(len);
    if (copy == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_copy(copy, p, len);
    err = crypt_parameter(tpm, area, true, copy, len);
    if (err == KGR_OK && Tss2_Sys_SetDecryptParam(tpm->sys, len, copy) != TSS2_RC_SUCCESS)
        err = KGR_ERR_FAILED;
    kgr_secret_free(copy);
    return err;
}

static enum kgr_error decrypt_first(struct kgr_tpm *tpm, const struct area *area)
{
    uint8_t *copy = NULL;
    const uint8_t *p = NULL;
    size_t len = 0;
    enum kgr_error err = KGR_ERR_FAILED;

    if (Tss2_Sys_GetEncryptParam(tpm->sys, &len, &p) != TSS2_RC_SUCCESS)
        return KGR_ERR_TPM;
    if (len == 0)
        return KGR_OK;
    copy = kgr_secret_alloc(len);
    if (copy == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_copy(copy, p, len);
    err = crypt_parameter(tpm, area, false, copy, len);
    if (err == KGR_OK && Tss2_Sys_SetEncryptParam(tpm->sys, len, copy) != TSS2_RC_SUCCESS)
        err = KGR_ERR_FAILED;
    kgr_secret_free(copy);
    return err;
}

void kgr_tpm_scrub(struct kgr_tpm *tpm)
{
    static const uint8_t zeroes[TPM2_MAX_DIGEST_BUFFER];
    const uint8_t *p = NULL;
    size_t len = 0;

    if (Tss2_Sys_GetEncryptParam(tpm->sys, &len, &p) == TSS2_RC_SUCCESS && len <= sizeof(zeroes) &&
        Tss2_Sys_SetEncryptParam(tpm->sys, len, zeroes) != TSS2_RC_SUCCESS)
        kgr_warn("tpm_answer_kept", "length=%zu", len);
}

/*
 * The HMAC of our session over a parameter hash (TPM 2.0 Part 1, "Session-based
 * authorizations").
 */
static enum kgr_error session_hmac(struct kgr_tpm *tpm, const struct area *area,
                                   uint8_t out[KGR_TPM_HASH_LEN],
                                   const uint8_t p_hash[KGR_TPM_HASH_LEN], bool command,
                                   TPMA_SESSION attributes)
{
    uint8_t value[KGR_TPM_HASH_LEN + KGR_TPM_AUTH_MAX];
    uint8_t attrs = (uint8_t)attributes;
    struct kgr_slice caller = nonce_slice(&tpm->session.nonce_caller);
    struct kgr_slice tpms = nonce_slice(&tpm->session.nonce_tpm);
    const struct kgr_slice parts[] = {
        kgr_slice(p_hash, KGR_TPM_HASH_LEN),
        command ? caller : tpms,
        command ? tpms : caller,
        kgr_slice(&attrs, 1),
    };
    enum kgr_error err = kgr_tpm_hmac256(tpm->crypto, out, session_value(tpm, area, value), parts,
                                         KGR_ARRAY_LEN(parts));

    kgr_cleanse(value, sizeof(value));
    return err;
}

static enum kgr_error hash_command(struct kgr_tpm *tpm, const struct kgr_tpm_command *cmd,
                                   uint8_t out[KGR_TPM_HASH_LEN])
{
    struct kgr_slice parts[2 + KGR_TPM_HANDLES_MAX];
    uint8_t code[4];
    const uint8_t *cp = NULL;
    size_t cp_len = 0;
    size_t num = 0;

    if (Tss2_Sys_GetCpBuffer(tpm->sys, &cp_len, &cp) != TSS2_RC_SUCCESS)
        return KGR_ERR_FAILED;
    be32(code, cmd->code);
    parts[num++] = kgr_slice(code, sizeof(code));
    for (unsigned int i = 0; i < cmd->num_handles; i++)
        parts[num++] = kgr_slice(cmd->handles[i]->name.bytes, cmd->handles[i]->name.len);
    parts[num++] = kgr_slice(cp, cp_len);
    return kgr_tpm_sha256(tpm->crypto, out, parts, num);
}

static bool needs_session(const struct kgr_tpm_command *cmd)
{
    unsigned int plain = cmd->policy != 0 ? cmd->num_auths - 1 : cmd->num_auths;

    return plain > 0 || (cmd->flags & (KGR_TPM_SECRET_IN | KGR_TPM_SECRET_OUT));
}

static void add_policy(struct area *area, TPM2_HANDLE policy)
{
    TPMS_AUTH_COMMAND *auth = &area->cmd.auths[area->cmd.count++];

    auth->sessionHandle = policy;
    auth->sessionAttributes = TPMA_SESSION_CONTINUESESSION;
}

static void add_session(const struct kgr_tpm *tpm, const struct kgr_tpm_command *cmd,
                        struct area *area)
{
    TPMS_AUTH_COMMAND *auth = &area->cmd.auths[area->cmd.count];

    area->hmac = area->cmd.count++;
    auth->sessionHandle = tpm->session.handle;
    auth->sessionAttributes = TPMA_SESSION_CONTINUESESSION;
    if ((cmd->flags & KGR_TPM_SECRET_IN) != 0)
        auth->sessionAttributes |= TPMA_SESSION_DECRYPT;
    if ((cmd->flags & KGR_TPM_SECRET_OUT) != 0)
        auth->sessionAttributes |= TPMA_SESSION_ENCRYPT;
    auth->nonce = tpm->session.nonce_caller;
}

static void next_nonce(struct kgr_tpm_session *s)
{
    if (s->num_stock == 0) {
        kgr_random(s->stock, sizeof(s->stock));
        s->num_stock = KGR_TPM_NONCE_STOCK;
    }
    s->num_stock--;
    s->nonce_caller.size = KGR_TPM_NONCE_LEN;
    memcpy(s->nonce_caller.buffer, s->stock[s->num_stock], KGR_TPM_NONCE_LEN);
}

static enum kgr_error authorise(struct kgr_tpm *tpm, const struct kgr_tpm_command *cmd,
                                struct area *area)
{
    bool session_first = cmd->policy == 0 || cmd->num_auths > 1;
    uint8_t cp_hash[KGR_TPM_HASH_LEN];
    enum kgr_error err = KGR_OK;

    area->hmac = NOT_PRESENT;
    if (needs_session(cmd))
        next_nonce(&tpm->session);
    if (!session_first)
        add_policy(area, cmd->policy);
    if (needs_session(cmd)) {
        add_session(tpm, cmd, area);
        if (area->hmac < cmd->num_auths)
            area->auth = cmd->handles[area->hmac]->auth;
    }
    if (session_first && cmd->policy != 0)
        add_policy(area, cmd->policy);
    if (area->hmac != NOT_PRESENT) {
        TPMS_AUTH_COMMAND *auth = &area->cmd.auths[area->hmac];

        if ((cmd->flags & KGR_TPM_SECRET_IN) != 0)
            err = encrypt_first(tpm, area);
        if (err == KGR_OK)
            err = hash_command(tpm, cmd, cp_hash);
        auth->hmac.size = KGR_TPM_HASH_LEN;
        if (err == KGR_OK)
            err =
                session_hmac(tpm, area, auth->hmac.buffer, cp_hash, true, auth->sessionAttributes);
    }
    if (err == KGR_OK && area->cmd.count > 0 &&
        Tss2_Sys_SetCmdAuths(tpm->sys, &area->cmd) != TSS2_RC_SUCCESS)
        err = KGR_ERR_FAILED;
    return err;
}

static enum kgr_error tampered(struct kgr_tpm *tpm, const struct kgr_tpm_command *cmd,
                               struct kgr_diag *diag)
{
    kgr_error_log("tpm_answer_forged", "command=%s", cmd->name);
    kgr_tpm_session_end(tpm);
    return kgr_diag_set(diag, KGR_ERR_TPM,
                        "%s: the answer does not verify: somebody is between us and the TPM",
                        cmd->name);
}

/* Checks the answer's HMAC before a byte of it is used. */
static enum kgr_error verify_answer(struct kgr_tpm *tpm, const struct kgr_tpm_command *cmd,
                                    struct area *area, struct kgr_diag *diag)
{
    uint8_t head[8] = {0}; /* the response code is 0 here */
    uint8_t rp_hash[KGR_TPM_HASH_LEN];
    uint8_t expected[KGR_TPM_HASH_LEN];
    const uint8_t *rp = NULL;
    size_t rp_len = 0;
    const TPMS_AUTH_RESPONSE *answer;
    enum kgr_error err;

    if (Tss2_Sys_GetRspAuths(tpm->sys, &area->rsp) != TSS2_RC_SUCCESS ||
        area->rsp.count != area->cmd.count ||
        Tss2_Sys_GetRpBuffer(tpm->sys, &rp_len, &rp) != TSS2_RC_SUCCESS)
        return tampered(tpm, cmd, diag);
    answer = &area->rsp.auths[area->hmac];
    if (answer->nonce.size != KGR_TPM_NONCE_LEN || answer->hmac.size != KGR_TPM_HASH_LEN ||
        (answer->sessionAttributes & TPMA_SESSION_CONTINUESESSION) == 0)
        return tampered(tpm, cmd, diag);
    be32(head + 4, cmd->code);
    const struct kgr_slice parts[] = {kgr_slice(head, sizeof(head)), kgr_slice(rp, rp_len)};

    err = kgr_tpm_sha256(tpm->crypto, rp_hash, parts, KGR_ARRAY_LEN(parts));
    tpm->session.nonce_tpm = answer->nonce;
    if (err == KGR_OK)
        err = session_hmac(tpm, area, expected, rp_hash, false, answer->sessionAttributes);
    if (err != KGR_OK)
        return err;
    if (!kgr_equal_ct(expected, answer->hmac.buffer, KGR_TPM_HASH_LEN))
        return tampered(tpm, cmd, diag);
    tpm->session.proven = true;
    return (cmd->flags & KGR_TPM_SECRET_OUT) != 0 ? decrypt_first(tpm, area) : KGR_OK;
}

static void wait_ms(long ms)
{
    struct timespec ts = {.tv_sec = 0, .tv_nsec = ms * 1000000};

    (void)nanosleep(&ts, NULL); /* shorter is as good */
}

static bool evict_for(struct kgr_tpm *tpm, const struct kgr_tpm_command *cmd)
{
    TPM2_HANDLE keep[KGR_TPM_HANDLES_MAX];

    for (unsigned int i = 0; i < cmd->num_handles; i++)
        keep[i] = cmd->handles[i]->handle;
    return kgr_tpm_slots_evict_one(tpm, keep, cmd->num_handles);
}

static bool first_time(struct kgr_tpm_command *cmd, unsigned int remedy)
{
    bool first = (cmd->tried & remedy) == 0;

    cmd->tried |= remedy;
    return first;
}

/* Mends what made the command fail, if anything does; true: try again. */
static bool mend(struct kgr_tpm *tpm, struct kgr_tpm_command *cmd, TSS2_RC rc)
{
    if (cmd->tries >= TRIES_MAX)
        return false;
    if ((rc & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER) {
        tpm->connected = false;
        return first_time(cmd, REMEDY_RECONNECT) && kgr_tpm_reconnect(tpm, NULL) == KGR_OK;
    }
    switch (cmd->rc) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
        wait_ms(WAIT_MS);
        return true;
    case TPM2_RC_INITIALIZE:
        return first_time(cmd, REMEDY_STARTUP) && kgr_tpm_startup(tpm, NULL) == KGR_OK;
    case TPM2_RC_OBJECT_MEMORY:
        if (evict_for(tpm, cmd))
            return true;
        wait_ms(WAIT_MS); /* another program holds the slots, or sessions, and may be done soon */
        return true;
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_SESSION_HANDLES:
        wait_ms(WAIT_MS);
        return true;
    case TPM2_RC_REFERENCE_S0:
        if (cmd->policy != 0)
            return false; /* the policy session may be the lost one: its owner starts anew */
        /* A reset, most likely: no other handle is good either, though it may name something. */
        tpm->session.handle = 0;
        kgr_tpm_note_loss(tpm);
        return first_time(cmd, REMEDY_SESSION);
    case TPM2_RC_REFERENCE_H0:
        /* Whoever brought the handle loads the key again (agent/tpm/slots.h). */
        kgr_tpm_note_loss(tpm);
        return false;
    case TPM2_RC_AUTH_FAIL:
    case TPM2_RC_BAD_AUTH:
        /* After a reset our handle may name the session of somebody else; once is worth it. */
        if (!tpm->session.proven || !needs_session(cmd) || (cmd->flags & KGR_TPM_ONCE) != 0 ||
            !first_time(cmd, REMEDY_NONCE))
            return false;
        kgr_tpm_session_end(tpm);
        return true;
    default:
        return false;
    }
}

/* true: something had to be done that overwrote the prepared command. */
static bool get_ready(struct kgr_tpm *tpm, struct kgr_tpm_command *cmd, struct kgr_diag *diag)
{
    bool secret = (cmd->flags & (KGR_TPM_SECRET_IN | KGR_TPM_SECRET_OUT)) != 0;

    if (!tpm->connected && (cmd->flags & KGR_TPM_RAW) == 0) {
        cmd->tried |= REMEDY_RECONNECT; /* nothing could be prepared without a connection */
        cmd->err = kgr_tpm_reconnect(tpm, diag);
        return true;
    }
    if (secret && !tpm->salt_key.pinned) {
        cmd->err =
            kgr_diag_set(diag, KGR_ERR_STATE, "%s: no salted session was started", cmd->name);
        return true;
    }
    if (needs_session(cmd) && tpm->session.handle == 0) {
        cmd->err = kgr_tpm_session_begin(tpm, diag);
        return true;
    }
    return false;
}

bool kgr_tpm_again(struct kgr_tpm *tpm, struct kgr_tpm_command *cmd, TSS2_RC prepared,
                   struct kgr_diag *diag)
{
    struct area area = {.hmac = NOT_PRESENT};
    uint64_t begun_ns;
    TSS2_RC rc;

    cmd->err = KGR_OK;
    cmd->rc = TPM2_RC_SUCCESS;
    if (get_ready(tpm, cmd, diag))
        return cmd->err == KGR_OK;
    if (prepared != TSS2_RC_SUCCESS) {
        cmd->err = kgr_diag_set(diag, KGR_ERR_INVALID, "%s: cannot be built: %s (0x%x)", cmd->name,
                                Tss2_RC_Decode(prepared), prepared);
        return false;
    }
    cmd->tries++;
    cmd->err = authorise(tpm, cmd, &area);
    if (cmd->err != KGR_OK) {
        cmd->err = kgr_diag_set(diag, cmd->err, "%s: cannot be authorised", cmd->name);
        return false;
    }
    begun_ns = kgr_clock_boot_ns();
    rc = Tss2_Sys_Execute(tpm->sys);
    kgr_tpm_stats_add(&tpm->stats, cmd->name, rc == TSS2_RC_SUCCESS,
                      kgr_clock_boot_ns() - begun_ns);
    if (rc == TSS2_RC_SUCCESS) {
        if (area.hmac != NOT_PRESENT)
            cmd->err = verify_answer(tpm, cmd, &area, diag);
        return false;
    }
    cmd->rc = kgr_tpm_rc(rc);
    if ((cmd->flags & KGR_TPM_RAW) == 0 && mend(tpm, cmd, rc))
        return true;
    cmd->err = kgr_tpm_translate(cmd->name, rc, diag);
    return false;
}
