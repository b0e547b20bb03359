/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char text[4096];

static struct kgr_metrics begin(size_t cap)
{
    struct kgr_metrics m;

    memset(text, 'x', sizeof(text));
    kgr_metrics_init(&m, text, cap);
    return m;
}

static const char *written(const struct kgr_metrics *m)
{
    assert_true(m->len < sizeof(text));
    text[m->len] = '\0';
    return text;
}

static void family_has_its_head_and_samples(void **state)
{
    struct kgr_metrics m = begin(sizeof(text));

    (void)state;
    kgr_metric_gauge(&m, "kgr_a", "An a.", 7);
    kgr_metric_family(&m, "kgr_b_total", KGR_METRIC_COUNTER, "Bs.");
    kgr_metric_u64(&m, KGR_LABELS("door", "kgr.so", "op", "seal"), UINT64_MAX);
    kgr_metric_double(&m, KGR_LABELS("door", "x"), 0.25);
    assert_string_equal(written(&m),
                        "# HELP kgr_a An a.\n# TYPE kgr_a gauge\nkgr_a 7\n"
                        "# HELP kgr_b_total Bs.\n# TYPE kgr_b_total counter\n"
                        "kgr_b_total{door=\"kgr.so\",op=\"seal\"} 18446744073709551615\n"
                        "kgr_b_total{door=\"x\"} 0.25\n");
}

static void values_of_labels_cannot_end_them(void **state)
{
    struct kgr_metrics m = begin(sizeof(text));

    (void)state;
    kgr_metric_family(&m, "kgr_a", KGR_METRIC_GAUGE, "An a.");
    kgr_metric_u64(&m, KGR_LABELS("l", "a\"b\\c\nd} 1"), 1);
    assert_non_null(strstr(written(&m), "kgr_a{l=\"a\\\"b\\\\c\\nd} 1\"} 1\n"));
}

static void histogram_adds_up(void **state)
{
    struct kgr_metrics m = begin(sizeof(text));
    struct kgr_histogram h = {.sum_ms = 0};
    const char *all;

    (void)state;
    kgr_histogram_add(&h, 50);
    kgr_histogram_add(&h, 51);
    kgr_histogram_add(&h, 1000000);
    kgr_metric_histogram(&m, "kgr_d_seconds", "Ds.", &h);
    all = written(&m);
    assert_non_null(strstr(all, "# TYPE kgr_d_seconds histogram\n"));
    assert_non_null(strstr(all, "kgr_d_seconds_bucket{le=\"0.05\"} 1\n"));
    assert_non_null(strstr(all, "kgr_d_seconds_bucket{le=\"0.1\"} 2\n"));
    assert_non_null(strstr(all, "kgr_d_seconds_bucket{le=\"120\"} 2\n"));
    assert_non_null(strstr(all, "kgr_d_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(all, "kgr_d_seconds_sum 1000.101\nkgr_d_seconds_count 3\n"));
}

static void what_does_not_fit_is_left_out_by_lines(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 200; cap++) {
        struct kgr_metrics m = begin(cap);

        kgr_metric_gauge(&m, "kgr_a", "An a.", 7);
        kgr_metric_gauge(&m, "kgr_b", "A b.", 8);
        assert_true(m.len <= cap);
        assert_true(m.len == 0 || text[m.len - 1] == '\n');
        assert_true(text[cap] == 'x'); /* not a byte more */
        assert_true(m.full == (m.len < strlen("# HELP kgr_a An a.\n# TYPE kgr_a gauge\nkgr_a 7\n"
                                              "# HELP kgr_b A b.\n# TYPE kgr_b gauge\nkgr_b 8\n")));
    }
}

static void file_is_readable_and_replaced_at_once(void **state)
{
    struct kgr_metrics m = begin(sizeof(text));
    char folder[] = "/tmp/kgr-metrics-XXXXXX", path[64], missing[80];
    struct kgr_diag diag = {{0}};
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/kgr.prom", folder);
    (void)snprintf(missing, sizeof(missing), "%s/no/kgr.prom", folder);
    kgr_metric_gauge(&m, "kgr_a", "An a.", 7);
    assert_int_equal(kgr_metrics_save(&m, path, &diag), KGR_OK);
    assert_int_equal(kgr_metrics_save(&m, path, &diag), KGR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, m.len);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_not_equal(kgr_metrics_save(&m, missing, &diag), KGR_OK);
    (void)unlink(path);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(family_has_its_head_and_samples),
        cmocka_unit_test(values_of_labels_cannot_end_them),
        cmocka_unit_test(histogram_adds_up),
        cmocka_unit_test(what_does_not_fit_is_left_out_by_lines),
        cmocka_unit_test(file_is_readable_and_replaced_at_once),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
