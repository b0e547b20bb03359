/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/import_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_node_entry nodes[] = {
    {.node = {"known"}, .state = KGR_NODE_REGISTERED},
    {.node = {"issued"}, .state = KGR_NODE_ISSUED},
    {.node = {"late"}, .state = KGR_NODE_EXPIRED},
    {.node = {"gone"}, .state = KGR_NODE_REMOVED},
    {.node = {"bad"}, .state = KGR_NODE_REVOKED},
};
static struct kgr_pair_entry pairs[] = {
    {.nids = {{"issued"}, {"known"}}, .status = 1, .min_suite = 1},
    {.nids = {{"known"}, {"late"}}, .status = 3},
};
static const struct kgr_roster roster = {nodes, KGR_ARRAY_LEN(nodes), pairs, KGR_ARRAY_LEN(pairs)};

struct fixture {
    struct kgr_import_file file;
    struct kgr_import_plan plan;
    struct kgr_diag diag;
};

static enum kgr_error plan(struct fixture *f, const char *text)
{
    *f = (struct fixture){.file = {0}};
    assert_int_equal(kgr_import_file_parse(&f->file, "f", kgr_slice(text, strlen(text)), &f->diag),
                     KGR_OK);
    return kgr_import_plan_make(&f->plan, &f->file, "f", &roster, &f->diag);
}

static void end(struct fixture *f)
{
    kgr_import_plan_deinit(&f->plan);
    kgr_import_file_deinit(&f->file);
}

static void assert_change(const char *text, enum kgr_import_change wanted)
{
    struct fixture f;

    assert_int_equal(plan(&f, text), KGR_OK);
    assert_int_equal(f.plan.num_steps, f.file.num_entries);
    assert_int_equal(f.plan.steps[f.plan.num_steps - 1].change, wanted);
    end(&f);
}

static void assert_refused(const char *text, enum kgr_error err, const char *words)
{
    struct fixture f;

    assert_int_equal(plan(&f, text), err);
    if (strstr(f.diag.text, words) == NULL)
        fail_msg("'%s' instead of '%s'", f.diag.text, words);
    end(&f);
}

static void nodes_are_added_once(void **state)
{
    (void)state;
    assert_change("node,new\n", KGR_IMPORT_ADD);
    assert_change("node,late\n", KGR_IMPORT_ADD);
    assert_change("node,gone\n", KGR_IMPORT_ADD);
    assert_change("node,known\n", KGR_IMPORT_SAME);
    assert_change("node,issued\n", KGR_IMPORT_SAME);
    assert_refused("\nnode,bad\n", KGR_ERR_REVOKED, "f:2: bad was revoked: kgr-ac node remove");
}

static void pairs_change_where_they_differ(void **state)
{
    (void)state;
    assert_change("pair,known,issued,AES-128-CBC-HMAC-SHA256\n", KGR_IMPORT_SAME);
    assert_change("pair,known,issued\n", KGR_IMPORT_ALTER);
    assert_change("pair,known,issued,AES-128-CBC-HMAC-SHA256,mixed\n", KGR_IMPORT_ALTER);
    assert_change("node,new\npair,known,new\n", KGR_IMPORT_ALLOW);
    assert_change("pair,known,late\nnode,late\n", KGR_IMPORT_ALLOW);
    assert_change("deny,issued,known\n", KGR_IMPORT_END);
    assert_change("deny,late,known\n", KGR_IMPORT_SAME);
    assert_change("deny,known,nobody\n", KGR_IMPORT_SAME);
}

static void pairs_of_nobody_are_refused(void **state)
{
    (void)state;
    assert_refused("pair,known,nobody\n", KGR_ERR_UNKNOWN_PEER, "f:1: no node nobody");
    assert_refused("pair,known,gone\n", KGR_ERR_UNKNOWN_PEER, "f:1: no node gone");
    assert_refused("pair,bad,known\n", KGR_ERR_REVOKED, "f:1: bad was revoked");
}

static void nodes_come_first_and_all_is_counted(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(plan(&f, "pair,new,known\ndeny,known,issued\nnode,new\nnode,known\n"), KGR_OK);
    assert_int_equal(f.plan.steps[0].entry->line, 3);
    assert_int_equal(f.plan.steps[1].entry->line, 4);
    assert_int_equal(f.plan.steps[2].entry->line, 1);
    assert_int_equal(f.plan.num_by_change[KGR_IMPORT_ADD], 1);
    assert_int_equal(f.plan.num_by_change[KGR_IMPORT_SAME], 1);
    assert_int_equal(f.plan.num_by_change[KGR_IMPORT_ALLOW], 1);
    assert_int_equal(f.plan.num_by_change[KGR_IMPORT_END], 1);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_added_once),
        cmocka_unit_test(pairs_change_where_they_differ),
        cmocka_unit_test(pairs_of_nobody_are_refused),
        cmocka_unit_test(nodes_come_first_and_all_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
