/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <sys/types.h>

/*
 * A private software TPM for a test: in a temporary folder of its own, on a Unix socket there.
 * Every failure ends the test program with a message, for no test can go on without it.
 */
struct swtpm {
    char dir[64];
    char tcti[128]; /* for kgr_tpm_open */
    pid_t pid;      /* 0: not running */
};

/* swtpm_start returns when the TPM accepts connections. */
void swtpm_start(struct swtpm *swtpm);
/* swtpm_kill is kill -9, and waits for the end. */
void swtpm_kill(struct swtpm *swtpm);
/* swtpm_restart starts it again on the same state: a TPM reset with everything transient lost. */
void swtpm_restart(struct swtpm *swtpm);
/* swtpm_stop kills it if it runs, and removes the folder. */
void swtpm_stop(struct swtpm *swtpm);
