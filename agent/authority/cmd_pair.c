/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/authority/change.h"
#include "agent/authority/matrix.h"
#include "agent/authority/parse.h"
#include "agent/authority/print.h"

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
    enum kgr_error err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_order_pair(&ac, pair, kind, diag);
    kgr_ac_close(&ac);
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

static enum kgr_error print_pairs(const struct kgr_roster *roster, struct kgr_diag *diag)
{
    static const struct kgr_table_column columns[] = {
        {"NODE", false, 0},        {"NODE", false, 0},    {"STATUS", false, 0},
        {"LEAST SUITE", false, 3}, {"CUSTODY", false, 2}, {"GENERATION", true, 1},
    };
    struct kgr_table table;
    kgr_table_init(&table, columns, KGR_ARRAY_LEN(columns), 2);
    for (size_t i = 0; i < roster->num_pairs; i++) {
        const struct kgr_pair_entry *pair = &roster->pairs[i];
        char generation[24];
        snprintf(generation, sizeof generation, "%" PRIu64, pair->generation);
        const char *const cells[] = {
            pair->nids[0].s,
            pair->nids[1].s,
            kgr_pair_status_word(pair),
            kgr_suite_word(pair->min_suite),
            kgr_custody_word(pair->min_custody),
            generation,
        };
        kgr_table_add(&table, pair->status == 1 ? KGR_TABLE_GOOD : KGR_TABLE_BAD, cells);
    }
    return kgr_ac_print_table(&table, diag);
}

static enum kgr_error print_pairs_json(const struct kgr_roster *roster, struct kgr_diag *diag)
{
    json_t *list = json_array();
    for (size_t i = 0; i < roster->num_pairs; i++) {
        const struct kgr_pair_entry *pair = &roster->pairs[i];
        json_t *nodes = json_pack("[s, s]", pair->nids[0].s, pair->nids[1].s);
        json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:s, s:I}", "nodes", nodes, "status",
                                              kgr_pair_status_word(pair), "min_suite",
                                              kgr_suite_word(pair->min_suite), "min_custody",
                                              kgr_custody_word(pair->min_custody), "generation",
                                              (json_int_t)pair->generation));
    }
    enum kgr_error err =
        kgr_ac_print_json(json_array_size(list) == roster->num_pairs ? list : NULL, diag);
    json_decref(list);
    return err;
}

static enum kgr_error print_matrix(const struct kgr_roster *roster,
                                   const struct kgr_options *options, struct kgr_diag *diag)
{
    if (options->values[KGR_AC_MATRIX_JSON] != NULL)
        return print_pairs_json(roster, diag);
    if (options->values[KGR_AC_MATRIX_GRID] != NULL)
        return kgr_matrix_grid(roster, stdout)
                   ? KGR_OK
                   : kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    if (options->values[KGR_AC_MATRIX_DOT] == NULL)
        return print_pairs(roster, diag);
    kgr_matrix_dot(roster, stdout);
    return KGR_OK;
}

enum kgr_error kgr_ac_cmd_pair_matrix(const struct kgr_ac_settings *settings,
                                      const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct kgr_roster roster = {0};
    enum kgr_error err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_roster_fetch(&roster, &ac, diag);
    kgr_ac_close(&ac);
    if (err == KGR_OK)
        err = print_matrix(&roster, options, diag);
    kgr_roster_deinit(&roster);
    return err;
}
