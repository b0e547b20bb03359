/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_metrics.h"

#include <string.h>

const struct kgr_config_key kgr_config_metrics_keys[] = {
    {.name = "textfile", .type = KGR_CONFIG_TEXT, .max = 900, .def_text = ""},
    {.name = "interval", .type = KGR_CONFIG_INT, .min = 1, .max = 86400, .def = 60},
    {.name = "peers", .type = KGR_CONFIG_INT, .min = 0, .max = 100, .def = 50},
    {.name = NULL},
};

void kgr_config_metrics_check(struct kgr_config_group root)
{
    struct kgr_config_group metrics = kgr_config_group(root, "metrics");
    const char *path = kgr_config_text(metrics, "textfile");
    size_t len = strlen(path);

    if (len == 0 || (path[0] == '/' && len > 5 && strcmp(path + len - 5, ".prom") == 0))
        return;
    (void)kgr_config_error(
        NULL, metrics, "textfile",
        "must be an absolute path that ends in .prom, as node_exporter wants it");
}
