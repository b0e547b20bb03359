/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The broker: is it there, does it let us in, does it let us subscribe and publish. */

static bool says(const char *text, const char *word)
{
    return strstr(text, word) != NULL;
}

static void judge_lost(struct kgr_findings *out, const struct kgr_agent_facts *agent)
{
    const char *trouble = agent->diagnosis.broker_trouble;
    const char *broker = agent->status.broker;

    if (says(trouble, "subscription") || says(trouble, "publication"))
        kgr_finding_fail(out, "broker-topics", KGR_ERR_BROKER,
                         "let this node read and write kgr/# in the broker's access rules",
                         "%s: %s", broker, trouble);
    else if (says(trouble, "refused by the broker"))
        kgr_finding_fail(out, "broker-login", KGR_ERR_BROKER,
                         "compare user and password_file of broker = { ... } with the broker's",
                         "%s: %s", broker, trouble);
    else if (says(trouble, "TLS") || says(trouble, "others may use it"))
        kgr_finding_fail(out, "broker-login", KGR_ERR_BROKER,
                         "look at ca, cert, key, password_file, their dates and modes, and at the "
                         "port",
                         "%s: %s", broker, trouble);
    else
        kgr_finding_fail(out, "broker", KGR_ERR_BROKER,
                         "is the broker up, and are host and port right? see broker = { ... }",
                         "no connection to %s for %" PRId64 " s: %s", broker,
                         agent->diagnosis.broker_lost_s, trouble);
}

void kgr_judge_broker(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_agent_facts *agent = &facts->agent;
    const char *trouble = agent->diagnosis.broker_trouble;

    if (agent->err != KGR_OK)
        kgr_finding_unknown(out, "broker", "only the agent talks to it");
    else if (!agent->status.registered)
        kgr_finding_unknown(out, "broker", "a revoked node does not talk to it");
    else if (!agent->status.broker_connected && agent->diagnosis_err != KGR_OK)
        kgr_finding_fail(out, "broker", KGR_ERR_BROKER,
                         "is the broker up, and are host and port right? see broker = { ... }",
                         "no connection to %s", agent->status.broker);
    else if (!agent->status.broker_connected)
        judge_lost(out, agent);
    else if (agent->diagnosis_err == KGR_OK && says(trouble, "publication"))
        kgr_finding_fail(out, "broker-topics", KGR_ERR_BROKER,
                         "let this node read and write kgr/# in the broker's access rules",
                         "%s: %s", agent->status.broker, trouble);
    else
        kgr_finding_ok(out, "broker", "%s, connected, every topic subscribed",
                       agent->status.broker);
}
