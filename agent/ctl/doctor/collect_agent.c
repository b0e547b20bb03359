/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/collect.h"

#include <stdlib.h>
#include <unistd.h>

#define KS_SOCKET "/run/kgr/ks.sock"

void kgr_collect_agent(struct kgr_facts *facts, const struct kgr_ctl *ctl)
{
    struct kgr_agent_facts *agent = &facts->agent;

    agent->err = kgr_get_status(ctl->client, &agent->status);
    if (agent->err != KGR_OK) {
        (void)kgr_client_reason(agent->reason, sizeof(agent->reason));
        return;
    }
    agent->diagnosis_err = kgr_get_diagnosis(ctl->client, &agent->diagnosis);
    if (agent->diagnosis_err != KGR_OK)
        (void)kgr_client_reason(agent->diagnosis_reason, sizeof(agent->diagnosis_reason));
    /* Without the list the keys are not judged; what is wrong with the agent was found already. */
    if (kgr_list_peers(ctl->client, &agent->peers, &agent->num_peers) != KGR_OK)
        agent->num_peers = 0;
}

void kgr_collect_ks(struct kgr_facts *facts)
{
    struct kgr_client_options options = {.name = "kgrctl", .socket = secure_getenv("KGR_KS")};
    struct kgr_ks_facts *ks = &facts->ks;
    struct kgr_client *client = NULL;

    if (options.socket == NULL || options.socket[0] == '\0')
        options.socket = KS_SOCKET;
    ks->here = access(options.socket, F_OK) == 0;
    if (!ks->here)
        return;
    ks->err = kgr_client_new(&client, &options);
    if (ks->err == KGR_OK)
        ks->err = kgr_get_ks_status(client, &ks->status);
    if (ks->err != KGR_OK)
        (void)kgr_client_reason(ks->reason, sizeof(ks->reason));
    kgr_client_free(client);
}

void kgr_collect_free(struct kgr_facts *facts)
{
    free(facts->agent.peers);
    facts->agent.peers = NULL;
}
