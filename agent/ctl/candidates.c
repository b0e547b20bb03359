/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/candidates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/nearest.h"
#include "agent/ctl/terminal.h"

#define SHOWN_MAX 5

/* How well a name fits what was typed; 0: not at all. */
static int fit(const char *name, const char *typed)
{
    if (strncmp(name, typed, strlen(typed)) == 0)
        return 2;
    return strstr(name, typed) != NULL ? 1 : 0;
}

static void append(char *out, size_t cap, const char *text)
{
    size_t len = strlen(out);

    (void)snprintf(out + len, cap - len, "%s", text);
}

const char *kgr_ctl_candidates(char *out, size_t cap, const struct kgr_peer *peers, size_t num,
                               const char *typed)
{
    const char *shown[SHOWN_MAX] = {0};
    struct kgr_nearest nearest;
    size_t num_shown = 0, num_fit = 0;
    int best = 1;

    out[0] = '\0';
    kgr_nearest_begin(&nearest, typed);
    for (size_t i = 0; i < num; i++) {
        int fits = typed[0] == '\0' ? 0 : fit(peers[i].peer, typed);

        if (strcmp(peers[i].peer, typed) == 0)
            return out;
        kgr_nearest_try(&nearest, peers[i].peer);
        if (fits < best)
            continue;
        if (fits > best)
            num_fit = num_shown = 0;
        best = fits;
        num_fit++;
        if (num_shown < SHOWN_MAX)
            shown[num_shown++] = peers[i].peer;
    }
    if (num_fit == 0 && nearest.best != NULL)
        shown[num_shown++] = nearest.best;
    for (size_t i = 0; i < num_shown; i++) {
        bool last = i + 1 == num_shown;

        append(out, cap, i == 0 ? "" : last && num_fit <= SHOWN_MAX ? " or " : ", ");
        append(out, cap, shown[i]);
    }
    if (num_fit > SHOWN_MAX)
        append(out, cap, ", ...");
    return out;
}

int kgr_ctl_fail_peer(const struct kgr_ctl *ctl, enum kgr_error err, const char *peer)
{
    char reason[KGR_DIAG_MAX], names[SHOWN_MAX * (KGR_PEER_MAX + 4)], text[2 * sizeof(names)];
    struct kgr_peer *peers = NULL;
    size_t num = 0;

    (void)kgr_client_reason(reason, sizeof(reason));
    if ((err != KGR_ERR_UNKNOWN_PEER && err != KGR_ERR_NOT_AUTHORIZED) ||
        kgr_list_peers(ctl->client, &peers, &num) != KGR_OK)
        return kgr_ctl_fail_text(err, peer, reason);
    (void)kgr_ctl_candidates(names, sizeof(names), peers, num, peer);
    free(peers);
    if (names[0] == '\0')
        return kgr_ctl_fail_text(err, peer, reason);
    (void)snprintf(text, sizeof(text), "%s%sdid you mean %s?", reason,
                   reason[0] == '\0' ? "" : "; ", names);
    return kgr_ctl_fail_text(err, peer, text);
}
