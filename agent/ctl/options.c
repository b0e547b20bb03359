/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/help.h"
#include "agent/base/nearest.h"

#define DEFAULT_TIMEOUT_S 30
#define TIMEOUT_MAX_S     86400
#define HELP_COLUMN       27

/* Options without a short form, above all characters. */
enum { OPT_HELP = 256, OPT_VERSION, OPT_SOCKET, OPT_KS };

struct option_help {
    struct option option; /* its val is the letter that commands name */
    const char *argument;
    const char *help;
};

static const struct option_help table[] = {
    {{"json", no_argument, NULL, 'j'}, "", "print JSON"},
    {{"socket", required_argument, NULL, OPT_SOCKET},
     " PATH",
     "use this socket (default: $KGR_AGENT, else /run/kgr/agent.sock)"},
    {{"ks", no_argument, NULL, OPT_KS},
     "",
     "ask the KS on this machine ($KGR_KS, else /run/kgr/ks.sock): status, metrics and reload"},
    {{"timeout", required_argument, NULL, 't'}, " SECONDS", "wait at most so long (default: 30)"},
    {{"no-wait", no_argument, NULL, 'n'}, "", "return when the exchange has begun"},
    {{"generation", required_argument, NULL, 'g'}, " N", "wait for generation N or a later one"},
    {{"cipher", required_argument, NULL, 'c'},
     " NAME",
     "make the handle as long as the key of this cipher, e.g. KGR-AES-256-CBC"},
    {{"input", required_argument, NULL, 'i'}, " FILE", "read FILE instead of the standard input"},
    {{"output", required_argument, NULL, 'o'},
     " FILE",
     "write FILE (mode 0600) instead of the standard output"},
    {{"aad", required_argument, NULL, 'a'}, " TEXT", "associated data, the same at both ends"},
    {{"stored", no_argument, NULL, 's'}, "", "for a record that may be opened more than once"},
    {{"nksk", no_argument, NULL, 'N'}, "", "renew NKSK, the key that this node shares with the KS"},
    {{"storage-key", no_argument, NULL, 'S'},
     "",
     "replace the TPM's storage key too: all peers get new keys"},
    {{"lines", no_argument, NULL, 'l'},
     "",
     "send: each line is a message; recv: a line feed after each"},
    {{"raw", no_argument, NULL, 'r'},
     "",
     "recv: the bytes of the messages, nothing between (default)"},
    {{"count", required_argument, NULL, 'm'},
     " N",
     "end after N messages (default: 1) or events; 0: never"},
    {{"seen", required_argument, NULL, 'w'},
     " N:HASH",
     "audit verify: the log must hold record N with this hash, as was seen before"},
    {{"peer", required_argument, NULL, 'p'},
     " PEER",
     "events of PEER, and of the node, only; mirror the keys of PEER only"},
    {{"store", required_argument, NULL, 'D'}, " DIR", "folder of the store of tpm2-pkcs11"},
    {{"token", required_argument, NULL, 'T'}, " LABEL", "label of the token there"},
    {{"pin-fd", required_argument, NULL, 'P'},
     " N",
     "read the PIN of the token from file descriptor N"},
    {{"config", required_argument, NULL, 'C'},
     " FILE",
     "doctor: the configuration of the agent (default: the one it runs with)"},
    {{"help", no_argument, NULL, OPT_HELP}, "", "print this and exit"},
    {{"version", no_argument, NULL, OPT_VERSION}, "", "print the version and exit"},
};

#define TABLE_LEN (sizeof(table) / sizeof(table[0]))

static void print_help(void)
{
    (void)printf("Usage: kgrctl [OPTION...] COMMAND [OPERAND...]\n"
                 "Shows and drives the kgr-agent of this node.\n\nCommands:\n");
    for (const struct kgr_ctl_command *c = kgr_ctl_commands; c->name != NULL; c++) {
        char left[60];

        if (c->help == NULL)
            continue;
        (void)snprintf(left, sizeof(left), "%s %s", c->name, c->operands);
        kgr_help_item(stdout, 2, left, HELP_COLUMN, c->help);
    }
    (void)printf("\nOptions:\n");
    for (size_t i = 0; i < TABLE_LEN; i++) {
        int letter = table[i].option.val;
        char left[40];

        if (letter <= UCHAR_MAX)
            (void)snprintf(left, sizeof(left), "-%c, --%s%s", letter, table[i].option.name,
                           table[i].argument);
        else
            (void)snprintf(left, sizeof(left), "    --%s%s", table[i].option.name,
                           table[i].argument);
        kgr_help_item(stdout, 2, left, HELP_COLUMN, table[i].help);
    }
    (void)printf(
        "\nExit codes: 0 done, 1 failed, 2 usage, 3 no agent, 4 unknown peer or key,\n"
        "5 not authorised, 6 timed out, 7 TPM, 8 corrupt or forged data, 9 configuration.\n");
}

