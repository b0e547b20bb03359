#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Broken configurations: each gets every line that config_cases.txt has for it, in that order, nothing else, and exit code 9. Sound
# ones get 0, and a drop-in, an included file or a file with a secret is named when it is the broken one.
. "$(dirname "$0")/common.sh"

conf=$WORK/c.conf
cases=0

# check PROGRAM: the configuration is refused by the lines in $WORK/wanted.
check()
{
    local status=0 got wanted i
    cases=$((cases + 1))
    "$LAB_BIN/$1" --check --config "$conf" >"$WORK/out" 2>"$WORK/err" || status=$?
    [ $status = 9 ] && [ ! -s "$WORK/out" ] || fail "$1: exit code $status: $(cat "$conf" "$WORK/out")"
    mapfile -t got <"$WORK/err"
    mapfile -t wanted <"$WORK/wanted"
    [ ${#got[@]} = ${#wanted[@]} ] || fail "$1: $(cat "$conf" "$WORK/err"), and not $(cat "$WORK/wanted")"
    for i in "${!wanted[@]}"; do
        local line=${wanted[i]/#FILE/$conf}
        if [[ $line == *... ]]; then
            [[ ${got[i]} == "${line%...}"* ]] || fail "$1: ${got[i]}, and not $line"
        else
            [ "${got[i]}" = "$line" ] || fail "$1: ${got[i]}, and not $line"
        fi
    done
}

program=
while IFS= read -r line || [ -n "$program" ]; do
    case $line in
    '@kgr-'* | '')
        [ -z "$program" ] || [ ! -s "$WORK/wanted" ] || {
            check "$program"
            program=
        }
        if [ -n "$line" ]; then
            program=${line#@}
            : >"$conf"
            : >"$WORK/wanted"
        elif [ -n "$program" ]; then
            echo >>"$conf"
        fi
        ;;
    '#'*) [ -z "$program" ] || echo "$line" >>"$conf" ;;
    '=> '*) echo "${line#=> }" >>"$WORK/wanted" ;;
    *) printf '%s\n' "$line" >>"$conf" ;;
    esac
done <"$LAB_ROOT/tests/integration/config_cases.txt"
[ $cases -ge 200 ] || fail "$cases cases only"

# refused PROGRAM LINE
refused()
{
    echo "$2" >"$WORK/wanted"
    check "$1"
}

# Files that a configuration names, and that others may read.
echo secret >"$WORK/secret"
chmod 644 "$WORK/secret"
echo "pin_file = \"$WORK/secret\";" >"$conf"
refused kgr-agent "FILE:1: pin_file $WORK/secret: ..."
echo "tpm = { owner_auth_file = \"$WORK/secret\"; };" >"$conf"
refused kgr-ac "FILE:1: owner_auth_file $WORK/secret: ..."
echo "broker = { host = \"b\"; user = \"u\"; password_file = \"$WORK/secret\"; };" >"$conf"
refused kgr-ks "FILE:1: broker: $WORK/secret: ..."
chmod 666 "$WORK/secret"
echo "broker = { host = \"b\"; tls = true; ca = \"$WORK/secret\"; };" >"$conf"
refused kgr-ks "FILE:1: broker: $WORK/secret: everybody may write it ..."
# Drop-ins, and the folder of them.
echo 'broker = { host = "b"; };' >"$conf"
expect 0 "^$conf: no mistakes$" "$LAB_BIN/kgr-ks" --check --config "$conf"
mkdir "$conf.d"
printf '\nlease = "x";\n' >"$conf.d/a.conf"
refused kgr-ks "$conf.d/a.conf:2: lease must be a whole number, without quotes"
echo 'lease = 60;' >"$conf.d/a.conf"
chmod 664 "$conf.d/a.conf"
refused kgr-ks "$conf.d/a.conf: its group may write it (mode 0664); chmod 644 it"
chmod 644 "$conf.d/a.conf"
chmod 777 "$conf.d"
refused kgr-ks "$conf.d: everybody may write it (mode 0777); chmod 755 it"
chmod 755 "$conf.d"
expect 0 'no mistakes' "$LAB_BIN/kgr-ks" --check --config "$conf"
expect 0 'no mistakes' "$LAB_BIN/kgr-ks" run --check --config "$conf"
# And what is no file.
expect 9 "^$WORK/nowhere: No such file or directory" "$LAB_BIN/kgr-agent" --check --config "$WORK/nowhere"
expect 9 "^$WORK: must be a file" "$LAB_BIN/kgr-ac" --check --config "$WORK"
echo "$cases cases"
