/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Renewal of NKSK between one node and the KS (docs/protocol.md, section 5.2; agent/node/machines/nksk_renewal.c,
 * agent/server/machines/nksk_renewal.c). Key 0 is that of the registration, each other key k was made for one request x.
 *
 * Cryptography is perfect: a frame under a key is what its honest sender made, and only who holds the key takes it. A request
 * knows the key it goes under, a challenge that of the KS when it was made; proof and done go under the new key. What else
 * the KS sends (sync_ans, notices, adv_req) is `other`, under its key in force.
 *
 * The broker. SAFE (default): everything ever sent can be taken at any time, any number of times, in any order, or never.
 * Moved to another topic, a frame meets a receiver that knows no such key_id, or takes it all the same.
 * LIVE: a frame is taken once (the window), the broker loses at most LOSSES frames, and a timer runs when the
 * network is quiet.
 *
 * A crash (at most CRASHES) strikes between what is persisted and what is sent, at either end; the KS forgets a birth
 * under way. A node gives a request up at most ABANDONS times: nack, or a new storage key that did not come to be.
 *
 * Left out: the storage keys themselves, the AC's own NKSK.
 */
#ifndef X
#define X 3 /* requests */
#endif
#ifndef K
#define K 4 /* keys, with the one of the registration */
#endif
#ifndef WISHES
#define WISHES 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef ABANDONS
#define ABANDONS 1
#endif

#define NONE 15

/* Phases of the node, and of the KS. */
#define IDLE       0
#define ASKING     1
#define PROVING    2
#define QUIET      0
#define CHALLENGED 1
#define CHANGED    2

/* The network. */
bool req[X], chal[K], proof[K], done[K], other[K];
#ifdef LIVE
bool seen_req[X], seen_proof[K];
byte losses = LOSSES;
bool due;
#endif

/* What the frames carry. */
byte req_under[X];
byte chal_under[K];
byte made_for[K] = NONE;    /* the request of a key */

/* The node's disk. */
byte phase;
byte force, fresh = NONE;
byte asked = NONE;
byte requests;
byte wishes = WISHES;

/* The KS's disk, and what it is making (in memory). */
byte ks_phase;
byte ks_force, ks_fresh = NONE;
byte standing = NONE;
byte keys = 1;
byte job = NONE;

byte crashes = CRASHES;
byte abandons = ABANDONS;

#define node_holds(k) (force == (k) || fresh == (k))

#if !defined(P_COMMON) && !defined(P_PROVES)
#define P_COMMON
#define P_PROVES
#endif

inline check()
{
    skip;
#ifdef P_COMMON
    /* Whatever the KS says the node can read, and the node speaks under it or proves it. */
    assert(node_holds(ks_force));
#endif
#ifdef P_PROVES
    /* What a node proves the KS has. */
    assert(phase != PROVING || ks_force == fresh || ks_fresh == fresh);
#endif
}

#ifdef LIVE
#define TAKE(frame) frame = false
#ifdef SAME_BYTES /* a retry is the same frame: it dies at the window once one copy got through */
#define PUT_REQ   req[asked] = !seen_req[asked]
#define PUT_PROOF proof[fresh] = !seen_proof[fresh]
#else
#define PUT_REQ   req[asked] = true
#define PUT_PROOF proof[fresh] = true
#endif
#define TIMER due
#define FIRED due = false
#else
#define TAKE(frame) skip
#define PUT_REQ   req[asked] = true
#define PUT_PROOF proof[fresh] = true
#define TIMER true
#define FIRED skip
#endif

/* ---- node ---- */

inline finish()
{
    force = fresh;
    fresh = NONE;
    phase = IDLE;
    asked = NONE;
    check()
}

inline give_up()
{
    phase = IDLE;
    asked = NONE;
    fresh = NONE;
    wishes = wishes + 1; /* whoever wanted it says so again */
    check()
}

