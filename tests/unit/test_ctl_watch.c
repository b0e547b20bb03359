/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/watch/model.h"

#include "agent/ctl/watch/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct kgr_watch_tpm no_tpm;

static void observe(struct kgr_watch *watch, size_t num, uint64_t sent, uint64_t now_ms)
{
    static const enum kgr_pair_state states[] = {KGR_STATE_READY, KGR_STATE_FAILED,
                                                 KGR_STATE_RENEWING};
    struct kgr_status status = {
        .node = "hall",
        .version = "1.2.3",
        .broker = "broker:1883",
        .broker_connected = true,
        .ks_answer_age_s = 3,
        .lease_s = 3600,
        .tpm = "a TPM",
        .messages_sent = sent,
    };
    struct kgr_peer *peers = calloc(num + 1, sizeof(*peers));

    assert_non_null(peers);
    for (size_t i = 0; i < num; i++) {
        (void)snprintf(peers[i].peer, sizeof(peers[i].peer), "gate-%03zu", num - i);
        peers[i].state = states[i % 3];
        peers[i].generation = i + 1;
        peers[i].age_s = (int64_t)(i * 7 % 5);
        peers[i].expires_s = 100 - (int64_t)i;
        peers[i].custody = KGR_CUSTODY_RESIDENT;
        peers[i].suite = KGR_SUITE_AES_128_CBC_HMAC_SHA256;
    }
    kgr_watch_observe(watch, &status, peers, num, &no_tpm, now_ms);
}

/* The picture as one text; every line fits. */
static char *picture(struct kgr_watch *watch, size_t width, size_t height)
{
    struct kgr_watch_line *lines = kgr_watch_picture(watch, width, height, "12:34:56");
    char *text = calloc(height + 1, width + 2);

    assert_non_null(lines);
    assert_non_null(text);
    for (size_t i = 0; i < height; i++) {
        assert_non_null(lines[i].text);
        assert_true(strlen(lines[i].text) <= width);
        strcat(text, lines[i].text);
        strcat(text, "\n");
    }
    kgr_watch_picture_free(lines, height);
    return text;
}

static void assert_shows(struct kgr_watch *watch, size_t width, size_t height, const char *wanted,
                         bool shown)
{
    char *text = picture(watch, width, height);

    if ((strstr(text, wanted) != NULL) != shown)
        fail_msg("'%s' is%s in:\n%s", wanted, shown ? " not" : "", text);
    free(text);
}

static void type(struct kgr_watch *watch, const char *keys)
{
    for (; *keys != '\0'; keys++)
        assert_true(kgr_watch_key(watch, *keys));
}

static void every_size_has_a_picture(void **state)
{
    static const size_t sizes[][2] = {{80, 24}, {200, 60}, {20, 5}, {1, 1}, {40, 2}, {10, 12}};
    struct kgr_watch watch = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        free(picture(&watch, sizes[i][0], sizes[i][1]));
    observe(&watch, 100, 0, 1000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        free(picture(&watch, sizes[i][0], sizes[i][1]));
    assert_shows(&watch, 80, 24, "kgrctl watch  hall", true);
    assert_shows(&watch, 80, 24, "agent 1.2.3  12:34:56\n", true);
    assert_shows(&watch, 80, 24, "broker:1883 connected   KS 3s ago   lease 1h 00m", true);
    assert_shows(&watch, 60, 24, "AES-128", false);
    assert_shows(&watch, 200, 60, "AES-128-CBC-HMAC-SHA256", true);
    kgr_watch_deinit(&watch);
}

static void rates_are_by_the_second(void **state)
{
    struct kgr_watch watch = {0};

    (void)state;
    observe(&watch, 1, 1000, 1000);
    assert_shows(&watch, 80, 24, "messages 0/s sent", true);
    observe(&watch, 1, 1060, 3000);
    assert_shows(&watch, 80, 24, "messages 30/s sent", true);
    /* An agent that was started again counts from 0. */
    observe(&watch, 1, 5, 4000);
    assert_shows(&watch, 80, 24, "messages 0/s sent", true);
    kgr_watch_deinit(&watch);
}

static void rows_are_sorted_and_filtered(void **state)
{
    struct kgr_watch watch = {0};

    (void)state;
    observe(&watch, 30, 0, 1000);
    assert_string_equal(watch.peers[0].peer, "gate-001");
    type(&watch, "r");
    assert_string_equal(watch.peers[0].peer, "gate-030");
    type(&watch, "rs");
    assert_int_equal(watch.peers[0].state, KGR_STATE_READY);
    assert_int_equal(watch.peers[29].state, KGR_STATE_FAILED);
    type(&watch, "s");
    assert_int_equal(watch.peers[0].generation, 1);
    type(&watch, "s");
    assert_int_equal(watch.peers[0].age_s, 0);
    type(&watch, "s");
    assert_int_equal(watch.peers[0].expires_s, 71);
    type(&watch, "s/02");
    assert_int_equal(watch.num_shown, 11);
    assert_shows(&watch, 80, 24, "/02_", true);
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_BACKSPACE));
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_ENTER));
    assert_int_equal(watch.num_shown, 30);
    type(&watch, "/q");
    assert_int_equal(watch.num_shown, 0);
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_ESCAPE));
    assert_int_equal(watch.num_shown, 30);
    /* A filter stays over the next observation; a state is one too. */
    type(&watch, "/failed");
    observe(&watch, 30, 0, 2000);
    assert_int_equal(watch.num_shown, 10);
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_ENTER));
    assert_false(kgr_watch_key(&watch, 'q'));
    kgr_watch_deinit(&watch);
}

