#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Metrics of agent and KS: in the Prometheus format, strictly, over the socket and as files; they count what happens; the dashboard
# uses only what is measured; an alarm comes before a key expires, not after.
. "$(dirname "$0")/common.sh"

LAB_KS_EXTRA="lifetime = 6; lease = 30; metrics = { textfile = \"$WORK/ks.prom\"; interval = 1; };" \
    LAB_AGENT_EXTRA="renew_at = 20; overlap = 1; metrics = { textfile = \"$WORK/agent.prom\"; interval = 1; peers = 5; };" \
    lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
export KGR_AGENT=$KGR_AGENT_1 KGR_KS
ctl=$LAB_BIN/kgrctl
check=$LAB_ROOT/tests/support/check-metrics

# value METRIC [FILE]: of a sample by its whole name, from the agent or a file.
value()
{
    if [ $# -gt 1 ]; then cat "$2"; else "$ctl" metrics; fi | grep -v '^#' | grep -F "$1 " | sed 's/.* //'
}

echo secret | "$ctl" seal "$KGR_ID_2" >"$WORK/record"
KGR_AGENT=$KGR_AGENT_2 "$ctl" open "$KGR_ID_1" <"$WORK/record" >/dev/null
expect 4 . "$ctl" seal nobody --input "$WORK/record"
lab_wait_for 10 "a renewal" sh -c "[ \$('$ctl' metrics | sed -n 's/^kgr_exchanges_total //p') -ge 2 ]"
"$ctl" metrics >"$WORK/agent" || fail "no metrics of the agent"
"$ctl" metrics --ks >"$WORK/ks" || fail "no metrics of the KS"
"$check" "$WORK/agent" >"$WORK/names" || fail "the agent's metrics are malformed"
"$check" "$WORK/ks" >>"$WORK/names" || fail "the KS's metrics are malformed"
if command -v promtool >/dev/null; then
    promtool check metrics <"$WORK/agent" || fail "promtool refuses the agent's metrics"
    promtool check metrics <"$WORK/ks" || fail "promtool refuses the KS's metrics"
else
    echo "promtool (package prometheus) is not installed: only tests/support/check-metrics looked at the format"
fi
"$check" --dashboard "$LAB_ROOT/packaging/grafana/kgr.json" "$WORK/names" || fail "the dashboard shows what is not measured"
while read -r name; do
    case $name in *_bucket | *_sum | *_count) continue ;; esac
    grep -q "\`$name\`" "$LAB_ROOT/docs/metrics.md" || fail "docs/metrics.md does not know $name"
done <"$WORK/names"

# They count.
[ "$(value 'kgr_requests_total{door="kgrctl",op="seal",result="success"}' "$WORK/agent")" = 1 ] || fail "the seal is not counted"
grep -q 'kgr_requests_total{door="kgrctl",op="seal",result="unknown peer or key"} 1' "$WORK/agent" || fail "the refusal is not counted: $(grep seal "$WORK/agent")"
[ "$(value kgr_exchange_duration_seconds_count "$WORK/agent")" -ge 1 ] || fail "no exchange has a duration"
[ "$(value 'kgr_tpm_commands_total{command="TPM2_Import"}' "$WORK/agent")" -ge 4 ] || fail "imports are not counted"
[ "$(value 'kgr_ks_exchanges_total{state="confirmed"}' "$WORK/ks")" -ge 2 ] || fail "the KS counts no exchanges"
[ "$(value kgr_ks_birth_duration_seconds_count "$WORK/ks")" -ge 2 ] || fail "the KS counts no births"
[ "$(value kgr_ks_nodes_registered "$WORK/ks")" = 2 ] || fail "the KS does not know its nodes"

# The files, for whoever collects them under another user.
lab_wait_for 10 "the file of the KS" test -s "$WORK/ks.prom"
"$check" "$WORK/agent.prom" >/dev/null || fail "the agent's file is malformed"
"$check" "$WORK/ks.prom" >/dev/null || fail "the KS's file is malformed"
[ "$(stat -c %a "$WORK/agent.prom")" = 644 ] || fail "others may not read the file"

# Without a KS no key is renewed: said while the key still works.
lab_kill "$KGR_KS_PID" KILL
alarmed()
{
    "$ctl" metrics >"$WORK/agent"
    grep -q 'kgr_alarm{name="key_expiring"} 1' "$WORK/agent"
}
lab_wait_for 15 "the alarm" alarmed
[ "$(value kgr_key_expires_first_seconds "$WORK/agent")" -gt 0 ] || fail "the alarm came after the end of the key"
"$ctl" status | grep -q 'has no successor' || fail "the status does not say it"
echo 'metrics = { textfile = "kgr.txt"; };' >"$WORK/wrong.conf"
expect 9 'ends in .prom' "$LAB_BIN/kgr-agent" --config "$WORK/wrong.conf" run

echo "metrics: all held"
