/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "agent/authority/ac.h"
#include "agent/base/file.h"
#include "agent/authority/parse.h"
#include "agent/authority/print.h"
#include "agent/base/secret.h"
#include "agent/wire/frame.h"
#include "agent/wire/order.h"

#define DEFAULT_VALIDITY_S (7u * 86400u)

/* The arguments of node add; ek_hash has room for the bytes that out borrows. */
static enum kgr_error parse_add(struct kgr_order_node_add *out, uint8_t *ek_hash,
                                const struct kgr_options *o, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_parse_nid(&out->node, o->operands[0], diag);
    out->validity_s = DEFAULT_VALIDITY_S;
    if (err == KGR_OK && o->values[KGR_AC_ADD_OUTPUT] == NULL)
        err = kgr_diag_set(diag, KGR_ERR_INVALID, "name the credential file: -o FILE");
    if (err == KGR_OK && o->values[KGR_AC_ADD_PEERS] != NULL)
        err = kgr_parse_peers(out, o->values[KGR_AC_ADD_PEERS], diag);
    if (err == KGR_OK && o->values[KGR_AC_ADD_VALID] != NULL)
        err = kgr_parse_duration(&out->validity_s, o->values[KGR_AC_ADD_VALID], diag);
    if (err == KGR_OK && o->values[KGR_AC_ADD_BROKER] != NULL)
        err = kgr_parse_broker(&out->host, &out->port, o->values[KGR_AC_ADD_BROKER], diag);
    if (err == KGR_OK && o->values[KGR_AC_ADD_EK] != NULL) {
        if (kgr_unhex(ek_hash, KGR_DIGEST_LEN, o->values[KGR_AC_ADD_EK]) != KGR_OK)
            return kgr_diag_set(
                diag, KGR_ERR_INVALID,
                "--ek wants the 64 hexadecimal digits that kgr-agent identity prints");
        out->ek_hash = kgr_slice(ek_hash, KGR_DIGEST_LEN);
    }
    return err;
}

static enum kgr_error write_credential(struct kgr_ac *ac, const struct kgr_nid *node,
                                       struct kgr_slice sealed, struct kgr_new_file *file,
                                       struct kgr_diag *diag)
{
    size_t len = 0;
    uint8_t *plain = kgr_secret_alloc(KGR_CREDENTIAL_MAX);
    if (plain == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded memory is full");
    enum kgr_error err = kgr_ac_open_credential(ac, plain, &len, node, sealed, diag);
    if (err == KGR_OK)
        err = kgr_new_file_finish(file, 0600, kgr_slice(plain, len), diag);
    kgr_secret_free(plain);
    return err;
}

enum kgr_error kgr_ac_cmd_node_add(const struct kgr_ac_settings *settings,
                                   const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct kgr_new_file file = KGR_NEW_FILE_INIT;
    uint8_t ek_hash[KGR_DIGEST_LEN];
    struct kgr_slice result;
    struct kgr_wr wr;
    struct kgr_order_node_add *add = calloc(1, sizeof *add);
    uint8_t *body = malloc(KGR_ORDER_BODY_MAX), *buf = malloc(KGR_FRAME_MAX);
    enum kgr_error err = KGR_ERR_NO_MEMORY;
    if (add == NULL || body == NULL || buf == NULL)
        goto out;
    err = parse_add(add, ek_hash, options, diag);
    if (err != KGR_OK)
        goto out;
    /* A credential is made once: find out before that it cannot be written. */
    const char *path = options->values[KGR_AC_ADD_OUTPUT];
    err = kgr_new_file_begin(&file, path, diag);
    kgr_wr_init(&wr, body, KGR_ORDER_BODY_MAX);
    if (err == KGR_OK)
        err = kgr_order_node_add_encode(&wr, add);
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_order(&ac, &result, buf, KGR_ORDER_NODE_ADD, kgr_wr_slice(&wr), diag);
    if (err == KGR_OK)
        err = write_credential(&ac, &add->node, result, &file, diag);
    if (err == KGR_OK)
        err = kgr_ac_order_taken(&ac, diag);
    kgr_new_file_abandon(&file);
    kgr_ac_close(&ac);
    if (err == KGR_OK)
        printf("%s may register with %s, once, within %u h%s\n", add->node.s, path,
               (add->validity_s + 3599) / 3600,
               add->ek_hash.len == 0 ? "; its TPM is unproven without --ek" : "");
out:
    free(add);
    free(body);
    free(buf);
    return kgr_diag_set(diag, err, "kgr-ac node add failed");
}

static bool node_json(json_t *list, const struct kgr_node_entry *e)
{
    char name[2 * KGR_NAME_MAX + 1];
    return json_array_append_new(
               list,
               json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:b}", "node", e->node.s,
                         "state", kgr_node_state_word(e->state), "tpm",
                         (e->flags & KGR_NODE_EK_PROVEN) != 0 ? "proven" : "unproven", "ek_name",
                         kgr_hex(name, e->ek_name.p, e->ek_name.len), "added", (json_int_t)e->added,
                         "heard", (json_int_t)e->heard, "suites", (int)e->suites, "custodies",
                         (int)e->custodies, "told", (e->flags & KGR_NODE_UNTOLD) == 0)) == 0;
}

