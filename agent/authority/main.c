/* SPDX-License-Identifier: BSD-2-Clause */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/authority/cmd.h"
#include "agent/base/secret.h"
#include "agent/daemon/sandbox.h"

#define ARENA_BYTES (64u * 1024u)

static const struct kgr_option init_options[] = {
    {"output", 'o', "FILE", "where the AC's identity goes, for the key server"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option add_options[] = {
    {"output", 'o', "FILE", "where the credential goes, for the node"},
    {"peers", 0, "A,B", "the nodes that it may have keys with"},
    {"ek", 0, "HASH", "hash of its EK, as kgr-agent identity prints it"},
    {"valid", 0, "TIME", "how long the credential may be used (7d)"},
    {"broker", 0, "HOST:PORT", "the broker that it is told (the key server's)"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option list_options[] = {
    {"json", 0, NULL, "print JSON"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option matrix_options[] = {
    {"json", 0, NULL, "print JSON"},
    {"grid", 0, NULL, "print a row and a column for each node"},
    {"dot", 0, NULL, "print a graph for Graphviz (dot -Tsvg)"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option import_options[] = {
    {"dry-run", 'n', NULL, "show what would change, and change nothing"},
    {"credentials", 0, "DIR", "where the credentials of new nodes go: DIR/N_ID.credential"},
    {"json", 0, NULL, "with --dry-run: print JSON"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option rekey_options[] = {
    {"storage-key", 0, NULL, "and replace its storage key: all its pairs get new keys"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option audit_options[] = {
    {"json", 0, NULL, "print JSON"},
    {"since", 0, "TIME", "only what happened within TIME: 90s, 30m, 12h, 7d"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option wipe_options[] = {
    {"yes", 0, NULL, "do not ask"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option allow_options[] = {
    {"min-suite", 0, "NAME", "least suite: any, or its name"},
    {"min-custody", 0, "NAME", "least custody: any, mixed or resident"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_command commands[] = {
    {"init", NULL, 0, "make the AC's keys in its TPM", init_options, 0},
    {"pin", "FILE", 1, "trust the key server whose identity is in FILE", NULL, 0},
    {"rekey", NULL, 0, "give the AC other keys, and have the key server obey only them", NULL, 0},
    {"node add", "N_ID", 1, "let a node register: make its credential", add_options, 0},
    {"node list", NULL, 0, "show every node", list_options, 0},
    {"node show", "N_ID", 1, "show one node", list_options, 0},
    {"node rekey", "N_ID", 1, "have a node renew its NKSK at its next synchronisation",
     rekey_options, 0},
    {"node revoke", "N_ID", 1, "end a node and all its keys; its N_ID stays with its TPM", NULL, 0},
    {"node remove", "N_ID", 1, "the same, and give its N_ID free for another TPM", NULL, 0},
    {"pair allow", "N_ID N_ID", 2, "let two nodes have keys", allow_options, 0},
    {"pair deny", "N_ID N_ID", 2, "let two nodes have no keys any more", NULL, 0},
    {"pair matrix", NULL, 0, "show who may have keys with whom", matrix_options, 0},
    {"import", "FILE", 1, "add the nodes and allow or deny the pairs that a list names",
     import_options, 0},
    {"audit", NULL, 0, "show what the key server was ordered, and what became of it", audit_options,
     0},
    {"audit verify", NULL, 0, "check that nothing was changed in that log or taken out",
     list_options, 0},
    {"topic0 rotate", NULL, 0, "have new credentials name a new topic for registrations", NULL, 0},
    {"wipe", NULL, 0, "destroy every key and the state of this AC", wipe_options, 0},
    {NULL, NULL, 0, NULL, NULL, 0},
};

static kgr_ac_command *const functions[] = {
    kgr_ac_cmd_init,          kgr_ac_cmd_pin,         kgr_ac_cmd_rekey,
    kgr_ac_cmd_node_add,      kgr_ac_cmd_node_list,   kgr_ac_cmd_node_show,
    kgr_ac_cmd_node_rekey,    kgr_ac_cmd_node_revoke, kgr_ac_cmd_node_remove,
    kgr_ac_cmd_pair_allow,    kgr_ac_cmd_pair_deny,   kgr_ac_cmd_pair_matrix,
    kgr_ac_cmd_import,        kgr_ac_cmd_audit,       kgr_ac_cmd_audit_verify,
    kgr_ac_cmd_topic0_rotate, kgr_ac_cmd_wipe,
};

static const struct kgr_program program = {
    .name = "kgr-ac",
    .summary = "The authorisation centre: says who may register and who may have keys with whom.",
    .default_config = "/etc/kgr/ac.conf",
    .commands = commands,
};

/* A reader that left has what he wanted, and is told nothing. */
static bool reader_left(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = 0};
    return ferror(stdout) != 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLERR) != 0;
}

int main(int argc, char **argv)
{
    struct kgr_options options;
    struct kgr_ac_settings settings = {0};
    struct kgr_diag diag = {0};
    switch (kgr_options_parse(&options, &program, argc, argv)) {
    case KGR_OPTIONS_DONE:
        return 0;
    case KGR_OPTIONS_USAGE:
        return 2;
    case KGR_OPTIONS_CHECK:
        return kgr_exit_code(kgr_ac_settings_check(options.config));
    case KGR_OPTIONS_RUN:
        break;
    }
    kgr_harden_process();
    enum kgr_error err = kgr_arena_init(ARENA_BYTES);
    if (err == KGR_OK)
        err = kgr_ac_settings_load(&settings, options.config, &diag);
    if (err == KGR_OK && settings.sandbox)
        err = kgr_sandbox_enter(&diag);
    if (err == KGR_OK)
        err = functions[options.command_index](&settings, &options, &diag);
    if (err == KGR_OK && (fflush(stdout) != 0 || ferror(stdout) != 0))
        err = kgr_diag_set(&diag, KGR_ERR_IO, "cannot write to the standard output");
    if (err != KGR_OK && !(err == KGR_ERR_IO && reader_left()))
        fprintf(stderr, "kgr-ac: %s\n", kgr_diag_text(&diag, err));
    kgr_ac_settings_deinit(&settings);
    kgr_arena_deinit();
    return kgr_exit_code(err);
}
