/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/node/service/parts.h"
#include "agent/wire/ipc_etm.h"

#define KGR_ETM_FORGED "the tag does not fit"

/* kgr_service_etm_is_reserved: its MAC would be one over what begins like a record (kgr_service_is_reserved). */
bool kgr_service_etm_is_reserved(const struct kgr_ipc_etm *asked);
