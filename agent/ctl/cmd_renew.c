/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdio.h>

#include "agent/ctl/terminal.h"

int kgr_ctl_renew(const struct kgr_ctl *ctl)
{
    const struct kgr_ctl_options *options = ctl->options;
    unsigned int flags = options->storage_key ? KGR_REKEY_STORAGE_KEY : 0;
    enum kgr_error err;

    if (!options->nksk) {
        (void)fprintf(stderr, "kgrctl: renew what? --nksk; see kgrctl --help\n");
        return kgr_exit_code(KGR_ERR_INVALID);
    }
    err = kgr_rekey(ctl->client, flags, options->no_wait ? 0 : options->timeout_s * 1000);
    if (err != KGR_OK)
        return kgr_ctl_fail(err, "renew");
    (void)printf(
        options->no_wait ? "the renewal of NKSK has begun\n"
        : options->storage_key
            ? "NKSK and the storage key are new; the keys of all peers are asked for anew\n"
            : "NKSK is new\n");
    return kgr_ctl_flush();
}
