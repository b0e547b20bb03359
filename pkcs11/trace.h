/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"

/*
 * The call log that $KGR_PKCS11_DEBUG (a path; ignored in set-user-ID programs) asks for: one line a
 * call with its handle and outcome, and the agent's reason for a failure. Never data, keys or PINs.
 */

/* kgr_p11_trace_open opens the log if it is asked for and not open; failing to is not an error. */
void kgr_p11_trace_open(void);
/* kgr_p11_trace writes one line; handle is the session's or slot's. Thread-safe. */
void kgr_p11_trace(const char *func, CK_ULONG handle, CK_RV rv);
