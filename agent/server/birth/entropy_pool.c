/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth/entropy_pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/tpm/random.h"

static const char label[] = "KGR entropy pool 1";

struct kgr_entropy_pool {
    size_t num;
    bool required;
    struct kgr_entropy_source *sources[KGR_ENTROPY_SOURCES_MAX];
};

enum kgr_error kgr_entropy_pool_new(struct kgr_entropy_pool **out,
                                    const struct kgr_entropy_source_options *options, size_t num,
                                    bool required)
{
    struct kgr_entropy_pool *pool;
    enum kgr_error err = KGR_OK;

    if (num > KGR_ENTROPY_SOURCES_MAX)
        return KGR_ERR_INVALID;
    pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return KGR_ERR_NO_MEMORY;
    pool->required = required;
    for (size_t i = 0; i < num && err == KGR_OK; i++) {
        err = kgr_entropy_source_new(&pool->sources[i], &options[i]);
        if (err == KGR_OK)
            pool->num++;
    }
    if (err != KGR_OK) {
        kgr_entropy_pool_free(pool);
        return err;
    }
    *out = pool;
    return KGR_OK;
}

void kgr_entropy_pool_free(struct kgr_entropy_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->num; i++)
        kgr_entropy_source_free(pool->sources[i]);
    free(pool);
}

bool kgr_entropy_pool_ready(struct kgr_entropy_pool *pool)
{
    struct kgr_entropy_report report;

    if (pool == NULL || !pool->required)
        return true;
    for (size_t i = 0; i < pool->num; i++) {
        kgr_entropy_source_report(pool->sources[i], &report);
        if (report.state != KGR_ENTROPY_GOOD)
            return false;
    }
    return true;
}

/* What goes into the hash, all of it in the arena. */
struct mix {
    uint8_t own[KGR_SHA512_LEN];                                    /* of the TPM */
    uint8_t blocks[KGR_ENTROPY_SOURCES_MAX][KGR_ENTROPY_BLOCK_LEN]; /* zeros: none */
    uint8_t out[KGR_SHA512_LEN];
};

static enum kgr_error collect(struct kgr_entropy_pool *pool, struct mix *mix, size_t *out_num,
                              struct kgr_diag *diag)
{
    size_t num = 0;

    for (size_t i = 0; i < pool->num; i++) {
        struct kgr_entropy_report report;

        if (kgr_entropy_source_take(pool->sources[i], mix->blocks[i])) {
            num++;
        } else if (pool->required) {
            kgr_entropy_source_report(pool->sources[i], &report);
            return kgr_diag_set(diag, KGR_ERR_BUSY,
                                "no key is made: the entropy source %s is required and %s",
                                report.path,
                                report.state == KGR_ENTROPY_GOOD ? "has no block ready"
                                                                 : kgr_entropy_text(report.state));
        }
    }
    *out_num = num;
    return KGR_OK;
}

enum kgr_error kgr_entropy_pool_stir(struct kgr_entropy_pool *pool, struct kgr_tpm *tpm,
                                     struct kgr_diag *diag)
{
    struct mix *mix;
    size_t num = 0;
    enum kgr_error err;

    if (pool == NULL || pool->num == 0)
        return KGR_OK;
    mix = kgr_secret_alloc(sizeof *mix);
    if (mix == NULL)
        return KGR_ERR_NO_MEMORY;
    err = collect(pool, mix, &num, diag);
    if (err == KGR_OK && num > 0) {
        const struct kgr_slice parts[] = {
            kgr_slice((const uint8_t *)label, sizeof label),
            kgr_slice(mix->own, sizeof mix->own),
            kgr_slice(mix->blocks[0], sizeof mix->blocks),
        };

        err = kgr_tpm_random(tpm, mix->own, sizeof mix->own, diag);
        if (err == KGR_OK)
            err = kgr_sha512(mix->out, parts, KGR_ARRAY_LEN(parts));
        if (err == KGR_OK)
            err = kgr_tpm_stir(tpm, kgr_slice(mix->out, sizeof mix->out), diag);
    }
    kgr_secret_free(mix);
    return err;
}

static int write_line(char *out, size_t cap, const struct kgr_entropy_report *r, bool alarm)
{
    unsigned long long age_s = (unsigned long long)(kgr_clock_boot_ms() - r->since_ms) / 1000;
    char path[128];

    (void)kgr_log_escape(path, sizeof path, r->path, strlen(r->path));
    if (alarm)
        return snprintf(out, cap, "the entropy source %s %s%s%s, for %llu s", path,
                        kgr_entropy_text(r->state), r->reason[0] == '\0' ? "" : ": ", r->reason,
                        age_s);
    return snprintf(out, cap, "%s: %s, for %llu s, %" PRIu64 " bytes read", path,
                    kgr_entropy_text(r->state), age_s, r->bytes);
}

size_t kgr_entropy_pool_describe(struct kgr_entropy_pool *pool, char *out, size_t cap, bool alarms)
{
    char line[384];
    size_t len = 0;

    for (size_t i = 0; pool != NULL && i < pool->num; i++) {
        struct kgr_entropy_report r;
        int n;

        kgr_entropy_source_report(pool->sources[i], &r);
        if (alarms && (r.state == KGR_ENTROPY_GOOD || r.state == KGR_ENTROPY_STARTING))
            continue;
        (void)write_line(line, sizeof line, &r, alarms);
        n = snprintf(out + len, cap - len, "%s%s", len == 0 ? "" : "\n", line);
        if (n < 0 || (size_t)n >= cap - len)
            break;
        len += (size_t)n;
    }
    return len;
}
