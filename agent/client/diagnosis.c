/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/diagnosis.h"

#include <stddef.h>
#include <string.h>

#include "agent/client/call.h"
#include "agent/client/reason.h"

#define ALARM "alarm."

struct field {
    const char *name;
    size_t at;
    size_t cap; /* of a text; 0: a number */
};

#define NUMBER(n)                                                                                  \
    {                                                                                              \
#n, offsetof(struct kgr_diagnosis, n), 0                                                   \
    }
#define TEXT(n)                                                                                    \
    {                                                                                              \
#n, offsetof(struct kgr_diagnosis, n), sizeof(((struct kgr_diagnosis *)0)->n)              \
    }

static const struct field fields[] = {
    TEXT(config),
    TEXT(state),
    TEXT(tcti),
    TEXT(custody_wanted),
    NUMBER(sandbox),
    TEXT(tpm_error),
    TEXT(tpm_lacks),
    NUMBER(tpm_in_lockout),
    NUMBER(tpm_lockout_counter),
    NUMBER(tpm_lockout_max),
    NUMBER(tpm_objects),
    NUMBER(tpm_own_objects),
    NUMBER(tpm_sessions),
    NUMBER(tpm_own_sessions),
    NUMBER(tpm_sessions_free),
    NUMBER(tpm_persistent_free),
    TEXT(broker_trouble),
    NUMBER(broker_lost_s),
    NUMBER(broker_connects),
    NUMBER(broker_refused_publishes),
    NUMBER(nksk_due_s),
};

/* -1 for what is no number. */
static int64_t number(const char *p, size_t len)
{
    int64_t value = 0;

    if (len == 0 || len > 18)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        value = value * 10 + (p[i] - '0');
    }
    return value;
}

static void take_alarm(struct kgr_diagnosis *out, const char *name, size_t name_len,
                       const char *value, size_t len)
{
    struct kgr_diagnosis_alarm *alarm = &out->alarms[out->num_alarms];

    if (out->num_alarms == KGR_DIAGNOSIS_ALARMS_MAX)
        return;
    out->num_alarms++;
    kgr_text_clean(alarm->name, sizeof(alarm->name), name, name_len, false);
    kgr_text_clean(alarm->text, sizeof(alarm->text), value, len, false);
}

static void take(struct kgr_diagnosis *out, const char *name, size_t name_len, const char *value,
                 size_t len)
{
    if (name_len > strlen(ALARM) && memcmp(name, ALARM, strlen(ALARM)) == 0) {
        take_alarm(out, name + strlen(ALARM), name_len - strlen(ALARM), value, len);
        return;
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(fields); i++) {
        char *at = (char *)out + fields[i].at;
        int64_t n;

        if (strlen(fields[i].name) != name_len || memcmp(fields[i].name, name, name_len) != 0)
            continue;
        if (fields[i].cap != 0) {
            kgr_text_clean(at, fields[i].cap, value, len, false);
            return;
        }
        n = number(value, len);
        memcpy(at, &n, sizeof(n));
        return;
    }
}

void kgr_diagnosis_parse(struct kgr_diagnosis *out, const char *text, size_t len)
{
    const char *end = text + len;
    const int64_t none = -1;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < KGR_ARRAY_LEN(fields); i++)
        if (fields[i].cap == 0)
            memcpy((char *)out + fields[i].at, &none, sizeof(none));
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const char *equals;

        if (stop == NULL)
            stop = end;
        equals = memchr(text, '=', (size_t)(stop - text));
        if (equals != NULL)
            take(out, text, (size_t)(equals - text), equals + 1, (size_t)(stop - equals - 1));
        text = stop < end ? stop + 1 : end;
    }
}

enum kgr_error kgr_get_diagnosis(struct kgr_client *client, struct kgr_diagnosis *out)
{
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, KGR_IPC_DIAGNOSIS);

    if (err == KGR_OK)
        err = kgr_call_run(&call, KGR_OK);
    if (err == KGR_OK)
        kgr_diagnosis_parse(out, (const char *)call.exchange.reply.p, call.exchange.reply.len);
    kgr_call_end(&call);
    return err;
}
