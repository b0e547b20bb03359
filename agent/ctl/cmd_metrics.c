/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/client/metrics.h"
#include "agent/ctl/terminal.h"

int kgr_ctl_metrics(const struct kgr_ctl *ctl)
{
    char *text = malloc(KGR_METRICS_TEXT_MAX);
    size_t len = 0;
    enum kgr_error err = text == NULL ? KGR_ERR_NO_MEMORY
                                      : kgr_get_metrics(ctl->client, ctl->options->ks, text, &len);

    if (err == KGR_OK)
        (void)fwrite(text, 1, len, stdout);
    free(text);
    return err == KGR_OK ? kgr_ctl_flush() : kgr_ctl_fail(err, "metrics");
}
