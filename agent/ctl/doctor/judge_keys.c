/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

#include <inttypes.h>

#include "agent/ctl/terminal.h"

/* The keys of the pairs, and the one shared with the KS. */

struct counts {
    size_t ready, none, failed, revoked;
    const struct kgr_peer *first; /* failed */
    int64_t oldest_s;
};

static void count(struct counts *out, const struct kgr_agent_facts *agent)
{
    *out = (struct counts){.oldest_s = -1};
    for (size_t i = 0; i < agent->num_peers; i++) {
        const struct kgr_peer *peer = &agent->peers[i];

        switch (peer->state) {
        case KGR_STATE_READY:
        case KGR_STATE_RENEWING:
            out->ready++;
            break;
        case KGR_STATE_REVOKED:
            out->revoked++;
            break;
        case KGR_STATE_FAILED:
            if (out->failed++ == 0)
                out->first = peer;
            break;
        default:
            out->none++;
            break;
        }
        if (peer->age_s > out->oldest_s)
            out->oldest_s = peer->age_s;
    }
}

/* Without the KS no key is renewed: that is not the keys' fault. */
static bool is_cut_off(const struct kgr_findings *out)
{
    return kgr_findings_has_failed(out, "ks") || kgr_findings_has_failed(out, "broker") ||
           kgr_findings_has_failed(out, "broker-login") ||
           kgr_findings_has_failed(out, "broker-topics") || kgr_findings_has_failed(out, "lease") ||
           kgr_findings_has_failed(out, "tpm");
}

static void judge_pairs(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const char *expiring = kgr_facts_alarm(facts, "key_expiring");
    const char *spent = kgr_facts_alarm(facts, "budget_close");
    char age[KGR_CTL_DURATION_MAX];
    struct counts n;

    count(&n, &facts->agent);
    if (is_cut_off(out))
        kgr_finding_unknown(out, "keys", "%zu of %zu peers have one; none is renewed meanwhile",
                            n.ready, facts->agent.num_peers);
    else if (n.failed > 0)
        kgr_finding_fail(
            out, "keys", n.first->error != KGR_OK ? n.first->error : KGR_ERR_NO_KEY,
            "kgr-ac pair matrix shows what is allowed; kgrctl request PEER tries again",
            "no key with %s%s: %s", n.first->peer, n.failed > 1 ? " and others" : "",
            n.first->reason[0] != '\0' ? n.first->reason : kgr_strerror(n.first->error));
    else if (expiring != NULL)
        kgr_finding_warn(out, "keys", "kgrctl renew PEER; is the peer's node up?", "%s", expiring);
    else if (spent != NULL)
        kgr_finding_warn(out, "budget", "kgrctl renew PEER; budget in the configuration", "%s",
                         spent);
    else
        kgr_finding_ok(out, "keys",
                       "%zu ready, %zu not asked for, %zu revoked or denied; the oldest is %s old",
                       n.ready, n.none, n.revoked, kgr_ctl_duration(age, n.oldest_s));
}

void kgr_judge_keys(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_agent_facts *agent = &facts->agent;
    char left[KGR_CTL_DURATION_MAX];

    if (agent->err != KGR_OK || !agent->status.registered)
        return;
    judge_pairs(out, facts);
    if (agent->diagnosis_err == KGR_OK && agent->diagnosis.nksk_due_s >= 0)
        kgr_finding_ok(out, "nksk", "the key shared with the KS is renewed in %s",
                       kgr_ctl_duration(left, agent->diagnosis.nksk_due_s));
}
