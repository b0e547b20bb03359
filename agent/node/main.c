/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/diag.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/daemon/journal.h"
#include "agent/daemon/lockfile.h"
#include "agent/daemon/options.h"
#include "agent/daemon/sandbox.h"
#include "agent/node/commands.h"

#include <stdio.h>
#include <string.h>

enum { CMD_INIT, CMD_IDENTITY, CMD_ENROLL, CMD_RUN, CMD_WIPE };

static const struct kgr_option identity_options[] = {
    {"json", 0, NULL, "print JSON"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option enroll_options[] = {
    {"timeout", 't', "SECONDS", "give up after so long (60); a later enroll goes on from there"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option wipe_options[] = {
    {"yes", 0, NULL, "do not ask"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_command commands[] = {
    {.name = "init", .help = "make the node's keys in the TPM and its state"},
    {.name = "identity",
     .help = "print N_ID, hash of the EK and Name of the storage key",
     .options = identity_options},
    {.name = "enroll",
     .operands = "[FILE]",
     .optional_operands = 1,
     .help = "register with the credential FILE; without FILE go on where it stopped",
     .options = enroll_options},
    {.name = "run", .help = "serve"},
    {.name = "wipe",
     .help = "destroy every key and the state of this node",
     .options = wipe_options},
    {.name = NULL},
};

static const struct kgr_program program = {
    .name = "kgr-agent",
    .summary = "Keys of node pairs, in the TPM of this node.",
    .default_config = "/etc/kgr/agent.conf",
    .commands = commands,
};

static enum kgr_error run_command(const struct kgr_options *options,
                                  const struct kgr_settings *settings, struct kgr_diag *diag)
{
    switch (options->command_index) {
    case CMD_INIT:
        return kgr_cmd_init(settings, diag);
    case CMD_IDENTITY:
        return kgr_cmd_identity(settings, options->values[0] != NULL, diag);
    case CMD_ENROLL:
        return kgr_cmd_enroll(settings, options->num_operands > 0 ? options->operands[0] : NULL,
                              options->values[0], diag);
    case CMD_WIPE:
        return kgr_cmd_wipe(settings, options->values[0] != NULL, diag);
    default:
        return kgr_cmd_run(settings, diag);
    }
}

static enum kgr_error locked(const struct kgr_options *options, const struct kgr_settings *settings,
                             struct kgr_diag *diag)
{
    struct kgr_lockfile lock;
    enum kgr_error err =
        kgr_lockfile_take(&lock, settings->state, options->command_index == CMD_INIT, diag);

    if (err == KGR_ERR_STATE)
        return KGR_ERR_CONFIG; /* a node that nobody initialised */
    if (err != KGR_OK)
        return err;
    err = run_command(options, settings, diag);
    kgr_lockfile_release(&lock);
    return err;
}

int main(int argc, char **argv)
{
    struct kgr_options options;
    struct kgr_settings settings = {0};
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    switch (kgr_options_parse(&options, &program, argc, argv)) {
    case KGR_OPTIONS_DONE:
        return 0;
    case KGR_OPTIONS_USAGE:
        return 2;
    case KGR_OPTIONS_CHECK:
        return kgr_exit_code(kgr_settings_check(options.config));
    case KGR_OPTIONS_RUN:
        break;
    }
    kgr_harden_process();
    kgr_journal_attach("kgr-agent", KGR_JOURNAL_SOCKET);
    err = kgr_arena_init(KGR_ARENA_SERVICE_BYTES);
    if (err == KGR_OK)
        err = kgr_settings_load(&settings, options.config, &diag);
    if (err == KGR_OK) {
        kgr_log_set_level(settings.log_level);
        err = settings.sandbox ? kgr_sandbox_enter(&diag) : KGR_OK;
    }
    if (err == KGR_OK)
        err = locked(&options, &settings, &diag);
    if (err == KGR_OK && (fflush(stdout) != 0 || ferror(stdout) != 0))
        err = kgr_diag_set(&diag, KGR_ERR_IO, "cannot write to the standard output");
    if (err != KGR_OK)
        fprintf(stderr, "kgr-agent: %s\n", kgr_diag_text(&diag, err));
    kgr_settings_deinit(&settings);
    kgr_arena_deinit();
    /* For a service these are matters of its set-up: a node that is not enrolled, a state of a newer version. */
    return err == KGR_ERR_NOT_REGISTERED || err == KGR_ERR_VERSION ? kgr_exit_code(KGR_ERR_CONFIG)
                                                                   : kgr_exit_code(err);
}
