/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/options.h"
#include "agent/ctl/terminal.h"

/*
 * What may stand in the place of the last operand, one a line, for the scripts in packaging/completion. Exit code 1: a file.
 * The operands are the words of the command line behind "kgrctl".
 */

static void offer(const char *typed, const char *candidate)
{
    if (strncmp(candidate, typed, strlen(typed)) == 0)
        (void)printf("%s\n", candidate);
}

static void offer_peers(const struct kgr_ctl *ctl, const char *typed)
{
    struct kgr_peer *peers = NULL;
    size_t num = 0;

    if (kgr_list_peers(ctl->client, &peers, &num) != KGR_OK)
        return;
    for (size_t i = 0; i < num; i++)
        offer(typed, peers[i].peer);
    free(peers);
}

/* What the help calls the operand with this index, without brackets: "PEER", "FILE"; false: there is none so far back. */
static bool operand_kind(char *out, size_t cap, const char *operands, int index)
{
    size_t len;

    for (; index > 0; index--) {
        operands += strcspn(operands, " ");
        operands += strspn(operands, " ");
    }
    operands += strspn(operands, "[");
    len = strcspn(operands, " ]");
    (void)snprintf(out, cap, "%.*s", (int)len, operands);
    return len != 0;
}

/* The words that "show | verify [FILE]" allows in the first place. */
static void offer_choices(const char *typed, const char *operands)
{
    char text[160], *rest = text, *choice;

    (void)snprintf(text, sizeof(text), "%s", operands + strspn(operands, "["));
    while ((choice = strsep(&rest, "|")) != NULL) {
        choice += strspn(choice, " ");
        choice[strcspn(choice, " ]")] = '\0';
        offer(typed, choice);
    }
}

static int complete_operand(const struct kgr_ctl *ctl, const struct kgr_ctl_command *command,
                            int index, const char *typed)
{
    char kind[32];

    if (strchr(command->operands, '|') != NULL) {
        if (index > 0)
            return 1;
        offer_choices(typed, command->operands);
        return kgr_ctl_flush();
    }
    if (!operand_kind(kind, sizeof(kind), command->operands, index))
        return kgr_ctl_flush();
    if (strcmp(kind, "PEER") != 0)
        return 1;
    offer_peers(ctl, typed);
    return kgr_ctl_flush();
}

static void offer_commands(const char *typed)
{
    for (const struct kgr_ctl_command *c = kgr_ctl_commands; c->name != NULL; c++)
        if (c->help != NULL)
            offer(typed, c->name);
}

int kgr_ctl_complete(const struct kgr_ctl *ctl)
{
    char *const *words = ctl->options->operands;
    int num = ctl->options->num_operands, index = -1;
    const char *typed = words[num - 1];
    const struct kgr_ctl_command *command = NULL;

    for (int i = 0; i < num - 1; i++) {
        enum kgr_ctl_argument wants = kgr_ctl_argument_of(words[i]);

        if (wants != KGR_CTL_ARGUMENT_NONE && i + 1 == num - 1) {
            if (wants == KGR_CTL_ARGUMENT_FILE)
                return 1;
            if (wants == KGR_CTL_ARGUMENT_PEER)
                offer_peers(ctl, typed);
            return kgr_ctl_flush();
        }
        if (words[i][0] == '-') {
            i += wants == KGR_CTL_ARGUMENT_NONE ? 0 : 1;
            continue;
        }
        if (index < 0)
            command = kgr_ctl_find_command(words[i]);
        index++;
    }
    if (typed[0] == '-') {
        for (size_t i = 0; kgr_ctl_option_name(command, i) != NULL; i++)
            offer(typed, kgr_ctl_option_name(command, i));
        return kgr_ctl_flush();
    }
    if (index < 0)
        offer_commands(typed);
    else if (command != NULL)
        return complete_operand(ctl, command, index, typed);
    return kgr_ctl_flush();
}
