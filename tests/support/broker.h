/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/*
 * A private Mosquitto for a test: in a temporary folder of its own, on a free port of the loopback
 * interface. Every failure ends the test program with a message, for no test can go on without it.
 */
struct broker {
    char dir[64];
    uint16_t port;
    pid_t pid; /* 0: not running */
};

/*
 * broker_start returns when the broker accepts connections. extra (NULL: none) are more lines of its configuration;
 * anybody may do anything unless they say otherwise.
 */
void broker_start(struct broker *broker, const char *extra);
/* broker_kill is kill -9, and waits for the end. */
void broker_kill(struct broker *broker);
/* broker_restart starts it again after broker_kill, on the same port. */
void broker_restart(struct broker *broker);
/* broker_stop kills it if it runs, and removes the folder. */
void broker_stop(struct broker *broker);
