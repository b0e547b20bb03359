#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# Every cell of the crash matrix.
. "$(dirname "$0")/crash_matrix.sh"
