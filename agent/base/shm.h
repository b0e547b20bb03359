/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * Memory that two processes share and a third cannot reach: a memfd whose length is sealed, so that neither can take it away
 * under the other. A head for words, then two rings, each mapped twice in a row: a run of bytes
 * that crosses the end of a ring is still one run of addresses.
 */
#define KGR_SHM_HEAD 65536u
#define KGR_SHM_RING 131072u
#define KGR_SHM_LEN  (KGR_SHM_HEAD + 2 * KGR_SHM_RING)

struct kgr_shm {
    uint8_t *head;    /* owned, KGR_SHM_HEAD bytes; NULL: nothing is mapped */
    uint8_t *ring[2]; /* 2 * KGR_SHM_RING addresses each */
};

/*
 * kgr_shm_create makes the memory, all zero, and maps it; *out_fd is for the other process, the caller closes it. What is
 * mapped is kept out of dumps and children, and locked if the limit allows. KGR_ERR_UNSUPPORTED, KGR_ERR_NO_MEMORY.
 */
KGR_MUST_CHECK enum kgr_error kgr_shm_create(struct kgr_shm *out, int *out_fd);
/*
 * kgr_shm_map maps what another process made, as above; fd remains the caller's. KGR_ERR_CORRUPT unless it has the length
 * and the seals.
 */
KGR_MUST_CHECK enum kgr_error kgr_shm_map(struct kgr_shm *out, int fd);
/* kgr_shm_unmap is idempotent. Never in a child of the process that mapped: something else may be there. */
void kgr_shm_unmap(struct kgr_shm *shm);
