/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCTI in front of another one: hides chosen commands, algorithms and curves from
 * TPM2_GetCapability and key sizes from TPM2_TestParms, refuses those commands (and those cipher modes in EncryptDecrypt), delays each
 * command, states another number of transient slots, spoils answers, and records the traffic. Configuration, fields separated by '|', tcti last:
 *
 *   PATH/libtss2-tcti-kgrfilter.so:hide-cc=0x193,0x164|hide-alg=0x42|hide-curve=0x4|hide-bits=256|
 *       slots=7|spoil=garbage|spoil-cc=0x153|delay-ms=5|record=/path|tcti=swtpm:path=/path
 *
 * spoil is what happens to the answers to the commands of spoil-cc (to all without it), after the TPM did what it
 * was asked: garbage (bytes of no meaning, with a good header), truncated (half of them, the header claims all), short (less
 * than a header), long (more than the header claims), silent (none: the receiver gets an I/O error). With spoil-when=FILE only while FILE exists.
 *
 * The record holds a line a command ("> " and hex) and a line a response ("< " and hex).
 * Layouts: TPM 2.0 Library, Part 3 "TPM2_GetCapability", TSS 2.0 TCTI Specification 1.0.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

#define FILTER_MAGIC 0x4b47526669747231ULL
#define MAX_HIDDEN   32
#define MAX_BUFFER   8192
#define HEADER_LEN   10

enum spoil {
    SPOIL_NONE,
    SPOIL_GARBAGE,
    SPOIL_TRUNCATED,
    SPOIL_SHORT,
    SPOIL_LONG,
    SPOIL_SILENT,
    SPOIL_COUNT
};
static const char *const spoil_names[SPOIL_COUNT] = {"none",  "garbage", "truncated",
                                                     "short", "long",    "silent"};

struct hidden {
    uint32_t values[MAX_HIDDEN];
    size_t num;
};

