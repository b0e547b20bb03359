/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/authority/change.h"
#include "agent/authority/import_plan.h"
#include "agent/authority/parse.h"
#include "agent/authority/print.h"
#include "agent/base/file.h"

#define FILE_MAX (4u << 20)

struct import {
    const char *name;
    const char *folder; /* of the credentials; NULL: not said */
    struct kgr_import_file file;
    struct kgr_import_plan plan;
    struct kgr_roster roster;
    struct kgr_ac ac;
};

static enum kgr_error read_file(struct import *import, struct kgr_diag *diag)
{
    size_t len = 0;
    uint8_t *text = malloc(FILE_MAX);
    if (text == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_file_read(text, &len, FILE_MAX, import->name, diag);
    if (err == KGR_OK)
        err = kgr_import_file_parse(&import->file, import->name, kgr_slice(text, len), diag);
    free(text);
    return err;
}

/* What a step says of its pair's least suite and custody; "" for others. */
static const char *detail(char *out, size_t cap, const struct kgr_import_step *step)
{
    const struct kgr_import_entry *e = step->entry;
    out[0] = '\0';
    if (step->change == KGR_IMPORT_ADD)
        snprintf(out, cap, "credential for %u h, EK %s", (e->validity_s + 3599) / 3600,
                 e->has_ek ? "given" : "not given");
    else if (step->change == KGR_IMPORT_ALTER)
        snprintf(out, cap, "suite %s to %s, custody %s to %s",
                 kgr_suite_word(step->before->min_suite), kgr_suite_word(e->min_suite),
                 kgr_custody_word(step->before->min_custody), kgr_custody_word(e->min_custody));
    else if (step->change == KGR_IMPORT_ALLOW)
        snprintf(out, cap, "suite %s, custody %s", kgr_suite_word(e->min_suite),
                 kgr_custody_word(e->min_custody));
    return out;
}

static enum kgr_error print_plan(const struct kgr_import_plan *plan, struct kgr_diag *diag)
{
    static const struct kgr_table_column columns[] = {
        {"NODE", false, 0},   {"NODE", false, 0}, {"CHANGE", false, 0},
        {"DETAIL", false, 2}, {"LINE", true, 1},
    };
    struct kgr_table table;
    kgr_table_init(&table, columns, KGR_ARRAY_LEN(columns), 2);
    for (size_t i = 0; i < plan->num_steps; i++) {
        const struct kgr_import_step *step = &plan->steps[i];
        char text[160], line[16];
        snprintf(line, sizeof line, "%u", step->entry->line);
        const char *const cells[] = {step->entry->nids[0].s, step->entry->nids[1].s,
                                     kgr_import_change_word(step->change),
                                     detail(text, sizeof text, step), line};
        kgr_table_add(&table,
                      step->change == KGR_IMPORT_SAME  ? KGR_TABLE_PLAIN
                      : step->change == KGR_IMPORT_END ? KGR_TABLE_BAD
                                                       : KGR_TABLE_GOOD,
                      cells);
    }
    enum kgr_error err = kgr_ac_print_table(&table, diag);
    const size_t *num = plan->num_by_change;
    if (err == KGR_OK)
        printf("%zu nodes to add, %zu pairs to allow, %zu to alter, %zu to deny; %zu as they are\n",
               num[KGR_IMPORT_ADD], num[KGR_IMPORT_ALLOW], num[KGR_IMPORT_ALTER],
               num[KGR_IMPORT_END], num[KGR_IMPORT_SAME]);
    return err;
}

static enum kgr_error print_plan_json(const struct kgr_import_plan *plan, struct kgr_diag *diag)
{
    json_t *steps = json_array();
    for (size_t i = 0; i < plan->num_steps; i++) {
        const struct kgr_import_entry *e = plan->steps[i].entry;
        json_t *nodes = json_pack("[s]", e->nids[0].s);
        if (e->kind != KGR_IMPORT_NODE)
            json_array_append_new(nodes, json_string(e->nids[1].s));
        json_array_append_new(steps,
                              json_pack("{s:i, s:s, s:o, s:s, s:s}", "line", (int)e->line, "change",
                                        kgr_import_change_word(plan->steps[i].change), "nodes",
                                        nodes, "min_suite", kgr_suite_word(e->min_suite),
                                        "min_custody", kgr_custody_word(e->min_custody)));
    }
    enum kgr_error err = json_array_size(steps) == plan->num_steps
                             ? kgr_ac_print_json(steps, diag)
                             : kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    json_decref(steps);
    return err;
}

static enum kgr_error add_node(struct import *import, const struct kgr_import_entry *e,
                               struct kgr_diag *diag)
{
    char *path = NULL;
    struct kgr_order_node_add *add = calloc(1, sizeof *add);
    if (add == NULL || asprintf(&path, "%s/%s.credential", import->folder, e->nids[0].s) < 0) {
        free(add);
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    }
    add->node = e->nids[0];
    add->validity_s = e->validity_s;
    if (e->has_ek)
        add->ek_hash = kgr_slice(e->ek_hash, sizeof e->ek_hash);
    enum kgr_error err = kgr_ac_add_node(&import->ac, add, path, diag);
    if (err == KGR_OK)
        printf("%s may register with %s\n", e->nids[0].s, path);
    free(path);
    free(add);
    return err;
}

static enum kgr_error make_step(struct import *import, const struct kgr_import_step *step,
                                struct kgr_diag *diag)
{
    const struct kgr_import_entry *e = step->entry;
    const struct kgr_order_pair pair = {{e->nids[0], e->nids[1]}, e->min_suite, e->min_custody};
    const bool allow = e->kind == KGR_IMPORT_PAIR;
    if (step->change == KGR_IMPORT_SAME)
        return KGR_OK;
    if (e->kind == KGR_IMPORT_NODE)
        return add_node(import, e, diag);
    enum kgr_error err = kgr_ac_order_pair(
        &import->ac, &pair, allow ? KGR_ORDER_PAIR_ALLOW : KGR_ORDER_PAIR_DENY, diag);
    if (err == KGR_OK)
        printf(allow ? "%s and %s may have keys\n" : "%s and %s get no keys from now on\n",
               e->nids[0].s, e->nids[1].s);
    return err;
}

/* Stops at the first failure: what was done stays, and the next run finds it done. */
static enum kgr_error carry_out(struct import *import, struct kgr_diag *diag)
{
    const struct kgr_import_plan *plan = &import->plan;
    size_t wanted = plan->num_steps - plan->num_by_change[KGR_IMPORT_SAME], done = 0;
    for (size_t i = 0; i < plan->num_steps; i++) {
        struct kgr_diag reason = {{0}};
        enum kgr_error err = make_step(import, &plan->steps[i], &reason);
        if (err != KGR_OK)
            return kgr_diag_set(diag, err, "%.60s:%u: %s; %zu of %zu changes are made",
                                import->name, plan->steps[i].entry->line,
                                kgr_diag_text(&reason, err), done, wanted);
        done += plan->steps[i].change != KGR_IMPORT_SAME;
        /* Each line when it is done: it may be long to the next. */
        if (fflush(stdout) != 0)
            return kgr_diag_set(diag, KGR_ERR_IO, "cannot write to the standard output");
    }
    printf("%zu changes made, %zu as they were\n", done, plan->num_by_change[KGR_IMPORT_SAME]);
    return KGR_OK;
}

static enum kgr_error run(struct import *import, const struct kgr_ac_settings *settings,
                          const struct kgr_options *options, struct kgr_diag *diag)
{
    enum kgr_error err = read_file(import, diag);
    if (err == KGR_OK)
        err = kgr_ac_open(&import->ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_roster_fetch(&import->roster, &import->ac, diag);
    if (err == KGR_OK)
        err =
            kgr_import_plan_make(&import->plan, &import->file, import->name, &import->roster, diag);
    if (err != KGR_OK)
        return err;
    if (options->values[KGR_AC_IMPORT_DRY_RUN] != NULL)
        return options->values[KGR_AC_IMPORT_JSON] != NULL ? print_plan_json(&import->plan, diag)
                                                           : print_plan(&import->plan, diag);
    if (import->plan.num_by_change[KGR_IMPORT_ADD] != 0 && import->folder == NULL)
        return kgr_diag_set(diag, KGR_ERR_INVALID,
                            "name the folder for the credentials of new nodes: --credentials DIR");
    return carry_out(import, diag);
}

enum kgr_error kgr_ac_cmd_import(const struct kgr_ac_settings *settings,
                                 const struct kgr_options *options, struct kgr_diag *diag)
{
    struct import import = {.name = options->operands[0],
                            .folder = options->values[KGR_AC_IMPORT_CREDENTIALS],
                            .ac = KGR_AC_INIT};
    if (options->values[KGR_AC_IMPORT_JSON] != NULL &&
        options->values[KGR_AC_IMPORT_DRY_RUN] == NULL)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "--json goes with --dry-run");
    enum kgr_error err = run(&import, settings, options, diag);
    kgr_ac_close(&import.ac);
    kgr_import_plan_deinit(&import.plan);
    kgr_import_file_deinit(&import.file);
    kgr_roster_deinit(&import.roster);
    return err;
}
