/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth/entropy_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"

#define BLOCKS     8    /* at hand; a key takes one */
#define BLOCK_BITS 576u /* of min-entropy that go into one */
/* A source with nothing to do is read so often, and so much of it; of a FIFO twice what it holds, so that the test is fresh: */
#define PROBE_MS   2000u
#define PROBE_LEN  8192u
#define BLOCKED_MS 5000u /* without a byte for so long it is blocked */
#define RETRY_MS   1000u
#define POLL_MS    200 /* the longest sleep in poll: then the end of the service is looked for */
#define IDLE_MS    20u /* a driver without poll says always that it is ready */
#define READ_MAX   256u

static const char label[] = "KGR entropy source 1";

struct kgr_entropy_source {
    const char *path;
    uint32_t centibits;
    size_t block; /* samples in one */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Under the lock. */
    bool stopping;
    struct kgr_entropy health;
    char reason[96];
    uint64_t since_ms;
    uint64_t bytes;
    uint8_t (*blocks)[KGR_ENTROPY_BLOCK_LEN]; /* owned, in the arena */
    size_t num_blocks;
    /* Of the thread alone. */
    int fd;           /* -1: closed */
    uint8_t *samples; /* owned, in the arena: block of them */
    size_t num_samples;
    size_t probe_len;  /* at once */
    size_t probe_left; /* bytes to be read though all blocks are there */
    uint64_t last_ms;  /* of the last byte */
};

/* Sleeps up to ms, or until the service ends, or (when full) a block is taken; false: it ends. */
static bool pause_for(struct kgr_entropy_source *s, uint32_t ms, bool while_full)
{
    struct timespec until;
    bool go_on;
    int rc = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && rc == 0 && (!while_full || s->num_blocks == BLOCKS))
        rc = pthread_cond_timedwait(&s->wake, &s->lock, &until);
    go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

/* Called with the lock. */
static void note_change(struct kgr_entropy_source *s, bool was_failed, const char *reason)
{
    bool failed = kgr_entropy_failed(&s->health);
    char path[128];

    s->since_ms = kgr_clock_boot_ms();
    (void)snprintf(s->reason, sizeof s->reason, "%s", reason);
    (void)kgr_log_escape(path, sizeof path, s->path, strlen(s->path));
    if (failed)
        kgr_error_log("entropy", "source=\"%s\" state=\"%s\" reason=\"%s\"", path,
                      kgr_entropy_text(s->health.state), reason);
    else
        kgr_info("entropy", "source=\"%s\" state=\"%s\" was=%s", path,
                 kgr_entropy_text(s->health.state), was_failed ? "failed" : "starting");
}

/* What a source gave before it failed is not used. */
static void drop(struct kgr_entropy_source *s)
{
    kgr_cleanse(s->blocks, BLOCKS * sizeof *s->blocks);
    s->num_blocks = 0;
    kgr_cleanse(s->samples, s->block);
    s->num_samples = 0;
}

static void fail(struct kgr_entropy_source *s, enum kgr_entropy_state state, const char *reason)
{
    bool was_failed;

    pthread_mutex_lock(&s->lock);
    was_failed = kgr_entropy_failed(&s->health);
    if (kgr_entropy_fail(&s->health, state))
        note_change(s, was_failed, reason);
    drop(s);
    pthread_mutex_unlock(&s->lock);
}

static void close_it(struct kgr_entropy_source *s)
{
    if (s->fd >= 0)
        (void)close(s->fd); /* only read */
    s->fd = -1;
}

/* The smallest FIFO is the freshest; while its writer fills it, it cannot be made smaller. */
static size_t fifo_probe(int fd)
{
    int size;

    (void)fcntl(fd, F_SETPIPE_SZ, (int)PROBE_LEN / 2);
    size = fcntl(fd, F_GETPIPE_SZ);
    return size > (int)PROBE_LEN / 2 ? 2 * (size_t)size : PROBE_LEN;
}

