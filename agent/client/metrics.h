/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include <kgr/client.h>

#include "agent/base/attr.h"

/* Metrics of the agent, or of the KS whose socket client was made with. For kgrctl; no part of libkgr. */
#define KGR_METRICS_TEXT_MAX 73728u

/* kgr_get_metrics writes at most KGR_METRICS_TEXT_MAX bytes to out, without a NUL. */
KGR_MUST_CHECK enum kgr_error kgr_get_metrics(struct kgr_client *client, bool ks, char *out,
                                              size_t *out_len);
