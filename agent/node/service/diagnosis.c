/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/daemon/config.h"
#include "agent/mqtt/mqtt.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/usage.h"
#include "agent/tpm/worker.h"

/* diagnosis: what kgrctl doctor judges, a fact a line (docs/protocol.md, section 11). */

#define TEXT_MAX 16384u

struct facts {
    char text[TEXT_MAX];
    size_t len;
};

static void add(struct facts *facts, const char *name, const char *fmt, ...) KGR_PRINTF(3, 4);
static void add(struct facts *facts, const char *name, const char *fmt, ...)
{
    char value[700];
    va_list ap;
    int len;

    va_start(ap, fmt);
    (void)vsnprintf(value, sizeof(value), fmt, ap); /* cut to fit */
    va_end(ap);
    for (char *p = value; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
    len = snprintf(facts->text + facts->len, sizeof(facts->text) - facts->len, "%s=%s\n", name,
                   value);
    if (len > 0 && (size_t)len < sizeof(facts->text) - facts->len)
        facts->len += (size_t)len;
}

static void add_settings(struct facts *facts, const struct kgr_settings *s)
{
    static const char *const wishes[] = {"auto", "resident", "sealed"};

    add(facts, "config", "%s", kgr_config_path(s->config));
    add(facts, "state", "%s", s->state);
    add(facts, "tcti", "%s", s->tpm.tcti);
    add(facts, "sandbox", "%d", s->sandbox);
    if ((size_t)s->custody < KGR_ARRAY_LEN(wishes))
        add(facts, "custody_wanted", "%s", wishes[s->custody]);
}

static void add_broker(struct facts *facts, const struct kgr_node *node, uint64_t now_ms)
{
    struct kgr_mqtt_stats stats;

    if (node->mqtt == NULL)
        return;
    kgr_mqtt_stats(node->mqtt, &stats);
    add(facts, "broker_trouble", "%s", kgr_mqtt_trouble(node->mqtt));
    add(facts, "broker_lost_s", "%" PRIu64,
        node->lost_ms == 0 ? 0 : (now_ms - node->lost_ms) / 1000);
    add(facts, "broker_connects", "%" PRIu64, stats.connects);
    add(facts, "broker_refused_publishes", "%" PRIu64, stats.publish_refused);
}

static void add_node(struct facts *facts, const struct kgr_service *service)
{
    const struct kgr_node *node = service->node;
    uint64_t now = kgr_clock_boot_ms();
    struct kgr_warnings *warnings = malloc(sizeof(*warnings));

    add_settings(facts, node->settings);
    add_broker(facts, node, now);
    if (node->nksk_due_ms != UINT64_MAX)
        add(facts, "nksk_due_s", "%" PRIu64,
            node->nksk_due_ms > now ? (node->nksk_due_ms - now) / 1000 : 0);
    if (warnings != NULL)
        kgr_service_warnings(service, warnings, now);
    for (int i = 0; warnings != NULL && i < KGR_NUM_WARNINGS; i++)
        if (warnings->on[i]) {
            char name[40];

            (void)snprintf(name, sizeof(name), "alarm.%s", kgr_warning_name((enum kgr_warning)i));
            add(facts, name, "%s", warnings->text[i]);
        }
    free(warnings);
}

static void add_usage(struct facts *facts, const struct kgr_tpm_usage *usage)
{
    add(facts, "tpm_in_lockout", "%d", usage->in_lockout);
    add(facts, "tpm_lockout_counter", "%" PRIu32, usage->lockout_counter);
    add(facts, "tpm_lockout_max", "%" PRIu32, usage->lockout_max);
    add(facts, "tpm_objects", "%" PRIu32, usage->objects);
    add(facts, "tpm_own_objects", "%" PRIu32, usage->own_objects);
    add(facts, "tpm_sessions", "%" PRIu32, usage->sessions);
    add(facts, "tpm_own_sessions", "%" PRIu32, usage->own_sessions);
    add(facts, "tpm_sessions_free", "%" PRIu32, usage->sessions_free);
    add(facts, "tpm_persistent_free", "%" PRIu32, usage->persistent_free);
}

struct diagnosis_job {
    struct kgr_service_job job;
    struct kgr_tpm_usage usage;
    enum kgr_error err; /* of the TPM: the rest is told all the same */
    struct kgr_diag diag;
    char lacks[sizeof(((struct kgr_tpm_capability *)0)->lacks)];
    struct facts facts;
};

static enum kgr_error look(struct kgr_service_job *base, struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct diagnosis_job *job = (struct diagnosis_job *)base;

    (void)diag;
    (void)snprintf(job->lacks, sizeof(job->lacks), "%s", kgr_tpm_capability(tpm)->lacks);
    job->err = kgr_tpm_look_at_usage(tpm, &job->usage, &job->diag);
    return KGR_OK;
}

static enum kgr_error finish(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct diagnosis_job *job = (struct diagnosis_job *)base;

    (void)diag;
    add(&job->facts, "tpm_lacks", "%s", job->lacks);
    if (job->err == KGR_OK)
        add_usage(&job->facts, &job->usage);
    else
        add(&job->facts, "tpm_error", "%s", kgr_diag_text(&job->diag, job->err));
    add_node(&job->facts, base->service);
    kgr_service_ok(base->service, base->call, kgr_slice(job->facts.text, job->facts.len));
    return KGR_OK;
}

/* A TPM that fails may keep a job for long. */
static void answer_without_tpm(struct kgr_service *service,
                               const struct kgr_server_request *request)
{
    struct kgr_tpm_worker *worker = service->node->worker;
    struct facts *facts = malloc(sizeof(*facts));

    if (facts == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_NO_MEMORY, NULL);
        return;
    }
    facts->len = 0;
    if (worker != NULL)
        add(facts, "tpm_error", "it has failed for %" PRIu64 " s",
            kgr_tpm_worker_failing(worker) / 1000);
    add_node(facts, service);
    kgr_service_ok(service, request->call, kgr_slice(facts->text, facts->len));
    free(facts);
}

void kgr_service_diagnosis(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_tpm_worker *worker = service->node->worker;
    struct diagnosis_job *job;

    if (request->body.len != 0) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, NULL, KGR_RIGHT_LIST))
        return;
    if (worker == NULL || kgr_tpm_worker_failing(worker) != 0) {
        answer_without_tpm(service, request);
        return;
    }
    job = kgr_service_job_new(service, request->call, sizeof(*job));
    if (job == NULL)
        return;
    job->job.run = look;
    job->job.finish = finish;
    kgr_service_job_start(&job->job);
}
