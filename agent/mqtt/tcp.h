/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * The TCP connection under an MQTT client of Paho's, which neither asks the kernel for speed nor tells its descriptor.
 * Small packets of ours would wait for the acknowledgement of the one before (Nagle), those of the broker for one that our
 * kernel delays: 40 ms for most frames of an exchange, which needs 20 ms in all.
 */

/*
 * kgr_tcp_adopt finds the connection of this process to port that was not adopted before, and has it send at once. Its
 * descriptor is still Paho's; -1: none. Among the first KGR_TCP_FDS descriptors.
 */
#define KGR_TCP_FDS 8192
int kgr_tcp_adopt(uint16_t port);

/*
 * kgr_tcp_acknowledge has the kernel acknowledge now what it received. After packets that are not answered: an answer
 * carries the acknowledgement. Harmless for a descriptor that was closed meanwhile, or is another's, and for -1.
 */
void kgr_tcp_acknowledge(int fd);
