/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "agent/authority/settings.h"
#include "agent/base/buf.h"
#include "agent/wire/order.h"

/* Lists that the KS gives page by page, as a table or as a JSON array. */
struct kgr_ac_list {
    enum kgr_order_kind kind;
    void (*title)(void);
    /* Reads one entry and prints it, or appends it to json unless that is NULL; false when it is malformed. */
    bool (*entry)(struct kgr_rd *rd, json_t *json);
    bool as_json;
};

/* kgr_ac_print_list asks for every page, then prints. */
KGR_MUST_CHECK enum kgr_error kgr_ac_print_list(const struct kgr_ac_settings *settings,
                                                const struct kgr_ac_list *list,
                                                struct kgr_diag *diag);
/* kgr_ac_print_json writes value and a line end to stdout; value stays the caller's. */
KGR_MUST_CHECK enum kgr_error kgr_ac_print_json(const json_t *value, struct kgr_diag *diag);
