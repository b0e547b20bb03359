/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/error.h>

#define KGR_MUST_CHECK   __attribute__((warn_unused_result))
#define KGR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define KGR_EXPORT       __attribute__((visibility("default")))
#define KGR_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
