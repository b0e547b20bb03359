#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# nginx, unchanged, serves TLS with random bytes of the TPM over openssl.cnf alone: its workers, forked after the
# provider was loaded, connect on their own. While the agent is stopped no handshake ends; then they do again.
. "$(dirname "$0")/common.sh"

nginx=$(command -v nginx || echo /usr/sbin/nginx)
[ -x "$nginx" ] || { echo "skipped: nginx is not installed"; exit 77; }
lab_up "$WORK/lab" --nodes 1
. "$WORK/lab/env"
LAB=$KGR_LAB
# Below the lab, which ends what was started there.
web=$LAB/web
mkdir "$web"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$web/key" -out "$web/cert" -subj /CN=localhost \
    2>/dev/null
cat >"$WORK/openssl.cnf" <<END
openssl_conf = init
[init]
providers = providers
random = random
[random]
random = KGR-TPM-RAND
properties = provider=kgr
[providers]
default = default_section
kgr = kgr_section
[default_section]
activate = 1
[kgr_section]
activate = 1
module = $LAB_LIB/kgr.so
socket = $KGR_AGENT_1
timeout-ms = 2000
END

# start_nginx: on a free port, in PORT and NGINX_PID.
start_nginx()
{
    local try i temp
    for ((try = 0; try < 10; try++)); do
        PORT=$((20000 + RANDOM % 20000))
        {
            echo "daemon off; worker_processes 2; pid $web/pid; error_log $web/error.log;"
            [ "$(id -u)" != 0 ] || echo "user root;"
            echo "events { worker_connections 64; }"
            echo "http { access_log off;"
            for temp in client_body proxy fastcgi uwsgi scgi; do
                echo "${temp}_temp_path $web/$temp;"
            done
            echo "server { listen 127.0.0.1:$PORT ssl; ssl_certificate $web/cert;"
            echo "ssl_certificate_key $web/key; ssl_session_cache off; ssl_session_tickets off;"
            echo "location / { return 200 'served'; } } }"
        } >"$web/nginx.conf"
        OPENSSL_CONF=$WORK/openssl.cnf lab_spawn nginx "$web/log" "$nginx" -c "$web/nginx.conf"
        NGINX_PID=$LAB_PID
        for ((i = 0; i < 60; i++)); do
            kill -0 "$NGINX_PID" 2>/dev/null || break
            ! lab_listening "$PORT" || return 0
            sleep 0.05
        done
        lab_kill "$NGINX_PID"
    done
    fail "nginx did not start: $(cat "$web/log" "$web/error.log")"
}

served()
{
    printf 'GET / HTTP/1.0\r\n\r\n' |
        timeout 6 openssl s_client -quiet -connect "127.0.0.1:$PORT" 2>/dev/null | grep -q served
}

start_nginx
for i in 1 2 3 4 5 6 7 8 9 10; do
    served || fail "request $i: $(cat "$web/error.log")"
done
for worker in $(cat "/proc/$NGINX_PID/task/$NGINX_PID/children"); do
    grep -q 'kgr\.so' "/proc/$worker/maps" || fail "worker $worker has no kgr.so"
done
kill -STOP "$KGR_AGENT_1_PID"
status=0
served || status=1
kill -CONT "$KGR_AGENT_1_PID"
[ $status = 1 ] || fail "a handshake without the TPM's random bytes"
lab_wait_for 10 "nginx to serve again" served
lab_kill "$KGR_AGENT_1_PID"
! served || fail "a handshake without the agent"
lab_run_agent 1
lab_wait_for 20 "nginx to serve with the new agent" served
