/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

#include <inttypes.h>
#include <string.h>

#include "agent/ctl/terminal.h"

/* The key server: over the broker, which is the round trip that counts, and on this machine if it runs here. */

static void judge_answer(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_status *s = &facts->agent.status;
    const char *silent = kgr_facts_alarm(facts, "ks");
    char age[KGR_CTL_DURATION_MAX];

    if (silent != NULL)
        kgr_finding_fail(
            out, "ks", KGR_ERR_LEASE,
            "does kgr-ks run, is it connected (kgrctl status --ks there), and does the "
            "broker let it publish?",
            "the broker is there, and %s", silent);
    else if (s->ks_answer_age_s < 0)
        kgr_finding_unknown(out, "ks", "it was asked only now: look again in a moment");
    else
        kgr_finding_ok(out, "ks", "answered %s ago", kgr_ctl_duration(age, s->ks_answer_age_s));
}

static void judge_lease(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const char *none = kgr_facts_alarm(facts, "lease");
    const char *close = kgr_facts_alarm(facts, "lease_close");
    char left[KGR_CTL_DURATION_MAX];

    if (kgr_findings_has_failed(out, "ks"))
        kgr_finding_unknown(out, "lease", "%s",
                            facts->agent.status.lease_s < 0
                                ? "none: without the KS there is no other"
                                : "it runs out: without the KS there is no other");
    else if (none != NULL)
        kgr_finding_fail(out, "lease", KGR_ERR_LEASE, "see the log of kgr-ks for this node", "%s",
                         none);
    else if (close != NULL)
        kgr_finding_warn(out, "lease", "see the log of kgr-ks for this node", "%s", close);
    else if (facts->agent.status.lease_s < 0)
        kgr_finding_unknown(out, "lease", "none yet");
    else
        kgr_finding_ok(out, "lease", "%s left",
                       kgr_ctl_duration(left, facts->agent.status.lease_s));
}

static void judge_server(struct kgr_findings *out, const struct kgr_ks_facts *ks)
{
    const struct kgr_ks_status *s = &ks->status;
    int first = (int)strcspn(s->alarms, "\n");

    if (ks->err == KGR_ERR_ACCESS)
        kgr_finding_unknown(out, "ks-here", "%s", ks->reason);
    else if (ks->err != KGR_OK)
        kgr_finding_fail(out, "ks-here", ks->err,
                         "systemctl start kgr-ks; journalctl -u kgr-ks says why it ended",
                         "the key server of this machine: %s", ks->reason);
    else if (!s->broker_connected)
        kgr_finding_fail(out, "ks-here", KGR_ERR_BROKER,
                         "is the broker up? see broker = { ... } of ks.conf",
                         "the key server has no connection to %s", s->broker);
    else if (strstr(s->alarms, "entropy") != NULL)
        kgr_finding_warn(out, "entropy", "look at the sources in entropy = ( ... ) of ks.conf",
                         "%.*s", first, s->alarms);
    else if (s->alarms[0] != '\0')
        kgr_finding_warn(out, "ks-here", "kgrctl status --ks shows all", "%.*s", first, s->alarms);
    else
        kgr_finding_ok(out, "ks-here", "%u of %u nodes registered, no alarm", s->registered,
                       s->nodes);
}

void kgr_judge_ks(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_agent_facts *agent = &facts->agent;

    if (agent->err != KGR_OK || !agent->status.registered || !agent->status.broker_connected) {
        kgr_finding_unknown(out, "ks", "nothing to ask it over");
    } else {
        judge_answer(out, facts);
        judge_lease(out, facts);
    }
    /* One that is down is what the node's finding says already. */
    if (facts->ks.here && (facts->ks.err == KGR_OK || !kgr_findings_has_failed(out, "ks")))
        judge_server(out, &facts->ks);
}
