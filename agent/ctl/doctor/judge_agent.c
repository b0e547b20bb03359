/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

#include <string.h>

static void judge_absent(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_host_facts *host = &facts->host;

    if (kgr_findings_has_failed(out, "configuration") ||
        kgr_findings_has_failed(out, "permissions"))
        kgr_finding_unknown(out, "agent", "not reached, which is no wonder");
    else if (facts->agent.err == KGR_ERR_TIMEOUT)
        kgr_finding_fail(out, "agent", KGR_ERR_TIMEOUT,
                         "systemctl restart kgr-agent; its log may say what it waits for",
                         "it does not answer at %s", host->socket);
    else if (facts->agent.err == KGR_ERR_NO_AGENT && host->socket_exists)
        kgr_finding_fail(out, "agent", KGR_ERR_NO_AGENT,
                         "systemctl start kgr-agent; journalctl -u kgr-agent says why it ended",
                         "nobody answers at the socket %s: the agent has ended", host->socket);
    else if (facts->agent.err == KGR_ERR_NO_AGENT)
        kgr_finding_fail(out, "agent", KGR_ERR_NO_AGENT,
                         "systemctl start kgr-agent, or name the socket: --socket, $KGR_AGENT",
                         "there is no socket %s: the agent does not run", host->socket);
    else
        kgr_finding_fail(out, "agent", facts->agent.err, "see the log of kgr-agent", "%s",
                         facts->agent.reason);
}

static void judge_alive(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_agent_facts *agent = &facts->agent;

    if (!agent->status.registered)
        kgr_finding_fail(out, "agent", KGR_ERR_REVOKED,
                         "if the AC wants it back: kgr-agent wipe, init and enroll",
                         "the node %s was revoked: its keys are destroyed", agent->status.node);
    else if (agent->diagnosis_err == KGR_ERR_ACCESS)
        kgr_finding_warn(out, "agent", "run kgrctl doctor as root or as a user with the right list",
                         "it tells this user only little: %s", agent->diagnosis_reason);
    else if (agent->diagnosis_err == KGR_ERR_UNSUPPORTED)
        kgr_finding_warn(out, "agent", "upgrade kgr-agent, then restart it",
                         "version %s tells nothing to kgrctl doctor", agent->status.version);
    else if (agent->diagnosis_err == KGR_OK && agent->diagnosis.sandbox == 0)
        kgr_finding_warn(out, "agent", "take sandbox = false out of the configuration",
                         "the agent runs without its sandbox");
    else
        kgr_finding_ok(out, "agent", "node %s answers at %s", agent->status.node,
                       facts->host.socket);
}

void kgr_judge_agent(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const char *audit = kgr_facts_alarm(facts, "audit");

    if (facts->agent.err != KGR_OK) {
        judge_absent(out, facts);
        return;
    }
    judge_alive(out, facts);
    if (strcmp(facts->agent.status.version, facts->version) != 0)
        kgr_finding_warn(out, "versions",
                         "systemctl restart kgr-agent after an upgrade; install one version of all",
                         "kgr-agent is %s, kgrctl %s", facts->agent.status.version, facts->version);
    else if (facts->doors.provider_active &&
             strcmp(facts->doors.provider_version, facts->version) != 0)
        kgr_finding_warn(out, "versions", "install one version of all", "kgr.so is %s, kgrctl %s",
                         facts->doors.provider_version, facts->version);
    else
        kgr_finding_ok(out, "versions", "%s", facts->version);
    if (audit != NULL)
        kgr_finding_warn(out, "audit", "kgrctl audit verify; look at TPM and disk", "%s", audit);
    else if (facts->agent.diagnosis_err == KGR_OK)
        kgr_finding_ok(out, "audit", "written and signed");
}
