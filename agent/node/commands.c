/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/broker.h"
#include "agent/node/commands.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/text.h"
#include "agent/node/audit.h"
#include "agent/node/protocol/enrol.h"
#include "agent/node/node.h"
#include "agent/node/protocol/revoke.h"
#include "agent/node/service/service.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/object.h"
#include "agent/tpm/template.h"
#include "agent/tpm/tpm.h"
#include "agent/node/mirror/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_S 60u
#define MAX_TIMEOUT_S     86400u

/* init */

enum kgr_error kgr_cmd_init(const struct kgr_settings *settings, struct kgr_diag *diag)
{
    struct kgr_tpm *tpm = NULL;
    struct kgr_custody_choice custody = {.sealed = false};
    /* The TPM first: without one nothing is left behind. */
    enum kgr_error err = kgr_tpm_open_as(&tpm, &settings->tpm, diag);

    if (err == KGR_OK)
        err = kgr_custody_choose(&custody, settings->custody, settings->suites,
                                 kgr_tpm_capability(tpm), NULL, diag);
    if (err == KGR_OK)
        err = kgr_anchor_create(tpm, settings->state, kgr_custody_best(custody.suites), diag);
    if (err == KGR_OK)
        printf("initialised: state in %s, storage key and counter in the TPM\n", settings->state);
    kgr_tpm_close(tpm);
    return err;
}

/* identity */

struct identity {
    char node[KGR_NID_MAX + 1]; /* empty: not enrolled */
    char ek[2 * KGR_TPM_HASH_LEN + 1];
    char storage[2 * KGR_TPM_NAME_MAX + 1];
    char audit[2 * KGR_TPM_HASH_LEN + 1]; /* of the key that signs the audit log; empty: none yet */
    bool registered;
    uint64_t revoked; /* the word that ended it; 0: it lives */
};

static enum kgr_error find_ek(struct kgr_tpm *tpm, struct identity *out, struct kgr_diag *diag)
{
    struct kgr_tpm_object ek = {0};
    struct kgr_tpm_public pub;
    uint8_t hash[KGR_TPM_HASH_LEN];
    enum kgr_error err = kgr_tpm_ek(tpm, &ek, &pub, diag);

    if (err != KGR_OK)
        return err;
    kgr_tpm_release(tpm, &ek);
    err = kgr_tpm_public_hash(hash, &pub);
    if (err == KGR_OK)
        (void)kgr_hex(out->ek, hash, sizeof(hash));
    return err;
}

static enum kgr_error find_audit_key(struct kgr_db *db, struct identity *out, struct kgr_diag *diag)
{
    struct kgr_tpm_public pub;
    uint8_t hash[KGR_TPM_HASH_LEN];
    size_t len = 0;
    enum kgr_error err =
        kgr_meta_get(db, KGR_META_AUDIT_PUBLIC, pub.bytes, sizeof(pub.bytes), &len, diag);

    if (err == KGR_ERR_NO_KEY)
        return KGR_OK;
    pub.len = (uint16_t)len;
    if (err == KGR_OK)
        err = kgr_tpm_public_hash(hash, &pub);
    if (err == KGR_OK)
        (void)kgr_hex(out->audit, hash, sizeof(hash));
    return err;
}

static void print_identity(const struct identity *id, bool json)
{
    /* An N_ID needs no quoting in JSON, and hex neither. */
    if (json)
        printf("{\"version\": 1, \"node\": %s%s%s, \"registered\": %s, \"revoked\": %s, "
               "\"ek_hash\": \"%s\", "
               "\"storage_name\": \"%s\", \"audit_key\": %s%s%s}\n",
               id->node[0] != '\0' ? "\"" : "", id->node[0] != '\0' ? id->node : "null",
               id->node[0] != '\0' ? "\"" : "", id->registered ? "true" : "false",
               id->revoked != 0 ? "true" : "false", id->ek, id->storage,
               id->audit[0] != '\0' ? "\"" : "", id->audit[0] != '\0' ? id->audit : "null",
               id->audit[0] != '\0' ? "\"" : "");
    else
        printf("node          %s\nregistered    %s\nEK hash       %s\nstorage key   %s\n"
               "audit key     %s\n",
               id->node[0] != '\0' ? id->node : "(not enrolled)",
               id->registered     ? "yes"
               : id->revoked != 0 ? "no, revoked"
                                  : "no",
               id->ek, id->storage, id->audit[0] != '\0' ? id->audit : "(none yet)");
}

