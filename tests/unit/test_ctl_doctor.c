/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_facts facts;
static struct kgr_findings findings;

static int healthy(void **state)
{
    static const char diagnosis[] =
        "config=/etc/kgr/agent.conf\nstate=/var/lib/kgr/agent\nsandbox=1\n"
        "tpm_in_lockout=0\ntpm_lockout_counter=0\ntpm_lockout_max=32\n"
        "tpm_objects=2\ntpm_own_objects=2\ntpm_sessions=1\n"
        "tpm_own_sessions=1\ntpm_sessions_free=60\n"
        "tpm_persistent_free=4\nbroker_lost_s=0\nnonsense\nnew=1\n";

    (void)state;
    memset(&facts, 0, sizeof(facts));
    facts.version = "1.2.3";
    (void)snprintf(facts.agent.status.version, sizeof(facts.agent.status.version), "1.2.3");
    facts.agent.status.registered = true;
    facts.agent.status.broker_connected = true;
    facts.agent.status.tpm_resident = true;
    facts.agent.status.lease_s = 60;
    kgr_diagnosis_parse(&facts.agent.diagnosis, diagnosis, sizeof(diagnosis) - 1);
    facts.host.socket_exists = facts.host.socket_usable = true;
    facts.host.config_fact = KGR_CONFIG_GOOD;
    facts.host.state_known = facts.host.state_exists = true;
    facts.host.state_mode = 0700;
    facts.host.state_free = UINT64_C(1) << 40;
    facts.host.wall_s = 1800000000;
    facts.doors.openssl_ran = true;
    return 0;
}

static void alarm_raised(const char *name)
{
    struct kgr_diagnosis *d = &facts.agent.diagnosis;

    (void)snprintf(d->alarms[d->num_alarms].name, sizeof(d->alarms[0].name), "%s", name);
    (void)snprintf(d->alarms[d->num_alarms].text, sizeof(d->alarms[0].text), "alarm %s", name);
    d->num_alarms++;
}

static void no_agent(enum kgr_error err)
{
    facts.agent.err = err;
}

/* Each breaks one thing. */
static void break_lockout(void)
{
    facts.agent.diagnosis.tpm_in_lockout = 1;
}
static void break_passwords(void)
{
    facts.agent.diagnosis.tpm_lockout_counter = 3;
}
static void break_objects(void)
{
    facts.agent.diagnosis.tpm_objects = 3;
}
static void break_sessions(void)
{
    facts.agent.diagnosis.tpm_sessions = 2;
}
static void break_session_room(void)
{
    facts.agent.diagnosis.tpm_sessions_free = 0;
}
static void break_persistent(void)
{
    facts.agent.diagnosis.tpm_persistent_free = 0;
}
static void break_commands(void)
{
    memcpy(facts.agent.diagnosis.tpm_lacks, "CBC", 4);
}
static void break_tpm(void)
{
    alarm_raised("tpm");
}
static void break_tpm_hung(void)
{
    facts.agent.diagnosis_err = KGR_ERR_TIMEOUT;
}
static void break_user(void)
{
    memcpy(facts.host.tpm_user, "x (pid 1)", 10);
}
static void lose_broker(const char *why)
{
    facts.agent.status.broker_connected = false;
    alarm_raised("broker");
    (void)snprintf(facts.agent.diagnosis.broker_trouble,
                   sizeof(facts.agent.diagnosis.broker_trouble), "%s", why);
}
static void break_broker(void)
{
    lose_broker("cannot connect");
}
static void break_login(void)
{
    lose_broker("connection refused by the broker: not authorised (reason 5)");
}
static void break_tls(void)
{
    lose_broker("TLS: the broker's certificate is refused: expired");
}
static void break_subscribe(void)
{
    lose_broker("subscription refused by the broker: not authorised (reason 135)");
}
static void break_ks(void)
{
    alarm_raised("ks");
    alarm_raised("lease_close");
    alarm_raised("key_expiring");
}
static void break_lease(void)
{
    alarm_raised("lease");
}
static void break_expiring(void)
{
    alarm_raised("key_expiring");
}
static void break_budget(void)
{
    alarm_raised("budget_close");
}
static void break_jump(void)
{
    alarm_raised("clock");
}
static void break_clock(void)
{
    facts.host.wall_s = 3;
}
static void break_disk(void)
{
    facts.host.state_free = 1;
}
static void break_mode(void)
{
    facts.host.state_mode = 0750;
}
static void break_audit(void)
{
    alarm_raised("audit");
}
static void break_version(void)
{
    facts.version = "2";
}
static void break_group(void)
{
    no_agent(KGR_ERR_NO_AGENT);
    facts.host.socket_usable = false;
    facts.host.group_exists = true;
}
static void break_rights(void)
{
    no_agent(KGR_ERR_ACCESS);
}
static void break_agent(void)
{
    no_agent(KGR_ERR_NO_AGENT);
}
static void break_hung(void)
{
    no_agent(KGR_ERR_TIMEOUT);
}
static void break_config(void)
{
    no_agent(KGR_ERR_NO_AGENT);
    facts.host.config_fact = KGR_CONFIG_WRONG;
}
static void break_revoked(void)
{
    facts.agent.status.registered = false;
}
static void break_entropy(void)
{
    facts.ks.here = true;
    facts.ks.status.broker_connected = true;
    (void)snprintf(facts.ks.status.alarms, sizeof(facts.ks.status.alarms),
                   "entropy source x failed");
}

