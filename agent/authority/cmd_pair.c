/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/authority/ac.h"
#include "agent/authority/parse.h"
#include "agent/authority/print.h"
#include "agent/wire/frame.h"

static enum kgr_error parse_pair(struct kgr_order_pair *out, const struct kgr_options *o,
                                 struct kgr_diag *diag)
{
    enum kgr_error err = kgr_parse_nid(&out->nids[0], o->operands[0], diag);
    if (err == KGR_OK)
        err = kgr_parse_nid(&out->nids[1], o->operands[1], diag);
    if (err == KGR_OK && kgr_nid_cmp(&out->nids[0], &out->nids[1]) == 0)
        err = kgr_diag_set(diag, KGR_ERR_INVALID, "a pair needs two different nodes");
    return err;
}

static enum kgr_error order_pair(const struct kgr_ac_settings *settings,
                                 const struct kgr_order_pair *pair, enum kgr_order_kind kind,
                                 struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    uint8_t body[2 * (1 + KGR_NID_MAX) + 2];
    struct kgr_slice result;
    struct kgr_wr wr;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = kgr_order_pair_encode(&wr, pair, kind == KGR_ORDER_PAIR_ALLOW);
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_order(&ac, &result, buf, kind, kgr_wr_slice(&wr), diag);
    kgr_ac_close(&ac);
    free(buf);
    return err;
}

enum kgr_error kgr_ac_cmd_pair_allow(const struct kgr_ac_settings *settings,
                                     const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_order_pair pair = {0};
    enum kgr_error err = parse_pair(&pair, options, diag);
    if (err == KGR_OK && options->values[KGR_AC_ALLOW_SUITE] != NULL)
        err = kgr_parse_suite(&pair.min_suite, options->values[KGR_AC_ALLOW_SUITE], diag);
    if (err == KGR_OK && options->values[KGR_AC_ALLOW_CUSTODY] != NULL)
        err = kgr_parse_custody(&pair.min_custody, options->values[KGR_AC_ALLOW_CUSTODY], diag);
    if (err == KGR_OK)
        err = order_pair(settings, &pair, KGR_ORDER_PAIR_ALLOW, diag);
    if (err == KGR_OK)
        printf("%s and %s may have keys\n", pair.nids[0].s, pair.nids[1].s);
    return err;
}

enum kgr_error kgr_ac_cmd_pair_deny(const struct kgr_ac_settings *settings,
                                    const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_order_pair pair = {0};
    enum kgr_error err = parse_pair(&pair, options, diag);
    if (err == KGR_OK)
        err = order_pair(settings, &pair, KGR_ORDER_PAIR_DENY, diag);
    if (err == KGR_OK)
        printf("%s and %s get no keys from now on\n", pair.nids[0].s, pair.nids[1].s);
    return err;
}

static bool print_pair(struct kgr_rd *rd, json_t *list)
{
    struct kgr_pair_entry e;
    kgr_pair_entry_read(rd, &e);
    if (!kgr_rd_ok(rd))
        return false;
    const char *status = e.status == 1 ? "allowed" : e.status == 2 ? "revoked" : "denied";
    if (list == NULL) {
        printf("%-24s %-24s %-8s %-23s %-8s %" PRIu64 "\n", e.nids[0].s, e.nids[1].s, status,
               kgr_suite_word(e.min_suite), kgr_custody_word(e.min_custody), e.generation);
        return true;
    }
    json_t *nodes = json_pack("[s, s]", e.nids[0].s, e.nids[1].s);
    return json_array_append_new(list,
                                 json_pack("{s:o, s:s, s:s, s:s, s:I}", "nodes", nodes, "status",
                                           status, "min_suite", kgr_suite_word(e.min_suite),
                                           "min_custody", kgr_custody_word(e.min_custody),
                                           "generation", (json_int_t)e.generation)) == 0;
}

static void pair_title(void)
{
    printf("%-24s %-24s %-8s %-23s %-8s %s\n", "NODE", "NODE", "STATUS", "LEAST SUITE", "CUSTODY",
           "GENERATION");
}

enum kgr_error kgr_ac_cmd_pair_matrix(const struct kgr_ac_settings *settings,
                                      const struct kgr_options *options, struct kgr_diag *diag)
{
    const struct kgr_ac_list list = {KGR_ORDER_PAIR_LIST, pair_title, print_pair,
                                     options->values[KGR_AC_LIST_JSON] != NULL};
    return kgr_ac_print_list(settings, &list, diag);
}