struct filter {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    TSS2_TCTI_CONTEXT *inner;
    struct hidden commands, algorithms, curves, bits;
    struct hidden spoiled;
    enum spoil spoil;
    char *spoil_when; /* owned; NULL: always */
    unsigned slots;   /* 0: as they are */
    unsigned delay_ms;
    FILE *record;
    uint32_t command;    /* of the request under way */
    uint32_t capability; /* of a TPM2_GetCapability under way */
    uint32_t refusal;    /* response code that we give instead of the TPM */
    uint8_t response[MAX_BUFFER];
    size_t response_len; /* response not yet handed out */
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static bool is_hidden(const struct hidden *h, uint32_t value)
{
    for (size_t i = 0; i < h->num; i++) {
        if (h->values[i] == value)
            return true;
    }
    return false;
}

static struct filter *filter_of(TSS2_TCTI_CONTEXT *context)
{
    void *p = context;
    struct filter *f = p;
    return f != NULL && f->common.v1.magic == FILTER_MAGIC ? f : NULL;
}

static void record(struct filter *f, char direction, const uint8_t *p, size_t len)
{
    if (f->record == NULL)
        return;
    fprintf(f->record, "%c ", direction);
    for (size_t i = 0; i < len; i++)
        fprintf(f->record, "%02x", p[i]);
    fputc('\n', f->record);
    fflush(f->record);
}

/* The mode is the parameter after the handle area, the authorisation area and decrypt. */
static bool has_hidden_mode(const struct filter *f, const uint8_t *cmd, size_t len)
{
    size_t at = HEADER_LEN + 4;
    if (f->algorithms.num == 0 || get16(cmd) != TPM2_ST_SESSIONS || len < at + 4)
        return false;
    uint32_t auth_len = get32(cmd + at);
    if (auth_len > len - at - 4)
        return false;
    at += 4 + auth_len;
    if (f->command == TPM2_CC_EncryptDecrypt2) {
        if (len < at + 2)
            return false;
        at += 2 + get16(cmd + at); /* inData comes first */
    }
    at += 1; /* decrypt */
    return len >= at + 2 && is_hidden(&f->algorithms, get16(cmd + at));
}

static uint32_t refusal_of(const struct filter *f, const uint8_t *cmd, size_t len)
{
    if (is_hidden(&f->commands, f->command))
        return TPM2_RC_COMMAND_CODE;
    bool ciphers = f->command == TPM2_CC_EncryptDecrypt || f->command == TPM2_CC_EncryptDecrypt2;
    if (ciphers && has_hidden_mode(f, cmd, len))
        return TPM2_RC_MODE | TPM2_RC_P | TPM2_RC_2;
    /* TPMT_PUBLIC_PARMS: type, algorithm, bits, mode */
    if (f->command == TPM2_CC_TestParms && len >= HEADER_LEN + 8 &&
        is_hidden(&f->bits, get16(cmd + HEADER_LEN + 4)))
        return TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_1;
    return TPM2_RC_SUCCESS;
}

static TSS2_RC filter_transmit(TSS2_TCTI_CONTEXT *context, size_t len, const uint8_t *cmd)
{
    struct filter *f = filter_of(context);
    if (f == NULL || cmd == NULL || len < HEADER_LEN)
        return TSS2_TCTI_RC_BAD_VALUE;
    f->command = get32(cmd + 6);
    f->capability = f->command == TPM2_CC_GetCapability && len >= 14 ? get32(cmd + 10) : UINT32_MAX;
    f->response_len = 0;
    record(f, '>', cmd, len);
    if (f->delay_ms != 0) {
        struct timespec t = {f->delay_ms / 1000, (long)(f->delay_ms % 1000) * 1000000L};
        nanosleep(&t, NULL);
    }
    f->refusal = refusal_of(f, cmd, len);
    if (f->refusal != TPM2_RC_SUCCESS)
        return TSS2_RC_SUCCESS;
    return Tss2_Tcti_Transmit(f->inner, len, cmd);
}

/* Takes the hidden entries out of a list of num entries of entry_len bytes that starts at offset at. */
static void drop_entries(struct filter *f, size_t at, size_t entry_len,
                         bool (*hide)(const struct filter *, const uint8_t *))
{
    if (f->response_len < at)
        return;
    uint32_t num = get32(f->response + at - 4), kept = 0;
    if (num > (f->response_len - at) / entry_len)
        return;
    uint8_t *out = f->response + at;
    for (uint32_t i = 0; i < num; i++) {
        const uint8_t *entry = f->response + at + i * entry_len;
        if (hide(f, entry))
            continue;
        memmove(out, entry, entry_len);
        out += entry_len;
        kept++;
    }
    put32(f->response + at - 4, kept);
    f->response_len -= (num - kept) * entry_len;
    put32(f->response + 2, (uint32_t)f->response_len);
}

static bool hide_command(const struct filter *f, const uint8_t *entry)
{
    return is_hidden(&f->commands, get32(entry) & TPMA_CC_COMMANDINDEX_MASK);
}

static bool hide_algorithm(const struct filter *f, const uint8_t *entry)
{
    return is_hidden(&f->algorithms, get16(entry));
}

static bool hide_curve(const struct filter *f, const uint8_t *entry)
{
    return is_hidden(&f->curves, get16(entry));
}

static void edit_capability(struct filter *f)
{
    /* header, moreData, capability, count */
    const size_t list = HEADER_LEN + 1 + 4 + 4;
    if (f->response_len < list || get32(f->response + 6) != TPM2_RC_SUCCESS)
        return;
    if (f->capability == TPM2_CAP_COMMANDS)
        drop_entries(f, list, 4, hide_command);
    else if (f->capability == TPM2_CAP_ALGS)
        drop_entries(f, list, 6, hide_algorithm);
    else if (f->capability == TPM2_CAP_ECC_CURVES)
        drop_entries(f, list, 2, hide_curve);
}

static void edit_slots(struct filter *f)
{
    const size_t list = HEADER_LEN + 1 + 4 + 4;
    if (f->slots == 0 || f->capability != TPM2_CAP_TPM_PROPERTIES || f->response_len < list)
        return;
    for (size_t at = list; at + 8 <= f->response_len; at += 8) {
        if (get32(f->response + at) == TPM2_PT_HR_TRANSIENT_MIN)
            put32(f->response + at + 4, f->slots);
    }
}

static TSS2_RC spoil(struct filter *f)
{
    if (f->spoil_when != NULL && access(f->spoil_when, F_OK) != 0)
        return TSS2_RC_SUCCESS;
    if (f->spoil == SPOIL_NONE || (f->spoiled.num != 0 && !is_hidden(&f->spoiled, f->command)))
        return TSS2_RC_SUCCESS;
    switch (f->spoil) {
    case SPOIL_GARBAGE:
        for (size_t i = HEADER_LEN; i < f->response_len; i++)
            f->response[i] = (uint8_t)(i * 151 + 97);
        break;
    case SPOIL_TRUNCATED:
        f->response_len = f->response_len / 2 > HEADER_LEN ? f->response_len / 2 : HEADER_LEN;
        break;
    case SPOIL_SHORT:
        f->response_len = 5;
        break;
    case SPOIL_LONG:
        memset(f->response + f->response_len, 0x5a, 32);
        f->response_len += 32;
        break;
    default:
        return TSS2_TCTI_RC_IO_ERROR;
    }
    return TSS2_RC_SUCCESS;
}

static TSS2_RC fill_response(struct filter *f, int32_t timeout)
{
    if (f->refusal != TPM2_RC_SUCCESS) {
        memset(f->response, 0, HEADER_LEN);
        f->response[0] = 0x80;
        f->response[1] = 0x01;
        f->response[5] = HEADER_LEN;
        put32(f->response + 6, f->refusal);
        f->response_len = HEADER_LEN;
    } else {
        size_t len = sizeof f->response - 32; /* room for what spoil adds */
        TSS2_RC rc = Tss2_Tcti_Receive(f->inner, &len, f->response, timeout);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
        f->response_len = len;
        if (f->capability != UINT32_MAX)
            edit_capability(f);
        edit_slots(f);
        rc = spoil(f);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
    record(f, '<', f->response, f->response_len);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC filter_receive(TSS2_TCTI_CONTEXT *context, size_t *len, uint8_t *out,
                              int32_t timeout)
{
    struct filter *f = filter_of(context);
    if (f == NULL || len == NULL)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (f->response_len == 0) {
        TSS2_RC rc = fill_response(f, timeout);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
    size_t need = f->response_len;
    if (out == NULL) { /* a caller may ask for the length first */
        *len = need;
        return TSS2_RC_SUCCESS;
    }
    if (*len < need) {
        *len = need;
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    }
    memcpy(out, f->response, need);
    *len = need;
    f->response_len = 0;
    return TSS2_RC_SUCCESS;
}

static void filter_finalize(TSS2_TCTI_CONTEXT *context)
{
    struct filter *f = filter_of(context);
    if (f == NULL)
        return;
    if (f->inner != NULL)
        Tss2_TctiLdr_Finalize(&f->inner);
    if (f->record != NULL)
        fclose(f->record);
    free(f->spoil_when);
    f->common.v1.magic = 0;
}

static TSS2_RC filter_cancel(TSS2_TCTI_CONTEXT *context)
{
    struct filter *f = filter_of(context);
    return f == NULL ? TSS2_TCTI_RC_BAD_CONTEXT : Tss2_Tcti_Cancel(f->inner);
}

static TSS2_RC filter_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles,
                                   size_t *num)
{
    struct filter *f = filter_of(context);
    return f == NULL ? TSS2_TCTI_RC_BAD_CONTEXT : Tss2_Tcti_GetPollHandles(f->inner, handles, num);
}

static TSS2_RC filter_set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
    struct filter *f = filter_of(context);
    return f == NULL ? TSS2_TCTI_RC_BAD_CONTEXT : Tss2_Tcti_SetLocality(f->inner, locality);
}

static TSS2_RC filter_make_sticky(TSS2_TCTI_CONTEXT *context, TPM2_HANDLE *handle, uint8_t sticky)
{
    struct filter *f = filter_of(context);
    return f == NULL ? TSS2_TCTI_RC_BAD_CONTEXT : Tss2_Tcti_MakeSticky(f->inner, handle, sticky);
}

static bool parse_list(struct hidden *out, char *text)
{
    char *save = NULL;
    for (char *t = strtok_r(text, ",", &save); t != NULL; t = strtok_r(NULL, ",", &save)) {
        char *end = NULL;
        unsigned long v = strtoul(t, &end, 0);
        if (*end != '\0' || v > UINT32_MAX || out->num == MAX_HIDDEN)
            return false;
        out->values[out->num++] = (uint32_t)v;
    }
    return true;
}

static bool parse_spoil(struct filter *f, const char *name)
{
    for (int i = 0; i < SPOIL_COUNT; i++) {
        if (strcmp(name, spoil_names[i]) == 0) {
            f->spoil = (enum spoil)i;
            return true;
        }
    }
    return false;
}

static bool parse_field(struct filter *f, char *field)
{
    char *value = strchr(field, '=');
    if (value == NULL)
        return false;
    *value++ = '\0';
    if (strcmp(field, "hide-cc") == 0)
        return parse_list(&f->commands, value);
    if (strcmp(field, "hide-alg") == 0)
        return parse_list(&f->algorithms, value);
    if (strcmp(field, "hide-curve") == 0)
        return parse_list(&f->curves, value);
    if (strcmp(field, "hide-bits") == 0)
        return parse_list(&f->bits, value);
    if (strcmp(field, "spoil-cc") == 0)
        return parse_list(&f->spoiled, value);
    if (strcmp(field, "spoil-when") == 0) {
        free(f->spoil_when);
        f->spoil_when = strdup(value);
        return f->spoil_when != NULL;
    }
    if (strcmp(field, "spoil") == 0)
        return parse_spoil(f, value);
    if (strcmp(field, "slots") == 0) {
        f->slots = (unsigned)strtoul(value, NULL, 10);
        return true;
    }
    if (strcmp(field, "delay-ms") == 0) {
        f->delay_ms = (unsigned)strtoul(value, NULL, 10);
        return true;
    }
    if (strcmp(field, "record") == 0) {
        f->record = fopen(value, "a");
        return f->record != NULL;
    }
    return false;
}

/* The part after "tcti=" is the inner configuration, whatever it contains. */
static bool parse_conf(struct filter *f, char *conf, char **out_inner)
{
    while (conf != NULL) {
        if (strncmp(conf, "tcti=", 5) == 0) {
            *out_inner = conf + 5;
            return true;
        }
        char *next = strchr(conf, '|');
        if (next != NULL)
            *next++ = '\0';
        if (!parse_field(f, conf))
            return false;
        conf = next;
    }
    return false;
}

static void set_interface(struct filter *f)
{
    f->common.v1.magic = FILTER_MAGIC;
    f->common.v1.version = 2;
    f->common.v1.transmit = filter_transmit;
    f->common.v1.receive = filter_receive;
    f->common.v1.finalize = filter_finalize;
    f->common.v1.cancel = filter_cancel;
    f->common.v1.getPollHandles = filter_poll_handles;
    f->common.v1.setLocality = filter_set_locality;
    f->common.makeSticky = filter_make_sticky;
}

static TSS2_RC filter_init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *conf)
{
    if (context == NULL) {
        if (size == NULL)
            return TSS2_TCTI_RC_BAD_VALUE;
        *size = sizeof(struct filter);
        return TSS2_RC_SUCCESS;
    }
    void *p = context;
    struct filter *f = p;
    memset(f, 0, sizeof *f);
    char *copy = strdup(conf == NULL ? "" : conf), *inner = NULL;
    TSS2_RC rc = TSS2_TCTI_RC_BAD_VALUE;
    if (copy != NULL && parse_conf(f, copy, &inner))
        rc = Tss2_TctiLdr_Initialize(inner, &f->inner);
    free(copy);
    if (rc == TSS2_RC_SUCCESS)
        set_interface(f);
    else if (f->record != NULL)
        fclose(f->record);
    if (rc != TSS2_RC_SUCCESS)
        free(f->spoil_when);
    return rc;
}

static const TSS2_TCTI_INFO filter_info = {
    .version = 2,
    .name = "tcti-kgrfilter",
    .description = "hides and records parts of another TPM, for tests",
    .config_help =
        "hide-cc=..|hide-alg=..|hide-curve=..|hide-bits=..|slots=N|spoil=HOW|spoil-cc=..|"
        "spoil-when=FILE|delay-ms=..|record=FILE|tcti=NAME:CONF",
    .init = filter_init,
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);
__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
    return &filter_info;
}
