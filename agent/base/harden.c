/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/log.h"

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t end_len = strlen(end);

    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

/* Variables by which tpm2-tss, Paho and its helpers write traffic to files or send it elsewhere. */
static bool is_dangerous(const char *name, size_t len)
{
    static const char *const prefixes[] = {"TSS2_LOG", "MQTT_C_CLIENT_TRACE", "TCTI_PCAP_FILE"};

    for (size_t i = 0; i < KGR_ARRAY_LEN(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return ends_with(name, len, "_proxy") || ends_with(name, len, "_PROXY");
}

static void clean_environment(void)
{
    char name[128];

    for (size_t i = 0; environ != NULL && environ[i] != NULL;) {
        size_t len = strcspn(environ[i], "=");

        if (len < sizeof(name) && is_dangerous(environ[i], len)) {
            memcpy(name, environ[i], len);
            name[len] = '\0';
            if (unsetenv(name) == 0)
                continue; /* the next one has moved here */
        }
        i++;
    }
}

static void require(int result, const char *what)
{
    if (result == 0)
        return;
    kgr_error_log("harden", "step=%s errno=%d", what, errno);
    abort();
}

/* What is opened first would else become stdin, stdout or stderr, and a database get lines of the log. */
static void keep_standard_files(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        (void)close(fd);
}

void kgr_harden_process(void)
{
    const struct rlimit no_core = {0, 0};

    keep_standard_files();
    clean_environment();
    /* A TPM, a client or a reader of the log that goes away is an error to be told, or nothing, but no end. */
    require(signal(SIGPIPE, SIG_IGN) == SIG_ERR, "no_sigpipe");
    (void)umask(0077);
    require(setrlimit(RLIMIT_CORE, &no_core), "no_core");
    require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
#ifndef KGR_SANITIZED
    /* The leak checker of a sanitized build attaches to its own process. */
    require(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "not_dumpable");
#endif
}
