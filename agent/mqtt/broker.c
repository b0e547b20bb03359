/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/broker.h"

#include "agent/base/secret.h"
#include "agent/base/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint16_t kgr_broker_port(const struct kgr_broker *broker)
{
    if (broker->port != 0)
        return broker->port;
    return broker->tls ? 8883 : 1883;
}

const char *kgr_broker_text(char out[KGR_BROKER_TEXT_MAX + 1], const struct kgr_broker *broker)
{
    bool is_ipv6 = strchr(broker->host, ':') != NULL;

    (void)snprintf(out, KGR_BROKER_TEXT_MAX + 1, "%s%.*s%s:%u", is_ipv6 ? "[" : "",
                   KGR_BROKER_HOST_MAX - 2, broker->host, is_ipv6 ? "]" : "",
                   (unsigned)kgr_broker_port(broker));
    return out;
}

/* Whoever may write a public file decides which broker, or which of us, is believed. */
static enum kgr_error check_public(const char *path, struct kgr_diag *diag)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    enum kgr_error err = KGR_OK;

    if (fd < 0 || fstat(fd, &st) != 0)
        err = kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        err = kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: not a regular file", path);
    else if ((st.st_mode & S_IWOTH) != 0)
        err = kgr_diag_set(diag, KGR_ERR_CONFIG,
                           "%s: everybody may write it (mode %04o), chmod it to 0644", path,
                           (unsigned)(st.st_mode & 07777));
    if (fd >= 0)
        (void)close(fd); /* only looked at */
    return err;
}

static enum kgr_error check_secret(const char *name, struct kgr_diag *diag)
{
    int fd = -1;
    enum kgr_error err = kgr_secret_file_open(&fd, name, diag);

    if (err == KGR_OK)
        (void)close(fd);
    return err;
}

enum kgr_error kgr_broker_check_keys(const struct kgr_broker *broker, struct kgr_diag *diag)
{
    const char *host = broker->host == NULL ? "" : broker->host;

    if (strpbrk(host, "/@[] ") != NULL)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "broker host '%.80s': must be a name or an address alone", host);
    if (!broker->tls && (broker->ca != NULL || broker->cert != NULL || broker->key != NULL))
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "broker %.80s: ca, cert and key need tls = true",
                            host);
    if (broker->tls && broker->ca == NULL)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "broker %.80s: tls needs ca, the file of those who vouch for it", host);
    if ((broker->cert == NULL) != (broker->key == NULL))
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "broker %.80s: cert and key need each other",
                            host);
    if (broker->password_file != NULL && broker->user == NULL)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "broker %.80s: password_file needs user", host);
    return KGR_OK;
}

enum kgr_error kgr_broker_check_files(const struct kgr_broker *broker, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    if (broker->ca != NULL)
        err = check_public(broker->ca, diag);
    if (err == KGR_OK && broker->cert != NULL)
        err = check_public(broker->cert, diag);
    if (err == KGR_OK && broker->key != NULL)
        err = check_secret(broker->key, diag);
    if (err == KGR_OK && broker->password_file != NULL)
        err = check_secret(broker->password_file, diag);
    return err;
}

enum kgr_error kgr_broker_check(const struct kgr_broker *broker, struct kgr_diag *diag)
{
    enum kgr_error err;

    if (broker->host == NULL || broker->host[0] == '\0' ||
        strnlen(broker->host, KGR_BROKER_HOST_MAX + 1) > KGR_BROKER_HOST_MAX)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "the broker's host must be 1 to %d bytes long",
                            KGR_BROKER_HOST_MAX);
    err = kgr_broker_check_keys(broker, diag);
    return err == KGR_OK ? kgr_broker_check_files(broker, diag) : err;
}

/* Reads to the end of the file or of room, and returns how much; -1 with errno. */
static ssize_t read_all(int fd, char *room, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t n = read(fd, room + len, cap - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

enum kgr_error kgr_broker_password(const struct kgr_broker *broker, char **out, size_t *out_len,
                                   struct kgr_diag *diag)
{
    const char *path = broker->password_file;
    char *room;
    ssize_t len;
    int fd = -1;
    enum kgr_error err;

    *out = NULL;
    *out_len = 0;
    if (path == NULL)
        return KGR_OK;
    err = kgr_secret_file_open(&fd, path, diag);
    if (err != KGR_OK)
        return err;
    room = kgr_secret_alloc(KGR_BROKER_PASSWORD_MAX + 2); /* a newline, and one byte too many */
    if (room == NULL) {
        (void)close(fd);
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "no room for the broker's password");
    }
    len = read_all(fd, room, KGR_BROKER_PASSWORD_MAX + 2);
    if (len > 0 && room[len - 1] == '\n')
        len--;
    if (len < 0)
        err = kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: %s", path, strerror(errno));
    else if (len == 0 || len > KGR_BROKER_PASSWORD_MAX)
        err = kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: must hold a password of 1 to %d bytes", path,
                           KGR_BROKER_PASSWORD_MAX);
    (void)close(fd);
    if (err != KGR_OK) {
        kgr_secret_free(room);
        return err;
    }
    *out = room;
    *out_len = (size_t)len;
    return KGR_OK;
}
