#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What is installed is enough for a project of its own: found by CMake and by pkg-config, and what it builds works with
# the installed library alone.
. "$(dirname "$0")/common.sh"

! nm -D "$LAB_LIB/libkgr.so" | grep -qE '__(asan|tsan)_' ||
    { echo "skipped: the library of a build with sanitizers needs their runtime in every program"; exit 77; }
DESTDIR=$WORK/dest cmake --install "$LAB_BUILD" >"$WORK/log"
[ -z "$(find "$WORK/dest" -path '*/etc/*')" ] || fail "an installation writes to /etc"
prefix=$(dirname "$(dirname "$(find "$WORK/dest" -path '*/bin/kgrctl')")")
lib=$(dirname "$(find "$WORK/dest" -name libkgr.so.0)")
[ "$(readlink "$lib/libkgr.so")" = libkgr.so.0 ] || fail "libkgr.so is not a link to libkgr.so.0"

{
    cmake -S "$LAB_ROOT/examples/standalone" -B "$WORK/by-cmake" -DCMAKE_PREFIX_PATH="$prefix"
    cmake --build "$WORK/by-cmake"
} >>"$WORK/log" 2>&1 || { tail -n 20 "$WORK/log" >&2; fail "find_package(kgr) is not enough"; }
! cmake -S "$LAB_ROOT/examples/standalone" -B "$WORK/nowhere" -DCMAKE_PREFIX_PATH="$WORK" -Dkgr_DIR= >/dev/null 2>&1 ||
    fail "the project also builds where libkgr is not: this test shows nothing"
export PKG_CONFIG_SYSROOT_DIR=$WORK/dest PKG_CONFIG_PATH=$lib/pkgconfig
make -s -C "$LAB_ROOT/examples/standalone" OUT="$WORK/by-make" >>"$WORK/log" 2>&1 || { tail -n 20 "$WORK/log" >&2; fail "pkg-config is not enough"; }
readelf -d "$WORK/by-make" | grep -q 'NEEDED.*\[libkgr\.so\.0\]' || fail "the program does not need libkgr.so.0"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
head -c 100000 /dev/urandom >"$WORK/file"
LD_LIBRARY_PATH=$lib KGR_AGENT=$LAB/node-1/agent.sock "$WORK/by-cmake/drop" put "$(lab_id 2)" "$WORK/file" "$WORK/drop"
LD_LIBRARY_PATH=$lib KGR_AGENT=$LAB/node-2/agent.sock "$WORK/by-make" get "$(lab_id 1)" "$WORK/drop" "$WORK/got"
cmp "$WORK/file" "$WORK/got" || fail "the file changed on its way"
