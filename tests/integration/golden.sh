# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What test_golden.sh shows, one function a file of golden/: sourced in a shell of its own, whose output is a terminal or a pipe. LAB is
# a lab of three nodes, BIN has the programs.

# show CMD...: the command as somebody would type it, what it prints (only its first LIMIT lines), and its exit code unless that is 0.
show()
{
    local status=0
    echo "\$ $*"
    if [ -n "${LIMIT:-}" ]; then
        "$@" 2>&1 </dev/null | sed -n "1,${LIMIT}p"
        status=${PIPESTATUS[0]}
    else
        "$@" 2>&1 </dev/null || status=$?
    fi
    [ "$status" = 0 ] || echo "[exit code $status]"
    echo
}
# The programs with the configuration of the lab; what they log is no output.
run()
{
    "$BIN/$@" 2>"$LAB/stderr"
    local status=$?
    grep -v '^INFO ' "$LAB/stderr" >&2
    return $status
}
kgrctl()
{
    "$BIN/kgrctl" "$@"
}
kgr-ac()
{
    run kgr-ac --config "$LAB/ac/ac.conf" "$@"
}
kgr-agent()
{
    run kgr-agent --config "$LAB/node-3/agent.conf" "$@"
}
kgr-ks()
{
    run kgr-ks --config "$LAB/ks/ks.conf" "$@"
}
# other CMD...: kgrctl of the second node does it in a moment, while something waits.
other()
{
    { sleep 0.3; "$BIN/kgrctl" --socket "$LAB/node-2/agent.sock" "$@"; } >/dev/null &
}

# What depends on the width of the terminal. Nothing here is recorded by the agent.
wide()
{
    show kgrctl status
    show kgrctl --ks status
    show kgrctl peers
    show kgrctl audit
    show kgrctl audit show --count 2
    show kgrctl mirror list
    show kgr-ac node list
    show kgr-ac node show gateway-00001
    show kgr-ac pair matrix
    show kgr-ac pair matrix --grid
    show kgr-ac audit
    show kgr-ac import -n "$LAB/fleet.csv"
    show kgrctl --help
}

# What it answers, and how it says that it cannot.
answers()
{
    show kgrctl topics gateway-00002
    show kgrctl request gateway-00002
    show kgrctl request gateway-00002 --no-wait
    show kgrctl request gateway-00003
    show kgrctl request gateway-9
    show kgrctl wait gateway-00002
    show kgrctl wait gateway-00002 --generation 99 --timeout 0
    show kgrctl wait gateway-0
    show kgrctl renew gateway-00002
    show kgrctl renew
    show kgrctl renew --nksk
    show kgrctl handle gateway-00002
    show kgrctl handle gateway-00002 --cipher no-such-cipher
    show kgrctl seal gateway-00002 -i /nonexistent
    show kgrctl seal gateway-00002 -o /nonexistent/record
    show kgrctl open gateway-00002 -i "$LAB/words"
    show kgrctl send gateway-00002 "$LAB/words"
    show kgrctl send gateway-00003 "$LAB/words"
    other send gateway-00001 "$LAB/words"
    show kgrctl events --count 1
    show kgrctl recv gateway-00002
    show kgrctl recv --timeout 0
    show kgrctl recv --json --raw
    show kgrctl events --timeout 0
    show kgrctl audit verify
    show kgrctl audit erase
    show kgrctl mirror add
    show kgrctl mirror erase
    show kgrctl metrics --json
    show kgrctl watch
    show kgrctl reload
    show kgrctl --ks reload
    show kgrctl statsu
    show kgrctl peers --jsn
    show kgrctl
    show kgrctl --socket /nonexistent/agent.sock peers
    show kgr-ac node show gateway-9
    show kgr-ac node add gateway-9
    show kgr-ac pair allow gateway-9 gateway-00001
    show kgr-ac audit --since yesterday
    show kgr-ac audit verify
    show kgr-ac import "$LAB/fleet.csv"
    show kgr-ac import "$LAB/words"
    show kgr-ac node lst
    show kgr-ac --config /nonexistent/ac.conf node list
    show kgr-ac --help
    show kgr-agent identity
    show kgr-agent --check
    show kgr-agent --help
    show kgr-ks identity
    show kgr-ks --check
    show kgr-ks --help
}

# What programs read.
json()
{
    show kgrctl status --json
    show kgrctl --ks status --json
    show kgrctl peers --json
    show kgrctl topics gateway-00002 --json
    show kgrctl request gateway-00002 --json
    show kgrctl wait gateway-00002 --json
    show kgrctl renew gateway-00002 --json
    show kgrctl renew --nksk --json
    show kgrctl handle gateway-00002 --json
    other send gateway-00001 "$LAB/words"
    show kgrctl events --count 1 --json
    show kgrctl recv --json
    LIMIT=14 show kgrctl audit show --json
    show kgrctl audit verify --json
    show kgrctl mirror list --json
    show kgr-ac node list --json
    show kgr-ac node show gateway-00002 --json
    show kgr-ac pair matrix --json
    show kgr-ac pair matrix --dot
    LIMIT=41 show kgr-ac audit --json
    show kgr-ac audit verify --json
    show kgr-ac import -n --json "$LAB/fleet.csv"
    LIMIT=9 show kgrctl metrics
    LIMIT=9 show kgrctl --ks metrics
}

# What is shown while the services are stopped.
stopped()
{
    show kgr-agent identity
    show kgr-agent identity --json
    show kgr-ks identity
    show kgr-ks identity --json
    show kgrctl --socket "$LAB/node-3/agent.sock" peers
    show kgrctl --ks status
    show kgr-ac node list
}
