/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/* The text of a configuration file, before libconfig sees it. Within agent/daemon only. */

/*
 * kgr_config_text_read reads a regular file of at most 256 KiB without zero bytes into *out, which the
 * caller frees. It refuses whole numbers beyond 32 bits without the suffix L: some versions of libconfig
 * cut them silently. KGR_ERR_CONFIG with diag, KGR_ERR_NO_MEMORY.
 */
KGR_MUST_CHECK enum kgr_error kgr_config_text_read(char **out, const char *path,
                                                   struct kgr_diag *diag);
