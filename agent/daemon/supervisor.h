/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

struct kgr_loop;

/*
 * The service manager, where there is one that says so in the environment (NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS of
 * systemd): without, all of this does nothing. One thread, the loop's.
 */
struct kgr_supervisor;

/*
 * How a service is. alive false has the service manager end and start it anew, so it must be a fault that a new start mends: a
 * TPM that does not answer is told in the text, and restarts nobody.
 */
struct kgr_health {
    bool alive;
    char text[200]; /* for people, one line */
};

typedef void kgr_health_fn(void *arg, struct kgr_health *out);

/*
 * kgr_supervisor_socket gives the listening socket that was passed for path, or 0 when none was passed at all. It stays
 * open until the end of the process. KGR_ERR_CONFIG with diag when sockets were passed, and none is bound there.
 */
KGR_MUST_CHECK enum kgr_error kgr_supervisor_socket(int *out_fd, const char *path,
                                                    struct kgr_diag *diag);

/*
 * kgr_supervisor_new says that the service is ready, and then, for as long as the loop turns and fn says alive, that it
 * lives; its text is passed on when it changed.
 */
KGR_MUST_CHECK enum kgr_error kgr_supervisor_new(struct kgr_supervisor **out, struct kgr_loop *loop,
                                                 kgr_health_fn *fn, void *arg);
/* kgr_supervisor_free only stops that: a service may begin again. Accepts NULL. */
void kgr_supervisor_free(struct kgr_supervisor *supervisor);

/* A reload begins, and is over; whether it was refused the service's log says. */
void kgr_supervisor_reloading(void);
void kgr_supervisor_reloaded(void);
void kgr_supervisor_stopping(void);
/* kgr_supervisor_wait sleeps as sleep(3) between two lives of a service, and says that it lives, and why it waits. */
void kgr_supervisor_wait(unsigned int seconds, const char *why);