static enum kgr_ctl_parsed usage(const char *what, const char *which)
{
    (void)fprintf(stderr, "kgrctl: %s%s; see kgrctl --help\n", what, which);
    return KGR_CTL_USAGE;
}

static bool parse_number(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long v;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || v < min || v > max)
        return false;
    *out = v;
    return true;
}

/* What an option without an argument turns on; NULL: it is another kind. */
static bool *flag_of(struct kgr_ctl_options *out, int letter)
{
    switch (letter) {
    case 'j':
        return &out->json;
    case OPT_KS:
        return &out->ks;
    case 'n':
        return &out->no_wait;
    case 's':
        return &out->stored;
    case 'N':
        return &out->nksk;
    case 'S':
        return &out->storage_key;
    case 'l':
        return &out->lines;
    case 'r':
        return &out->raw;
    default:
        return NULL;
    }
}

/* Where the text of an option goes; NULL: it is another kind. */
static const char **text_of(struct kgr_ctl_options *out, int letter)
{
    switch (letter) {
    case OPT_SOCKET:
        return &out->socket;
    case 'c':
        return &out->cipher;
    case 'i':
        return &out->input;
    case 'o':
        return &out->output;
    case 'a':
        return &out->aad;
    case 'p':
        return &out->peer;
    case 'w':
        return &out->seen;
    case 'D':
        return &out->store;
    case 'T':
        return &out->token;
    case 'C':
        return &out->config;
    default:
        return NULL;
    }
}

/* Takes one option; false: its argument is wrong. */
static bool take(struct kgr_ctl_options *out, int letter, const char *argument)
{
    bool *flag = flag_of(out, letter);
    const char **text = text_of(out, letter);
    uint64_t number = 0;

    if (flag != NULL) {
        *flag = true;
        return true;
    }
    if (text != NULL) {
        *text = argument;
        return true;
    }
    switch (letter) {
    case 't':
        if (!parse_number(&number, argument, 0, TIMEOUT_MAX_S))
            return false;
        out->timeout_s = (int)number;
        out->has_timeout = true;
        return true;
    case 'g':
        if (!parse_number(&number, argument, 1, UINT64_MAX))
            return false;
        out->generation = number;
        return true;
    case 'm':
        if (!parse_number(&number, argument, 0, UINT64_MAX))
            return false;
        out->count = number;
        out->has_count = true;
        return true;
    case 'P':
        if (!parse_number(&number, argument, 0, INT_MAX))
            return false;
        out->pin_fd = (int)number;
        return true;
    default:
        return false;
    }
}

