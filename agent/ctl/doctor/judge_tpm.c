/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

#include <inttypes.h>
#include <string.h>

/* The TPM, as the agent sees it; who else has it open, as this user sees it. */

static void judge_commands(struct kgr_findings *out, const struct kgr_agent_facts *agent)
{
    const struct kgr_diagnosis *d = &agent->diagnosis;

    if (d->tpm_lacks[0] == '\0')
        kgr_finding_ok(out, "tpm-commands", "nothing is missing");
    else if (!agent->status.tpm_resident)
        kgr_finding_warn(out, "tpm-commands",
                         "use another TPM if keys shall never leave it, else say custody = "
                         "\"sealed\"",
                         "it lacks %s: keys are sealed by it and used in memory", d->tpm_lacks);
    else
        kgr_finding_warn(out, "tpm-commands",
                         "nothing, unless a peer or the AC insists on what needs it", "it lacks %s",
                         d->tpm_lacks);
}

static void judge_lockout(struct kgr_findings *out, const struct kgr_diagnosis *d)
{
    if (d->tpm_in_lockout == 1)
        kgr_finding_warn(out, "tpm-lockout",
                         "tpm2_dictionarylockout --clear-lockout, and find who tries passwords",
                         "the TPM is in lockout after %" PRId64 " wrong passwords: our keys still "
                         "work, those of others do not",
                         d->tpm_lockout_counter);
    else if (d->tpm_lockout_counter > 0)
        kgr_finding_warn(out, "tpm-lockout",
                         "find who tries passwords; tpm2_dictionarylockout --clear-lockout",
                         "%" PRId64 " wrong passwords; at %" PRId64 " the TPM locks others out",
                         d->tpm_lockout_counter, d->tpm_lockout_max);
    else
        kgr_finding_ok(out, "tpm-lockout", "no wrong passwords");
}

static void judge_handles(struct kgr_findings *out, const struct kgr_diagnosis *d)
{
    int64_t objects = d->tpm_objects - d->tpm_own_objects;
    int64_t sessions = d->tpm_sessions - d->tpm_own_sessions;

    if (objects > 0 || sessions > 0)
        kgr_finding_warn(out, "tpm-handles",
                         "tpm2_flushcontext -t, -l while nothing else works; programs should use "
                         "/dev/tpmrm0",
                         "another program left, or uses, %" PRId64 " objects and %" PRId64
                         " sessions",
                         objects > 0 ? objects : 0, sessions > 0 ? sessions : 0);
    else if (d->tpm_sessions_free == 0)
        kgr_finding_warn(out, "tpm-handles", "tpm2_flushcontext -s ends those that were saved",
                         "no session can be started any more");
    else if (d->tpm_persistent_free == 0)
        kgr_finding_warn(out, "tpm-handles",
                         "tpm2_evictcontrol takes out persistent keys that nobody needs",
                         "there is no room for another persistent key");
    else
        kgr_finding_ok(out, "tpm-handles", "%" PRId64 " objects, %" PRId64 " sessions, all ours",
                       d->tpm_objects, d->tpm_sessions);
}

static void judge_users(struct kgr_findings *out, const struct kgr_facts *facts)
{
    if (facts->host.tpm_user[0] != '\0')
        kgr_finding_warn(out, "tpm-users", "let it use /dev/tpmrm0, or tpm2-abrmd for all",
                         "%s has the TPM open past the kernel's resource manager",
                         facts->host.tpm_user);
    else
        kgr_finding_ok(out, "tpm-users", "nobody else is seen past a resource manager");
}

void kgr_judge_tpm(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_agent_facts *agent = &facts->agent;
    const struct kgr_diagnosis *d = &agent->diagnosis;
    const char *alarm = kgr_facts_alarm(facts, "tpm");
    const char *remedy = "is it there, and is the service in the group tss? tpm2_getrandom --hex 8 "
                         "asks it directly";

    judge_users(out, facts);
    if (agent->err != KGR_OK) {
        kgr_finding_unknown(out, "tpm", "only the agent asks the TPM");
        return;
    }
    if (agent->diagnosis_err == KGR_ERR_TIMEOUT)
        kgr_finding_fail(out, "tpm", KGR_ERR_TPM, remedy,
                         "the agent waits for the TPM: no answer within the time limit");
    else if (agent->diagnosis_err != KGR_OK)
        kgr_finding_unknown(out, "tpm", "%s", agent->diagnosis_reason);
    else if (alarm != NULL || d->tpm_error[0] != '\0')
        kgr_finding_fail(out, "tpm", KGR_ERR_TPM, remedy, "%s at %s",
                         alarm != NULL ? alarm : d->tpm_error, d->tcti);
    else if (!agent->status.registered)
        kgr_finding_unknown(out, "tpm", "a revoked node has no use for it");
    else {
        kgr_finding_ok(out, "tpm", "%s", agent->status.tpm);
        judge_commands(out, agent);
        judge_lockout(out, d);
        judge_handles(out, d);
    }
}
