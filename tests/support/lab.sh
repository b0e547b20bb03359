# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Functions that start the parts of a private lab in one folder. Sourced by tests/support/lab,
# scripts/demo and integration tests. Every process is started by its own pid and recorded in
# LAB/pids; nothing else on the host is touched.

# A configuration that others may write is refused.
umask go-w

LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BUILD=${LAB_BUILD:-$LAB_ROOT/build}
LAB_BIN=$LAB_BUILD/bin
LAB_LIB=$LAB_BUILD/lib
# Tests may put another key server in the place of the real one.
LAB_KS_PROGRAM=${LAB_KS_PROGRAM:-$LAB_BIN/kgr-ks}

# What kind of keys a lab has: LAB_CUSTODY (resident, sealed, or mixed: node 1 resident, the others sealed; LAB_CUSTODY_I
# for node I alone) and LAB_SUITE;
# what follows from them for whoever names ciphers.
export LAB_CUSTODY=${LAB_CUSTODY:-resident}
lab_suite()
{
    export LAB_SUITE=$1
    case "$1" in
    AES-256-CBC-HMAC-SHA384) LAB_AES=256 LAB_OTHER_AES=128 LAB_HASH=SHA384 LAB_MAC_LEN=48 ;;
    *) LAB_AES=128 LAB_OTHER_AES=256 LAB_HASH=SHA256 LAB_MAC_LEN=32 ;;
    esac
}
lab_suite "${LAB_SUITE:-AES-128-CBC-HMAC-SHA256}"

lab_die()
{
    echo "lab: $*" >&2
    return 1
}

# lab_id I: the N_ID of node I.
lab_id()
{
    printf 'gateway-%05d' "$1"
}

