/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/matrix.h"

#include <stdlib.h>
#include <string.h>

#include "agent/authority/parse.h"

enum { PAIR_ALLOWED = 1, PAIR_REVOKED = 2 };

const char *kgr_pair_status_word(const struct kgr_pair_entry *pair)
{
    return pair->status == PAIR_ALLOWED   ? "allowed"
           : pair->status == PAIR_REVOKED ? "revoked"
                                          : "denied";
}

static char pair_sign(const struct kgr_pair_entry *pair)
{
    if (pair == NULL)
        return '.';
    if (pair->status == PAIR_ALLOWED)
        return pair->generation == 0 ? 'o' : '+';
    return pair->status == PAIR_REVOKED ? 'x' : '-';
}

static int compare_nids(const void *a, const void *b)
{
    return kgr_nid_cmp(a, b);
}

/* Every node that is there or is named in a pair, each once, sorted; NULL without memory. */
static struct kgr_nid *collect(const struct kgr_roster *roster, size_t *out_num)
{
    size_t num = 0, max = roster->num_nodes + 2 * roster->num_pairs;
    struct kgr_nid *nids = calloc(max + 1, sizeof *nids);
    if (nids == NULL)
        return NULL;
    for (size_t i = 0; i < roster->num_nodes; i++)
        if (roster->nodes[i].state != KGR_NODE_REMOVED)
            nids[num++] = roster->nodes[i].node;
    for (size_t i = 0; i < 2 * roster->num_pairs; i++)
        nids[num++] = roster->pairs[i / 2].nids[i % 2];
    qsort(nids, num, sizeof *nids, compare_nids);
    *out_num = 0;
    for (size_t i = 0; i < num; i++)
        if (i == 0 || kgr_nid_cmp(&nids[i], &nids[*out_num - 1]) != 0)
            nids[(*out_num)++] = nids[i];
    return nids;
}

static size_t find(const struct kgr_nid *nids, size_t num, const struct kgr_nid *nid)
{
    const struct kgr_nid *found = bsearch(nid, nids, num, sizeof *nids, compare_nids);
    return found == NULL ? num : (size_t)(found - nids);
}

bool kgr_matrix_grid(const struct kgr_roster *roster, FILE *out)
{
    size_t num = 0, width = 4;
    struct kgr_nid *nids = collect(roster, &num);
    char *signs = nids == NULL ? NULL : malloc(num * num + 1);
    if (signs == NULL) {
        free(nids);
        return false;
    }
    memset(signs, '.', num * num);
    for (size_t i = 0; i < roster->num_pairs; i++) {
        size_t a = find(nids, num, &roster->pairs[i].nids[0]);
        size_t b = find(nids, num, &roster->pairs[i].nids[1]);
        signs[a * num + b] = signs[b * num + a] = pair_sign(&roster->pairs[i]);
    }
    for (size_t i = 0; i < num; i++)
        width = strlen(nids[i].s) > width ? strlen(nids[i].s) : width;
    fprintf(out, "     %-*s", (int)width, "NODE");
    for (size_t i = 0; i < num; i++)
        fprintf(out, " %4zu", i + 1);
    fputc('\n', out);
    for (size_t i = 0; i < num; i++) {
        fprintf(out, "%4zu %-*s", i + 1, (int)width, nids[i].s);
        for (size_t j = 0; j < num; j++)
            if (i != j)
                fprintf(out, "    %c", signs[i * num + j]);
            else if (j + 1 < num)
                fputs("     ", out);
        fputc('\n', out);
    }
    fputs("+ has a key   o allowed, no key yet   x revoked   - denied   . never named\n", out);
    free(signs);
    free(nids);
    return true;
}

/* N_IDs need no escapes in a quoted string of Graphviz. */
void kgr_matrix_dot(const struct kgr_roster *roster, FILE *out)
{
    fputs("graph kgr {\n    node [shape=box, fontname=\"sans-serif\"];\n", out);
    for (size_t i = 0; i < roster->num_nodes; i++) {
        const struct kgr_node_entry *node = &roster->nodes[i];
        if (node->state != KGR_NODE_REMOVED)
            fprintf(out, "    \"%s\"%s;\n", node->node.s,
                    node->state == KGR_NODE_REGISTERED ? ""
                    : node->state == KGR_NODE_REVOKED  ? " [color=red, fontcolor=red]"
                                                       : " [style=dashed]");
    }
    for (size_t i = 0; i < roster->num_pairs; i++) {
        const struct kgr_pair_entry *pair = &roster->pairs[i];
        fprintf(out, "    \"%s\" -- \"%s\"", pair->nids[0].s, pair->nids[1].s);
        if (pair->status != PAIR_ALLOWED)
            fprintf(out, " [color=red, label=\"%s\"];\n", kgr_pair_status_word(pair));
        else if (pair->generation == 0)
            fputs(" [style=dashed];\n", out);
        else
            fprintf(out, " [label=\"%llu\"];\n", (unsigned long long)pair->generation);
    }
    fputs("}\n", out);
}
