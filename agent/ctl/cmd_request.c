/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include "agent/ctl/candidates.h"
#include "agent/ctl/await.h"
#include "agent/ctl/terminal.h"

int kgr_ctl_request(const struct kgr_ctl *ctl)
{
    const char *peer = ctl->options->operands[0];
    enum kgr_error err = kgr_request(ctl->client, peer);

    if (err != KGR_OK)
        return kgr_ctl_fail_peer(ctl, err, peer);
    return ctl->options->no_wait ? 0 : kgr_ctl_await(ctl, peer, 1);
}
