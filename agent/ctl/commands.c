/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stddef.h>

const struct kgr_ctl_command kgr_ctl_commands[] = {
    {"status", "", 0, 0, "", true, "what the agent and its surroundings are doing", kgr_ctl_status},
    {"peers", "", 0, 0, "", true, "the peers and their keys", kgr_ctl_peers},
    {"topics", "PEER", 1, 1, "", true, "the MQTT topics shared with PEER", kgr_ctl_topics},
    {"request", "PEER", 1, 1, "tn", true, "get a key with PEER and wait for it", kgr_ctl_request},
    {"renew", "[PEER]", 0, 1, "tnNS", true,
     "replace the key with PEER, or the one shared with the KS (--nksk)", kgr_ctl_renew},
    {"wait", "PEER", 1, 1, "tg", true, "wait until there is a key with PEER", kgr_ctl_wait},
    {"handle", "PEER", 1, 1, "c", true, "name PEER's key in the shape of key bytes",
     kgr_ctl_handle},
    {"seal", "PEER", 1, 1, "ioas", false, "make a record that only PEER can open", kgr_ctl_seal},
    {"open", "PEER", 1, 1, "ioas", false, "open a record from PEER", kgr_ctl_open},
    {"send", "PEER [FILE]", 1, 2, "lt", false, "send FILE (-: standard input) to PEER as a message",
     kgr_ctl_send},
    {"recv", "[PEER]", 0, 1, "lrmt", true, "fetch messages of PEER, or of any peer", kgr_ctl_recv},
    {"events", "", 0, 0, "pmt", true, "show what happens, as it happens", kgr_ctl_events},
    {"metrics", "", 0, 0, "", false, "the agent, or with --ks the KS, in numbers for Prometheus",
     kgr_ctl_metrics},
    {"watch", "", 0, 0, "", false, "show all of it, live, on the whole terminal", kgr_ctl_watch},
    {"doctor", "", 0, 0, "C", true, "look for what is wrong, and say how to mend it",
     kgr_ctl_doctor},
    {"audit", "[show | verify [FILE] | export FILE]", 0, 2, "mw", true,
     "show, check or save the log of what this node did", kgr_ctl_audit},
    {"reload", "", 0, 0, "", false, "let a changed configuration count (with --ks: the KS's)",
     kgr_ctl_reload},
    {"mirror", "add|list|remove", 1, 1, "DTPp", true,
     "keep keys in a token of tpm2-pkcs11 too, list such tokens, end it", kgr_ctl_mirror},
    /* For shells, not for people: without help. */
    {"complete", "WORD...", 1, 64, "", false, NULL, kgr_ctl_complete},
    {NULL, NULL, 0, 0, NULL, false, NULL, NULL},
};
