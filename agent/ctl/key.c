/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/key.h"

#include <string.h>

struct kgr_key kgr_ctl_key(const char *peer)
{
    struct kgr_key key = {.generation = 0};

    memcpy(key.peer, peer, strnlen(peer, sizeof(key.peer)));
    return key;
}
