/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdio.h>

#include "agent/ctl/candidates.h"
#include "agent/ctl/json.h"
#include "agent/ctl/key.h"
#include "agent/ctl/terminal.h"

int kgr_ctl_topics(const struct kgr_ctl *ctl)
{
    const char *name = ctl->options->operands[0];
    struct kgr_key key = kgr_ctl_key(name);
    struct kgr_peer peer;
    enum kgr_error err;

    err = kgr_get_key(ctl->client, &key, &peer);
    if (err != KGR_OK)
        return kgr_ctl_fail_peer(ctl, err, name);
    if (ctl->options->json)
        return kgr_json_print(json_pack("{s:i, s:s, s:o, s:o}", "version", KGR_CTL_JSON_VERSION,
                                        "peer", peer.peer, "receive_topic",
                                        kgr_json_text(peer.receive_topic), "send_topic",
                                        kgr_json_text(peer.send_topic)));
    (void)printf("receive %s\nsend    %s\n", peer.receive_topic, peer.send_topic);
    return kgr_ctl_flush();
}
