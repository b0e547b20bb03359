/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/node/settings.h"

/* The commands of kgr-agent; each runs with the lock on the state folder, and says in diag why it failed. */
KGR_MUST_CHECK enum kgr_error kgr_cmd_init(const struct kgr_settings *settings,
                                           struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_cmd_identity(const struct kgr_settings *settings, bool json,
                                               struct kgr_diag *diag);
/* path NULL: go on with the credential read before. timeout is in seconds, as text; NULL: 60. */
KGR_MUST_CHECK enum kgr_error kgr_cmd_enroll(const struct kgr_settings *settings, const char *path,
                                             const char *timeout, struct kgr_diag *diag);
/* kgr_cmd_wipe undoes init and all that followed (wipe.c). Without yes it asks. */
KGR_MUST_CHECK enum kgr_error kgr_cmd_wipe(const struct kgr_settings *settings, bool yes,
                                           struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_cmd_run(const struct kgr_settings *settings,
                                          struct kgr_diag *diag);
