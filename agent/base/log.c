/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/clock.h"

/* Below PIPE_BUF: a line reaches a pipe in one piece, whatever other threads write. */
#define LINE_MAX_LEN 1024

static atomic_int threshold = KGR_LOG_INFO;
static kgr_log_sink *_Atomic sink;
static atomic_uint_fast64_t lines, suppressed, dropped;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below, and the sites */
static struct kgr_log_site *sites;
static uint64_t dropped_told;

static const char *const level_names[] = {
    [KGR_LOG_ERROR] = "ERROR",
    [KGR_LOG_WARN] = "WARN",
    [KGR_LOG_INFO] = "INFO",
    [KGR_LOG_DEBUG] = "DEBUG",
};

void kgr_log_set_level(enum kgr_log_level level)
{
    atomic_store(&threshold, (int)level);
}

void kgr_log_set_sink(kgr_log_sink *fn)
{
    atomic_store(&sink, fn);
}

void kgr_log_stats(struct kgr_log_stats *out)
{
    out->lines = atomic_load(&lines);
    out->suppressed = atomic_load(&suppressed);
    out->dropped = atomic_load(&dropped);
}

static bool printable(unsigned char c)
{
    return c >= 0x20 && c < 0x7f;
}

/* Never waits: whoever reads stderr may have stopped to. */
static bool to_stderr(const char *line, size_t len)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t n = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno == ENOTSOCK && poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT) != 0)
        n = write(STDERR_FILENO, line, len);
    return n == (ssize_t)len;
}

/* line has room for a line feed and a NUL behind len. */
static void emit(enum kgr_log_level level, const char *event, char *line, size_t len)
{
    kgr_log_sink *to = atomic_load(&sink);

    line[len] = '\0';
    atomic_fetch_add(&lines, 1);
    if (to != NULL && to(level, event, line))
        return;
    line[len++] = '\n';
    if (!to_stderr(line, len))
        atomic_fetch_add(&dropped, 1);
}

static void emit_count(enum kgr_log_level level, const char *event, const char *of, uint64_t count)
{
    char line[128];
    int n = of == NULL ? snprintf(line, sizeof(line) - 1, "%s %s count=%llu", level_names[level],
                                  event, (unsigned long long)count)
                       : snprintf(line, sizeof(line) - 1, "%s %s event=%s count=%llu",
                                  level_names[level], event, of, (unsigned long long)count);

    if (n > 0 && (size_t)n < sizeof(line) - 1)
        emit(level, event, line, (size_t)n);
}

static void refill(struct kgr_log_site *site, uint64_t now_ms)
{
    uint64_t more = (now_ms - site->filled_ms) / KGR_LOG_REFILL_MS;

    if (!site->used) {
        site->used = true;
        site->tokens = KGR_LOG_BURST;
        site->filled_ms = now_ms;
    } else if (more > 0) {
        site->tokens =
            more >= KGR_LOG_BURST - site->tokens ? KGR_LOG_BURST : site->tokens + (uint32_t)more;
        site->filled_ms += more * KGR_LOG_REFILL_MS;
    }
}

/* Takes a token; *out_untold gets how many lines had none before. */
static bool take(struct kgr_log_site *site, uint32_t *out_untold)
{
    bool taken;

    (void)pthread_mutex_lock(&lock);
    refill(site, kgr_clock_boot_ms());
    taken = site->tokens > 0;
    if (taken) {
        site->tokens--;
        *out_untold = site->suppressed;
        site->suppressed = 0;
    } else {
        site->suppressed++;
        if (!site->listed) {
            site->listed = true;
            site->next = sites;
            sites = site;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    if (!taken)
        atomic_fetch_add(&suppressed, 1);
    return taken;
}

void kgr_log_tell(void)
{
    uint64_t now_dropped = atomic_load(&dropped), news;

    (void)pthread_mutex_lock(&lock);
    news = now_dropped - dropped_told;
    dropped_told = now_dropped;
    for (struct kgr_log_site *site = sites; site != NULL; site = site->next) {
        refill(site, kgr_clock_boot_ms());
        if (site->suppressed == 0 || site->tokens == 0)
            continue;
        site->tokens--;
        emit_count(KGR_LOG_WARN, "log_suppressed", site->event, site->suppressed);
        site->suppressed = 0;
    }
    (void)pthread_mutex_unlock(&lock);
    if (news != 0)
        emit_count(KGR_LOG_WARN, "log_dropped", NULL, news);
}

/* What fits of the line; 0: nothing can be written. */
static size_t format(char *line, size_t cap, enum kgr_log_level level, const char *event,
                     const char *fmt, va_list ap) KGR_PRINTF(5, 0);
static size_t format(char *line, size_t cap, enum kgr_log_level level, const char *event,
                     const char *fmt, va_list ap)
{
    int n = snprintf(line, cap, "%s %s ", level_names[level], event);
    size_t len;

    if (n < 0)
        return 0;
    len = (size_t)n < cap ? (size_t)n : cap - 1;
    n = vsnprintf(line + len, cap - len, fmt, ap);
    if (n < 0)
        return 0;
    len = (size_t)n < cap - len ? len + (size_t)n : cap - 1;
    /* A caller that forgot kgr_log_escape must not be able to forge a second line. */
    for (size_t i = 0; i < len; i++)
        if (!printable((unsigned char)line[i]))
            line[i] = '?';
    while (len > 0 && line[len - 1] == ' ')
        len--;
    return len;
}

void kgr_log_at(struct kgr_log_site *site, enum kgr_log_level level, const char *fmt, ...)
{
    char line[LINE_MAX_LEN];
    size_t cap = sizeof(line) - 32; /* room for what was suppressed, line feed and NUL */
    uint32_t untold = 0;
    size_t len;
    va_list ap;

    if ((int)level > atomic_load(&threshold))
        return;
    if (level != KGR_LOG_DEBUG && !take(site, &untold))
        return;
    va_start(ap, fmt);
    len = format(line, cap, level, site->event, fmt, ap);
    va_end(ap);
    if (len == 0)
        return;
    if (untold != 0) {
        int n = snprintf(line + len, sizeof(line) - 2 - len, " suppressed=%u", untold);

        len += n > 0 ? (size_t)n : 0;
    }
    emit(level, site->event, line, len);
}

const char *kgr_log_escape(char *out, size_t cap, const void *text, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = text;
    size_t n = 0;

    if (cap == 0)
        return "";
    for (size_t i = 0; i < len; i++) {
        if (printable(p[i]) && p[i] != '\\') {
            if (cap - n < 2)
                break;
            out[n++] = (char)p[i];
        } else {
            if (cap - n < 5)
                break;
            out[n++] = '\\';
            out[n++] = 'x';
            out[n++] = digits[p[i] >> 4];
            out[n++] = digits[p[i] & 15];
        }
    }
    out[n] = '\0';
    return out;
}
