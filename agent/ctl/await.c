/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/candidates.h"
#include "agent/ctl/await.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/ctl/json.h"
#include "agent/ctl/progress.h"
#include "agent/ctl/terminal.h"

static int print_outcome(const struct kgr_ctl *ctl, const struct kgr_peer *peer)
{
    char expires[KGR_CTL_DURATION_MAX];

    if (ctl->options->json) {
        json_t *object = json_pack("{s:i}", "version", KGR_CTL_JSON_VERSION);
        json_t *fields = kgr_json_peer(peer);

        if (json_object_update(object, fields) != 0) {
            json_decref(object);
            object = NULL;
        }
        json_decref(fields);
        return kgr_json_print(object);
    }
    (void)printf("%s: %s, generation %" PRIu64 ", %s, %s, expires in %s\n", peer->peer,
                 kgr_state_name(peer->state), peer->generation, kgr_custody_name(peer->custody),
                 kgr_suite_name(peer->suite), kgr_ctl_duration(expires, peer->expires_s));
    return kgr_ctl_flush();
}

int kgr_ctl_await(const struct kgr_ctl *ctl, const char *peer, uint64_t min_generation)
{
    struct kgr_ctl_progress progress;
    struct kgr_peer state;
    enum kgr_error err;

    kgr_ctl_progress_begin(&progress, peer);
    err = kgr_wait(ctl->client, peer, min_generation, ctl->options->timeout_s * 1000, &state);
    kgr_ctl_progress_end(&progress);
    return err == KGR_OK ? print_outcome(ctl, &state) : kgr_ctl_fail_peer(ctl, err, peer);
}
