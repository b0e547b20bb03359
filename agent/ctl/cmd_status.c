/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client/ks_status.h"
#include "agent/ctl/json.h"
#include "agent/ctl/terminal.h"

static const struct {
    enum kgr_mode mode;
    const char *name;
} modes[] = {
    {KGR_MODE_ECB, "ecb"}, {KGR_MODE_CBC, "cbc"}, {KGR_MODE_CTR, "ctr"},
    {KGR_MODE_CFB, "cfb"}, {KGR_MODE_OFB, "ofb"},
};

#define NUM_MODES (sizeof(modes) / sizeof(modes[0]))

static json_t *json_modes(uint32_t mask)
{
    json_t *array = json_array();

    for (size_t i = 0; i < NUM_MODES; i++)
        if ((mask >> modes[i].mode & 1) != 0)
            (void)json_array_append_new(array, json_string(modes[i].name));
    return array;
}

static const char *const frame_causes[KGR_FRAME_REFUSAL_COUNT] = {
    [KGR_FRAME_REFUSAL_SIZE] = "size",   [KGR_FRAME_REFUSAL_VERSION] = "version",
    [KGR_FRAME_REFUSAL_KEY] = "key",     [KGR_FRAME_REFUSAL_TYPE] = "type",
    [KGR_FRAME_REFUSAL_RATE] = "rate",   [KGR_FRAME_REFUSAL_REPLAY] = "replay",
    [KGR_FRAME_REFUSAL_TAG] = "tag",     [KGR_FRAME_REFUSAL_BODY] = "body",
    [KGR_FRAME_REFUSAL_QUEUE] = "queue",
};

static json_t *json_frames(const uint32_t refused_by[KGR_FRAME_REFUSAL_COUNT])
{
    json_t *refused = json_object();

    for (int i = 0; i < KGR_FRAME_REFUSAL_COUNT; i++)
        (void)json_object_set_new(refused, frame_causes[i],
                                  json_integer((json_int_t)refused_by[i]));
    return refused;
}

static void print_frames(uint32_t refused, const uint32_t refused_by[KGR_FRAME_REFUSAL_COUNT])
{
    const char *between = ": ";

    (void)printf("%-16s %" PRIu32, "frames refused", refused);
    for (int i = 0; i < KGR_FRAME_REFUSAL_COUNT; i++)
        if (refused_by[i] != 0) {
            (void)printf("%s%" PRIu32 " %s", between, refused_by[i], frame_causes[i]);
            between = ", ";
        }
    (void)putchar('\n');
}

static json_t *json_messages(const struct kgr_status *s)
{
    json_t *refused = json_object();

    for (int i = 0; i < KGR_REFUSAL_COUNT; i++)
        (void)json_object_set_new(refused, kgr_refusal_name((enum kgr_refusal)i),
                                  json_integer((json_int_t)s->messages_refused[i]));
    return json_pack("{s:I, s:I, s:I, s:o}", "sent", (json_int_t)s->messages_sent, "accepted",
                     (json_int_t)s->messages_accepted, "waiting", (json_int_t)s->messages_waiting,
                     "refused", refused);
}

static int print_json(const struct kgr_status *s)
{
    json_t *tpm = json_pack("{s:o, s:b, s:s, s:o}", "name", kgr_json_text(s->tpm), "resident",
                            (int)s->tpm_resident, "custody", s->sealed ? "sealed" : "resident",
                            "modes", json_modes(s->modes));

    return kgr_json_print(json_pack(
        "{s:i, s:o, s:s, s:b, s:o, s:b, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "version",
        KGR_CTL_JSON_VERSION, "node", kgr_json_text(s->node), "agent_version", s->version,
        "registered", (int)s->registered, "broker", kgr_json_text(s->broker), "broker_connected",
        (int)s->broker_connected, "ks_answer_age_s", kgr_json_seconds(s->ks_answer_age_s),
        "lease_s", kgr_json_seconds(s->lease_s), "epoch", (json_int_t)s->epoch, "num_peers",
        (json_int_t)s->num_peers, "frames_refused", (json_int_t)s->frames_refused,
        "frames_refused_by", json_frames(s->frames_refused_by), "messages", json_messages(s), "tpm",
        tpm, "alarms", kgr_json_lines(s->alarms)));
}

static void print_line(const char *name, const char *value)
{
    (void)printf("%-16s %s\n", name, value[0] == '\0' ? "-" : value);
}

/* One line each; those after the first have no name. */
/* The first of the lines stands behind the name. */
static void print_lines(const char *name, const char *lines)
{
    if (*lines == '\0')
        print_line(name, "none");
    while (*lines != '\0') {
        int len = (int)strcspn(lines, "\n");

        (void)printf("%-16s %.*s\n", name, len, lines);
        name = "";
        lines += len;
        lines += *lines == '\n' ? 1 : 0;
    }
}

