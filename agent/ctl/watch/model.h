/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kgr/client.h>

/*
 * What kgrctl watch shows, without a terminal: observations and keys in, lines of a screen out. Pure; the caller brings
 * the time.
 */
enum kgr_watch_sort {
    KGR_WATCH_BY_PEER,
    KGR_WATCH_BY_STATE,
    KGR_WATCH_BY_GENERATION,
    KGR_WATCH_BY_AGE,
    KGR_WATCH_BY_EXPIRY,
    KGR_WATCH_SORTS,
};

/* What the TPM has to do. */
struct kgr_watch_tpm {
    bool known;
    uint64_t commands; /* since start */
    double busy_s;     /* likewise */
    uint64_t queue;    /* jobs that wait */
};

struct kgr_watch {
    struct kgr_status status;
    struct kgr_watch_tpm tpm;
    struct kgr_peer *peers; /* owned, in the order shown */
    size_t num_peers;
    size_t num_shown; /* of them, those that pass the filter stand first */
    bool seen;        /* there is an observation */
    char trouble[KGR_DIAG_MAX];
    /* The observation before, for rates. */
    uint64_t at_ms, before_ms;
    uint64_t sent_before, accepted_before;
    struct kgr_watch_tpm tpm_before;
    enum kgr_watch_sort sort;
    bool reverse;
    bool typing; /* the filter */
    char filter[KGR_PEER_MAX + 1];
    size_t top;  /* first row shown */
    size_t rows; /* room for peers in the last picture */
};

void kgr_watch_deinit(struct kgr_watch *watch);

/* kgr_watch_observe takes over peers. */
void kgr_watch_observe(struct kgr_watch *watch, const struct kgr_status *status,
                       struct kgr_peer *peers, size_t num_peers, const struct kgr_watch_tpm *tpm,
                       uint64_t now_ms);
/* kgr_watch_lost: no observation came; the last one stays, with the reason. */
void kgr_watch_lost(struct kgr_watch *watch, const char *reason);

/* Keys that are no characters. */
enum {
    KGR_WATCH_KEY_UP = 0x1000,
    KGR_WATCH_KEY_DOWN,
    KGR_WATCH_KEY_PAGE_UP,
    KGR_WATCH_KEY_PAGE_DOWN,
    KGR_WATCH_KEY_HOME,
    KGR_WATCH_KEY_END,
    KGR_WATCH_KEY_BACKSPACE,
    KGR_WATCH_KEY_ENTER,
    KGR_WATCH_KEY_ESCAPE,
};
/* kgr_watch_key: false when the user has enough. */
bool kgr_watch_key(struct kgr_watch *watch, int key);

enum kgr_watch_style {
    KGR_WATCH_PLAIN,
    KGR_WATCH_BAR,   /* head and foot */
    KGR_WATCH_TITLE, /* of columns */
    KGR_WATCH_GOOD,
    KGR_WATCH_WARN,
    KGR_WATCH_BAD,
};
struct kgr_watch_line {
    char *text; /* owned, ASCII, at most as long as the screen is wide */
    enum kgr_watch_style style;
};
/*
 * kgr_watch_picture makes exactly height lines for a screen of width columns, freed by kgr_watch_picture_free; NULL without memory. The
 * time of day is shown as clock.
 */
struct kgr_watch_line *kgr_watch_picture(struct kgr_watch *watch, size_t width, size_t height,
                                         const char *clock);
void kgr_watch_picture_free(struct kgr_watch_line *lines, size_t height);
