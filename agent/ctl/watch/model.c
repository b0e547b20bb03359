/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/watch/model.h"

#include <stdlib.h>
#include <string.h>

void kgr_watch_deinit(struct kgr_watch *watch)
{
    free(watch->peers);
    memset(watch, 0, sizeof(*watch));
}

static int compare_int64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct kgr_watch *watch = arg;
    const struct kgr_peer *x = a, *y = b;
    int order = 0;

    switch (watch->sort) {
    case KGR_WATCH_BY_STATE:
        order = compare_int64(x->state, y->state);
        break;
    case KGR_WATCH_BY_GENERATION:
        order = (x->generation > y->generation) - (x->generation < y->generation);
        break;
    case KGR_WATCH_BY_AGE:
        order = compare_int64(x->age_s, y->age_s);
        break;
    case KGR_WATCH_BY_EXPIRY:
        order = compare_int64(x->expires_s, y->expires_s);
        break;
    case KGR_WATCH_BY_PEER:
    case KGR_WATCH_SORTS:
    default:
        break;
    }
    if (order == 0)
        order = strcmp(x->peer, y->peer);
    return watch->reverse ? -order : order;
}

static bool passes(const struct kgr_watch *watch, const struct kgr_peer *peer)
{
    return watch->filter[0] == '\0' || strstr(peer->peer, watch->filter) != NULL ||
           strcmp(kgr_state_name(peer->state), watch->filter) == 0;
}

/* Those that pass the filter first, sorted; the others behind them in any order. */
static void arrange(struct kgr_watch *watch)
{
    size_t num = 0;

    for (size_t i = 0; i < watch->num_peers; i++) {
        if (passes(watch, &watch->peers[i])) {
            struct kgr_peer other = watch->peers[num];

            watch->peers[num] = watch->peers[i];
            watch->peers[i] = other;
            num++;
        }
    }
    watch->num_shown = num;
    if (num > 0)
        qsort_r(watch->peers, num, sizeof(*watch->peers), compare, watch);
}

void kgr_watch_observe(struct kgr_watch *watch, const struct kgr_status *status,
                       struct kgr_peer *peers, size_t num_peers, const struct kgr_watch_tpm *tpm,
                       uint64_t now_ms)
{
    /* A first observation has none before it, nor has one of an agent that was started again. */
    bool follows = watch->seen && status->messages_sent >= watch->status.messages_sent &&
                   status->epoch == watch->status.epoch;

    watch->before_ms = follows ? watch->at_ms : now_ms;
    watch->sent_before = follows ? watch->status.messages_sent : status->messages_sent;
    watch->accepted_before = follows ? watch->status.messages_accepted : status->messages_accepted;
    watch->tpm_before = follows ? watch->tpm : *tpm;
    watch->at_ms = now_ms;
    watch->status = *status;
    watch->tpm = *tpm;
    free(watch->peers);
    watch->peers = peers;
    watch->num_peers = num_peers;
    watch->seen = true;
    watch->trouble[0] = '\0';
    arrange(watch);
}

void kgr_watch_lost(struct kgr_watch *watch, const char *reason)
{
    strncpy(watch->trouble, reason, sizeof(watch->trouble) - 1);
    watch->trouble[sizeof(watch->trouble) - 1] = '\0';
}

static void scroll(struct kgr_watch *watch, int key)
{
    size_t page = watch->rows > 1 ? watch->rows - 1 : 1;
    size_t last = watch->num_shown > watch->rows ? watch->num_shown - watch->rows : 0;

    switch (key) {
    case KGR_WATCH_KEY_UP:
        watch->top -= watch->top > 0;
        break;
    case KGR_WATCH_KEY_DOWN:
        watch->top++;
        break;
    case KGR_WATCH_KEY_PAGE_UP:
        watch->top -= watch->top > page ? page : watch->top;
        break;
    case KGR_WATCH_KEY_PAGE_DOWN:
        watch->top += page;
        break;
    case KGR_WATCH_KEY_HOME:
        watch->top = 0;
        break;
    case KGR_WATCH_KEY_END:
        watch->top = last;
        break;
    default:
        break;
    }
    if (watch->top > last)
        watch->top = last;
}

static void type(struct kgr_watch *watch, int key)
{
    size_t len = strlen(watch->filter);

    if (key == KGR_WATCH_KEY_ENTER) {
        watch->typing = false;
    } else if (key == KGR_WATCH_KEY_ESCAPE) {
        watch->typing = false;
        watch->filter[0] = '\0';
    } else if (key == KGR_WATCH_KEY_BACKSPACE) {
        watch->filter[len > 0 ? len - 1 : 0] = '\0';
    } else if (key > ' ' && key < 0x7f && len + 1 < sizeof(watch->filter)) {
        watch->filter[len] = (char)key;
        watch->filter[len + 1] = '\0';
    }
    watch->top = 0;
    arrange(watch);
}

bool kgr_watch_key(struct kgr_watch *watch, int key)
{
    if (key >= KGR_WATCH_KEY_UP && key <= KGR_WATCH_KEY_END) {
        scroll(watch, key);
        return true;
    }
    if (watch->typing) {
        type(watch, key);
        return true;
    }
    switch (key) {
    case 'q':
        return false;
    case 's':
        watch->sort = (watch->sort + 1) % KGR_WATCH_SORTS;
        arrange(watch);
        break;
    case 'r':
        watch->reverse = !watch->reverse;
        arrange(watch);
        break;
    case '/':
        watch->typing = true;
        break;
    case KGR_WATCH_KEY_ESCAPE:
        type(watch, key);
        break;
    default:
        break;
    }
    return true;
}