/* Of the mask that the node registered with. */
static const char *custody_word(uint8_t custodies)
{
    if (custodies == 0)
        return "-";
    return (custodies & KGR_MASK(KGR_WIRE_RESIDENT)) != 0 ? "resident" : "sealed";
}

static void node_row(const struct kgr_node_entry *e)
{
    char heard[32] = "never";
    time_t t = (time_t)e->heard;
    struct tm tm;
    if (e->heard != 0 && gmtime_r(&t, &tm) != NULL)
        strftime(heard, sizeof heard, "%Y-%m-%d %H:%M:%SZ", &tm);
    printf("%-24s %-11s %-9s %-5s %-9s %s\n", e->node.s, kgr_node_state_word(e->state),
           (e->flags & KGR_NODE_EK_PROVEN) != 0 ? "proven" : "unproven",
           (e->flags & KGR_NODE_UNTOLD) == 0 ? "yes" : "no", custody_word(e->custodies), heard);
}

static bool print_node(struct kgr_rd *rd, json_t *list)
{
    struct kgr_node_entry entry;
    kgr_node_entry_read(rd, &entry);
    if (!kgr_rd_ok(rd))
        return false;
    if (list != NULL)
        return node_json(list, &entry);
    node_row(&entry);
    return true;
}

static void node_title(void)
{
    printf("%-24s %-11s %-9s %-5s %-9s %s\n", "NODE", "STATE", "TPM", "TOLD", "CUSTODY",
           "LAST HEARD");
}

enum kgr_error kgr_ac_cmd_node_list(const struct kgr_ac_settings *settings,
                                    const struct kgr_options *options, struct kgr_diag *diag)
{
    const struct kgr_ac_list list = {KGR_ORDER_NODE_LIST, node_title, print_node,
                                     options->values[KGR_AC_LIST_JSON] != NULL};
    return kgr_ac_print_list(settings, &list, diag);
}

enum kgr_error kgr_ac_cmd_node_show(const struct kgr_ac_settings *settings,
                                    const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct kgr_nid node;
    struct kgr_slice result;
    struct kgr_rd rd;
    struct kgr_wr wr;
    uint8_t body[1 + KGR_NID_MAX];
    bool json = options->values[KGR_AC_LIST_JSON] != NULL;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = kgr_parse_nid(&node, options->operands[0], diag);
    if (err == KGR_OK)
        err = kgr_wire_nid_encode(&wr, &node);
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_order(&ac, &result, buf, KGR_ORDER_NODE_SHOW, kgr_wr_slice(&wr), diag);
    if (err == KGR_OK) {
        json_t *list = json ? json_array() : NULL;
        kgr_rd_init(&rd, result.p, result.len);
        if (!json)
            node_title();
        if (!print_node(&rd, list) || !kgr_rd_done(&rd))
            err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is malformed");
        else if (json)
            err = kgr_ac_print_json(list, diag);
        json_decref(list);
    }
    kgr_ac_close(&ac);
    free(buf);
    return err;
}

enum kgr_error kgr_ac_cmd_node_rekey(const struct kgr_ac_settings *settings,
                                     const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct kgr_order_rekey rekey = {.storage = options->values[KGR_AC_REKEY_STORAGE] != NULL};
    uint8_t body[1 + KGR_NID_MAX + 1];
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    struct kgr_slice result;
    struct kgr_wr wr;
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = kgr_parse_nid(&rekey.node, options->operands[0], diag);
    if (err == KGR_OK)
        err = kgr_order_rekey_encode(&wr, &rekey);
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_order(&ac, &result, buf, KGR_ORDER_NODE_REKEY, kgr_wr_slice(&wr), diag);
    if (err == KGR_OK)
        printf("%s renews its NKSK%s when it synchronises next\n", rekey.node.s,
               rekey.storage ? " and replaces its storage key" : "");
    kgr_ac_close(&ac);
    free(buf);
    return err;
}

/* An order about one node, without a result. */
static enum kgr_error order_node(const struct kgr_ac_settings *settings, const char *text,
                                 enum kgr_order_kind kind, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct kgr_nid node;
    struct kgr_slice result;
    struct kgr_wr wr;
    uint8_t body[1 + KGR_NID_MAX];
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = kgr_parse_nid(&node, text, diag);
    if (err == KGR_OK)
        err = kgr_wire_nid_encode(&wr, &node);
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_order(&ac, &result, buf, kind, kgr_wr_slice(&wr), diag);
    kgr_ac_close(&ac);
    free(buf);
    return err;
}

enum kgr_error kgr_ac_cmd_node_revoke(const struct kgr_ac_settings *settings,
                                      const struct kgr_options *options, struct kgr_diag *diag)
{
    enum kgr_error err = order_node(settings, options->operands[0], KGR_ORDER_NODE_REVOKE, diag);
    if (err == KGR_OK)
        printf("%s is revoked; node list tells when it and its peers know\n", options->operands[0]);
    return err;
}

enum kgr_error kgr_ac_cmd_node_remove(const struct kgr_ac_settings *settings,
                                      const struct kgr_options *options, struct kgr_diag *diag)
{
    enum kgr_error err = order_node(settings, options->operands[0], KGR_ORDER_NODE_REMOVE, diag);
    if (err == KGR_OK)
        printf("%s is removed; another TPM may be added by this name\n", options->operands[0]);
    return err;
}