enum kgr_error kgr_cmd_identity(const struct kgr_settings *settings, bool json,
                                struct kgr_diag *diag)
{
    struct kgr_tpm *tpm = NULL;
    struct kgr_anchor *anchor = calloc(1, sizeof(*anchor));
    struct identity id = {.registered = false};
    enum kgr_error err =
        anchor == NULL ? KGR_ERR_NO_MEMORY : kgr_tpm_open_as(&tpm, &settings->tpm, diag);

    if (err == KGR_OK)
        err = kgr_anchor_open(anchor, tpm, settings->state, diag);
    if (err == KGR_OK) {
        (void)kgr_hex(id.storage, anchor->storage->name.bytes, anchor->storage->name.len);
        err = kgr_node_enrolment(anchor->state.db, id.node, &id.registered, diag);
    }
    if (err == KGR_OK)
        err = kgr_revoke_load(anchor->state.db, &id.revoked, diag);
    id.registered = id.registered && id.revoked == 0;
    if (err == KGR_OK)
        err = find_audit_key(anchor->state.db, &id, diag);
    if (err == KGR_OK)
        err = find_ek(tpm, &id, diag);
    if (err == KGR_OK)
        print_identity(&id, json);
    if (anchor != NULL)
        kgr_anchor_deinit(anchor);
    free(anchor);
    kgr_tpm_close(tpm);
    return err;
}

/* enroll */

static void print_progress(const char *text)
{
    printf("%s\n", text);
    (void)fflush(stdout);
}

static enum kgr_error parse_timeout(const char *text, uint32_t *out, struct kgr_diag *diag)
{
    uint32_t value = 0;

    *out = DEFAULT_TIMEOUT_S;
    if (text == NULL)
        return KGR_OK;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || value > MAX_TIMEOUT_S)
            value = MAX_TIMEOUT_S + 1;
        else
            value = value * 10 + (uint32_t)(*p - '0');
    }
    if (value == 0 || value > MAX_TIMEOUT_S)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "--timeout: 1 to %u seconds", MAX_TIMEOUT_S);
    *out = value;
    return KGR_OK;
}

static enum kgr_error enroll(struct kgr_node *node, const char *path, uint32_t timeout_s,
                             struct kgr_diag *diag)
{
    char broker[KGR_BROKER_TEXT_MAX + 1];
    enum kgr_error err = path != NULL ? kgr_enrol_read(node, path, diag) : KGR_OK;

    if (err == KGR_OK && path != NULL)
        print_progress("credential read: NTAG is sealed in the TPM, the file is wiped");
    if (err == KGR_OK)
        err = kgr_node_load_identity(node, diag);
    if (err != KGR_OK)
        return err;
    if (node->reg.s.phase == KGR_REGISTRATION_REGISTERED) {
        printf("%s is registered already\n", node->self.s);
        return KGR_OK;
    }
    printf("%s registers at the KS over the broker %s\n", node->self.s,
           kgr_node_broker(node, broker));
    (void)fflush(stdout);
    err = kgr_node_audit_open(node, diag);
    if (err == KGR_OK)
        err = kgr_enrol_register(node, timeout_s, diag);
    if (err == KGR_OK)
        kgr_node_audit(node, &(struct kgr_audit_event){.what = KGR_AUDIT_NODE,
                                                       .subject = node->self.s,
                                                       .text = "registered at the KS"});
    if (err == KGR_OK)
        printf("%s is registered; NTAG is erased\n", node->self.s);
    return err;
}

static enum kgr_error refuse_revoked(struct kgr_node *node, struct kgr_diag *diag)
{
    uint64_t word = 0;
    enum kgr_error err = kgr_revoke_load(node->db, &word, diag);

    if (err == KGR_OK && word != 0)
        err = kgr_diag_set(diag, KGR_ERR_REVOKED,
                           "this node was revoked; run kgr-agent wipe, then init and enroll");
    return err;
}

enum kgr_error kgr_cmd_enroll(const struct kgr_settings *settings, const char *path,
                              const char *timeout, struct kgr_diag *diag)
{
    struct kgr_node *node = calloc(1, sizeof(*node));
    uint32_t timeout_s = 0;
    enum kgr_error err = parse_timeout(timeout, &timeout_s, diag);

    if (err == KGR_OK && node == NULL)
        err = KGR_ERR_NO_MEMORY;
    if (err == KGR_OK) {
        err = kgr_node_open(node, settings, false, diag);
        node->progress = print_progress;
        if (err == KGR_OK)
            err = refuse_revoked(node, diag);
        if (err == KGR_OK)
            err = enroll(node, path, timeout_s, diag);
        kgr_node_close(node);
    }
    free(node);
    return err;
}

