/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/import_plan.h"

#include <stdlib.h>

enum { PAIR_ALLOWED = 1 };

const char *kgr_import_change_word(enum kgr_import_change change)
{
    static const char *const words[KGR_IMPORT_CHANGES] = {"same", "add node", "allow", "alter",
                                                          "deny"};
    return words[change];
}

static bool is_gone(const struct kgr_node_entry *node)
{
    return node->state == KGR_NODE_REMOVED || node->state == KGR_NODE_EXPIRED;
}

static bool adds_node(const struct kgr_import_file *file, const struct kgr_nid *node)
{
    for (size_t i = 0; i < file->num_entries; i++)
        if (file->entries[i].kind == KGR_IMPORT_NODE &&
            kgr_nid_cmp(&file->entries[i].nids[0], node) == 0)
            return true;
    return false;
}

static enum kgr_error plan_node(struct kgr_import_step *step, const struct kgr_roster *roster,
                                struct kgr_diag *diag)
{
    const struct kgr_nid *nid = &step->entry->nids[0];
    const struct kgr_node_entry *node = kgr_roster_node(roster, nid);
    if (node != NULL && node->state == KGR_NODE_REVOKED)
        return kgr_diag_set(diag, KGR_ERR_REVOKED,
                            "%s was revoked: kgr-ac node remove gives its N_ID free", nid->s);
    step->change = node == NULL || is_gone(node) ? KGR_IMPORT_ADD : KGR_IMPORT_SAME;
    return KGR_OK;
}

static enum kgr_error check_node(const struct kgr_import_file *file, const struct kgr_nid *nid,
                                 const struct kgr_roster *roster, struct kgr_diag *diag)
{
    const struct kgr_node_entry *node = kgr_roster_node(roster, nid);
    if (node != NULL && node->state == KGR_NODE_REVOKED)
        return kgr_diag_set(diag, KGR_ERR_REVOKED, "%s was revoked", nid->s);
    if ((node == NULL || is_gone(node)) && !adds_node(file, nid))
        return kgr_diag_set(diag, KGR_ERR_UNKNOWN_PEER,
                            "no node %s: the key server has none, and this file adds none", nid->s);
    return KGR_OK;
}

static enum kgr_error plan_pair(struct kgr_import_step *step, const struct kgr_import_file *file,
                                const struct kgr_roster *roster, struct kgr_diag *diag)
{
    const struct kgr_import_entry *e = step->entry;
    const struct kgr_pair_entry *pair = kgr_roster_pair(roster, e->nids);
    bool allowed = pair != NULL && pair->status == PAIR_ALLOWED;
    enum kgr_error err = KGR_OK;
    if (e->kind == KGR_IMPORT_DENY) {
        step->change = allowed ? KGR_IMPORT_END : KGR_IMPORT_SAME;
        return KGR_OK;
    }
    for (size_t i = 0; i < 2 && err == KGR_OK; i++)
        err = check_node(file, &e->nids[i], roster, diag);
    step->before = pair;
    if (!allowed)
        step->change = KGR_IMPORT_ALLOW;
    else if (pair->min_suite != e->min_suite || pair->min_custody != e->min_custody)
        step->change = KGR_IMPORT_ALTER;
    else
        step->change = KGR_IMPORT_SAME;
    return err;
}

static enum kgr_error plan_kind(struct kgr_import_plan *plan, const struct kgr_import_file *file,
                                bool nodes, const char *name, const struct kgr_roster *roster,
                                struct kgr_diag *diag)
{
    for (size_t i = 0; i < file->num_entries; i++) {
        struct kgr_import_step step = {.entry = &file->entries[i]};
        struct kgr_diag reason = {{0}};
        if ((step.entry->kind == KGR_IMPORT_NODE) != nodes)
            continue;
        enum kgr_error err =
            nodes ? plan_node(&step, roster, &reason) : plan_pair(&step, file, roster, &reason);
        if (err != KGR_OK)
            return kgr_diag_set(diag, err, "%.100s:%u: %s", name, step.entry->line,
                                kgr_diag_text(&reason, err));
        plan->steps[plan->num_steps++] = step;
        plan->num_by_change[step.change]++;
    }
    return KGR_OK;
}

enum kgr_error kgr_import_plan_make(struct kgr_import_plan *out, const struct kgr_import_file *file,
                                    const char *name, const struct kgr_roster *roster,
                                    struct kgr_diag *diag)
{
    *out = (struct kgr_import_plan){0};
    out->steps = calloc(file->num_entries == 0 ? 1 : file->num_entries, sizeof *out->steps);
    if (out->steps == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = plan_kind(out, file, true, name, roster, diag);
    if (err == KGR_OK)
        err = plan_kind(out, file, false, name, roster, diag);
    return err;
}

void kgr_import_plan_deinit(struct kgr_import_plan *plan)
{
    free(plan->steps);
    *plan = (struct kgr_import_plan){0};
}
