/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sync, lease and revocation of one pair (docs/protocol.md, section 5; agent/node/sync.c, agent/node/sync_glue.c).
 * The AC denies the pair at some moment and never allows it again. Notices are specified in
 * docs/protocol.md, section 5.1, and only make it sooner; here a node is told by sync_ans only.
 *
 * Time goes in steps up to END; a lease is LEASE steps. Clocks of all ends run alike, and do not run backwards.
 * The broker keeps every sync_req and sync_ans ever sent and hands them out at any time, any number of times, in any
 * order, to the end whose key_id they carry, or never. LIVE adds what fairness gives: each end runs and each frame arrives in
 * the end, the AC speaks before time 4, and a node synchronises every second step.
 *
 * A crash may strike at any time: a node keeps the status of the pair that it wrote, but no lease and no pending sync.
 * The KS keeps all: the denial is on disk before any sync_ans tells it.
 */
#ifndef END
#define END 5
#endif
#ifndef LEASE
#define LEASE 2
#endif
#ifndef NONCES
#define NONCES 2 /* synchronisations of each node */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#if !defined(P_TOLD) && !defined(P_LEASE)
#define P_TOLD
#define P_LEASE
#endif
#ifdef LIVE
#define is_time(n)  (now >= 2 * nonce[n])
#define may_pass    (now < 3 || denied)
#else
#define is_time(n)  true
#define may_pass    true
#endif

#define NEVER 255

byte now;
bool denied;          /* the KS's disk */
byte denied_at = NEVER;
byte crashes = CRASHES;

/* The broker: requests and answers by nonce. An answer says what was true when it was made. */
#define AT(n, nonce) ((n) * (NONCES + 1) + (nonce))
bool req[2 * (NONCES + 1)];
bool says_allowed[2 * (NONCES + 1)];
bool says_revoked[2 * (NONCES + 1)];

/* The nodes. */
byte nonce[2];        /* of the last sync begun; never used again, also not after a crash */
bool syncing[2];
byte begun[2];        /* when it was sent first */
byte lease[2];        /* end of the lease, in memory */
bool may[2] = true;   /* status of the pair, on disk */
bool told[2];         /* ghost: a synchronisation of this node brought the revocation */

#ifdef NO_LEASE
#define sends(n) may[n]
#else
#define sends(n) (may[n] && now < lease[n])
#endif

#ifdef NO_NONCE /* any authentic sync_ans of the past counts */
#define answers(n, x) true
#else
#define answers(n, x) (syncing[n] && nonce[n] == (x))
#endif

#ifdef LEASE_FROM_ANSWER /* the lease begins when the answer comes in */
#define lease_start(n) now
#else
#define lease_start(n) begun[n]
#endif

inline check()
{
#ifdef P_TOLD
    /* An end that synchronised the revocation does not send. */
    assert(!told[0] || !sends(0));
    assert(!told[1] || !sends(1));
#endif
#ifdef P_LEASE
    /* A broker that suppresses the revocation gains no more than the lease. */
    assert(denied_at == NEVER || now < denied_at + LEASE || (!sends(0) && !sends(1)));
#endif
    skip
}

#define TAKES_ANSWER(x) \
    :: atomic { says_allowed[AT(me, x)] && answers(me, x) -> \
           syncing[me] = false; \
           may[me] = true; \
           lease[me] = lease_start(me) + LEASE; \
           check() } \
    :: atomic { says_revoked[AT(me, x)] && answers(me, x) -> \
           syncing[me] = false; \
           may[me] = false; \
           lease[me] = lease_start(me) + LEASE; \
           told[me] = true; \
           check() }

proctype node(bit me)
{
end:
    do
    :: d_step { !syncing[me] && nonce[me] < NONCES && is_time(me) ->
           nonce[me]++;
           syncing[me] = true;
           begun[me] = now;
           req[AT(me, nonce[me])] = true }
    TAKES_ANSWER(1)
    TAKES_ANSWER(2)
#if NONCES > 2
    TAKES_ANSWER(3)
#endif
    :: d_step { crashes > 0 -> crashes--; lease[me] = 0; syncing[me] = false }
    od
}

#define KS_ANSWERS(n, x) \
    :: d_step { req[AT(n, x)] && !denied && !says_allowed[AT(n, x)] -> says_allowed[AT(n, x)] = true } \
    :: d_step { req[AT(n, x)] && denied && !says_revoked[AT(n, x)] -> says_revoked[AT(n, x)] = true }

proctype ks()
{
end:
    do
    :: d_step { !denied && now > 0 -> denied = true; denied_at = now }
    KS_ANSWERS(0, 1)
    KS_ANSWERS(0, 2)
    KS_ANSWERS(1, 1)
    KS_ANSWERS(1, 2)
#if NONCES > 2
    KS_ANSWERS(0, 3)
    KS_ANSWERS(1, 3)
#endif
    od
}

proctype clock()
{
end:
    do
    :: atomic { now < END && may_pass -> now++; check() }
    od
}

#ifdef LIVE
ltl live { <> [] (told[0] && told[1] && !sends(0) && !sends(1)) }
#endif

init
{
    atomic {
        run node(0);
        run node(1);
        run ks();
        run clock()
    }
}
