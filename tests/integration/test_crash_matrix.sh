#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every 23rd cell of the crash matrix; test_crash_matrix_all.sh takes all.
MATRIX_EVERY=${MATRIX_EVERY:-23} . "$(dirname "$0")/crash_matrix.sh"
