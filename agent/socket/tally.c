/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/tally.h"

#include <string.h>

#include "agent/base/attr.h"
#include "agent/wire/ipc.h"

static const char *const doors[KGR_NUM_DOORS] = {"other", "libkgr", "kgr.so", "libkgr-pkcs11",
                                                 "kgrctl"};

enum kgr_door kgr_door_of(struct kgr_slice name)
{
    for (int i = KGR_DOOR_LIBKGR; i < KGR_NUM_DOORS; i++)
        if (kgr_slice_equal(name, kgr_slice(doors[i], strlen(doors[i]))))
            return (enum kgr_door)i;
    return KGR_DOOR_OTHER;
}

const char *kgr_door_name(enum kgr_door door)
{
    return doors[door];
}

const char *kgr_op_name(uint16_t op)
{
    static const char *const names[] = {
        [KGR_IPC_HELLO] = "hello",
        [KGR_IPC_STATUS] = "status",
        [KGR_IPC_PEERS] = "peers",
        [KGR_IPC_KEY] = "key",
        [KGR_IPC_HANDLE] = "handle",
        [KGR_IPC_RESOLVE] = "resolve",
        [KGR_IPC_REQUEST] = "request",
        [KGR_IPC_WAIT] = "wait",
        [KGR_IPC_CIPHER] = "cipher",
        [KGR_IPC_MAC] = "mac",
        [KGR_IPC_MAC_START] = "mac_start",
        [KGR_IPC_MAC_UPDATE] = "mac_update",
        [KGR_IPC_MAC_FINAL] = "mac_final",
        [KGR_IPC_MAC_ABORT] = "mac_abort",
        [KGR_IPC_SEAL] = "seal",
        [KGR_IPC_OPEN] = "open",
        [KGR_IPC_RANDOM] = "random",
        [KGR_IPC_STIR] = "stir",
        [KGR_IPC_SEND] = "send",
        [KGR_IPC_RECV] = "recv",
        [KGR_IPC_SUBSCRIBE] = "subscribe",
        [KGR_IPC_EVENT] = "event",
        [KGR_IPC_REKEY] = "rekey",
        [KGR_IPC_KEYS] = "keys",
        [KGR_IPC_PIN] = "pin",
        [27] = "ring",
        [28] = "seal_batch",
        [29] = "open_batch",
        [KGR_IPC_METRICS] = "metrics",
        [KGR_IPC_AUDIT] = "audit",
        [32] = "reload",
        [33] = "mirror_add",
        [34] = "mirror_list",
        [35] = "mirror_remove",
        [KGR_IPC_DIAGNOSIS] = "diagnosis",
    };

    return op < KGR_ARRAY_LEN(names) && names[op] != NULL ? names[op] : "other";
}

void kgr_tally_add(struct kgr_tally *tally, enum kgr_door door, uint16_t op, uint32_t status)
{
    if (op >= KGR_TALLY_OPS)
        op = 0;
    if (status >= KGR_TALLY_RESULTS)
        status = KGR_ERR_FAILED;
    atomic_fetch_add_explicit(&tally->num[door][op][status], 1, memory_order_relaxed);
}