static void print_broker(const char *broker, bool connected)
{
    (void)printf("%-16s %s%s\n", "broker", broker[0] == '\0' ? "-" : broker,
                 connected ? ", connected" : ", not connected");
}

/* Sent, accepted, waiting, and what was refused if anything was. */
static void print_messages(const struct kgr_status *s)
{
    const char *between = "; refused";

    (void)printf("%-16s %" PRIu64 " sent, %" PRIu64 " accepted, %" PRIu32 " waiting", "messages",
                 s->messages_sent, s->messages_accepted, s->messages_waiting);
    for (int i = 0; i < KGR_REFUSAL_COUNT; i++)
        if (s->messages_refused[i] != 0) {
            (void)printf("%s %" PRIu32 " %s", between, s->messages_refused[i],
                         kgr_refusal_name((enum kgr_refusal)i));
            between = ",";
        }
    (void)putchar('\n');
}

static int print_text(const struct kgr_status *s)
{
    char text[KGR_CTL_DURATION_MAX];

    print_line("node", s->node);
    print_line("registered", s->registered ? "yes" : "no");
    print_line("agent", s->version);
    print_broker(s->broker, s->broker_connected);
    (void)printf("%-16s %s%s\n", "KS answered", kgr_ctl_duration(text, s->ks_answer_age_s),
                 s->ks_answer_age_s < 0 ? "" : " ago");
    print_line("lease left", kgr_ctl_duration(text, s->lease_s));
    (void)printf("%-16s %" PRIu32 "\n", "peers", s->num_peers);
    (void)printf("%-16s %" PRIu32 "\n", "epoch", s->epoch);
    print_frames(s->frames_refused, s->frames_refused_by);
    print_messages(s);
    print_line("TPM", s->tpm);
    print_line("custody", s->sealed ? "sealed" : "resident");
    (void)printf("%-16s", "cipher modes");
    for (size_t i = 0; i < NUM_MODES; i++)
        if ((s->modes >> modes[i].mode & 1) != 0)
            (void)printf(" %s", modes[i].name);
    (void)putchar('\n');
    print_lines("alarms", s->alarms);
    return kgr_ctl_flush();
}

static int print_ks_json(const struct kgr_ks_status *s)
{
    return kgr_json_print(json_pack(
        "{s:i, s:s, s:I, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "version",
        KGR_CTL_JSON_VERSION, "ks_version", s->version, "epoch", (json_int_t)s->epoch, "broker",
        kgr_json_text(s->broker), "broker_connected", (int)s->broker_connected, "nodes",
        (json_int_t)s->nodes, "registered", (json_int_t)s->registered, "open_exchanges",
        (json_int_t)s->open_exchanges, "exchanges_holding_duplicates",
        (json_int_t)s->holding_duplicates, "frames_refused", (json_int_t)s->frames_refused,
        "frames_refused_by", json_frames(s->frames_refused_by), "tpm", kgr_json_text(s->tpm),
        "topic0", kgr_json_text(s->topic0), "entropy", kgr_json_lines(s->entropy), "alarms",
        kgr_json_lines(s->alarms)));
}

static int print_ks_text(const struct kgr_ks_status *s)
{
    print_line("KS", s->version);
    print_broker(s->broker, s->broker_connected);
    (void)printf("%-16s %" PRIu32 ", %" PRIu32 " registered\n", "nodes", s->nodes, s->registered);
    (void)printf("%-16s %" PRIu32 " open, %" PRIu32 " holding duplicates\n", "exchanges",
                 s->open_exchanges, s->holding_duplicates);
    (void)printf("%-16s %" PRIu32 "\n", "epoch", s->epoch);
    print_frames(s->frames_refused, s->frames_refused_by);
    print_line("TPM", s->tpm);
    print_line("topic0", s->topic0);
    print_lines("entropy", s->entropy);
    print_lines("alarms", s->alarms);
    return kgr_ctl_flush();
}

static int ks_status(const struct kgr_ctl *ctl)
{
    struct kgr_ks_status *status = malloc(sizeof *status);
    enum kgr_error err =
        status == NULL ? KGR_ERR_NO_MEMORY : kgr_get_ks_status(ctl->client, status);
    int code;

    if (err != KGR_OK)
        code = kgr_ctl_fail(err, "status of the KS");
    else
        code = ctl->options->json ? print_ks_json(status) : print_ks_text(status);
    free(status);
    return code;
}

int kgr_ctl_status(const struct kgr_ctl *ctl)
{
    struct kgr_status status;
    enum kgr_error err;

    if (ctl->options->ks)
        return ks_status(ctl);
    err = kgr_get_status(ctl->client, &status);
    if (err != KGR_OK)
        return kgr_ctl_fail(err, "status");
    return ctl->options->json ? print_json(&status) : print_text(&status);
}
