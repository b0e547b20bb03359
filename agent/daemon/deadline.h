/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A bound for the end of a process: a TPM that no longer answers holds the worker in a system call, and with
 * it everything that waits for the worker. The state on disk is that of a crash, which every start can
 * go on from.
 */

/* kgr_deadline_start ends the process with exit code 7 and a line on stderr unless stopped within seconds. */
void kgr_deadline_start(unsigned int seconds);
void kgr_deadline_stop(void);
