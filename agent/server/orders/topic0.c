/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/topic0.h"

#include <string.h>

#include "agent/base/log.h"

enum kgr_error kgr_ks_topic0_listen(struct kgr_ks *ks)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    enum kgr_error err = kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, ks->id.topic0));

    for (struct kgr_ks_node *node = ks->nodes; node != NULL && err == KGR_OK; node = node->next)
        if (node->r.has_ntag)
            err = kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, node->r.topic0));
    return err;
}

void kgr_ks_topic0_release(struct kgr_ks *ks, const uint8_t topic0[KGR_TOPIC_LEN])
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    bool used = memcmp(ks->id.topic0, topic0, KGR_TOPIC_LEN) == 0;

    for (const struct kgr_ks_node *node = ks->nodes; node != NULL && !used; node = node->next)
        used = node->r.has_ntag && memcmp(node->r.topic0, topic0, KGR_TOPIC_LEN) == 0;
    if (!used)
        kgr_mqtt_unsubscribe(ks->mqtt, kgr_topic_text(topic, topic0));
}

enum kgr_error kgr_ks_topic0_rotate(struct kgr_ks *ks, struct kgr_diag *diag)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    uint8_t former[KGR_TOPIC_LEN];
    enum kgr_error err;

    memcpy(former, ks->id.topic0, sizeof former);
    kgr_random(ks->id.topic0, sizeof ks->id.topic0);
    err = kgr_ks_meta_set(ks->db, "topic0", kgr_slice(ks->id.topic0, sizeof ks->id.topic0), diag);
    if (err == KGR_OK)
        err = kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, ks->id.topic0));
    if (err == KGR_OK) {
        kgr_ks_topic0_release(ks, former);
        kgr_info("topic0", "state=rotated");
    }
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}
