/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/broker.h"

#include "agent/mqtt/broker_config.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/node.h"
#include "agent/node/store/store.h"

#define TLS_PORT 8883

const char *kgr_node_broker(const struct kgr_node *node, char out[KGR_BROKER_TEXT_MAX + 1])
{
    if (node->mqtt != NULL)
        return kgr_broker_text(out, kgr_mqtt_broker(node->mqtt));
    out[0] = '\0';
    return node->brokers.num > 0 ? kgr_broker_text(out, &node->brokers.list[0]) : out;
}

enum kgr_error kgr_node_load_broker(struct kgr_node *node, struct kgr_diag *diag)
{
    uint64_t port = 0;
    size_t len = 0;
    enum kgr_error err;

    node->brokers = node->settings->brokers;
    if (node->brokers.num > 0 && node->brokers.list[0].host != NULL)
        return KGR_OK;
    err = kgr_meta_get(node->db, KGR_META_BROKER_HOST, node->broker_host,
                       sizeof(node->broker_host) - 1, &len, diag);
    if (err == KGR_OK)
        node->broker_host[len] = '\0';
    if (err == KGR_OK)
        err = kgr_meta_get_u64(node->db, KGR_META_BROKER_PORT, &port, diag);
    if (err != KGR_OK)
        return err;
    kgr_brokers_complete(&node->brokers, node->broker_host, (uint16_t)port);
    if (port == TLS_PORT && !node->brokers.list[0].tls)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "the credential names the broker %.80s:%u, a port for TLS: say in the "
                            "configuration broker = { tls = true; ca = FILE; }",
                            node->broker_host, TLS_PORT);
    return KGR_OK;
}

uint64_t kgr_node_silence_ms(const struct kgr_node *node)
{
    bool is_waiting = node->service == NULL || node->sync.active;
    uint64_t since = node->heard_ms;

    if (node->brokers.num < 2 || node->lost_ms != 0 || !is_waiting || since == 0)
        return UINT64_MAX;
    if (node->service != NULL && node->sync.begun_ms > since)
        since = node->sync.begun_ms;
    return since + node->settings->request_timeout_s * UINT64_C(1000);
}

void kgr_node_mind_silence(struct kgr_node *node, uint64_t now_ms)
{
    if (now_ms >= kgr_node_silence_ms(node))
        kgr_mqtt_move_on(node->mqtt, "no answer from the KS over this broker");
}