/* run */

static void record_service(struct kgr_node *node, const char *text)
{
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_SERVICE, .subject = node->self.s, .text = text};

    kgr_node_audit(node, &event);
}

/* revoked: the word that ended this node, or 0. */
static enum kgr_error serve(struct kgr_node *node, uint64_t revoked, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_node_load_identity(node, diag);

    if (err == KGR_OK)
        err = kgr_node_audit_open(node, diag);
    if (node->rolled_back) {
        kgr_node_alarm(node, "the state database was put back or copied: pair keys dropped");
        record_service(node, "the state database was put back or copied: pair keys dropped");
    }
    if (err == KGR_OK)
        err = kgr_pairs_init(&node->pairs, &node->self);
    if (err == KGR_OK)
        err = kgr_pairs_load(&node->pairs, node->db, &node->anchor, kgr_clock_boot_ms(), diag);
    if (err == KGR_OK)
        err = kgr_node_load_nksk(node, diag);
    if (err == KGR_OK && revoked != 0)
        kgr_revoke_resume(node, revoked);
    if (err == KGR_OK)
        err = kgr_nksk_open(node, diag);
    if (err == KGR_OK)
        err = kgr_node_connect(node, diag);
    if (err == KGR_OK)
        err = kgr_revoke_apply_all(node);
    if (err == KGR_OK)
        err = kgr_mirrors_new(&node->mirrors, node, diag);
    if (err == KGR_OK)
        err = kgr_service_new(&node->service, node, diag);
    if (err != KGR_OK)
        return err;
    kgr_info("custody", "custody=%s suites=%s tpm=\"%s\"",
             node->custody.sealed ? "sealed" : "resident",
             node->custody.suites == 3   ? "AES-128,AES-256"
             : node->custody.suites == 2 ? "AES-256"
                                         : "AES-128",
             node->tpm_summary);
    kgr_info("started", "node=%s epoch=%u socket=%s", node->self.s, node->epoch,
             node->settings->socket);
    record_service(node, "started, version " KGR_VERSION);
    err = kgr_node_run(node, diag);
    record_service(node, "stopped");
    return err;
}

/* A revoked node without keys: nothing but an answer for those who ask what happened. */
static enum kgr_error serve_bare(struct kgr_node *node, uint64_t revoked, struct kgr_diag *diag)
{
    char nid[KGR_NID_MAX + 1];
    bool registered;
    enum kgr_error err = kgr_node_enrolment(node->db, nid, &registered, diag);

    if (err == KGR_OK)
        err = kgr_nid_set(&node->self, nid, strlen(nid));
    if (err == KGR_OK)
        err = kgr_node_store_drop_all(node->db, diag); /* again, after a crash in between */
    if (err == KGR_OK)
        err = kgr_pairs_init(&node->pairs, &node->self);
    if (err == KGR_OK)
        err = kgr_node_open_loop(node);
    if (err != KGR_OK)
        return err;
    kgr_revoke_resume(node, revoked);
    node->farewell_ms = UINT64_MAX;
    err = kgr_node_audit_open(node, diag);
    if (err == KGR_OK)
        err = kgr_mirrors_new(&node->mirrors, node, diag);
    if (err != KGR_OK)
        return err;
    kgr_mirrors_end(node->mirrors); /* likewise */
    err = kgr_service_new(&node->service, node, diag);
    return err == KGR_OK ? kgr_node_run(node, diag) : err;
}

/* A revoked node says farewell to the KS first, while it has a key for that. */
static enum kgr_error run(struct kgr_node *node, struct kgr_diag *diag)
{
    uint64_t revoked = 0;
    enum kgr_error err = kgr_revoke_load(node->db, &revoked, diag);

    if (err != KGR_OK)
        return err;
    return revoked != 0 && node->anchor.storage->handle == 0 ? serve_bare(node, revoked, diag)
                                                             : serve(node, revoked, diag);
}

enum kgr_error kgr_cmd_run(const struct kgr_settings *settings, struct kgr_diag *diag)
{
    struct kgr_node *node = calloc(1, sizeof(*node));
    enum kgr_error err = node == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        err = kgr_node_open(node, settings, true, diag);
        if (err == KGR_OK)
            err = run(node, diag);
        kgr_node_close(node);
        kgr_info("stopped", "result=%d", (int)err);
    }
    free(node);
    return err;
}
