/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/base/attr.h"

/* What became of a reload of the configuration. For kgrctl; no part of libkgr. */
struct kgr_reload {
    bool refused;    /* nothing changed; text has a mistake a line */
    char text[4097]; /* else the names of keys that need a restart */
};

/* kgr_reload_configuration asks the agent, or with ks the KS, whose socket client was made with. */
KGR_MUST_CHECK enum kgr_error kgr_reload_configuration(struct kgr_client *client, bool ks,
                                                       struct kgr_reload *out);
