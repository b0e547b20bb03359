/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/reload.h"

#include "agent/ctl/ctl.h"
#include "agent/ctl/terminal.h"

#include <stdio.h>
#include <stdlib.h>

static int show(const struct kgr_reload *reload)
{
    if (reload->refused) {
        (void)fprintf(stderr, "%s\n", reload->text);
        return kgr_exit_code(KGR_ERR_CONFIG);
    }
    (void)printf("reloaded\n");
    if (reload->text[0] != '\0')
        (void)printf("restart needed for: %s\n", reload->text);
    return kgr_ctl_flush();
}

int kgr_ctl_reload(const struct kgr_ctl *ctl)
{
    struct kgr_reload *reload = calloc(1, sizeof(*reload));
    enum kgr_error err = reload == NULL
                             ? KGR_ERR_NO_MEMORY
                             : kgr_reload_configuration(ctl->client, ctl->options->ks, reload);
    int code = err == KGR_OK ? show(reload) : kgr_ctl_fail(err, "reload");

    free(reload);
    return code;
}
