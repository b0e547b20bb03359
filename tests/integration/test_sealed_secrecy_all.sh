#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# Every custody with sealed ends, in every suite.
SECRECY_KINDS="sealed-256 mixed-128" . "$(dirname "$0")/test_sealed_secrecy.sh"
