/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/ctl/ctl.h"
#include "agent/ctl/doctor/facts.h"

/*
 * Thin: each asks, and writes down what it got. Nothing is changed anywhere. kgr_collect_agent first: what it learns says
 * where the others look. What they find goes into facts, zeroed before; release it with kgr_collect_free.
 */
void kgr_collect_agent(struct kgr_facts *facts, const struct kgr_ctl *ctl);
void kgr_collect_ks(struct kgr_facts *facts);
void kgr_collect_host(struct kgr_facts *facts, const struct kgr_ctl *ctl);
void kgr_collect_doors(struct kgr_facts *facts);
void kgr_collect_free(struct kgr_facts *facts);
