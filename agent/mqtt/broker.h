/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/* A broker and how to reach it. */
#define KGR_BROKERS_MAX         8
#define KGR_BROKER_HOST_MAX     255
#define KGR_BROKER_PASSWORD_MAX 1024

enum kgr_mqtt_protocol { KGR_MQTT_5, KGR_MQTT_3_1_1 };

/* Texts are borrowed, from the configuration mostly; NULL: none. */
struct kgr_broker {
    const char *host; /* name or address; with TLS what the certificate must be for */
    uint16_t port;    /* 0: 8883 with TLS, else 1883 */
    bool tls;
    const char *ca;   /* PEM file of those who may vouch for the broker; with TLS required */
    const char *cert; /* PEM file of our certificate and its chain; only with key */
    const char *key;  /* PEM file of its private key, not readable by others */
    const char *user;
    /* As agent/base/secret_file.h names them; read at every connect, one newline at its end is cut. */
    const char *password_file;
    enum kgr_mqtt_protocol protocol;
};

/* Tried in order; the first is preferred. */
struct kgr_brokers {
    struct kgr_broker list[KGR_BROKERS_MAX];
    size_t num;
};

uint16_t kgr_broker_port(const struct kgr_broker *broker);
#define KGR_BROKER_TEXT_MAX (KGR_BROKER_HOST_MAX + 8)
/* kgr_broker_text writes host:port, an IPv6 address in brackets. Returns out. */
const char *kgr_broker_text(char out[KGR_BROKER_TEXT_MAX + 1], const struct kgr_broker *broker);

/*
 * kgr_broker_check: what is set fits together, files can be read, and those that hold a secret are a regular
 * file of this user or root that nobody else can read. KGR_ERR_CONFIG with diag.
 */
KGR_MUST_CHECK enum kgr_error kgr_broker_check(const struct kgr_broker *broker,
                                               struct kgr_diag *diag);
/* kgr_broker_check_keys and kgr_broker_check_files are its halves; the host may be missing. */
KGR_MUST_CHECK enum kgr_error kgr_broker_check_keys(const struct kgr_broker *broker,
                                                    struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_broker_check_files(const struct kgr_broker *broker,
                                                     struct kgr_diag *diag);
/*
 * kgr_broker_password reads the password into the arena; the caller frees it with kgr_secret_free. *out is NULL
 * without a password_file. KGR_ERR_CONFIG with diag as in kgr_broker_check, KGR_ERR_NO_MEMORY.
 */
KGR_MUST_CHECK enum kgr_error kgr_broker_password(const struct kgr_broker *broker, char **out,
                                                  size_t *out_len, struct kgr_diag *diag);