inline on_chal(k)
{
    if
    :: phase == ASKING && made_for[k] == asked ->
#ifdef PROVE_FIRST /* the proof leaves before the key is on disk */
        proof[k] = true;
        if
        :: fresh = k; phase = PROVING
        :: crashes > 0 -> crashes--
        fi;
        check()
#else
        fresh = k;
        phase = PROVING;
#ifdef FORGET_OLD_NODE /* the node forgets the old one with its proof */
        force = k;
#endif
        check();
        if
        :: PUT_PROOF
        :: crashes > 0 -> crashes--
        fi
#endif
    :: else -> skip
    fi
}

#ifdef LIVE
#define SEEN_REQ(x)   seen_req[x] = true
#define SEEN_PROOF(k) seen_proof[k] = true
#else
#define SEEN_REQ(x)   skip
#define SEEN_PROOF(k) skip
#endif

#define NODE_TAKES(k) \
    :: atomic { chal[k] && node_holds(chal_under[k]) -> TAKE(chal[k]); on_chal(k) } \
    :: atomic { done[k] && node_holds(k) -> TAKE(done[k]); \
           if :: phase == PROVING && fresh == k -> finish() :: else -> skip fi } \
    :: atomic { other[k] && node_holds(k) -> TAKE(other[k]); \
           if :: phase == PROVING && fresh == k -> finish() :: else -> skip fi } \
    LOST_ON_NODE(k)
#ifdef LIVE /* a frame under a key that is no more is dropped */
#define LOST_ON_NODE(k) \
    :: d_step { chal[k] && !node_holds(chal_under[k]) -> chal[k] = false } \
    :: d_step { done[k] && !node_holds(k) -> done[k] = false } \
    :: d_step { other[k] && !node_holds(k) -> other[k] = false }
#else
#define LOST_ON_NODE(k)
#endif

proctype node()
{
end:
    do
    NODE_TAKES(0)
    NODE_TAKES(1)
#if K > 2
    NODE_TAKES(2)
#endif
#if K > 3
    NODE_TAKES(3)
#endif
#if K > 4
    NODE_TAKES(4)
#endif
    :: atomic { phase == IDLE && wishes > 0 && requests < X ->
           wishes--;
           asked = requests;
           req_under[asked] = force;
           requests++;
           phase = ASKING;
           if
           :: PUT_REQ
           :: crashes > 0 -> crashes--
           fi }
    :: d_step { TIMER && phase == ASKING -> FIRED; PUT_REQ }
    :: d_step { TIMER && phase == PROVING -> FIRED; PUT_PROOF }
    :: atomic { phase == ASKING && abandons > 0 -> abandons--; give_up() }
#ifdef GIVE_UP_PROVING /* a node that waits too long goes back */
    :: atomic { phase == PROVING -> give_up() }
#endif
#ifdef LIVE
    :: d_step { due && phase == IDLE && wishes == 0 -> due = false }
#endif
    od
}

/* ---- KS ---- */

inline make(x)
{
    made_for[keys] = x;
    chal_under[keys] = ks_force;
    ks_fresh = keys;
    standing = x;
    ks_phase = CHALLENGED;
#ifdef FORGET_OLD_KS /* the KS changes with its challenge */
    ks_force = keys;
#endif
    keys++;
    job = NONE;
    check();
    if
    :: chal[ks_fresh] = true
    :: crashes > 0 -> crashes--
    fi
}

inline on_req(x)
{
    if
    :: req_under[x] != ks_force || job != NONE -> skip
    :: else ->
        if
#ifndef ANOTHER_KEY /* for each copy of a request another key */
        :: ks_phase == CHALLENGED && standing == x -> chal[ks_fresh] = true
#endif
#ifndef NO_LATEST
        :: ks_phase == CHALLENGED && x < standing -> skip
#endif
        :: ks_phase == CHANGED && standing == x -> skip
        :: else ->
            if
            :: keys < K -> job = x
            :: else -> skip
            fi
        fi
    fi
}

