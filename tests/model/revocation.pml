/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Revocation, notices, sync and lease of one pair (docs/protocol.md, section 5; agent/server/machines/notices.c,
 * agent/node/protocol/revoke.c, agent/node/machines/sync.c). The AC gives ORDERS orders at any moments: a pair is denied, or one end of it
 * revoked, and allowed or added again. Each order has a word, one more than the one before.
 *
 * Ends share nothing here but the row of the KS, and every property is one of a single end: one node shows all.
 *
 * Time goes in steps up to END; a lease is LEASE steps. Clocks of all ends run alike, and do not run backwards.
 * The broker. SAFE (default): it keeps every notice, acknowledgement, sync_req and sync_ans ever sent and hands them out at
 * any time, any number of times, in any order, or never; moved to another topic, a frame meets a receiver that knows no such
 * key_id, or takes it all the same. LIVE: a notice and its acknowledgement are taken once (the
 * window), LOSSES of them are lost, a timer runs when the network is quiet; each sync frame arrives in the end, and a
 * node synchronises every second step.
 *
 * A crash (at most CRASHES) strikes between any two of: status and word on disk, keys destroyed, acknowledgement
 * sent. A node keeps the former and loses its lease and pending sync; the KS keeps what was ordered and what is queued.
 *
 * Left out: the end of the revoked node itself (kind 4), the burst of eight, a database of the KS that was put back.
 */
#ifndef NODES
#define NODES 1
#endif
#ifndef ORDERS
#define ORDERS 3
#endif
#ifndef END
#define END 4
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
#ifndef LOSSES
#define LOSSES 1
#endif
#if !defined(P_TOLD) && !defined(P_LEASE) && !defined(P_FORGET) && !defined(P_ORDER) && !defined(P_FLOOR)
#define P_TOLD
#define P_LEASE
#define P_FORGET
#define P_ORDER
#define P_FLOOR
#endif
#ifdef LIVE
#define is_time(n)  (now >= 2 * nonce[n])
#define may_pass    (now < 3 || word == ORDERS)
#else
#define is_time(n)  true
#define may_pass    true
#endif

#define ALLOWED 0
#define DENIED  1
#define REVOKED 2

byte now;
byte crashes = CRASHES;

/* The KS's disk. */
byte word;               /* of the last order; 0: allowed from the start */
byte kind[ORDERS + 1];   /* what each word says */
bool spent[ORDERS + 1];  /* its floor is above the key of before */
byte denied_at;
byte queue[NODES];       /* word of the notice that waits for each node; 0 none */

/* The broker: bit w stands for a frame that carries word w. */
byte notices[NODES];
byte acks[NODES];
#define AT(n, nonce) ((n) * (NONCES + 1) + (nonce))
bool req[NODES * (NONCES + 1)];
byte answers[NODES * (NONCES + 1)];
#ifdef LIVE
byte seen[NODES];        /* by the node's window; of use only where a retry is the same bytes */
byte losses = LOSSES;
bool due;
#endif

/* The nodes. */
byte heard[NODES];       /* disk: the word of the status */
bool old[NODES] = true;  /* disk: it has the key of before all revocations */
byte nonce[NODES];       /* of the last sync begun; never used again, also not after a crash */
bool syncing[NODES];
byte begun[NODES];       /* when it was sent first */
byte lease[NODES];       /* end of the lease, in memory */
byte told[NODES];        /* ghost: the highest word that it acknowledged or synchronised */

#define BIT(w) (1 << (w))
#define status(n) kind[heard[n]]

#ifdef NO_LEASE
#define sends(n) (status(n) == ALLOWED)
#else
#define sends(n) (status(n) == ALLOWED && now < lease[n])
#endif

#ifdef NO_NONCE /* any authentic sync_ans of the past counts */
#define answered(n, x) true
#else
#define answered(n, x) (syncing[n] && nonce[n] == (x))
#endif

#ifdef LEASE_FROM_ANSWER /* the lease begins when the answer comes in */
#define lease_start(n) now
#else
#define lease_start(n) begun[n]
#endif

#ifdef NO_WORDS /* what comes later is taken for what is newer */
#define news(n, w) ((w) != heard[n])
#else
#define news(n, w) ((w) > heard[n])
#endif
#if defined(NO_WORDS) || defined(NO_WORDS_IN_SYNC)
#define sync_news(n, w) ((w) != heard[n])
#else
#define sync_news(n, w) ((w) > heard[n])
#endif

#ifdef NO_FLOOR /* keys go only while the status is revoked */
#define condemned(n) (status(n) == REVOKED)
#else
#define condemned(n) (status(n) == REVOKED || spent[heard[n]])
#endif

#define CHECK_END(n) \
    assert_told(n); \
    assert_lease(n); \
    assert_floor(n)

