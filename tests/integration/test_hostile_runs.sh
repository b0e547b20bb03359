#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# KGR_HOSTILE_RUNS (200) seeded runs against a hostile broker: registration with a first exchange and a revocation, renewal
# of NKSK with and without the storage key, denial, and the death of an agent, the KS and the broker, each under
# faults; each must come right once they stop.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/hostile.sh"

hostile_up 1
for ((seed = ${KGR_HOSTILE_FIRST:-1}; seed <= ${KGR_HOSTILE_RUNS:-200}; seed++)); do
    hostile_run "$seed"
    echo "seed $seed: $(proxy_count published) published, $(proxy_count injected) injected, $SECONDS s"
done
