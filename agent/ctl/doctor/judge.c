/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

#include <string.h>

const char *kgr_facts_alarm(const struct kgr_facts *facts, const char *name)
{
    const struct kgr_diagnosis *d = &facts->agent.diagnosis;

    if (facts->agent.err != KGR_OK || facts->agent.diagnosis_err != KGR_OK)
        return NULL;
    for (size_t i = 0; i < d->num_alarms; i++)
        if (strcmp(d->alarms[i].name, name) == 0)
            return d->alarms[i].text;
    return NULL;
}

/* A wrong configuration or no right to the socket explains that there is no agent, not the other way round. */
void kgr_judge(struct kgr_findings *out, const struct kgr_facts *facts)
{
    out->num = 0;
    kgr_judge_host(out, facts);
    kgr_judge_agent(out, facts);
    kgr_judge_tpm(out, facts);
    kgr_judge_broker(out, facts);
    kgr_judge_ks(out, facts);
    kgr_judge_keys(out, facts);
    kgr_judge_doors(out, facts);
}
