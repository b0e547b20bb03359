/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Two people at two nodes, over the topics of their pair. What is typed goes to the peer; what the peer
 * sends is printed. One thread waits for both by poll.
 * usage: kgr-chat PEER
 */
#include <kgr/client.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct kgr_client *client;
static const char *peer;

static int complain(const char *what, enum kgr_error err)
{
    char reason[KGR_DIAG_MAX];

    fprintf(stderr, "kgr-chat: %s: %s (%s)\n", what, kgr_strerror(err),
            kgr_client_reason(reason, sizeof(reason)));
    return kgr_exit_code(err);
}

/* Everything that waits for us. An event tells of the first message only, so all are fetched. */
static int print_messages(void)
{
    static uint8_t text[KGR_MESSAGE_MAX];
    struct kgr_message info;
    enum kgr_error err;
    size_t len;

    while ((err = kgr_recv(client, peer, 0, &info, text, sizeof(text), &len)) == KGR_OK) {
        printf("%s: %.*s\n", info.peer, (int)len, (const char *)text);
        fflush(stdout);
    }
    return err == KGR_ERR_TIMEOUT ? 0 : complain("receiving", err);
}

/* One event: 1 when the talk is over. */
static int take_event(struct kgr_events *events, int *status)
{
    struct kgr_event event;
    enum kgr_error err = kgr_events_next(events, &event, 0);

    if (err == KGR_ERR_TIMEOUT)
        return 0;
    if (err != KGR_OK) {
        *status = complain("events", err);
        return 1;
    }
    switch (event.type) {
    case KGR_EVENT_MESSAGE:
    case KGR_EVENT_LOST:
        *status = print_messages();
        return *status != 0;
    case KGR_EVENT_REVOKED:
        fprintf(stderr, "kgr-chat: the pair with %s was revoked\n", peer);
        *status = kgr_exit_code(KGR_ERR_REVOKED);
        return 1;
    default:
        fprintf(stderr, "kgr-chat: %s %s\n", kgr_event_name(event.type), event.text);
        return 0;
    }
}

/* Sends what was read, whole lines only; the rest stays in the buffer. */
static int send_lines(char *buf, size_t *len)
{
    char *line = buf, *end;

    while ((end = memchr(line, '\n', (size_t)(buf + *len - line))) != NULL) {
        enum kgr_error err = kgr_send(client, peer, (const uint8_t *)line, (size_t)(end - line));

        /* A talk goes on without a broker: who types sees that the line was not sent. */
        if (err != KGR_OK && complain("not sent", err) != 0 && err != KGR_ERR_BROKER &&
            err != KGR_ERR_BUSY)
            return kgr_exit_code(err);
        line = end + 1;
    }
    *len -= (size_t)(line - buf);
    memmove(buf, line, *len);
    return 0;
}

static int talk(struct kgr_events *events)
{
    static char buf[KGR_MESSAGE_MAX];
    size_t len = 0;
    int status = print_messages();
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = kgr_events_fd(events), .events = POLLIN}};

    while (status == 0) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (fds[1].revents != 0 && take_event(events, &status) != 0)
            return status;
        if (fds[0].revents != 0) {
            ssize_t n = read(STDIN_FILENO, buf + len, sizeof(buf) - len);

            if (n <= 0)
                return 0;
            len += (size_t)n;
            status = send_lines(buf, &len);
            if (len == sizeof(buf)) {
                fprintf(stderr, "kgr-chat: a line of more than %d bytes\n", KGR_MESSAGE_MAX);
                return 1;
            }
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    const struct kgr_client_options options = {.name = "kgr-chat"};
    struct kgr_events *events = NULL;
    enum kgr_error err;
    int status;

    if (argc != 2) {
        fprintf(stderr, "usage: kgr-chat PEER\n");
        return 2;
    }
    peer = argv[1];
    err = kgr_client_new(&client, &options);
    if (err == KGR_OK)
        err = kgr_events_open(client, &events, peer);
    /* The first use of a pair asks for its key and waits until it is there. */
    if (err == KGR_OK)
        err = kgr_request(client, peer);
    if (err == KGR_OK)
        err = kgr_wait(client, peer, 1, 30000, NULL);
    status = err == KGR_OK ? talk(events) : complain(peer, err);
    kgr_events_close(events);
    kgr_client_free(client);
    return status;
}
