/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/authority/settings.h"
#include "agent/daemon/options.h"

/* The commands of kgr-ac. Each fills diag on failure; the return value gives the exit code. */
typedef enum kgr_error kgr_ac_command(const struct kgr_ac_settings *settings,
                                      const struct kgr_options *options, struct kgr_diag *diag);

/* Indices of the options in the commands' tables (main.c). */
enum { KGR_AC_INIT_OUTPUT = 0 };
enum {
    KGR_AC_ADD_OUTPUT = 0,
    KGR_AC_ADD_PEERS = 1,
    KGR_AC_ADD_EK = 2,
    KGR_AC_ADD_VALID = 3,
    KGR_AC_ADD_BROKER = 4,
};
enum { KGR_AC_LIST_JSON = 0 };
enum { KGR_AC_MATRIX_JSON = 0, KGR_AC_MATRIX_GRID = 1, KGR_AC_MATRIX_DOT = 2 };
enum { KGR_AC_IMPORT_DRY_RUN = 0, KGR_AC_IMPORT_CREDENTIALS = 1, KGR_AC_IMPORT_JSON = 2 };
enum { KGR_AC_REKEY_STORAGE = 0 };
enum { KGR_AC_AUDIT_JSON = 0, KGR_AC_AUDIT_SINCE = 1 };
enum { KGR_AC_ALLOW_SUITE = 0, KGR_AC_ALLOW_CUSTODY = 1 };

enum { KGR_AC_WIPE_YES = 0 };

kgr_ac_command kgr_ac_cmd_wipe, kgr_ac_cmd_topic0_rotate;
kgr_ac_command kgr_ac_cmd_init, kgr_ac_cmd_pin, kgr_ac_cmd_rekey;
kgr_ac_command kgr_ac_cmd_node_add, kgr_ac_cmd_node_list, kgr_ac_cmd_node_show;
kgr_ac_command kgr_ac_cmd_node_rekey;
kgr_ac_command kgr_ac_cmd_node_revoke, kgr_ac_cmd_node_remove;
kgr_ac_command kgr_ac_cmd_pair_allow, kgr_ac_cmd_pair_deny, kgr_ac_cmd_pair_matrix;
kgr_ac_command kgr_ac_cmd_import;
kgr_ac_command kgr_ac_cmd_audit, kgr_ac_cmd_audit_verify;
