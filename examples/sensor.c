/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A gateway of sensors and who collects: every line arrives once and in order, whatever the broker loses. The agent encrypts,
 * authenticates and refuses what was seen before; that a message arrived, only the peer can say. So each record has
 * a number, the collector answers with the last that it has in a row, and what is not answered is sent again. While
 * too much is unanswered no line is read: the pipe in front of us fills, and nothing is lost here either.
 * usage: kgr-sensor send PEER <LINES           ends when all was answered
 *        kgr-sensor collect PEER >LINES        "UNIX-TIME LINE", until it is stopped
 */
#include <kgr/client.h>

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_LEN_MAX 1024
#define WINDOW       32
#define AGAIN_MS     1000
#define RECORD_MAX   (LINE_LEN_MAX + 80)

struct record {
    int64_t unix_s;
    char line[LINE_LEN_MAX + 1];
};

static struct kgr_client *client;
static const char *peer;
static struct record window[WINDOW]; /* record n stands at n % WINDOW */
static uint64_t num_read, num_sent, num_answered;

/* What passes by itself, or when the operator has seen to it, is told and waited for. */
static bool is_fatal(enum kgr_error err)
{
    char reason[KGR_DIAG_MAX];

    if (err == KGR_OK)
        return false;
    fprintf(stderr, "kgr-sensor: %s\n", kgr_client_reason(reason, sizeof(reason)));
    return err != KGR_ERR_NO_AGENT && err != KGR_ERR_BROKER && err != KGR_ERR_BUSY &&
           err != KGR_ERR_QUOTA && err != KGR_ERR_TIMEOUT && err != KGR_ERR_NO_KEY &&
           err != KGR_ERR_LEASE;
}

static enum kgr_error send_text(const char *text)
{
    return kgr_send(client, peer, (const uint8_t *)text, strlen(text));
}

/* One message as text; KGR_ERR_TIMEOUT if none came. What is longer than ours is cut, and then is none of ours. */
static enum kgr_error receive_text(char *out, size_t cap, int timeout_ms)
{
    static uint8_t buf[KGR_MESSAGE_MAX];
    size_t len;
    enum kgr_error err = kgr_recv(client, peer, timeout_ms, NULL, buf, sizeof(buf), &len);

    if (err == KGR_OK)
        snprintf(out, cap, "%.*s", (int)len, (const char *)buf);
    return err;
}

/* Takes a line of stdin into the window; false at the end of the input. */
static bool read_line(void)
{
    struct record *record = &window[(num_read + 1) % WINDOW];
    size_t len;

    if (fgets(record->line, sizeof(record->line), stdin) == NULL)
        return false;
    len = strcspn(record->line, "\n");
    if (record->line[len] != '\n' && !feof(stdin))
        fprintf(stderr, "kgr-sensor: a line of more than %d bytes is cut\n", LINE_LEN_MAX - 1);
    record->line[len] = '\0';
    record->unix_s = (int64_t)time(NULL);
    num_read++;
    return true;
}

static enum kgr_error send_records(int64_t run)
{
    while (num_sent < num_read) {
        const struct record *record = &window[(num_sent + 1) % WINDOW];
        char text[RECORD_MAX];
        enum kgr_error err;

        snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64 " %" PRId64 " %s", run, num_sent + 1,
                 record->unix_s, record->line);
        err = send_text(text);
        if (err != KGR_OK)
            return err;
        num_sent++;
    }
    return KGR_OK;
}

/* Waits for an answer; what is still unanswered after a second is sent again. */
static enum kgr_error take_answer(int64_t run)
{
    char text[RECORD_MAX], *number;
    enum kgr_error err = receive_text(text, sizeof(text), AGAIN_MS);

    if (err == KGR_ERR_TIMEOUT) {
        num_sent = num_answered;
        return KGR_OK;
    }
    if (err == KGR_OK && strtoll(text, &number, 10) == run) {
        uint64_t answered = strtoull(number, NULL, 10);

        if (answered > num_answered && answered <= num_read)
            num_answered = answered;
        if (num_sent < num_answered)
            num_sent = num_answered;
    }
    return err;
}

static enum kgr_error send_lines(void)
{
    const int64_t run = (int64_t)time(NULL);
    bool more = true;

    /* Each line is sent when it is there: stdio must not wait for a whole buffer of them. */
    setvbuf(stdin, NULL, _IONBF, 0);
    while (more || num_answered < num_read) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        bool idle = num_answered == num_read;
        enum kgr_error err;

        if (more && num_read - num_answered < WINDOW && poll(&in, 1, idle ? -1 : 0) > 0) {
            more = read_line();
            continue;
        }
        err = send_records(run);
        if (err == KGR_OK && num_answered < num_read)
            err = take_answer(run);
        if (is_fatal(err))
            return err;
        if (err != KGR_OK)
            poll(NULL, 0, AGAIN_MS);
    }
    return KGR_OK;
}

static enum kgr_error collect(void)
{
    uint64_t num_taken = 0;
    int64_t run = 0;

    for (;;) {
        char text[RECORD_MAX], answer[64], *rest;
        enum kgr_error err = receive_text(text, sizeof(text), -1);
        int64_t its_run;
        uint64_t number;

        if (err == KGR_OK) {
            its_run = strtoll(text, &rest, 10);
            number = strtoull(rest, &rest, 10);
            if (its_run > run) {
                run = its_run;
                num_taken = 0;
            }
            if (its_run == run && number == num_taken + 1 && *rest == ' ') {
                if (puts(rest + 1) == EOF || fflush(stdout) != 0)
                    return KGR_ERR_IO;
                num_taken = number;
            }
            snprintf(answer, sizeof(answer), "%" PRId64 " %" PRIu64, run, num_taken);
            err = send_text(answer);
        }
        if (is_fatal(err))
            return err;
        if (err != KGR_OK)
            poll(NULL, 0, AGAIN_MS);
    }
}

int main(int argc, char **argv)
{
    const struct kgr_client_options options = {.name = "kgr-sensor"};
    enum kgr_error err;

    if (argc != 3 || (strcmp(argv[1], "send") != 0 && strcmp(argv[1], "collect") != 0)) {
        fprintf(stderr, "usage: kgr-sensor send|collect PEER\n");
        return 2;
    }
    peer = argv[2];
    err = kgr_client_new(&client, &options);
    if (err == KGR_OK)
        err = argv[1][0] == 's' ? send_lines() : collect();
    kgr_client_free(client);
    return kgr_exit_code(err);
}