static const struct {
    void (*break_it)(void);
    const char *check;
    enum kgr_finding_state state;
    int code;
} faults[] = {
    {break_lockout, "tpm-lockout", KGR_FINDING_WARN, 0},
    {break_passwords, "tpm-lockout", KGR_FINDING_WARN, 0},
    {break_objects, "tpm-handles", KGR_FINDING_WARN, 0},
    {break_sessions, "tpm-handles", KGR_FINDING_WARN, 0},
    {break_session_room, "tpm-handles", KGR_FINDING_WARN, 0},
    {break_persistent, "tpm-handles", KGR_FINDING_WARN, 0},
    {break_commands, "tpm-commands", KGR_FINDING_WARN, 0},
    {break_tpm, "tpm", KGR_FINDING_FAIL, 7},
    {break_tpm_hung, "tpm", KGR_FINDING_FAIL, 7},
    {break_user, "tpm-users", KGR_FINDING_WARN, 0},
    {break_broker, "broker", KGR_FINDING_FAIL, 1},
    {break_login, "broker-login", KGR_FINDING_FAIL, 1},
    {break_tls, "broker-login", KGR_FINDING_FAIL, 1},
    {break_subscribe, "broker-topics", KGR_FINDING_FAIL, 1},
    {break_ks, "ks", KGR_FINDING_FAIL, 1},
    {break_lease, "lease", KGR_FINDING_FAIL, 1},
    {break_expiring, "keys", KGR_FINDING_WARN, 0},
    {break_budget, "budget", KGR_FINDING_WARN, 0},
    {break_jump, "clock", KGR_FINDING_WARN, 0},
    {break_clock, "clock", KGR_FINDING_FAIL, 1},
    {break_disk, "state", KGR_FINDING_FAIL, 1},
    {break_mode, "state", KGR_FINDING_FAIL, 9},
    {break_audit, "audit", KGR_FINDING_WARN, 0},
    {break_version, "versions", KGR_FINDING_WARN, 0},
    {break_group, "permissions", KGR_FINDING_FAIL, 5},
    {break_rights, "permissions", KGR_FINDING_FAIL, 5},
    {break_agent, "agent", KGR_FINDING_FAIL, 3},
    {break_hung, "agent", KGR_FINDING_FAIL, 6},
    {break_config, "configuration", KGR_FINDING_FAIL, 9},
    {break_revoked, "agent", KGR_FINDING_FAIL, 5},
    {break_entropy, "entropy", KGR_FINDING_WARN, 0},
};

static size_t num_bad(void)
{
    size_t num = 0;

    for (size_t i = 0; i < findings.num; i++)
        num += findings.list[i].state >= KGR_FINDING_WARN;
    return num;
}

static void nothing_is_found_where_nothing_is_wrong(void **state)
{
    (void)healthy(state);
    kgr_judge(&findings, &facts);
    assert_int_equal(num_bad(), 0);
    assert_int_equal(kgr_findings_exit_code(&findings), 0);
}

static void each_fault_is_found_alone_with_a_remedy(void **state)
{
    for (size_t f = 0; f < sizeof(faults) / sizeof(faults[0]); f++) {
        const struct kgr_finding *bad = NULL;

        (void)healthy(state);
        faults[f].break_it();
        kgr_judge(&findings, &facts);
        for (size_t i = 0; i < findings.num; i++) {
            if (findings.list[i].state < KGR_FINDING_WARN)
                continue;
            if (bad != NULL)
                fail_msg("fault %zu (%s): also %s: %s", f, faults[f].check, findings.list[i].check,
                         findings.list[i].text);
            bad = &findings.list[i];
        }
        if (bad == NULL)
            fail_msg("fault %zu (%s): nothing found", f, faults[f].check);
        assert_string_equal(bad->check, faults[f].check);
        assert_int_equal(bad->state, faults[f].state);
        assert_true(bad->remedy[0] != '\0');
        assert_int_equal(kgr_findings_exit_code(&findings), faults[f].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found_where_nothing_is_wrong),
        cmocka_unit_test(each_fault_is_found_alone_with_a_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
