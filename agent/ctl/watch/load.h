/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "agent/ctl/watch/model.h"

/*
 * kgr_watch_load reads what the TPM has to do from metrics (docs/metrics.md), which are len bytes of text: the sums over all labels.
 * Unknown where one of them is missing. Pure.
 */
struct kgr_watch_tpm kgr_watch_load(const char *text, size_t len);
