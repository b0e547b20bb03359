/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

/*
 * kgr_ctl_key names the latest key with peer. A name that is too long stays too long (without a NUL), for libkgr to
 * refuse.
 */
struct kgr_key kgr_ctl_key(const char *peer);
