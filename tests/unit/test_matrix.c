/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/matrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_node_entry nodes[] = {
    {.node = {"hall"}, .state = KGR_NODE_REGISTERED},
    {.node = {"gate"}, .state = KGR_NODE_ISSUED},
    {.node = {"roof"}, .state = KGR_NODE_REVOKED},
    {.node = {"gone"}, .state = KGR_NODE_REMOVED},
};
static struct kgr_pair_entry pairs[] = {
    {.nids = {{"gate"}, {"hall"}}, .status = 1, .generation = 7},
    {.nids = {{"hall"}, {"roof"}}, .status = 2, .generation = 1},
    {.nids = {{"hall"}, {"yard"}}, .status = 1},
    {.nids = {{"gate"}, {"roof"}}, .status = 3},
};
static const struct kgr_roster roster = {nodes, KGR_ARRAY_LEN(nodes), pairs, KGR_ARRAY_LEN(pairs)};

static void assert_grid(const struct kgr_roster *of, const char *wanted)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_true(kgr_matrix_grid(of, out));
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, wanted);
    free(text);
}

#define LEGEND "+ has a key   o allowed, no key yet   x revoked   - denied   . never named\n"

static void grid_has_every_node_once(void **state)
{
    static const struct kgr_roster none;

    (void)state;
    assert_grid(&roster, "     NODE    1    2    3    4\n"
                         "   1 gate         +    -    .\n"
                         "   2 hall    +         x    o\n"
                         "   3 roof    -    x         .\n"
                         "   4 yard    .    o    .\n" LEGEND);
    assert_grid(&none, "     NODE\n" LEGEND);
}

static void dot_is_a_graph(void **state)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    assert_non_null(out);
    kgr_matrix_dot(&roster, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "graph kgr {\n"
                              "    node [shape=box, fontname=\"sans-serif\"];\n"
                              "    \"hall\";\n"
                              "    \"gate\" [style=dashed];\n"
                              "    \"roof\" [color=red, fontcolor=red];\n"
                              "    \"gate\" -- \"hall\" [label=\"7\"];\n"
                              "    \"hall\" -- \"roof\" [color=red, label=\"revoked\"];\n"
                              "    \"hall\" -- \"yard\" [style=dashed];\n"
                              "    \"gate\" -- \"roof\" [color=red, label=\"denied\"];\n"
                              "}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grid_has_every_node_once),
        cmocka_unit_test(dot_is_a_graph),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
