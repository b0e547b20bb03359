#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two scripts at two nodes by PyKCS11: one encrypts and signs a line for its peer, the other verifies and reads it.

usage: meet.py MODULE say PEER <LINE >MESSAGE
       meet.py MODULE hear PEER <MESSAGE >LINE
"""
import sys

import PyKCS11 as p11

IV_LEN = 16
CKA_KGR_GENERATION = 0xCB475203  # kgr/pkcs11.h


def find(session, label, *more):
    found = session.findObjects([(p11.CKA_LABEL, label), *more])
    if not found:
        sys.exit(f"meet.py: no key {label}")
    return found


def same_generation(session, label, key):
    generation = session.getAttributeValue(key, [CKA_KGR_GENERATION])[0]
    return find(session, label, (CKA_KGR_GENERATION, bytes(generation)))[0]


def macs(session, key):
    """The HMAC that this key takes, and its length: the pair's suite decides."""
    for mechanism, length in ((p11.CKM_SHA256_HMAC, 32), (p11.CKM_SHA384_HMAC, 48)):
        hmac = p11.Mechanism(mechanism)
        try:
            session.sign(key, b"probe", hmac)
            return hmac, length
        except p11.PyKCS11Error:
            continue
    sys.exit("meet.py: no HMAC for this key")


def say(session, peer, line):
    # For some time after a renewal there is the generation before too, which may only decrypt and verify.
    signer = find(session, f"{peer} (sign)", (p11.CKA_SIGN, p11.CK_TRUE))[0]
    key = same_generation(session, peer, signer)
    iv = bytes(session.generateRandom(IV_LEN))
    message = iv + bytes(session.encrypt(key, line, p11.Mechanism(p11.CKM_AES_CBC_PAD, iv)))
    hmac, _ = macs(session, signer)
    return message + bytes(session.sign(signer, message, hmac))


def hear(session, peer, message):
    hmac, length = macs(session, find(session, f"{peer} (sign)", (p11.CKA_SIGN, p11.CK_TRUE))[0])
    message, tag = message[:-length], message[-length:]
    # The tag first: nothing of a forged message is decrypted. Whose tag it is, is the generation.
    signers = [s for s in find(session, f"{peer} (sign)") if session.verify(s, message, tag, hmac)]
    if len(message) < 2 * IV_LEN or not signers:
        sys.exit("meet.py: forged")
    key = same_generation(session, peer, signers[0])
    iv = message[:IV_LEN]
    return bytes(session.decrypt(key, message[IV_LEN:], p11.Mechanism(p11.CKM_AES_CBC_PAD, iv)))


def main():
    if len(sys.argv) != 4 or sys.argv[2] not in ("say", "hear"):
        print(__doc__, file=sys.stderr)
        return 2
    lib = p11.PyKCS11Lib()
    lib.load(sys.argv[1])
    slots = lib.getSlotList(tokenPresent=True)
    if not slots:
        sys.exit("meet.py: no token: is kgr-agent running?")
    session = lib.openSession(slots[0])
    work = say if sys.argv[2] == "say" else hear
    sys.stdout.buffer.write(work(session, sys.argv[3], sys.stdin.buffer.read()))
    session.closeSession()
    return 0


if __name__ == "__main__":
    sys.exit(main())
