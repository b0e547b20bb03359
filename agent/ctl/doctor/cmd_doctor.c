/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/terminal.h"
#include "agent/ctl/doctor/collect.h"
#include "agent/ctl/doctor/judge.h"
#include "agent/ctl/json.h"
#include "agent/ctl/progress.h"
#include "agent/ctl/terminal.h"

#define LEFT        25 /* columns before the text: check and state */
#define WIDTH_FREE  100
#define WIDTH_LEAST 60

static void print_word(const struct kgr_finding *f, bool colours)
{
    static const char *const colour[] = {
        [KGR_FINDING_OK] = "\033[32m",
        [KGR_FINDING_UNKNOWN] = "",
        [KGR_FINDING_WARN] = "\033[33m",
        [KGR_FINDING_FAIL] = "\033[31m",
    };
    const char *name = kgr_finding_state_name(f->state);

    (void)printf("%-15s %s%-8s%s ", f->check, colours ? colour[f->state] : "", name,
                 colours && f->state != KGR_FINDING_UNKNOWN ? "\033[0m" : "");
}

/* Breaks text at spaces, so that it stands in a column of its own. */
static void print_wrapped(const char *lead, const char *text, size_t width)
{
    size_t room = width - LEFT - strlen(lead), len = strlen(text);
    bool first = true;

    while (first || len > 0) {
        size_t take = len;

        if (take > room) {
            take = room;
            while (take > room / 2 && text[take] != ' ')
                take--;
            if (text[take] != ' ')
                take = room;
        }
        if (!first)
            (void)printf("%*s", LEFT, "");
        (void)printf("%s%.*s\n", first ? lead : "   " + (3 - strlen(lead)), (int)take, text);
        text += take;
        len -= take;
        while (len > 0 && *text == ' ') {
            text++;
            len--;
        }
        first = false;
    }
}

static void print_text(const struct kgr_findings *findings)
{
    size_t width = kgr_terminal_width(stdout);
    bool colours = kgr_terminal_colours(stdout);

    if (width == 0)
        width = WIDTH_FREE;
    if (width < WIDTH_LEAST)
        width = WIDTH_LEAST;
    for (size_t i = 0; i < findings->num; i++) {
        const struct kgr_finding *f = &findings->list[i];

        print_word(f, colours);
        print_wrapped("", f->text, width);
        if (f->remedy[0] == '\0')
            continue;
        (void)printf("%*s", LEFT, "");
        print_wrapped("-> ", f->remedy, width);
    }
}

static int print_json(const struct kgr_findings *findings)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < findings->num; i++) {
        const struct kgr_finding *f = &findings->list[i];
        json_t *one = json_pack("{s:s, s:s, s:o, s:o}", "check", f->check, "state",
                                kgr_finding_state_name(f->state), "finding", kgr_json_text(f->text),
                                "remedy", kgr_json_text(f->remedy));

        if (json_array_append_new(array, one) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return kgr_json_print(array);
}

static int print(const struct kgr_findings *findings, bool json)
{
    int code;

    if (json) {
        code = print_json(findings);
    } else {
        print_text(findings);
        code = kgr_ctl_flush();
    }
    return code != 0 ? code : kgr_findings_exit_code(findings);
}

int kgr_ctl_doctor(const struct kgr_ctl *ctl)
{
    struct kgr_facts *facts = calloc(1, sizeof(*facts));
    struct kgr_findings *findings = calloc(1, sizeof(*findings));
    struct kgr_ctl_progress progress;
    int code;

    if (facts == NULL || findings == NULL) {
        free(facts);
        free(findings);
        return kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, "doctor", "");
    }
    facts->version = KGR_VERSION;
    kgr_ctl_progress_begin(&progress, "looking");
    kgr_collect_agent(facts, ctl);
    kgr_collect_ks(facts);
    kgr_collect_host(facts, ctl);
    kgr_collect_doors(facts);
    kgr_ctl_progress_end(&progress);
    kgr_judge(findings, facts);
    code = print(findings, ctl->options->json);
    kgr_collect_free(facts);
    free(facts);
    free(findings);
    return code;
}
