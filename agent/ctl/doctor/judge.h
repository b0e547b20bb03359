/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/ctl/doctor/facts.h"
#include "agent/ctl/doctor/findings.h"

/*
 * Pure: facts in, findings out, each check once. What only follows from another failure is UNKNOWN, so that a fault has one
 * finding, not ten.
 */
void kgr_judge(struct kgr_findings *out, const struct kgr_facts *facts);

/* The families that kgr_judge calls, in the order of the exit codes: the first failure decides it. */
void kgr_judge_host(struct kgr_findings *out, const struct kgr_facts *facts);
void kgr_judge_agent(struct kgr_findings *out, const struct kgr_facts *facts);
void kgr_judge_tpm(struct kgr_findings *out, const struct kgr_facts *facts);
void kgr_judge_broker(struct kgr_findings *out, const struct kgr_facts *facts);
void kgr_judge_ks(struct kgr_findings *out, const struct kgr_facts *facts);
void kgr_judge_keys(struct kgr_findings *out, const struct kgr_facts *facts);
void kgr_judge_doors(struct kgr_findings *out, const struct kgr_facts *facts);

/* The text of an alarm of the agent; NULL: it is not raised. */
const char *kgr_facts_alarm(const struct kgr_facts *facts, const char *name);