static bool open_it(struct kgr_entropy_source *s)
{
    struct stat st;

    if (s->fd >= 0)
        return true;
    s->fd = open(s->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        fail(s, KGR_ENTROPY_AWAY, strerror(errno));
        close_it(s);
        return false;
    }
    if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)) {
        fail(s, KGR_ENTROPY_AWAY, "it is neither a character device nor a FIFO");
        close_it(s);
        return false;
    }
    s->probe_len = S_ISFIFO(st.st_mode) ? fifo_probe(s->fd) : PROBE_LEN;
    s->last_ms = kgr_clock_boot_ms();
    return true;
}

/* A whole block of samples becomes one at hand; the oldest makes room. Called with the lock. */
static void condition(struct kgr_entropy_source *s)
{
    const struct kgr_slice parts[] = {
        kgr_slice((const uint8_t *)label, sizeof label),
        kgr_slice(s->samples, s->block),
    };

    if (s->num_blocks == BLOCKS) {
        memmove(s->blocks[0], s->blocks[1], (BLOCKS - 1) * sizeof *s->blocks);
        s->num_blocks--;
    }
    if (kgr_sha512(s->blocks[s->num_blocks], parts, KGR_ARRAY_LEN(parts)) == KGR_OK)
        s->num_blocks++;
    kgr_cleanse(s->samples, s->block);
    s->num_samples = 0;
}

/* Tests what was read behind num_samples; false: it failed. */
static bool accept_samples(struct kgr_entropy_source *s, size_t num)
{
    struct kgr_slice fresh = kgr_slice(s->samples + s->num_samples, num);
    bool was_failed, ok;

    s->last_ms = kgr_clock_boot_ms();
    pthread_mutex_lock(&s->lock);
    was_failed = kgr_entropy_failed(&s->health);
    s->bytes += num;
    if (kgr_entropy_feed(&s->health, fresh))
        note_change(s, was_failed, "");
    /* A failure begins anew with no sample; while one goes on, samples count up again. */
    ok = !kgr_entropy_failed(&s->health) || s->health.samples > 0;
    if (s->health.state == KGR_ENTROPY_GOOD) {
        s->num_samples += num;
        if (s->num_samples == s->block)
            condition(s);
    } else {
        drop(s); /* of the start-up test nothing is used */
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* What stands behind a sample that failed is as old: the next test begins with what comes from now on. */
static void throw_away(struct kgr_entropy_source *s)
{
    size_t gone = 0;
    ssize_t n = 1;

    while (n > 0 && gone < s->probe_len) {
        n = read(s->fd, s->samples, s->block);
        gone += n > 0 ? (size_t)n : 0;
    }
    kgr_cleanse(s->samples, s->block);
}

/* Nothing to read: waits a little for it. */
static uint32_t wait_for_bytes(struct kgr_entropy_source *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};

    if (s->probe_left < s->probe_len)
        s->probe_left = 0; /* it gave some, and that is all it has */
    if (kgr_clock_boot_ms() - s->last_ms >= BLOCKED_MS)
        fail(s, KGR_ENTROPY_BLOCKED, "no byte for 5 s");
    return poll(&p, 1, POLL_MS) > 0 ? IDLE_MS : 0;
}

/* One read. The return is how long to pause then; 0: go on. */
static uint32_t read_some(struct kgr_entropy_source *s)
{
    size_t room = s->block - s->num_samples;
    ssize_t n = read(s->fd, s->samples + s->num_samples, room < READ_MAX ? room : READ_MAX);

    if (n > 0) {
        s->probe_left -= (size_t)n < s->probe_left ? (size_t)n : s->probe_left;
        if (accept_samples(s, (size_t)n))
            return 0;
        throw_away(s);
        return RETRY_MS;
    }
    if (n == 0) {
        fail(s, KGR_ENTROPY_ENDED, "nobody writes");
        return RETRY_MS;
    }
    if (errno == EAGAIN || errno == EINTR)
        return wait_for_bytes(s);
    fail(s, KGR_ENTROPY_AWAY, strerror(errno));
    close_it(s);
    return RETRY_MS;
}

static bool is_full(struct kgr_entropy_source *s)
{
    bool full;

    pthread_mutex_lock(&s->lock);
    full = s->num_blocks == BLOCKS;
    pthread_mutex_unlock(&s->lock);
    return full;
}

static void *run(void *arg)
{
    struct kgr_entropy_source *s = arg;
    bool go_on = true;

    while (go_on) {
        uint32_t rest_ms = RETRY_MS;

        if (s->probe_left == 0 && is_full(s)) {
            go_on = pause_for(s, PROBE_MS, true);
            s->probe_left = s->probe_len;
            s->last_ms = kgr_clock_boot_ms();
            continue;
        }
        if (open_it(s))
            rest_ms = read_some(s);
        go_on = pause_for(s, rest_ms, false);
    }
    close_it(s);
    return NULL;
}

static enum kgr_error start(struct kgr_entropy_source *s)
{
    pthread_condattr_t attr;
    bool ok = pthread_condattr_init(&attr) == 0;

    if (!ok)
        return KGR_ERR_NO_MEMORY;
    ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
         pthread_cond_init(&s->wake, &attr) == 0;
    (void)pthread_condattr_destroy(&attr);
    if (!ok)
        return KGR_ERR_NO_MEMORY;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        (void)pthread_cond_destroy(&s->wake);
        return KGR_ERR_NO_MEMORY;
    }
    if (pthread_create(&s->thread, NULL, run, s) != 0) {
        (void)pthread_mutex_destroy(&s->lock);
        (void)pthread_cond_destroy(&s->wake);
        return KGR_ERR_NO_MEMORY;
    }
    return KGR_OK;
}

