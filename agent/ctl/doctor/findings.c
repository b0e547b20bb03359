/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(struct kgr_findings *findings, const struct kgr_finding *head, const char *remedy,
                const char *fmt, va_list ap)
{
    struct kgr_finding *f = &findings->list[findings->num];

    if (findings->num == KGR_FINDINGS_MAX)
        return;
    findings->num++;
    *f = *head;
    (void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
    (void)snprintf(f->remedy, sizeof(f->remedy), "%s", remedy);
}

void kgr_finding_ok(struct kgr_findings *findings, const char *check, const char *fmt, ...)
{
    const struct kgr_finding head = {.check = check, .state = KGR_FINDING_OK};
    va_list ap;

    va_start(ap, fmt);
    add(findings, &head, "", fmt, ap);
    va_end(ap);
}

void kgr_finding_unknown(struct kgr_findings *findings, const char *check, const char *fmt, ...)
{
    const struct kgr_finding head = {.check = check, .state = KGR_FINDING_UNKNOWN};
    va_list ap;

    va_start(ap, fmt);
    add(findings, &head, "", fmt, ap);
    va_end(ap);
}

void kgr_finding_warn(struct kgr_findings *findings, const char *check, const char *remedy,
                      const char *fmt, ...)
{
    const struct kgr_finding head = {.check = check, .state = KGR_FINDING_WARN};
    va_list ap;

    va_start(ap, fmt);
    add(findings, &head, remedy, fmt, ap);
    va_end(ap);
}

void kgr_finding_fail(struct kgr_findings *findings, const char *check, enum kgr_error err,
                      const char *remedy, const char *fmt, ...)
{
    const struct kgr_finding head = {.check = check, .state = KGR_FINDING_FAIL, .err = err};
    va_list ap;

    va_start(ap, fmt);
    add(findings, &head, remedy, fmt, ap);
    va_end(ap);
}

const char *kgr_finding_state_name(enum kgr_finding_state state)
{
    static const char *const names[] = {
        [KGR_FINDING_OK] = "ok",
        [KGR_FINDING_UNKNOWN] = "unknown",
        [KGR_FINDING_WARN] = "warn",
        [KGR_FINDING_FAIL] = "fail",
    };

    return names[state];
}

bool kgr_findings_has_failed(const struct kgr_findings *findings, const char *check)
{
    for (size_t i = 0; i < findings->num; i++)
        if (findings->list[i].state == KGR_FINDING_FAIL &&
            strcmp(findings->list[i].check, check) == 0)
            return true;
    return false;
}

int kgr_findings_exit_code(const struct kgr_findings *findings)
{
    for (size_t i = 0; i < findings->num; i++)
        if (findings->list[i].state == KGR_FINDING_FAIL)
            return kgr_exit_code(findings->list[i].err);
    return 0;
}
