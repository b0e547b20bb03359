/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/await.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/ctl/json.h"
#include "agent/ctl/terminal.h"

#define STEP_S 1

static int print_outcome(const struct kgr_ctl *ctl, const struct kgr_peer *peer)
{
    char expires[KGR_CTL_DURATION_MAX];

    if (ctl->options->json) {
        json_t *object = kgr_json_peer(peer);

        if (object != NULL &&
            json_object_set_new(object, "version", json_integer(KGR_CTL_JSON_VERSION)) != 0) {
            json_decref(object);
            object = NULL;
        }
        return kgr_json_print(object);
    }
    (void)printf("%s: %s, generation %" PRIu64 ", %s, %s, expires in %s\n", peer->peer,
                 kgr_state_name(peer->state), peer->generation, kgr_custody_name(peer->custody),
                 kgr_suite_name(peer->suite), kgr_ctl_duration(expires, peer->expires_s));
    return kgr_ctl_flush();
}

/* One line that is written over; an empty text removes it. */
static void show_progress(const char *peer, const char *state, int waited_s)
{
    if (isatty(STDERR_FILENO) == 0)
        return;
    if (state == NULL)
        (void)fprintf(stderr, "\r%*s\r", (int)kgr_ctl_width(stderr) - 1, "");
    else
        (void)fprintf(stderr, "\rwaiting for %s: %s, %d s", peer, state, waited_s);
    (void)fflush(stderr);
}

int kgr_ctl_await(const struct kgr_ctl *ctl, const char *peer, uint64_t min_generation)
{
    int left_s = ctl->options->timeout_s;
    struct kgr_peer state;
    enum kgr_error err;
    int waited_s = 0;

    for (;;) {
        int step_s = left_s < STEP_S ? left_s : STEP_S;

        state.peer[0] = '\0';
        err = kgr_wait(ctl->client, peer, min_generation, step_s * 1000, &state);
        left_s -= step_s;
        waited_s += step_s;
        /* Only the agent's own time-out tells a state; and a failed pair does not mend itself. */
        if (err != KGR_ERR_TIMEOUT || state.peer[0] == '\0' || left_s == 0 ||
            state.state == KGR_STATE_FAILED || state.state == KGR_STATE_REVOKED)
            break;
        show_progress(peer, kgr_state_name(state.state), waited_s);
    }
    if (waited_s > STEP_S)
        show_progress(peer, NULL, 0);
    return err == KGR_OK ? print_outcome(ctl, &state) : kgr_ctl_fail(err, peer);
}