inline on_proof(k)
{
    if
    :: ks_phase == CHALLENGED && ks_fresh == k ->
#ifdef DONE_FIRST /* nksk_done leaves before the change is on disk */
        done[k] = true;
        if
        :: ks_force = k; ks_fresh = NONE; ks_phase = CHANGED; job = NONE
        :: crashes > 0 -> crashes--; job = NONE
        fi
#else
        ks_force = k;
        ks_fresh = NONE;
        ks_phase = CHANGED;
        job = NONE;
        check();
        if
        :: done[k] = true
        :: crashes > 0 -> crashes--
        fi
#endif
    :: ks_phase == CHANGED && ks_force == k -> done[k] = true
    :: else -> skip
    fi
}

#define KS_TAKES_REQ(x) \
    :: atomic { req[x] -> TAKE(req[x]); SEEN_REQ(x); on_req(x) }
#define KS_TAKES(k) \
    :: atomic { proof[k] -> TAKE(proof[k]); SEEN_PROOF(k); on_proof(k) }

proctype ks()
{
end:
    do
    KS_TAKES_REQ(0)
#if X > 1
    KS_TAKES_REQ(1)
#endif
#if X > 2
    KS_TAKES_REQ(2)
#endif
#if X > 3
    KS_TAKES_REQ(3)
#endif
    KS_TAKES(1)
#if K > 2
    KS_TAKES(2)
#endif
#if K > 3
    KS_TAKES(3)
#endif
#if K > 4
    KS_TAKES(4)
#endif
    :: atomic { job != NONE -> make(job) }
    :: d_step { job != NONE && crashes > 0 -> crashes--; job = NONE }
#ifndef LIVE
    :: d_step { !other[ks_force] -> other[ks_force] = true }
#endif
    od
}

#ifdef LIVE
#define ANY(a) (a[0] || a[1] ANY_2(a) ANY_3(a) ANY_4(a))
#if K > 2
#define ANY_2(a) || a[2]
#else
#define ANY_2(a)
#endif
#if K > 3
#define ANY_3(a) || a[3]
#else
#define ANY_3(a)
#endif
#if K > 4
#define ANY_4(a) || a[4]
#else
#define ANY_4(a)
#endif
#if X > 1
#define REQ_1 || req[1]
#else
#define REQ_1
#endif
#if X > 2
#define REQ_2 || req[2]
#else
#define REQ_2
#endif
#if X > 3
#define REQ_3 || req[3]
#else
#define REQ_3
#endif
#define in_flight (ANY(chal) || ANY(proof) || ANY(done) || req[0] REQ_1 REQ_2 REQ_3)

/* All that was wanted is done, and there is one key. */
#define agreed (phase == IDLE && wishes == 0 && force == ks_force && fresh == NONE && ks_fresh == NONE)

/* Time passes when nothing else is under way. */
proctype clock()
{
end:
    do
    :: d_step { !in_flight && !due && job == NONE && !agreed -> due = true }
    od
}

#define LOSE(k) \
    :: d_step { losses > 0 && chal[k] -> losses--; chal[k] = false } \
    :: d_step { losses > 0 && proof[k] -> losses--; proof[k] = false } \
    :: d_step { losses > 0 && done[k] -> losses--; done[k] = false }

proctype broker()
{
end:
    do
    LOSE(1)
#if K > 2
    LOSE(2)
#endif
#if K > 3
    LOSE(3)
#endif
#if K > 4
    LOSE(4)
#endif
    :: d_step { losses > 0 && req[0] -> losses--; req[0] = false }
#if X > 1
    :: d_step { losses > 0 && req[1] -> losses--; req[1] = false }
#endif
#if X > 2
    :: d_step { losses > 0 && req[2] -> losses--; req[2] = false }
#endif
    od
}

ltl live { <> [] agreed }
#endif

init
{
    atomic {
        run node();
        run ks();
#ifdef LIVE
        run clock();
        run broker()
#endif
    }
}
