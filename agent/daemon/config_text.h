/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/attr.h"
#include "agent/daemon/mistakes.h"

/* The text of a configuration file, before libconfig sees it. Within agent/daemon only. */

/*
 * kgr_config_text_read reads a regular file of at most 256 KiB without zero bytes into *out, which the
 * caller frees. It refuses files that belong to others or that others may write: they would decide what this service does; and
 * whole numbers beyond 32 bits without the suffix L: some versions of libconfig cut them silently. KGR_ERR_CONFIG with
 * the mistakes noted, KGR_ERR_NO_MEMORY.
 */
KGR_MUST_CHECK enum kgr_error kgr_config_text_read(char **out, const char *path,
                                                   struct kgr_mistakes *mistakes);
/* kgr_config_folder_check: nobody else may put files into the folder; else it notes that, and returns false. */
KGR_MUST_CHECK bool kgr_config_folder_check(const char *path, struct kgr_mistakes *mistakes);
