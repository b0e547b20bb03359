/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/deadline.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define EXIT_TPM 7

static void on_alarm(int signal_number)
{
    static const char text[] = "ERROR stop_overdue reason=\"the TPM does not answer\"\n";

    (void)signal_number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EXIT_TPM);
    _exit(EXIT_TPM);
}

void kgr_deadline_start(unsigned int seconds)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}

void kgr_deadline_stop(void)
{
    alarm(0);
}
