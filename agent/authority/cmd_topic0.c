/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/authority/ac.h"
#include "agent/wire/frame.h"

enum kgr_error kgr_ac_cmd_topic0_rotate(const struct kgr_ac_settings *settings,
                                        const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct kgr_slice result;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    (void)options; /* it has none */
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = kgr_ac_order(&ac, &result, buf, KGR_ORDER_TOPIC0_ROTATE, kgr_slice(NULL, 0), diag);
    kgr_ac_close(&ac);
    free(buf);
    if (err == KGR_OK)
        printf("new credentials name a new TOPIC0; those that are out keep theirs\n");
    return err;
}
