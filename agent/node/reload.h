/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "agent/base/diag.h"

struct kgr_node;

/*
 * kgr_node_reload reads the configuration anew and lets the keys that are live count, for connections that stand too: all of
 * them, or after a mistake none. text gets the names of changed keys that need a restart, or every mistake, a line each
 * (KGR_ERR_CONFIG). A record of the audit log says what became of it, and who wanted it: by, "signal" or "uid N".
 */
KGR_MUST_CHECK enum kgr_error kgr_node_reload(struct kgr_node *node, const char *by, char *text,
                                              size_t cap);
/* kgr_node_on_hangup is that by SIGHUP: the log has the text. */
void kgr_node_on_hangup(void *node);