const struct kgr_ctl_command *kgr_ctl_find_command(const char *name)
{
    for (const struct kgr_ctl_command *c = kgr_ctl_commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static const char *option_name(int letter)
{
    for (size_t i = 0; i < TABLE_LEN; i++)
        if (table[i].option.val == letter)
            return table[i].option.name;
    return "?";
}

/* Whether command can do something with each option that was given. */
static enum kgr_ctl_parsed check(const struct kgr_ctl_command *command,
                                 const struct kgr_ctl_options *options, const char *given)
{
    char what[80];

    (void)snprintf(what, sizeof(what), "%s has no option --", command->name);
    for (; *given != '\0'; given++)
        if (strchr(command->letters, *given) == NULL)
            return usage(what, option_name(*given));
    if (options->json && !command->json)
        return usage(what, "json");
    if (options->ks && command->run != kgr_ctl_status && command->run != kgr_ctl_metrics &&
        command->run != kgr_ctl_reload)
        return usage(what, "ks");
    if (options->num_operands < command->min_operands ||
        options->num_operands > command->max_operands) {
        (void)snprintf(what, sizeof(what), "usage: kgrctl %s ", command->name);
        return usage(what, command->operands);
    }
    return KGR_CTL_RUN;
}

static enum kgr_ctl_parsed unknown_command(const char *name)
{
    struct kgr_nearest nearest;
    char what[128];

    kgr_nearest_begin(&nearest, name);
    for (const struct kgr_ctl_command *c = kgr_ctl_commands; c->name != NULL; c++)
        if (c->help != NULL)
            kgr_nearest_try(&nearest, c->name);
    if (nearest.best == NULL)
        return usage("unknown command ", name);
    (void)snprintf(what, sizeof(what), "unknown command %.60s, did you mean ", name);
    return usage(what, nearest.best);
}

/* Whether the option stands in the help of command; those of every command have no letter, but --json. */
static bool belongs(const struct option *option, const struct kgr_ctl_command *command)
{
    if (option->val == 'j')
        return command == NULL || command->json;
    if (option->val == OPT_KS)
        return command == NULL || command->run == kgr_ctl_status;
    if (option->val > UCHAR_MAX)
        return true;
    return command != NULL && strchr(command->letters, option->val) != NULL;
}

const char *kgr_ctl_option_name(const struct kgr_ctl_command *command, size_t i)
{
    static char name[40];

    for (size_t o = 0; o < TABLE_LEN; o++) {
        if (!belongs(&table[o].option, command))
            continue;
        if (i-- == 0) {
            (void)snprintf(name, sizeof(name), "--%s", table[o].option.name);
            return name;
        }
    }
    return NULL;
}

enum kgr_ctl_argument kgr_ctl_argument_of(const char *word)
{
    for (size_t o = 0; o < TABLE_LEN; o++) {
        const struct option *option = &table[o].option;
        const char letter[3] = {'-', (char)option->val, '\0'};
        bool names = strncmp(word, "--", 2) == 0
                         ? strcmp(word + 2, option->name) == 0
                         : option->val <= UCHAR_MAX && strcmp(word, letter) == 0;

        if (!names || option->has_arg == no_argument)
            continue;
        if (strcmp(table[o].argument, " FILE") == 0 || strcmp(table[o].argument, " PATH") == 0)
            return KGR_CTL_ARGUMENT_FILE;
        return strcmp(table[o].argument, " PEER") == 0 ? KGR_CTL_ARGUMENT_PEER
                                                       : KGR_CTL_ARGUMENT_OTHER;
    }
    return KGR_CTL_ARGUMENT_NONE;
}

enum kgr_ctl_parsed kgr_ctl_parse(struct kgr_ctl_options *out,
                                  const struct kgr_ctl_command **out_command, int argc, char **argv)
{
    struct kgr_ctl_options options = {.timeout_s = DEFAULT_TIMEOUT_S, .pin_fd = -1};
    const struct kgr_ctl_command *command;
    struct option longs[TABLE_LEN + 1];
    char given[TABLE_LEN * 4 + 1];
    size_t num_given = 0;
    enum kgr_ctl_parsed result;
    int letter;

    for (size_t i = 0; i < TABLE_LEN; i++)
        longs[i] = table[i].option;
    longs[TABLE_LEN] = (struct option){NULL, 0, NULL, 0};
    optind = 0; /* glibc: start over, also after an earlier call */
    opterr = 0;
    while ((letter = getopt_long(argc, argv, "jt:ng:c:i:o:a:sNSlrm:p:w:D:T:P:C:", longs, NULL)) !=
           -1) {
        if (letter == OPT_HELP) {
            print_help();
            return KGR_CTL_DONE;
        }
        if (letter == OPT_VERSION) {
            (void)printf("kgrctl %s\n", KGR_VERSION);
            return KGR_CTL_DONE;
        }
        if (letter == '?')
            return usage("unknown option or no argument: ", argv[optind - 1]);
        if (!take(&options, letter, optarg))
            return usage("not a number in range: --", option_name(letter));
        if (letter <= UCHAR_MAX && letter != 'j' && num_given < sizeof(given) - 1)
            given[num_given++] = (char)letter;
    }
    given[num_given] = '\0';
    if (optind >= argc)
        return usage("no command", "");
    command = kgr_ctl_find_command(argv[optind]);
    if (command == NULL)
        return unknown_command(argv[optind]);
    options.operands = argv + optind + 1;
    options.num_operands = argc - optind - 1;
    result = check(command, &options, given);
    if (result != KGR_CTL_RUN)
        return result;
    *out = options;
    *out_command = command;
    return KGR_CTL_RUN;
}
