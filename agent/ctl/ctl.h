/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <kgr/client.h>

/* What the command line says. Strings borrow from argv; NULL: not given. */
struct kgr_ctl_options {
    const char *socket;
    bool ks; /* ask the KS rather than the agent */
    bool json;
    bool no_wait;
    bool stored;
    bool nksk;
    bool storage_key;
    const char *input;
    const char *output;
    const char *aad;
    const char *cipher;
    const char *peer;
    const char *seen;
    const char *store;
    const char *config;
    const char *token;
    int pin_fd; /* -1: not given */
    bool lines;
    bool raw;
    uint64_t count; /* 0: no end */
    bool has_count;
    bool has_timeout;
    int timeout_s;
    uint64_t generation;
    char *const *operands;
    int num_operands;
};

/* What a command works with. */
struct kgr_ctl {
    const struct kgr_ctl_options *options;
    struct kgr_client *client;
};

/* The letters of the options that a command may take beside --json, --socket, --help and --version. */
struct kgr_ctl_command {
    const char *name;
    const char *operands; /* as the help shows them */
    int min_operands;
    int max_operands;
    const char *letters;
    bool json;                             /* --json makes sense */
    const char *help;                      /* NULL: not shown */
    int (*run)(const struct kgr_ctl *ctl); /* returns the exit code */
};

/* The end of the table has no name. */
extern const struct kgr_ctl_command kgr_ctl_commands[];

int kgr_ctl_complete(const struct kgr_ctl *ctl);
int kgr_ctl_status(const struct kgr_ctl *ctl);
int kgr_ctl_peers(const struct kgr_ctl *ctl);
int kgr_ctl_topics(const struct kgr_ctl *ctl);
int kgr_ctl_request(const struct kgr_ctl *ctl);
int kgr_ctl_renew(const struct kgr_ctl *ctl);
int kgr_ctl_wait(const struct kgr_ctl *ctl);
int kgr_ctl_handle(const struct kgr_ctl *ctl);
int kgr_ctl_seal(const struct kgr_ctl *ctl);
int kgr_ctl_open(const struct kgr_ctl *ctl);
int kgr_ctl_send(const struct kgr_ctl *ctl);
int kgr_ctl_recv(const struct kgr_ctl *ctl);
int kgr_ctl_watch(const struct kgr_ctl *ctl);
int kgr_ctl_events(const struct kgr_ctl *ctl);
int kgr_ctl_reload(const struct kgr_ctl *ctl);
int kgr_ctl_metrics(const struct kgr_ctl *ctl);
int kgr_ctl_doctor(const struct kgr_ctl *ctl);
int kgr_ctl_audit(const struct kgr_ctl *ctl);
int kgr_ctl_mirror(const struct kgr_ctl *ctl);
