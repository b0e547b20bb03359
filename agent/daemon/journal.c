/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
    int fd;
    const char *identifier;
    struct sockaddr_un address;
    pthread_mutex_t lock;
    char entry[KGR_JOURNAL_ENTRY_MAX]; /* under the lock: too large for the stacks of threads */
} journal = {.fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

/* One field; false when it does not fit. */
static bool put(char *out, size_t cap, size_t *len, const char *name, const char *value,
                size_t value_len)
{
    size_t name_len = strlen(name);

    if (name_len + value_len + 2 > cap - *len)
        return false;
    memcpy(out + *len, name, name_len);
    out[*len + name_len] = '=';
    memcpy(out + *len + name_len + 1, value, value_len);
    *len += name_len + value_len + 2;
    out[*len - 1] = '\n';
    return true;
}

/* KGR_ and the key in capitals; false: a name that the journal does not take. */
static bool field_name(char out[48], const char *key, size_t len)
{
    if (len == 0 || len > 40)
        return false;
    memcpy(out, "KGR_", 4);
    for (size_t i = 0; i < len; i++) {
        char c = key[i];

        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        else if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && c != '_')
            return false;
        out[4 + i] = c;
    }
    out[4 + len] = '\0';
    return true;
}

/* key=value or key="value with spaces", one after another; anything else is passed over. */
static void put_pairs(char *out, size_t cap, size_t *len, const char *text)
{
    while (*text != '\0') {
        size_t key_len = strcspn(text, "= ");
        const char *value = text + key_len + 1;
        size_t value_len;
        char name[48];

        if (text[key_len] != '=') {
            text += key_len + (text[key_len] == ' ');
            continue;
        }
        if (*value == '"') {
            value++;
            value_len = strcspn(value, "\"");
        } else {
            value_len = strcspn(value, " ");
        }
        if (field_name(name, text, key_len))
            (void)put(out, cap, len, name, value, value_len); /* or it is left out */
        text = value + value_len;
        text += *text != '\0';
    }
}

size_t kgr_journal_entry(char *out, size_t cap, const char *identifier, enum kgr_log_level level,
                         const char *event, const char *line)
{
    /* As syslog(3) numbers them. */
    static const char *const priorities[] = {
        [KGR_LOG_ERROR] = "3", [KGR_LOG_WARN] = "4", [KGR_LOG_INFO] = "6", [KGR_LOG_DEBUG] = "7"};
    const char *message = strchr(line, ' ');
    const char *pairs;
    size_t len = 0;

    message = message == NULL ? line : message + 1;
    pairs = strchr(message, ' ');
    (void)put(out, cap, &len, "MESSAGE", message, strlen(message));
    (void)put(out, cap, &len, "PRIORITY", priorities[level], 1);
    (void)put(out, cap, &len, "SYSLOG_IDENTIFIER", identifier, strlen(identifier));
    (void)put(out, cap, &len, "KGR_EVENT", event, strlen(event));
    if (pairs != NULL)
        put_pairs(out, cap, &len, pairs + 1);
    return len;
}

static bool send_line(enum kgr_log_level level, const char *event, const char *line)
{
    size_t len;
    ssize_t n;

    (void)pthread_mutex_lock(&journal.lock);
    len = kgr_journal_entry(journal.entry, sizeof(journal.entry), journal.identifier, level, event,
                            line);
    n = sendto(journal.fd, journal.entry, len, MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&journal.address, sizeof(journal.address));
    (void)pthread_mutex_unlock(&journal.lock);
    return n == (ssize_t)len;
}

/* Device and inode of what systemd gave as stderr. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat st;

    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
        return false;
    (void)snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    return strcmp(own, stream) == 0;
}

void kgr_journal_attach(const char *identifier, const char *path)
{
    if (!is_journal() || strlen(path) >= sizeof(journal.address.sun_path))
        return;
    journal.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (journal.fd < 0)
        return;
    journal.identifier = identifier;
    journal.address.sun_family = AF_UNIX;
    memcpy(journal.address.sun_path, path, strlen(path) + 1);
    kgr_log_set_sink(send_line);
}
