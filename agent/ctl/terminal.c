/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/terminal.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

const char *kgr_ctl_duration(char out[KGR_CTL_DURATION_MAX], int64_t seconds)
{
    int64_t minutes = seconds / 60;
    int64_t hours = minutes / 60;

    if (seconds < 0)
        (void)snprintf(out, KGR_CTL_DURATION_MAX, "-");
    else if (minutes == 0)
        (void)snprintf(out, KGR_CTL_DURATION_MAX, "%" PRId64 "s", seconds);
    else if (hours == 0)
        (void)snprintf(out, KGR_CTL_DURATION_MAX, "%" PRId64 "m %02ds", minutes,
                       (int)(seconds % 60));
    else if (hours < 24)
        (void)snprintf(out, KGR_CTL_DURATION_MAX, "%" PRId64 "h %02dm", hours, (int)(minutes % 60));
    else
        (void)snprintf(out, KGR_CTL_DURATION_MAX, "%" PRId64 "d %02dh", hours / 24,
                       (int)(hours % 24));
    return out;
}

/* What an operator can do about err; NULL if there is nothing in general. */
static const char *remedy(enum kgr_error err)
{
    switch (err) {
    case KGR_ERR_UNKNOWN_PEER:
        return "kgrctl peers lists the peers";
    case KGR_ERR_NOT_AUTHORIZED:
        return "the AC allows pairs: kgr-ac pair allow";
    case KGR_ERR_NO_KEY:
        return "kgrctl request asks for it";
    case KGR_ERR_NOT_REGISTERED:
        return "kgr-agent enroll registers the node";
    case KGR_ERR_LEASE:
        return "the KS must be reachable";
    case KGR_ERR_REPLAY:
        return "a record opens once unless it was sealed with --stored";
    default:
        return NULL;
    }
}

/* These errors' reasons say it all. */
static bool speaks_for_itself(enum kgr_error err)
{
    return err == KGR_ERR_NO_AGENT || err == KGR_ERR_INVALID || err == KGR_ERR_TIMEOUT ||
           err == KGR_ERR_TOO_LARGE || err == KGR_ERR_IO;
}

int kgr_ctl_fail_text(enum kgr_error err, const char *what, const char *reason)
{
    const char *phrase = kgr_strerror(err);
    const char *help = remedy(err);
    size_t len = strlen(what);
    bool with_phrase;

    /* Whom this machine refuses the socket the AC cannot help. */
    if (err == KGR_ERR_NOT_AUTHORIZED && strstr(reason, "the group of the socket") != NULL)
        help = NULL;
    /* The reason may begin with what was tried, too. */
    if (strncmp(reason, what, len) == 0 && strncmp(reason + len, ": ", 2) == 0)
        reason += len + 2;
    with_phrase = reason[0] == '\0' ||
                  (!speaks_for_itself(err) && strstr(reason, phrase) == NULL &&
                   !(err == KGR_ERR_UNKNOWN_PEER && strstr(reason, "unknown peer") != NULL));

    /* What was meant for stdout comes first, should both be the same terminal. */
    (void)fflush(stdout);
    (void)fprintf(stderr, "kgrctl: %s: %s%s%s%s%s%s\n", what, with_phrase ? phrase : "",
                  with_phrase && reason[0] != '\0' ? ": " : "", reason, help == NULL ? "" : " (",
                  help == NULL ? "" : help, help == NULL ? "" : ")");
    return kgr_exit_code(err);
}

int kgr_ctl_fail(enum kgr_error err, const char *what)
{
    char reason[KGR_DIAG_MAX];

    return kgr_ctl_fail_text(err, what, kgr_client_reason(reason, sizeof(reason)));
}

int kgr_ctl_flush(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = 0};

    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return 0;
    /* An earlier write may have failed, whose errno is gone. */
    if (poll(&p, 1, 0) <= 0 || (p.revents & POLLERR) == 0)
        return kgr_ctl_fail_text(KGR_ERR_IO, "standard output",
                                 errno == 0 ? "cannot be written" : strerror(errno));
    return kgr_exit_code(KGR_ERR_IO);
}
