/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

#include <inttypes.h>

/* The machine itself: what it allows this user and the agent. */

/* 2025-01-01: before this software was written. And so far ahead that nobody means it. */
#define WALL_FIRST 1735689600
#define WALL_LAST  (WALL_FIRST + INT64_C(40) * 365 * 86400)

#define FREE_FAIL (UINT64_C(4) << 20)
#define FREE_WARN (UINT64_C(64) << 20)

static void judge_configuration(struct kgr_findings *out, const struct kgr_host_facts *host)
{
    switch (host->config_fact) {
    case KGR_CONFIG_UNKNOWN:
        kgr_finding_unknown(out, "configuration", "%s cannot be checked by this user",
                            host->config);
        break;
    case KGR_CONFIG_ABSENT:
        kgr_finding_fail(out, "configuration", KGR_ERR_CONFIG,
                         "write it (man kgr-agent.conf), or name another with --config",
                         "there is no %s", host->config);
        break;
    case KGR_CONFIG_GOOD:
        kgr_finding_ok(out, "configuration", "%s", host->config);
        break;
    case KGR_CONFIG_WRONG:
        kgr_finding_fail(out, "configuration", KGR_ERR_CONFIG,
                         "correct it; kgr-agent --check shows every mistake", "%zu mistake%s: %s",
                         host->config_mistakes, host->config_mistakes == 1 ? "" : "s",
                         host->config_mistake);
        break;
    }
}

static void judge_permissions(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_host_facts *host = &facts->host;

    if (facts->agent.err == KGR_ERR_ACCESS)
        kgr_finding_fail(out, "permissions", KGR_ERR_ACCESS,
                         "give the user rights in access = ( ... ) of the configuration, then "
                         "kgrctl reload",
                         "the agent refuses %s: %s", host->user, facts->agent.reason);
    else if (host->socket_exists && !host->socket_usable && host->group_exists && !host->in_group)
        kgr_finding_fail(out, "permissions", KGR_ERR_ACCESS, "adduser USER kgr, then log in again",
                         "%s is not in the group kgr and may not use %s", host->user, host->socket);
    else if (host->socket_exists && !host->socket_usable)
        kgr_finding_fail(out, "permissions", KGR_ERR_ACCESS,
                         "restart the agent, which sets mode and group of its socket anew",
                         "%s may not use the socket %s", host->user, host->socket);
    else
        kgr_finding_ok(out, "permissions", "%s may use the socket", host->user);
}

static void judge_state(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const struct kgr_host_facts *host = &facts->host;
    const char *folder = facts->agent.diagnosis.state;
    const char *alarm = kgr_facts_alarm(facts, "disk");

    if (alarm != NULL)
        kgr_finding_fail(out, "state", KGR_ERR_IO, "make room on the file system of the state",
                         "%s", alarm);
    else if (!host->state_known)
        kgr_finding_unknown(out, "state", "the state folder is not known, or not to this user");
    else if (!host->state_exists)
        kgr_finding_fail(out, "state", KGR_ERR_CONFIG,
                         "put it back, or begin anew: kgr-agent wipe, init, enroll",
                         "the state folder %s is gone", folder);
    else if ((host->state_mode & 077) != 0)
        kgr_finding_fail(out, "state", KGR_ERR_CONFIG, "chmod 700 that folder",
                         "others may use the state folder %s (mode %03o)", folder,
                         host->state_mode & 0777);
    else if (host->state_free < FREE_FAIL)
        kgr_finding_fail(out, "state", KGR_ERR_IO, "make room on its file system",
                         "%" PRIu64 " KiB are free for %s", host->state_free >> 10, folder);
    else if (host->state_free < FREE_WARN)
        kgr_finding_warn(out, "state", "make room on its file system",
                         "%" PRIu64 " MiB are free for %s", host->state_free >> 20, folder);
    else
        kgr_finding_ok(out, "state", "%s", folder);
}

static void judge_clock(struct kgr_findings *out, const struct kgr_facts *facts)
{
    const char *alarm = kgr_facts_alarm(facts, "clock");

    if (facts->host.wall_s < WALL_FIRST || facts->host.wall_s > WALL_LAST)
        kgr_finding_fail(
            out, "clock", KGR_ERR_FAILED, "set it, and keep it with systemd-timesyncd or chrony",
            "the wall clock cannot be right: %" PRId64 " s after 1970", facts->host.wall_s);
    else if (alarm != NULL)
        kgr_finding_warn(out, "clock", "keep it with systemd-timesyncd or chrony", "%s", alarm);
    else
        kgr_finding_ok(out, "clock", "plausible; lifetimes and leases do not depend on it");
}

void kgr_judge_host(struct kgr_findings *out, const struct kgr_facts *facts)
{
    judge_configuration(out, &facts->host);
    judge_permissions(out, facts);
    judge_state(out, facts);
    judge_clock(out, facts);
}