#ifdef P_TOLD /* An end that was told that the pair is no more, and nothing since, does not send. */
#define assert_told(n) assert(kind[told[n]] == ALLOWED || heard[n] > told[n] || !sends(n))
#else
#define assert_told(n) skip
#endif
#ifdef P_LEASE /* A broker that suppresses it gains no more than the lease. */
#define assert_lease(n) assert(kind[word] == ALLOWED || now < denied_at + LEASE || !sends(n))
#else
#define assert_lease(n) skip
#endif
#ifdef P_FLOOR /* Who heard anything since a revocation has no key of before it. */
#define assert_floor(n) assert(!spent[heard[n]] || !old[n])
#else
#define assert_floor(n) skip
#endif

inline take(n, w)
{
#ifdef P_ORDER /* An older word never takes the place of a newer one. */
    assert(w >= heard[n]);
#endif
    heard[n] = w
}

/* The keys that may not be any more: after what changed is on disk, and at each start. */
inline apply(n)
{
    if
    :: condemned(n) -> old[n] = false
    :: else -> skip
    fi
}

inline restart(n)
{
    crashes--;
    lease[n] = 0;
    syncing[n] = false;
    apply(n)
}

inline tell(n, w)
{
    if
    :: w > told[n] -> told[n] = w
    :: else -> skip
    fi
}

inline ack(n, w)
{
    tell(n, w);
    acks[n] = acks[n] | BIT(w)
}

#ifdef LIVE
#define TAKE(frames, w) frames = frames & ~BIT(w)
#define SEEN(n, w)      seen[n] = seen[n] | BIT(w)
#else
#define TAKE(frames, w) skip
#define SEEN(n, w)      skip
#endif

inline on_notice(n, w)
{
    if
    :: news(n, w) ->
#ifdef ACK_FIRST /* acknowledged before it is on disk */
        ack(n, w);
        if
        :: take(n, w); apply(n)
        :: crashes > 0 -> restart(n)
        fi
#else
        if
        :: take(n, w);
           if
           :: apply(n);
              if
              :: ack(n, w)
              :: crashes > 0 -> restart(n)
              fi
           :: crashes > 0 -> restart(n)
           fi
        :: crashes > 0 -> restart(n)
        fi
#endif
#ifdef NO_REPEAT /* a word that is known is not acknowledged again */
    :: else -> skip
#else
    :: else -> ack(n, w)
#endif
    fi;
    CHECK_END(n)
}

inline on_answer(n, x, w)
{
    syncing[n] = false;
    if
    :: sync_news(n, w) -> take(n, w); apply(n)
    :: else -> skip
    fi;
    lease[n] = lease_start(n) + LEASE;
    tell(n, w);
    CHECK_END(n)
}

#define TAKES_NOTICE(w) \
    :: atomic { (notices[me] & BIT(w)) -> TAKE(notices[me], w); SEEN(me, w); on_notice(me, w) }

#if ORDERS > 1
#define FOR_2(what) what(2)
#else
#define FOR_2(what)
#endif
#if ORDERS > 2
#define FOR_3(what) what(3)
#else
#define FOR_3(what)
#endif
#define FOR_WORDS(what) what(1) FOR_2(what) FOR_3(what)

#if ORDERS > 1
#define ANSWER_2(x) :: atomic { (answers[AT(me, x)] & BIT(2)) && answered(me, x) -> on_answer(me, x, 2) }
#else
#define ANSWER_2(x)
#endif
#if ORDERS > 2
#define ANSWER_3(x) :: atomic { (answers[AT(me, x)] & BIT(3)) && answered(me, x) -> on_answer(me, x, 3) }
#else
#define ANSWER_3(x)
#endif
#define TAKES_ANSWER(x) \
    :: atomic { (answers[AT(me, x)] & BIT(0)) && answered(me, x) -> on_answer(me, x, 0) } \
    :: atomic { (answers[AT(me, x)] & BIT(1)) && answered(me, x) -> on_answer(me, x, 1) } \
    ANSWER_2(x) \
    ANSWER_3(x)

proctype node(byte me)
{
end:
    do
    FOR_WORDS(TAKES_NOTICE)
#if NONCES > 0
    :: d_step { !syncing[me] && nonce[me] < NONCES && is_time(me) ->
           nonce[me]++;
           syncing[me] = true;
           begun[me] = now;
           req[AT(me, nonce[me])] = true }
    TAKES_ANSWER(1)
#if NONCES > 1
    TAKES_ANSWER(2)
#endif
#if NONCES > 2
    TAKES_ANSWER(3)
#endif
#endif
    :: atomic { crashes > 0 -> restart(me) }
    od
}

/* ---- KS ---- */

#ifdef NO_NOTICES
#define ENQUEUE(n) skip
#else
#define ENQUEUE(n) queue[n] = word; SEND(n)
#endif

#ifdef LIVE
#ifdef SAME_BYTES /* a retry is the same frame: it dies at the window once one copy got through */
#define SEND(n) notices[n] = notices[n] | (BIT(queue[n]) & ~seen[n])
#else
#define SEND(n) notices[n] = notices[n] | BIT(queue[n])
#endif
#else
#define SEND(n) notices[n] = notices[n] | BIT(queue[n])
#endif

