/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/daemon/config.h"
#include "agent/mqtt/broker.h"

/*
 * The brokers in a configuration file, the same for every program. The schema of the file has
 *     {.name = "broker", .type = KGR_CONFIG_GROUPS, .keys = kgr_broker_keys}
 * and the file `broker = { host = "...", ... }`, or a list ( {...}, {...} ) of several, tried in order.
 */
extern const struct kgr_config_key kgr_broker_keys[];

/*
 * kgr_brokers_load reads the brokers of root, none if it names none; texts are borrowed from the configuration. Only
 * what can be told without the files they name is checked: kgr_mqtt_new does the rest. A single broker may lack
 * host and port, which kgr_brokers_complete fills in. KGR_ERR_CONFIG.
 */
/* kgr_brokers_check_files notes files that brokers of root name and that are missing, or that others may read or write. */
void kgr_brokers_check_files(const struct kgr_brokers *brokers, struct kgr_config_group root);
KGR_MUST_CHECK enum kgr_error kgr_brokers_load(struct kgr_brokers *out,
                                               struct kgr_config_group root, struct kgr_diag *diag);
/* kgr_brokers_complete: the broker known from elsewhere, when the file names none; host is borrowed. */
void kgr_brokers_complete(struct kgr_brokers *brokers, const char *host, uint16_t port);
