#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# python3's ssl module takes its random bytes from KGR-TPM-RAND over openssl.cnf alone, with the TPM as
# the generator and as the seed of OpenSSL's; without an agent there are none.
. "$(dirname "$0")/common.sh"

# A version manager may put a Python with an OpenSSL of its own before the system's.
python=/usr/bin/python3
[ -x $python ] && $python -c 'import ssl' 2>/dev/null ||
    { echo "skipped: Debian's python3 with its ssl module is not installed"; exit 77; }
lab_up "$WORK/lab" --nodes 1
. "$WORK/lab/env"
cat >"$WORK/random.cnf" <<END
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
END
sed 's/^random = KGR.*/random = CTR-DRBG\nseed = KGR-TPM-RAND/; s/^properties/seed_&/' "$WORK/random.cnf" \
    >"$WORK/seed.cnf"
cat >"$WORK/draw.py" <<'END'
import os, ssl, threading

seen = [ssl.RAND_bytes(n) for n in (1, 16, 33, 5000, 100000)]
assert [len(b) for b in seen] == [1, 16, 33, 5000, 100000]
ssl.RAND_add(b"something", 0.0)
assert ssl.RAND_status()
threads = [threading.Thread(target=lambda: [seen.append(ssl.RAND_bytes(16)) for _ in range(100)]) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
ends, child = os.pipe(), None
child = os.fork()
if child == 0:
    os.write(ends[1], ssl.RAND_bytes(16))
    os._exit(0)
seen.append(ssl.RAND_bytes(16))
seen.append(os.read(ends[0], 16))
assert os.waitpid(child, 0)[1] == 0
drawn = [b for b in seen if len(b) >= 16]
assert len(drawn) == 806 and len(set(drawn)) == 806, len(drawn)
print("drawn")
END
for kind in random seed; do
    [ "$(KGR_AGENT=$KGR_AGENT_1 OPENSSL_CONF=$WORK/$kind.cnf timeout 60 $python "$WORK/draw.py")" = drawn ] ||
        fail "python3 with $kind"
    ! KGR_AGENT=/nowhere OPENSSL_CONF=$WORK/$kind.cnf timeout 60 $python -c \
        'import ssl; ssl.RAND_bytes(16)' 2>"$WORK/err" || fail "$kind: random bytes without the agent"
    grep -q 'ssl.SSLError: .*no agent' "$WORK/err" || fail "$kind: no reason: $(cat "$WORK/err")"
done
