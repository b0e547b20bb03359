/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/wire/ipc_status.h"

/* One line more, if it fits. */
static void add_alarm(struct kgr_wr *wr, const char *line)
{
    size_t len = strlen(line);

    if (len + 1 > wr->cap - wr->len)
        return;
    if (wr->len > 0)
        kgr_wr_u8(wr, '\n');
    kgr_wr_bytes(wr, line, len);
}

/* What is wrong now, then what happened. */
static size_t join_alarms(const struct kgr_ks *ks, char *out, size_t cap)
{
    char sources[KGR_IPC_ALARMS_MAX / 2];
    uint64_t failing_ms = kgr_tpm_worker_failing(ks->worker);
    uint64_t now_ms = kgr_clock_boot_ms();
    const char *trouble = kgr_mqtt_trouble(ks->mqtt);
    char broker[KGR_BROKER_TEXT_MAX + 1], line[512];
    struct kgr_wr wr;

    kgr_wr_init(&wr, out, cap);
    if (failing_ms != 0) {
        (void)snprintf(line, sizeof(line), "the TPM has failed for %llu s",
                       (unsigned long long)failing_ms / 1000);
        add_alarm(&wr, line);
    }
    if (kgr_entropy_pool_describe(ks->entropy, sources, sizeof sources, true) > 0)
        add_alarm(&wr, sources);
    (void)kgr_broker_text(broker, kgr_mqtt_broker(ks->mqtt));
    if (ks->lost_ms != 0) {
        (void)snprintf(line, sizeof(line), "no connection to the broker %.200s for %llu s: %.180s",
                       broker, (unsigned long long)(now_ms - ks->lost_ms) / 1000, trouble);
        add_alarm(&wr, line);
    } else if (trouble[0] != '\0') {
        (void)snprintf(line, sizeof(line), "broker %.200s: %.180s", broker, trouble);
        add_alarm(&wr, line);
    }
    for (size_t i = 0; i < ks->num_alarms; i++)
        add_alarm(&wr, ks->alarms[i]);
    return wr.len;
}

_Static_assert((int)KGR_KS_NUM_CAUSES == KGR_IPC_CAUSES, "causes are numbered alike");

struct texts {
    char broker[KGR_BROKER_TEXT_MAX + 1];
    char alarms[KGR_IPC_ALARMS_MAX];
    char entropy[KGR_IPC_ENTROPY_MAX];
    uint8_t body[4096];
};

void kgr_ks_status_reply(struct kgr_ks *ks, const struct kgr_server_request *request)
{
    struct texts *texts = malloc(sizeof *texts);
    uint64_t refused = 0;
    struct kgr_ipc_ks_status status = {
        .version = kgr_slice(KGR_VERSION, strlen(KGR_VERSION)),
        .epoch = ks->epoch,
        .broker_connected = kgr_mqtt_is_ready(ks->mqtt),
        .tpm = kgr_slice(ks->tpm_summary, strlen(ks->tpm_summary)),
    };
    struct kgr_diag diag = {{0}};
    struct kgr_wr wr;
    enum kgr_error err;

    if (texts == NULL) {
        kgr_server_reply(ks->server, request->call, KGR_ERR_NO_MEMORY, kgr_slice("", 1));
        return;
    }
    (void)kgr_broker_text(texts->broker, kgr_mqtt_broker(ks->mqtt));
    status.broker = kgr_slice(texts->broker, strlen(texts->broker));
    status.alarms = kgr_slice(texts->alarms, join_alarms(ks, texts->alarms, sizeof texts->alarms));
    status.entropy =
        kgr_slice(texts->entropy, kgr_entropy_pool_describe(ks->entropy, texts->entropy,
                                                            sizeof texts->entropy, false));
    for (const struct kgr_ks_node *node = ks->nodes; node != NULL; node = node->next) {
        status.nodes++;
        status.registered += node->reg.s.phase == KGR_REGISTRY_REGISTERED;
    }
    for (const struct kgr_ks_pair *pair = ks->pairs; pair != NULL; pair = pair->next)
        status.open_exchanges += kgr_coordinator_open(&pair->co.s) != NULL;
    for (size_t i = 0; i < KGR_KS_NUM_CAUSES; i++) {
        refused += ks->refused[i];
        status.frames_refused_by[i] =
            (uint32_t)(ks->refused[i] < UINT32_MAX ? ks->refused[i] : UINT32_MAX);
    }
    status.frames_refused = (uint32_t)(refused < UINT32_MAX ? refused : UINT32_MAX);
    memcpy(status.topic0, ks->id.topic0, sizeof status.topic0);
    err = kgr_ks_duplicates_count(ks->db, &status.holding_duplicates, &diag);
    kgr_wr_init(&wr, texts->body, sizeof texts->body);
    if (err == KGR_OK)
        err = kgr_ipc_ks_status_encode(&wr, &status);
    if (err == KGR_OK)
        kgr_server_reply(ks->server, request->call, KGR_OK, kgr_wr_slice(&wr));
    else
        kgr_server_reply(ks->server, request->call, err, kgr_slice("", 1));
    free(texts);
}
