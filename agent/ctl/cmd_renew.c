/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/candidates.h"
#include "agent/ctl/await.h"
#include "agent/ctl/json.h"
#include "agent/ctl/progress.h"
#include "agent/ctl/terminal.h"

/* find_generation: what is in force with peer; 0: nothing. It is not asked for. */
static enum kgr_error find_generation(const struct kgr_ctl *ctl, const char *peer, uint64_t *out)
{
    struct kgr_peer *peers = NULL;
    size_t num = 0;
    enum kgr_error err = kgr_list_peers(ctl->client, &peers, &num);

    *out = 0;
    for (size_t i = 0; err == KGR_OK && i < num; i++)
        if (strcmp(peers[i].peer, peer) == 0)
            *out = peers[i].generation;
    free(peers);
    return err;
}

static int renew_pair(const struct kgr_ctl *ctl, const char *peer)
{
    uint64_t generation = 0;
    enum kgr_error err = find_generation(ctl, peer, &generation);

    if (err == KGR_OK)
        err = kgr_renew(ctl->client, peer);
    if (err != KGR_OK)
        return kgr_ctl_fail_peer(ctl, err, peer);
    return ctl->options->no_wait ? 0 : kgr_ctl_await(ctl, peer, generation + 1);
}

int kgr_ctl_renew(const struct kgr_ctl *ctl)
{
    const struct kgr_ctl_options *options = ctl->options;
    unsigned int flags = options->storage_key ? KGR_REKEY_STORAGE_KEY : 0;
    struct kgr_ctl_progress progress;
    enum kgr_error err;

    if (options->nksk == (options->operands[0] != NULL) ||
        (options->storage_key && !options->nksk)) {
        (void)fprintf(stderr, "kgrctl: renew what? PEER or --nksk; see kgrctl --help\n");
        return kgr_exit_code(KGR_ERR_INVALID);
    }
    if (!options->nksk)
        return renew_pair(ctl, options->operands[0]);
    kgr_ctl_progress_begin(&progress, "a new NKSK");
    err = kgr_rekey(ctl->client, flags, options->no_wait ? 0 : options->timeout_s * 1000);
    kgr_ctl_progress_end(&progress);
    if (err != KGR_OK)
        return kgr_ctl_fail(err, "renew");
    if (options->json)
        return kgr_json_print(json_pack("{s:i, s:b, s:b}", "version", KGR_CTL_JSON_VERSION,
                                        "renewed", (int)!options->no_wait, "storage_key",
                                        (int)options->storage_key));
    (void)printf(
        options->no_wait ? "the renewal of NKSK has begun\n"
        : options->storage_key
            ? "NKSK and the storage key are new; the keys of all peers are asked for anew\n"
            : "NKSK is new\n");
    return kgr_ctl_flush();
}
