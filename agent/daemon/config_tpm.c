/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_tpm.h"

#include <stdlib.h>

const struct kgr_config_key kgr_config_tpm_keys[] = {
    {.name = "tcti", .type = KGR_CONFIG_TEXT, .def_text = "device:/dev/tpmrm0"},
    {.name = "owner_auth_file", .type = KGR_CONFIG_TEXT},
    {.name = "endorsement_auth_file", .type = KGR_CONFIG_TEXT},
    {.name = "handles", .type = KGR_CONFIG_TEXT},
    {.name = NULL},
};

/* Two handles in hexadecimal and a hyphen; which ones are allowed the TPM's layer says. */
static bool is_range(const char *text)
{
    char *end;
    unsigned long first = strtoul(text, &end, 16), last;

    if (*end != '-')
        return false;
    last = strtoul(end + 1, &end, 16);
    return *end == '\0' && first >= 0x81000000ul && first <= last && last <= 0x817ffffful;
}

void kgr_config_tpm_check(struct kgr_config_group root, bool open)
{
    struct kgr_config_group tpm = kgr_config_group(root, "tpm");
    const char *handles = kgr_config_text(tpm, "handles");

    kgr_config_check_secret(tpm, "owner_auth_file", open);
    kgr_config_check_secret(tpm, "endorsement_auth_file", open);
    if (handles != NULL && !is_range(handles))
        (void)kgr_config_error(NULL, tpm, "handles",
                               "must be FIRST-LAST of 0x81000000 to 0x817fffff, such as "
                               "0x81004b00-0x81004bff");
}
