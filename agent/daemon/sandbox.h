/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/*
 * The system calls that a program of KGR may make, for the rest of its life and in every thread: a list of our own, by
 * libseccomp, whoever starts the program. No other program is started, no process, no other process is looked into, no
 * memory is writable and executable. A call that is not in the list ends the process by SIGSYS, after a line
 * `ERROR sandbox syscall=NUMBER` on stderr; what libraries only try before they do it another way gets ENOSYS.
 */

/*
 * kgr_sandbox_enter: before other threads, after the arena; there is no way back. KGR_ERR_FAILED with diag where the kernel
 * cannot filter. In a build with sanitizers it does nothing: their runtime needs more.
 */
KGR_MUST_CHECK enum kgr_error kgr_sandbox_enter(struct kgr_diag *diag);

/* kgr_sandbox_covers tells whether libseccomp knows every call of the list on this machine, old names aside: for a test. */
KGR_MUST_CHECK bool kgr_sandbox_covers(const char *arch, const char **out_unknown);
