/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include "agent/ctl/await.h"

int kgr_ctl_wait(const struct kgr_ctl *ctl)
{
    uint64_t generation = ctl->options->generation;

    return kgr_ctl_await(ctl, ctl->options->operands[0], generation == 0 ? 1 : generation);
}
