/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

/*
 * What scripts/bench started, by the environment:
 * BENCH_AGENT_RESIDENT, BENCH_AGENT_SEALED: sockets of agents that have such keys with BENCH_PEER.
 * BENCH_RAW_TPM: the TCTI of a TPM that nobody else uses. BENCH_LIB: the folder of our modules.
 * BENCH_TPM2_PKCS11, BENCH_SOFTHSM: modules of others, whose token BENCH_TOKEN has the PIN BENCH_PIN.
 * BENCH_CROWD: the socket of an agent with BENCH_CROWD_PEERS peers from seed-00001 on, BENCH_CROWD_PID its pid,
 * BENCH_CROWD_CONF its configuration, BENCH_AGENT_PROGRAM its program.
 * BENCH_PAIRS: the folder of a lab of BENCH_PAIRS_NODES nodes whose services write their times into BENCH_TIMES.
 */
const char *bench_env(const char *name);
unsigned long bench_env_number(const char *name);
/* bench_client makes a client of the agent whose socket the variable names. */
struct kgr_client *bench_client(const char *variable);
/* bench_ok ends the program unless err is KGR_OK. */
void bench_ok(enum kgr_error err, const char *what);