static void the_window_stays_within_the_rows(void **state)
{
    struct kgr_watch watch = {0};

    (void)state;
    observe(&watch, 100, 0, 1000);
    assert_shows(&watch, 80, 24, "gate-001", true);
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_END));
    assert_shows(&watch, 80, 24, "gate-100", true);
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_DOWN));
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_PAGE_DOWN));
    assert_shows(&watch, 80, 24, "gate-100", true);
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_PAGE_UP));
    assert_shows(&watch, 80, 24, "gate-100", false);
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_HOME));
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_UP));
    assert_shows(&watch, 80, 24, "gate-001", true);
    assert_true(kgr_watch_key(&watch, KGR_WATCH_KEY_END));
    observe(&watch, 3, 0, 2000);
    assert_shows(&watch, 80, 24, "gate-001", true);
    kgr_watch_deinit(&watch);
}

static void trouble_and_alarms_are_shown(void **state)
{
    struct kgr_watch watch = {0};

    (void)state;
    assert_shows(&watch, 80, 24, "waiting for the agent", true);
    observe(&watch, 2, 0, 1000);
    (void)snprintf(watch.status.alarms, sizeof(watch.status.alarms), "a\nb\nc\nd\ne");
    assert_shows(&watch, 80, 24, "! c\n! and 2 more: kgrctl status", true);
    kgr_watch_lost(&watch, "no agent at /x");
    assert_shows(&watch, 80, 24, "! no agent at /x\n! a", true);
    assert_shows(&watch, 80, 24, "gate-001", true);
    observe(&watch, 2, 0, 2000);
    assert_shows(&watch, 80, 24, "no agent", false);
    kgr_watch_deinit(&watch);
}

static void load_is_summed_from_metrics(void **state)
{
    static const char text[] = "# TYPE kgr_tpm_commands_total counter\n"
                               "kgr_tpm_commands_total{command=\"0x155\"} 40\n"
                               "kgr_tpm_commands_total{command=\"0x193\"} 2\n"
                               "kgr_tpm_command_seconds_total{command=\"0x155\"} 0.25\n"
                               "kgr_tpm_command_seconds_total{command=\"0x193\"} 1.5\n"
                               "kgr_tpm_queue{class=\"data\"} 3\n"
                               "kgr_tpm_queue_other 9\n";
    struct kgr_watch_tpm tpm = kgr_watch_load(text, sizeof(text) - 1);

    (void)state;
    assert_true(tpm.known);
    assert_int_equal(tpm.commands, 42);
    assert_true(tpm.busy_s > 1.74 && tpm.busy_s < 1.76);
    assert_int_equal(tpm.queue, 3);
    assert_false(kgr_watch_load("", 0).known);
    assert_false(kgr_watch_load(text, 60).known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_has_a_picture),
        cmocka_unit_test(rates_are_by_the_second),
        cmocka_unit_test(rows_are_sorted_and_filtered),
        cmocka_unit_test(the_window_stays_within_the_rows),
        cmocka_unit_test(load_is_summed_from_metrics),
        cmocka_unit_test(trouble_and_alarms_are_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
