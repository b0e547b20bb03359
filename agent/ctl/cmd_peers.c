/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/table.h"
#include "agent/base/terminal.h"
#include "agent/ctl/json.h"
#include "agent/ctl/terminal.h"

/* The last two only where there is something to say. */
static const struct kgr_table_column columns[] = {
    {"PEER", false, 0},    {"GEN", true, 1},       {"STATE", false, 0},
    {"CUSTODY", false, 5}, {"SUITE", false, 6},    {"AGE", true, 4},
    {"EXPIRES", true, 3},  {"MIRRORED", false, 0}, {"ERROR", false, 2},
};

#define NUM_COLUMNS  (sizeof(columns) / sizeof(columns[0]))
#define STATE_COLUMN 2

/* Which of the last two are shown. */
struct extra {
    bool mirrored;
    bool error;
};

static enum kgr_table_colour colour_of(enum kgr_pair_state state)
{
    switch (state) {
    case KGR_STATE_READY:
        return KGR_TABLE_GOOD;
    case KGR_STATE_REQUESTING:
    case KGR_STATE_WAITING:
    case KGR_STATE_RENEWING:
        return KGR_TABLE_WARN;
    case KGR_STATE_REVOKED:
    case KGR_STATE_FAILED:
        return KGR_TABLE_BAD;
    case KGR_STATE_IDLE:
    default:
        return KGR_TABLE_PLAIN;
    }
}

static void add_row(struct kgr_table *table, const struct kgr_peer *peer, struct extra extra)
{
    char generation[24] = "-";
    char age[KGR_CTL_DURATION_MAX];
    char expires[KGR_CTL_DURATION_MAX];
    bool has_key = peer->generation != 0;
    const char *error = peer->error == KGR_OK ? "" : kgr_strerror(peer->error);
    const char *cells[NUM_COLUMNS] = {
        peer->peer,
        generation,
        kgr_state_name(peer->state),
        has_key ? kgr_custody_name(peer->custody) : "-",
        has_key ? kgr_suite_name(peer->suite) : "-",
        kgr_ctl_duration(age, peer->age_s),
        kgr_ctl_duration(expires, peer->expires_s),
        extra.mirrored ? (peer->mirrored ? "yes" : "no") : error,
        error,
    };

    if (has_key)
        (void)snprintf(generation, sizeof(generation), "%" PRIu64, peer->generation);
    kgr_table_add(table, colour_of(peer->state), cells);
}

static int print_table(const struct kgr_peer *peers, size_t num)
{
    struct kgr_table_column shown[NUM_COLUMNS];
    size_t num_shown = NUM_COLUMNS - 2;
    struct extra extra = {false, false};
    struct kgr_table table;
    bool printed;

    for (size_t i = 0; i < num; i++) {
        extra.mirrored |= peers[i].mirrored;
        extra.error |= peers[i].error != KGR_OK;
    }
    for (size_t i = 0; i < num_shown; i++)
        shown[i] = columns[i];
    if (extra.mirrored)
        shown[num_shown++] = columns[NUM_COLUMNS - 2];
    if (extra.error)
        shown[num_shown++] = columns[NUM_COLUMNS - 1];
    kgr_table_init(&table, shown, num_shown, STATE_COLUMN);
    for (size_t i = 0; i < num; i++)
        add_row(&table, &peers[i], extra);
    printed =
        kgr_table_print(&table, stdout, kgr_terminal_width(stdout), kgr_terminal_colours(stdout));
    kgr_table_deinit(&table);
    return printed ? kgr_ctl_flush() : kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, "peers", "");
}

static int print_json(const struct kgr_peer *peers, size_t num)
{
    json_t *array = json_array();

    for (size_t i = 0; i < num && array != NULL; i++) {
        if (json_array_append_new(array, kgr_json_peer(&peers[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return kgr_json_print(array);
}

int kgr_ctl_peers(const struct kgr_ctl *ctl)
{
    struct kgr_peer *peers = NULL;
    size_t num = 0;
    enum kgr_error err = kgr_list_peers(ctl->client, &peers, &num);
    int code;

    if (err != KGR_OK)
        return kgr_ctl_fail(err, "peers");
    code = ctl->options->json ? print_json(peers, num) : print_table(peers, num);
    free(peers);
    return code;
}
