/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/node/machines/registration.h"

struct kgr_frame_in;
struct kgr_node;

/* The challenge of the KS, worked on by the TPM. For the files enrol*.c only. */

/* kgr_enrol_work begins with the reg_chal of frame; the outcome comes as ACCEPTED or REFUSED. */
KGR_MUST_CHECK enum kgr_error kgr_enrol_work(struct kgr_node *node,
                                             const struct kgr_frame_in *frame);

/* enrol.c: kgr_enrol_step runs the machine and does what it says; time and jitter are added to event. */
enum kgr_error kgr_enrol_step(struct kgr_node *node, struct kgr_registration_event *event,
                              const struct kgr_frame_in *frame);
