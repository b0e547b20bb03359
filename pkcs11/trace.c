/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/trace.h"

#include "pkcs11/translate.h"

#include <kgr/client.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN 512

static _Atomic int trace_fd = -1;

void kgr_p11_trace_open(void)
{
    const char *path = secure_getenv("KGR_PKCS11_DEBUG");
    int none = -1;
    int fd;

    if (path == NULL || path[0] == '\0' || atomic_load(&trace_fd) != -1) {
        return;
    }
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (fd >= 0 && !atomic_compare_exchange_strong(&trace_fd, &none, fd)) {
        (void)close(fd);
    }
}

void kgr_p11_trace(const char *func, CK_ULONG handle, CK_RV rv)
{
    int fd = atomic_load(&trace_fd);
    int saved_errno = errno;
    char line[LINE_MAX_LEN];
    char reason[KGR_DIAG_MAX] = "";
    char stamp[32] = "";
    struct timespec now = {0, 0};
    struct tm tm;
    int len;

    if (fd < 0) {
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm) != NULL) {
        (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    }
    if (rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_REMOVED || rv == CKR_FUNCTION_FAILED ||
        rv == CKR_DEVICE_MEMORY || rv == CKR_KEY_HANDLE_INVALID || rv == CKR_TOKEN_NOT_PRESENT ||
        rv == CKR_KEY_FUNCTION_NOT_PERMITTED || rv == CKR_PIN_LOCKED) {
        (void)kgr_client_reason(reason, sizeof(reason));
    }
    len = snprintf(line, sizeof(line), "%s.%03ldZ %ld %d %s(%lu) = 0x%lx %s%s%s\n", stamp,
                   now.tv_nsec / 1000000, (long)getpid(), (int)gettid(), func, handle, rv,
                   kgr_p11_rv_name(rv), reason[0] != '\0' ? ": " : "", reason);
    if (len > 0) {
        size_t n = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
        ssize_t ignored = write(fd, line, n);

        (void)ignored; /* a full disk must not change what the caller sees */
    }
    errno = saved_errno;
}