#ifdef NEVER_AGAIN /* a notice is sent once */
#define SEND_AGAIN(n) skip
#else
#define SEND_AGAIN(n) SEND(n)
#endif

#define ORDER(k) \
    :: atomic { word < ORDERS && kind[word] != k && !(k == DENIED && kind[word] == REVOKED) -> \
           if :: kind[word] == ALLOWED -> denied_at = now :: else -> skip fi; \
           kind[word + 1] = k; \
           spent[word + 1] = spent[word] || k == REVOKED; \
           word++; \
           ENQUEUE(0); \
           ENQUEUE(NODES - 1) }

inline on_ack(n, w)
{
#ifdef ACK_OF_ANY /* an acknowledgement is one of whatever waits */
#define IS_OF(n, w) (queue[n] != 0)
#else
#define IS_OF(n, w) (queue[n] == (w))
#endif
    if
    :: IS_OF(n, w) ->
#ifdef P_FORGET /* The KS forgets a notice only when what it says is done at the node. */
        assert(heard[n] >= queue[n] && (!spent[queue[n]] || !old[n]));
#endif
        queue[n] = 0
    :: else -> skip
    fi
}

#define TAKES_ACK(w) \
    :: atomic { (acks[0] & BIT(w)) -> TAKE(acks[0], w); on_ack(0, w) } \
    TAKES_ACK_1(w)
#if NODES > 1
#define TAKES_ACK_1(w) :: atomic { (acks[1] & BIT(w)) -> TAKE(acks[1], w); on_ack(1, w) }
#else
#define TAKES_ACK_1(w)
#endif

#define KS_ANSWERS(n, x) \
    :: d_step { req[AT(n, x)] && !(answers[AT(n, x)] & BIT(word)) -> \
           answers[AT(n, x)] = answers[AT(n, x)] | BIT(word) }

proctype ks()
{
end:
    do
    ORDER(ALLOWED)
    ORDER(DENIED)
    ORDER(REVOKED)
    FOR_WORDS(TAKES_ACK)
#ifdef LIVE
    :: d_step { due -> due = false;
           if :: queue[0] != 0 -> SEND_AGAIN(0) :: else -> skip fi;
           if :: queue[NODES - 1] != 0 -> SEND_AGAIN(NODES - 1) :: else -> skip fi }
#ifdef QUEUE_IN_MEMORY
    :: d_step { crashes > 0 -> crashes--; queue[0] = 0; queue[NODES - 1] = 0 }
#endif
#endif
    od
}

#if NONCES > 0
proctype ks_sync()
{
end:
    do
    KS_ANSWERS(0, 1)
#if NODES > 1
    KS_ANSWERS(1, 1)
#endif
#if NONCES > 1
    KS_ANSWERS(0, 2)
#if NODES > 1
    KS_ANSWERS(1, 2)
#endif
#endif
#if NONCES > 2
    KS_ANSWERS(0, 3)
#if NODES > 1
    KS_ANSWERS(1, 3)
#endif
#endif
    od
}
#endif

#ifdef LIVE
/* Every end has the last word and keeps to it, and nothing waits at the KS. */
#define settled(n) (heard[n] == word && queue[n] == 0 && (status(n) == ALLOWED || !sends(n)) && \
                    (!spent[word] || !old[n]))
#define all_settled (word == ORDERS && settled(0) && settled(NODES - 1))
#endif

proctype clock()
{
end:
    do
    :: atomic { now < END && may_pass -> now++; CHECK_END(0) }
    od
}

#ifdef LIVE
/* The KS's timer, once the AC has spoken and the network is quiet. */
proctype timer()
{
end:
    do
    :: d_step { !due && word == ORDERS && notices[0] == 0 && notices[NODES - 1] == 0 && acks[0] == 0 &&
                acks[NODES - 1] == 0 && !all_settled -> due = true }
    od
}

#define LOSE(w) \
    :: d_step { losses > 0 && (notices[0] & BIT(w)) -> losses--; notices[0] = notices[0] & ~BIT(w) } \
    :: d_step { losses > 0 && (acks[0] & BIT(w)) -> losses--; acks[0] = acks[0] & ~BIT(w) } \
    LOSE_1(w)
#if NODES > 1
#define LOSE_1(w) \
    :: d_step { losses > 0 && (notices[1] & BIT(w)) -> losses--; notices[1] = notices[1] & ~BIT(w) } \
    :: d_step { losses > 0 && (acks[1] & BIT(w)) -> losses--; acks[1] = acks[1] & ~BIT(w) }
#else
#define LOSE_1(w)
#endif

proctype broker()
{
end:
    do
    FOR_WORDS(LOSE)
    od
}

ltl live { <> [] all_settled }
#endif

init
{
    atomic {
        run node(0);
#if NODES > 1
        run node(1);
#endif
        run ks();
#if NONCES > 0
        run ks_sync();
#endif
        run clock();
#ifdef LIVE
        run timer();
        run broker()
#endif
    }
}