static void release(struct kgr_entropy_source *s)
{
    kgr_secret_free(s->blocks);
    kgr_secret_free(s->samples);
    free(s);
}

enum kgr_error kgr_entropy_source_new(struct kgr_entropy_source **out,
                                      const struct kgr_entropy_source_options *options)
{
    struct kgr_entropy_source *s = calloc(1, sizeof *s);
    enum kgr_error err = KGR_ERR_NO_MEMORY;

    if (s == NULL)
        return err;
    s->path = options->path;
    s->centibits = options->centibits;
    s->fd = -1;
    s->probe_len = PROBE_LEN;
    s->block = kgr_entropy_block(options->centibits, BLOCK_BITS);
    s->since_ms = kgr_clock_boot_ms();
    kgr_entropy_init(&s->health, options->centibits, KGR_ENTROPY_ALPHA);
    s->samples = kgr_secret_alloc(s->block);
    s->blocks = kgr_secret_alloc(BLOCKS * sizeof *s->blocks);
    if (s->samples != NULL && s->blocks != NULL)
        err = start(s);
    if (err != KGR_OK) {
        release(s);
        return err;
    }
    *out = s;
    return KGR_OK;
}

void kgr_entropy_source_free(struct kgr_entropy_source *source)
{
    if (source == NULL)
        return;
    pthread_mutex_lock(&source->lock);
    source->stopping = true;
    pthread_cond_signal(&source->wake);
    pthread_mutex_unlock(&source->lock);
    (void)pthread_join(source->thread, NULL);
    (void)pthread_mutex_destroy(&source->lock);
    (void)pthread_cond_destroy(&source->wake);
    release(source);
}

bool kgr_entropy_source_take(struct kgr_entropy_source *source, uint8_t out[KGR_ENTROPY_BLOCK_LEN])
{
    bool taken = false;

    pthread_mutex_lock(&source->lock);
    if (source->num_blocks > 0 && source->health.state == KGR_ENTROPY_GOOD) {
        source->num_blocks--;
        memcpy(out, source->blocks[source->num_blocks], KGR_ENTROPY_BLOCK_LEN);
        kgr_cleanse(source->blocks[source->num_blocks], KGR_ENTROPY_BLOCK_LEN);
        pthread_cond_signal(&source->wake);
        taken = true;
    }
    pthread_mutex_unlock(&source->lock);
    return taken;
}

void kgr_entropy_source_report(struct kgr_entropy_source *source, struct kgr_entropy_report *out)
{
    pthread_mutex_lock(&source->lock);
    *out = (struct kgr_entropy_report){
        .path = source->path,
        .state = source->health.state,
        .since_ms = source->since_ms,
        .bytes = source->bytes,
        .blocks = source->num_blocks,
    };
    memcpy(out->reason, source->reason, sizeof out->reason);
    pthread_mutex_unlock(&source->lock);
}
