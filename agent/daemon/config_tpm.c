/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_tpm.h"

const struct kgr_config_key kgr_config_tpm_keys[] = {
    {.name = "tcti", .type = KGR_CONFIG_TEXT, .def_text = "device:/dev/tpmrm0"},
    {.name = "owner_auth_file", .type = KGR_CONFIG_TEXT},
    {.name = "endorsement_auth_file", .type = KGR_CONFIG_TEXT},
    {.name = "handles", .type = KGR_CONFIG_TEXT},
    {.name = NULL},
};
