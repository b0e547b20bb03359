/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "agent/authority/change.h"
#include "agent/authority/parse.h"
#include "agent/authority/print.h"
#include "agent/authority/roster.h"
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

enum kgr_error kgr_ac_cmd_node_add(const struct kgr_ac_settings *settings,
                                   const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    uint8_t ek_hash[KGR_DIGEST_LEN];
    const char *path = options->values[KGR_AC_ADD_OUTPUT];
    struct kgr_order_node_add *add = calloc(1, sizeof *add);
    if (add == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = parse_add(add, ek_hash, options, diag);
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_add_node(&ac, add, path, diag);
    kgr_ac_close(&ac);
    if (err == KGR_OK)
        printf("%s may register with %s, once, within %u h%s\n", add->node.s, path,
               (add->validity_s + 3599) / 3600,
               add->ek_hash.len == 0 ? "; its TPM is unproven without --ek" : "");
    free(add);
    return err;
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

/* A list, as JSON or as a table. */
struct node_list {
    json_t *json; /* NULL: table */
    struct kgr_table table;
};

static const struct kgr_table_column node_columns[] = {
    {"NODE", false, 0}, {"STATE", false, 0},   {"TPM", false, 2},
    {"TOLD", false, 4}, {"CUSTODY", false, 3}, {"LAST HEARD", false, 1},
};

static void node_row(struct kgr_table *table, const struct kgr_node_entry *e)
{
    char heard[32] = "never";
    time_t t = (time_t)e->heard;
    struct tm tm;
    if (e->heard != 0 && gmtime_r(&t, &tm) != NULL)
        strftime(heard, sizeof heard, "%Y-%m-%d %H:%M:%SZ", &tm);
    const char *const cells[] = {
        e->node.s,
        kgr_node_state_word(e->state),
        (e->flags & KGR_NODE_EK_PROVEN) != 0 ? "proven" : "unproven",
        (e->flags & KGR_NODE_UNTOLD) == 0 ? "yes" : "no",
        custody_word(e->custodies),
        heard,
    };
    kgr_table_add(table,
                  e->state == KGR_NODE_REGISTERED ? KGR_TABLE_GOOD
                  : e->state == KGR_NODE_REVOKED  ? KGR_TABLE_BAD
                                                  : KGR_TABLE_WARN,
                  cells);
}

static void node_list_init(struct node_list *list, bool as_json)
{
    list->json = as_json ? json_array() : NULL;
    kgr_table_init(&list->table, node_columns, KGR_ARRAY_LEN(node_columns), 1);
}

static bool take_node(void *arg, struct kgr_rd *rd)
{
    struct node_list *list = arg;
    struct kgr_node_entry entry;
    kgr_node_entry_read(rd, &entry);
    if (!kgr_rd_ok(rd))
        return false;
    if (list->json != NULL)
        return node_json(list->json, &entry);
    node_row(&list->table, &entry);
    return true;
}

/* Prints what was taken, unless err stands already, and frees the list. */
static enum kgr_error node_list_end(struct node_list *list, enum kgr_error err,
                                    struct kgr_diag *diag)
{
    if (err != KGR_OK)
        kgr_table_deinit(&list->table);
    else if (list->json != NULL)
        err = kgr_ac_print_json(list->json, diag);
    else
        err = kgr_ac_print_table(&list->table, diag);
    json_decref(list->json);
    return err;
}

enum kgr_error kgr_ac_cmd_node_list(const struct kgr_ac_settings *settings,
                                    const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct node_list list;
    node_list_init(&list, options->values[KGR_AC_LIST_JSON] != NULL);
    enum kgr_error err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_pages(&ac, KGR_ORDER_NODE_LIST, take_node, &list, diag);
    kgr_ac_close(&ac);
    return node_list_end(&list, err, diag);
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
    struct node_list list;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    node_list_init(&list, options->values[KGR_AC_LIST_JSON] != NULL);
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = kgr_parse_nid(&node, options->operands[0], diag);
    if (err == KGR_OK)
        err = kgr_wire_nid_encode(&wr, &node);
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_order(&ac, &result, buf, KGR_ORDER_NODE_SHOW, kgr_wr_slice(&wr), diag);
    if (err == KGR_OK) {
        kgr_rd_init(&rd, result.p, result.len);
        if (!take_node(&list, &rd) || !kgr_rd_done(&rd))
            err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is malformed");
    }
    err = node_list_end(&list, err, diag);
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