# lab_open DIR: makes DIR the lab of this shell.
lab_open()
{
    mkdir -p "$1"
    chmod 700 "$1"
    LAB=$(cd "$1" && pwd)
    # sun_path holds 108 bytes; the longest socket of a lab is node-NNNNN/tpm/sock.ctrl.
    if [ ${#LAB} -gt 80 ]; then
        lab_die "the path $LAB is too long for sockets below it; choose one of at most 80 characters"
        return 1
    fi
    touch "$LAB/pids"
}

# lab_born PID: when PID started, in clock ticks since the boot; a pid that was given away again has another.
lab_born()
{
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# lab_spawn NAME LOG CMD...: starts CMD in the background, free of this terminal; LAB_PID is its pid.
lab_spawn()
{
    local name=$1 log=$2
    shift 2
    setsid "$@" >>"$log" 2>&1 </dev/null &
    LAB_PID=$!
    disown "$LAB_PID" 2>/dev/null || true
    echo "$LAB_PID $name $(lab_born "$LAB_PID")" >>"$LAB/pids"
}

# lab_kill PID [SIGNAL]: ends PID and waits until it is gone.
lab_kill()
{
    local pid=$1 i
    kill "-${2:-TERM}" "$pid" 2>/dev/null || return 0
    for ((i = 0; i < 100; i++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        # While another thread of it still ends, the files are open and locked.
        if [ "$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null)" = Z ] &&
            [ "$(ls "/proc/$pid/task" 2>/dev/null | wc -l)" -le 1 ]; then
            return 0
        fi
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
}

# lab_wait_for SECONDS WHAT CMD...: repeats CMD until it succeeds.
lab_wait_for()
{
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            lab_die "timed out after ${seconds} s waiting for $what"
            return 1
        fi
        sleep 0.05
    done
}

# lab_tpm DIR NAME: starts a TPM whose state and sockets are in DIR; TCTI in LAB_TCTI.
lab_tpm()
{
    local dir=$1 name=$2
    mkdir -p "$dir"
    rm -f "$dir/sock" "$dir/sock.ctrl"
    lab_spawn "$name" "$dir/log" swtpm socket --tpm2 --tpmstate "dir=$dir" \
        --server "type=unixio,path=$dir/sock" --ctrl "type=unixio,path=$dir/sock.ctrl" \
        --flags not-need-init,startup-clear
    LAB_TCTI="swtpm:path=$dir/sock"
    # Tests may have every byte of the bus written to DIR/traffic.
    if [ -n "${LAB_RECORD_TPM:-}" ]; then
        LAB_TCTI="$LAB_BUILD/tests/libtss2-tcti-kgrfilter.so:record=$dir/traffic|tcti=$LAB_TCTI"
    fi
    lab_wait_for 10 "swtpm in $dir" test -S "$dir/sock" -a -S "$dir/sock.ctrl"
}

# lab_abrmd TCTI: a resource manager for that TPM, on a bus of its own in the lab's folder; its TCTI in LAB_TCTI.
lab_abrmd()
{
    local options=(--session --tcti="$1" --logger=stdout)
    cat >"$LAB/bus.conf" <<CONF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=$LAB/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
CONF
    export DBUS_SESSION_BUS_ADDRESS=unix:path=$LAB/bus
    lab_spawn bus "$LAB/bus.log" dbus-daemon --config-file="$LAB/bus.conf" --nofork --nopidfile
    lab_wait_for 10 "dbus-daemon" test -S "$LAB/bus"
    [ "$(id -u)" != 0 ] || options+=(--allow-root)
    lab_spawn abrmd "$LAB/abrmd.log" "$(PATH=$PATH:/usr/sbin command -v tpm2-abrmd)" "${options[@]}"
    LAB_TCTI=tabrmd:bus_type=session
    lab_wait_for 10 "tpm2-abrmd" tpm2_getrandom -T "$LAB_TCTI" 4
}

lab_listening()
{
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# lab_proxy: puts tests/support/proxy.c before the broker; LAB_PORT is its port then, LAB/proxy/control its fifo.
lab_proxy()
{
    local dir=$LAB/proxy broker=$LAB_PORT
    mkdir -p "$dir"
    while lab_listening "$LAB_PORT"; do
        LAB_PORT=$((20000 + RANDOM % 20000))
    done
    lab_spawn proxy "$dir/log" "$LAB_BUILD/tests/proxy" "$LAB_PORT" "$broker" "$dir/control" \
        "$dir/record" "$dir/counts" "$LAB_PROXY_SEED"
    lab_wait_for 10 "the proxy (see $dir/log)" lab_listening "$LAB_PORT"
}

# lab_broker: starts Mosquitto on a free port; LAB_PORT, LAB_BROKER_PID and LAB_BROKER_CMD. LAB_BROKER_EXTRA are more
# lines of its configuration; with LAB_PROXY_SEED a hostile proxy stands before it.
lab_broker()
{
    local dir=$LAB/broker try
    mkdir -p "$dir"
    for ((try = 0; try < 20; try++)); do
        LAB_PORT=$((20000 + RANDOM % 20000))
        lab_listening "$LAB_PORT" && continue
        {
            echo "listener $LAB_PORT 127.0.0.1"
            [ -n "${LAB_BROKER_EXTRA:-}" ] || echo "allow_anonymous true"
            echo "${LAB_BROKER_EXTRA:-}"
            echo "persistence false"
            echo "max_packet_size 65536"
            [ "$(id -u)" != 0 ] || echo "user root"
        } >"$dir/mosquitto.conf"
        LAB_BROKER_CMD="mosquitto -c $dir/mosquitto.conf"
        lab_spawn broker "$dir/log" mosquitto -c "$dir/mosquitto.conf"
        LAB_BROKER_PID=$LAB_PID
        local i
        for ((i = 0; i < 100; i++)); do
            kill -0 "$LAB_BROKER_PID" 2>/dev/null || break
            if lab_listening "$LAB_PORT"; then
                [ -z "${LAB_PROXY_SEED:-}" ] || lab_proxy
                return
            fi
            sleep 0.05
        done
    done
    lab_die "Mosquitto did not start; see $dir/log"
}

# lab_ks_conf, lab_ac_conf, lab_node_conf I: write the configuration files.
lab_ks_conf()
{
    mkdir -p "$LAB/ks"
    cat >"$LAB/ks/ks.conf" <<CONF
state = "$LAB/ks/state";
socket = "$LAB/ks/ks.sock";
tpm = { tcti = "$1"; };
broker = { host = "127.0.0.1"; port = $LAB_PORT; ${LAB_KS_BROKER:-} };
${LAB_KS_EXTRA:-}
CONF
}

lab_ac_conf()
{
    mkdir -p "$LAB/ac"
    cat >"$LAB/ac/ac.conf" <<CONF
state = "$LAB/ac/state";
ks_socket = "$LAB/ks/ks.sock";
tpm = { tcti = "$1"; };
CONF
}

lab_node_conf()
{
    local dir=$LAB/node-$1 custody=$LAB_CUSTODY extra=LAB_AGENT_EXTRA_$1 own=LAB_CUSTODY_$1
    if [ "$custody" = mixed ]; then
        [ "$1" = 1 ] && custody=resident || custody=sealed
    fi
    custody=${!own:-$custody}
    mkdir -p "$dir"
    cat >"$dir/agent.conf" <<CONF
state = "$dir/state";
socket = "$dir/agent.sock";
tpm = { tcti = "$2"; };
custody = "$custody";
suites = "$LAB_SUITE";
${LAB_AGENT_EXTRA:-}
${!extra:-}
CONF
}

# The commands with the configuration of this lab.
lab_ks()
{
    "$LAB_KS_PROGRAM" --config "$LAB/ks/ks.conf" "$@"
}

lab_ac()
{
    "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" "$@"
}

lab_agent()
{
    local i=$1
    shift
    "$LAB_BIN/kgr-agent" --config "$LAB/node-$i/agent.conf" "$@"
}

lab_ctl()
{
    local i=$1
    shift
    KGR_AGENT=$LAB/node-$i/agent.sock "$LAB_BIN/kgrctl" "$@"
}

# lab_centre: the KS and the AC with their TPMs, LAB_KS_TCTI and LAB_AC_TCTI, each pinned by the other; none of them runs.
lab_centre()
{
    lab_tpm "$LAB/ks/tpm" ks-tpm
    LAB_KS_TCTI=$LAB_TCTI
    lab_ks_conf "$LAB_KS_TCTI"
    lab_tpm "$LAB/ac/tpm" ac-tpm
    LAB_AC_TCTI=$LAB_TCTI
    lab_ac_conf "$LAB_AC_TCTI"
    lab_ac init -o "$LAB/ac/ac.pub" >>"$LAB/log" &&
        lab_ks init --ac "$LAB/ac/ac.pub" -o "$LAB/ks/ks.pub" >>"$LAB/log" 2>&1 &&
        lab_ac pin "$LAB/ks/ks.pub" >>"$LAB/log"
}

# lab_run_ks, lab_run_agent I: start the service and wait until it answers.
lab_run_ks()
{
    LAB_KS_CMD="$LAB_KS_PROGRAM --config $LAB/ks/ks.conf run"
    lab_spawn ks "$LAB/ks/log" "$LAB_KS_PROGRAM" --config "$LAB/ks/ks.conf" run
    LAB_KS_PID=$LAB_PID
    lab_wait_for 15 "kgr-ks (see $LAB/ks/log)" test -S "$LAB/ks/ks.sock"
}

lab_run_agent()
{
    lab_spawn "agent-$1" "$LAB/node-$1/log" "$LAB_BIN/kgr-agent" --config "$LAB/node-$1/agent.conf" run
    LAB_AGENT_PID=$LAB_PID
    lab_wait_for 15 "kgr-agent of node $1 (see $LAB/node-$1/log)" lab_ctl "$1" status
}

# lab_down DIR: stops exactly what the lab in DIR started, newest first.
lab_down()
{
    local pid name born
    [ -f "$1/pids" ] || return 0
    while read -r pid name born; do
        if [ "$(lab_born "$pid")" = "$born" ]; then
            lab_kill "$pid"
        fi
    done < <(tac "$1/pids")
    rm -f "$1/pids"
}
