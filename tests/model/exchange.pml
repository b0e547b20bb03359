/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exchange of one pair, its renewal and its sync (docs/protocol.md, sections 3, 5, 6 and 7), as written in
 * agent/node/machines/exchange.c, agent/server/machines/coordinator.c and agent/node/machines/sync.c. Node 0 has the smaller N_ID.
 *
 * A birth k is one act of key creation: it has a generation and belongs to one request x. Cryptography is perfect:
 * a frame is what its honest sender made, the key confirmation holds between ends with the same birth.
 *
 * The broker. SAFE (default): everything that was ever sent can be taken by its receiver at any time, any number of
 * times, in any order, or never. That is loss, duplication, reordering, delay and replay at once, and more than
 * the windows allow. Moved to another topic, a frame meets a receiver that has no such key_id or does not
 * expect such a type, and changes nothing: in every guard below the receiver follows from the frame alone.
 * LIVE: a frame is taken once (the window), the broker loses at most LOSSES frames, and a timer runs when the
 * network is quiet: "the broker eventually delivers, every process eventually runs".
 *
 * A crash (at most CRASHES) strikes between what is persisted and what is sent, at any end; what is left is what was
 * persisted. Variables below are the disks; what a process has only in memory is `job` and the frames not yet sent.
 *
 * Left out: lifetimes (the other end of an overlap), refusals by suite or custody, quotas, pages.
 */
#ifndef K
#define K 2 /* births */
#endif
#ifndef X
#define X 2 /* requests */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef ABORTS
#define ABORTS 1 /* exchanges that advert_keep or the AC ends */
#endif
#ifndef SYNCS
#define SYNCS 0 /* synchronisations of each node */
#endif

/* Frames of a birth. Those to a node go under its NKSK: requester and destined follow from the birth. */
#define KEY_ANS  1   /* to the requester */
#define ADV_REQ  2   /* to the destined */
#define ADV_ANS  4   /* of the destined */
#define CONF_REQ 8   /* to the requester */
#define CONF_ANS 16  /* of the requester */
#define DONE     32  /* to the destined */
#define NACK_R   64  /* aborted, to the requester */
#define NACK_D   128 /* aborted, to the destined */
#define NACK_C   256 /* aborted, of the requester to conf_req */
#define NACK_G   512 /* generation, of the destined to adv_req */

/* Phases of a row of the KS. */
#define FREE       0
#define BIRTH      1
#define ADVERTISED 2
#define COMMITTED  3
#define CONFIRMED  4
#define ABORTED    5
#define GONE       6

/* Phases of a node. */
#define IDLE       0
#define REQUESTING 1
#define WAITING    2
#define CANDIDATE  3
#define SUPERSEDED 4

#define NONE 15 /* no birth */

/* The network: frames of a birth, key_req and the nack `superseded` of a request. */
short net[K];
bool key_req[X];
bool superseded[X];
#ifdef LIVE
short seen[K]; /* by the receivers' windows; of use only where a retry is the same bytes */
bool seen_req[X];
#endif

/* Facts of requests and births, as the frames carry them. */
byte requests, births;
bit asker[X];       /* side */
byte req_highest[X];
byte req_of[K];         /* request */
byte gen[K];
byte spoke[K];      /* the destined made its adv_ans after all requests below this */

/* The KS's disk. */
byte row[K];
byte allotted;      /* highest generation ever allotted or known */
byte confirmed;     /* last confirmed */
byte since[2];      /* requests of a side below this were sent before something later that arrived */
bool had[X];        /* used only in LIVE, where windows keep out what is old */
byte job = NONE;    /* in memory */

/* The nodes' disks. */
byte phase[2];
byte asked[2];      /* request */
byte candidate[2] = NONE, current[2] = NONE, previous[2] = NONE;
byte highest[2];
bool own_request[2]; /* for ROLE_BY_REQUEST only */

byte wishes[2] = 1;    /* keys that somebody at a node waits for */
byte crashes = CRASHES;
byte aborts = ABORTS;

/* Sync: what a node said and what it heard, one of each in the broker's hands. */
byte sync_no[2];
#if SYNCS > 0
byte sq_no[2], sq_open[2] = NONE, sq_highest[2], sq_current[2] = NONE;
byte sa_no[2], sa_birth[2] = NONE;
bool sa_lost[2]; /* outcome aborted or unknown */
#endif

/* What was revealed: 1 COMMIT, 2 ABORT, 3 void. */
byte decision[K];

/* LIVE: a tick makes every timer due once. */
bool due[3];
byte losses = LOSSES;

#define requester(k) asker[req_of[k]]
#define destined(k)  (1 - asker[req_of[k]])
#define holds(n, k)  (candidate[n] == (k) || current[n] == (k) || previous[n] == (k))
#ifdef FORGET_OLD /* the overlap ends by the clock of one end alone */
#define OVERLAP_OVER(n) true
#else
#define OVERLAP_OVER(n) (destined(current[n]) == n || current[1 - n] == current[n])
#endif
#define is_open(k)   (row[k] == BIRTH || row[k] == ADVERTISED || row[k] == COMMITTED)

#define ks_open (is_open(0) || is_open(1) OPEN_2 OPEN_3 OPEN_4)
#if K > 2
#define OPEN_2 || is_open(2)
#else
#define OPEN_2
#endif
#if K > 3
#define OPEN_3 || is_open(3)
#else
#define OPEN_3
#endif
#if K > 4
#define OPEN_4 || is_open(4)
#else
#define OPEN_4
#endif

#ifdef LIVE
#define TAKE(k, f)    net[k] = net[k] & ~(f); seen[k] = seen[k] | (f)
#define TAKE_REQ(x)   key_req[x] = false; seen_req[x] = true
#define TAKE_SUPER(x) superseded[x] = false
#ifdef SAME_BYTES /* a retry is the same frame: it dies at the window once one copy got through */
#define PUT(k, f)  net[k] = net[k] | ((f) & ~seen[k])
#define PUT_REQ(x) key_req[x] = !seen_req[x]
#else
#define PUT(k, f)  net[k] = net[k] | (f)
#define PUT_REQ(x) key_req[x] = true
#endif
#define TIMER(who) due[who]
#define FIRED(who) due[who] = false
#else
#define TAKE(k, f)    skip
#define TAKE_REQ(x)   skip
#define TAKE_SUPER(x) skip
#define PUT(k, f)  net[k] = net[k] | (f)
#define PUT_REQ(x) key_req[x] = true
#define TIMER(who) true
#define FIRED(who) skip
#endif

/* Properties. Without a choice all are checked. */
#if !defined(P_SEND) && !defined(P_ONE_KEY) && !defined(P_DECISION) && !defined(P_ROLE)
#define P_SEND
#define P_ONE_KEY
#define P_DECISION
#define P_ROLE
#endif

/* Two ends that hold keys of one generation hold one key. */
#define two_keys(a, b) (a != NONE && b != NONE && a != b && gen[a] == gen[b])

#ifdef ROLE_BY_REQUEST
#define role(n) own_request[n] /* "I asked for it": in a collision both did */
#else
#define role(n) n
#endif

inline check_ends()
{
    skip;
#ifdef P_SEND
    /* An end sends under g only if the other holds g. */
    assert(current[0] == NONE || holds(1, current[0]));
    assert(current[1] == NONE || holds(0, current[1]));
#endif
#ifdef P_ONE_KEY
    assert(!two_keys(candidate[0], candidate[1]) && !two_keys(candidate[0], current[1]));
    assert(!two_keys(current[0], candidate[1]) && !two_keys(current[0], current[1]));
#endif
#ifdef P_ROLE
    assert(candidate[0] == NONE || candidate[0] != candidate[1] || role(0) != role(1));
#endif
}

inline reveal(k, d)
{
#ifdef P_DECISION
    assert(decision[k] == 0 || decision[k] == d);
#endif
    decision[k] = d;
}

/* What a process will send when its change is on disk; the crash between is the loss of it. */
#define OUT local_k = NONE; local_f = 0; local_k2 = NONE; local_f2 = 0; local_req = NONE; local_super = NONE
#define SAY(k, f) local_k = k; local_f = local_f | (f)
#define SAY_TOO(k, f) local_k2 = k; local_f2 = local_f2 | (f)

inline send_out(who)
{
    atomic {
        if
        :: local_k == NONE && local_k2 == NONE && local_req == NONE && local_super == NONE -> skip
        :: else ->
            if
            :: d_step {
                if
                :: local_k != NONE -> PUT(local_k, local_f)
                :: else -> skip
                fi;
                if
                :: local_k2 != NONE -> PUT(local_k2, local_f2)
                :: else -> skip
                fi;
                if
                :: local_req != NONE -> PUT_REQ(local_req)
                :: else -> skip
                fi;
                if
                :: local_super != NONE -> superseded[local_super] = true
                :: else -> skip
                fi
            }
            :: crashes > 0 ->
                crashes--;
                if
                :: who == 2 -> job = NONE
                :: else -> skip
                fi
            fi
        fi;
        OUT;
        i = 0
    }
}

/* ---- node ---- */

inline ask(n)
{
    phase[n] = REQUESTING;
    asked[n] = requests;
    asker[requests] = n;
    req_highest[requests] = highest[n];
    local_req = requests;
    requests++;
    own_request[n] = true
}

inline promote(n)
{
    previous[n] = current[n];
    current[n] = candidate[n];
    candidate[n] = NONE;
    phase[n] = IDLE;
    own_request[n] = false;
    check_ends()
}

inline fail(n)
{
    candidate[n] = NONE;
    phase[n] = IDLE;
    own_request[n] = false;
#ifdef LIVE
    wishes[n] = 1; /* the door that needs the key asks again */
#endif
    check_ends()
}

inline on_key_ans(n, k)
{
    if
    :: phase[n] == REQUESTING && asked[n] == req_of[k] && gen[k] > highest[n] ->
        candidate[n] = k;
        phase[n] = WAITING;
        highest[n] = gen[k];
        check_ends()
    :: else -> skip
    fi
}

inline on_adv_req(n, k)
{
    if
    :: phase[n] == CANDIDATE && candidate[n] == k -> SAY(k, ADV_ANS)
    :: current[n] == k || phase[n] == WAITING || (phase[n] == CANDIDATE && candidate[n] != k) -> skip
    :: else ->
        if
        :: gen[k] <= highest[n] -> SAY(k, NACK_G)
        :: else ->
            candidate[n] = k;
            phase[n] = CANDIDATE;
            highest[n] = gen[k];
            spoke[k] = requests;
            SAY(k, ADV_ANS);
            check_ends();
#ifdef NO_DONE /* N2 sends as soon as it has answered */
            promote(n)
#endif
        fi
    fi
}

inline on_conf_req(n, k)
{
    if
    :: current[n] == k -> SAY(k, CONF_ANS)
    :: current[n] != k && phase[n] == WAITING && candidate[n] == k ->
        promote(n);
        SAY(k, CONF_ANS)
    :: current[n] != k && !((phase[n] == REQUESTING || phase[n] == WAITING) && asked[n] == req_of[k]) ->
        SAY(k, NACK_C)
    :: else -> skip
    fi
}

inline on_timer(n)
{
    if
    :: phase[n] == REQUESTING || phase[n] == WAITING -> local_req = asked[n]
    :: phase[n] == CANDIDATE -> SAY(candidate[n], ADV_ANS)
#ifdef LIVE
    /* The wait is longer than the exchange that came first. */
    :: phase[n] == SUPERSEDED && !ks_open -> ask(n)
#else
    :: phase[n] == SUPERSEDED && requests < X -> ask(n)
#endif
    :: else -> skip
    fi
}

#define NODE_TAKES(k) \
    :: atomic { (net[k] & KEY_ANS) && requester(k) == me -> TAKE(k, KEY_ANS); on_key_ans(me, k) } \
    :: atomic { (net[k] & ADV_REQ) && destined(k) == me -> TAKE(k, ADV_REQ); on_adv_req(me, k); send_out(me) } \
    :: atomic { (net[k] & CONF_REQ) && requester(k) == me -> TAKE(k, CONF_REQ); on_conf_req(me, k); send_out(me) } \
    :: atomic { (net[k] & DONE) && destined(k) == me -> \
           TAKE(k, DONE); \
           if :: phase[me] == CANDIDATE && candidate[me] == k -> promote(me) :: else -> skip fi } \
    :: atomic { (net[k] & NACK_R) && requester(k) == me -> \
           TAKE(k, NACK_R); \
           if \
           :: phase[me] == REQUESTING && asked[me] == req_of[k] -> fail(me) \
           :: phase[me] == WAITING && candidate[me] == k -> fail(me) \
           :: else -> skip \
           fi } \
    :: atomic { (net[k] & NACK_D) && destined(k) == me -> \
           TAKE(k, NACK_D); \
           if :: phase[me] == CANDIDATE && candidate[me] == k -> fail(me) :: else -> skip fi }

#define NODE_TAKES_SUPER(x) \
    :: atomic { superseded[x] && asker[x] == me -> \
           TAKE_SUPER(x); \
           if :: phase[me] == REQUESTING && asked[me] == x -> phase[me] = SUPERSEDED :: else -> skip fi }

proctype node(bit me)
{
    byte local_k, local_k2, local_req, local_super, i;
    short local_f, local_f2;

    d_step { OUT };
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
    NODE_TAKES_SUPER(0)
    NODE_TAKES_SUPER(1)
#if X > 2
    NODE_TAKES_SUPER(2)
#endif
#if X > 3
    NODE_TAKES_SUPER(3)
#endif
#if X > 4
    NODE_TAKES_SUPER(4)
#endif
    /* Somebody wants a key: the first one, or a renewal. */
    :: atomic { wishes[me] > 0 && phase[me] == IDLE && requests < X ->
#ifdef LIVE
           wishes[me]--;
#endif
           ask(me);
           send_out(me) }
    :: atomic { TIMER(me) && (phase[me] != IDLE || due[me]) -> FIRED(me); on_timer(me);
           send_out(me) }
#ifdef DROP_ON_TIMER /* a node that waits too long forgets its candidate */
    :: atomic { phase[me] == WAITING || phase[me] == CANDIDATE -> fail(me) }
#endif
    /*
     * The overlap ends after evidence, however long it is: nnsk_done told the destined node that its peer has gone on;
     * the requester opened a record of its peer under the same generation, or the KS told it what the peer said.
     */
    :: atomic { previous[me] != NONE && OVERLAP_OVER(me) -> previous[me] = NONE; check_ends() }
#if SYNCS > 0
    /* A sync_req takes the place of the former in the broker's hands, or is lost and the former stays. */
    :: atomic { sync_no[me] < SYNCS ->
           sync_no[me]++;
           if
           :: sq_no[me] = sync_no[me];
              sq_open[me] = candidate[me];
              sq_highest[me] = highest[me];
              sq_current[me] = current[me]
           :: skip
           fi }
    :: atomic { sa_no[me] != 0 && sa_no[me] == sync_no[me] ->
           if
           :: sa_lost[me] && sa_birth[me] != NONE && candidate[me] == sa_birth[me] -> fail(me)
           :: else -> skip
           fi;
           sa_no[me] = 0; sa_birth[me] = NONE; sa_lost[me] = false }
#endif
    od
}

/* ---- KS ---- */

inline forget(k)
{
    row[k] = GONE
}

inline abort(k)
{
    row[k] = ABORTED;
    job = NONE;
    reveal(k, 2)
}

/* A committed exchange of which the requester said that it holds no key and never will. */
inline void_row(k)
{
#ifdef P_DECISION
    assert(!holds(requester(k), k) && !(net[k] & DONE) && current[destined(k)] != k);
#endif
    row[k] = GONE;
    decision[k] = 3
}

/* A side that began something new needs no answers about what is over. */
inline left(s, except)
{
    i = 0;
    do
    :: i < births ->
        if
        :: i != except && row[i] == CONFIRMED && destined(i) == s -> forget(i)
        :: i != except && row[i] == ABORTED && requester(i) == s -> forget(i)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

inline find_open()
{
    open = NONE;
    i = 0;
    do
    :: i < births ->
        if
        :: is_open(i) -> open = i
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

inline birth(x)
{
    req_of[births] = x;
#ifdef REUSE_GENERATION /* what was not confirmed is free again */
    gen[births] = confirmed + 1;
#else
    allotted++;
    gen[births] = allotted;
#endif
    row[births] = BIRTH;
    job = births;
    had[x] = true;
    births++
}

inline on_key_req(x)
{
    /* Is it an exchange that the KS knows? */
    found = NONE;
    i = 0;
    do
    :: i < births ->
        if
        :: req_of[i] == x && row[i] != GONE && row[i] != FREE -> found = i
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    i = 0;
    if
    :: found != NONE ->
        if
        :: row[found] == ADVERTISED -> SAY(found, KEY_ANS)
        :: row[found] == COMMITTED -> SAY(found, KEY_ANS | CONF_REQ)
        :: row[found] == CONFIRMED -> SAY(found, CONF_REQ)
        :: row[found] == ABORTED -> SAY(found, NACK_R)
        :: else -> skip
        fi
#ifndef NO_LATEST
    :: found == NONE && x < since[asker[x]] -> skip /* its sender has spoken since */
#endif
#ifdef LIVE
    :: found == NONE && x >= since[asker[x]] && had[x] -> skip
    :: found == NONE && x >= since[asker[x]] && !had[x] ->
#else
    :: else ->
#endif
        if
        :: x > since[asker[x]] -> since[asker[x]] = x
        :: else -> skip
        fi;
        left(asker[x], NONE);
        if
        :: req_highest[x] > allotted -> allotted = req_highest[x]
        :: else -> skip
        fi;
        find_open();
        if
        :: open != NONE && requester(open) == asker[x] ->
            if
            :: row[open] != COMMITTED -> reveal(open, 2); forget(open); job = NONE; open = NONE
            :: row[open] == COMMITTED && req_highest[x] < gen[open] -> void_row(open); open = NONE
            :: else -> SAY_TOO(open, CONF_REQ)
            fi
        :: open != NONE && requester(open) != asker[x] && row[open] == ADVERTISED -> SAY_TOO(open, ADV_REQ)
        :: else -> skip
        fi;
        if
        :: open != NONE -> local_super = x
        :: open == NONE && births < K -> birth(x)
        :: else -> skip
        fi
    fi;
    found = NONE;
    open = NONE
}

inline heard(s, n)
{
    if
    :: n > since[s] -> since[s] = n
    :: else -> skip
    fi
}

inline commit(k)
{
    left(destined(k), k);
    row[k] = COMMITTED
}

inline on_adv_ans(k)
{
    heard(destined(k), spoke[k]);
    if
    :: row[k] == ADVERTISED ->
#ifdef REVEAL_FIRST /* conf_req leaves before COMMIT is on disk */
        net[k] = net[k] | CONF_REQ;
        reveal(k, 1);
        if
        :: crashes > 0 -> crashes--; job = NONE
        :: commit(k)
        fi
#else
        commit(k);
        reveal(k, 1);
        SAY(k, CONF_REQ)
#endif
    :: row[k] == COMMITTED -> SAY(k, CONF_REQ)
    :: row[k] == CONFIRMED -> SAY(k, DONE)
    :: row[k] == ABORTED || row[k] == GONE -> SAY(k, NACK_D)
    :: else -> skip
    fi
}

inline on_conf_ans(k)
{
    heard(requester(k), req_of[k] + 1);
    if
    :: row[k] == COMMITTED ->
        confirmed = gen[k];
        SAY(k, DONE);
#ifdef NO_TOMBSTONE /* an ended exchange is forgotten at once */
        row[k] = GONE
#else
        row[k] = CONFIRMED
#endif
    :: else -> skip
    fi
}

#if SYNCS > 0
inline on_sync(s)
{
    if
    :: sq_highest[s] > allotted -> allotted = sq_highest[s]
    :: else -> skip
    fi;
    i = 0;
    do
    :: i < births ->
        /* A side that saw g and holds no candidate of it has ended it. */
        if
        :: row[i] == CONFIRMED && destined(i) == s && sq_highest[s] >= gen[i] && sq_open[s] != i -> forget(i)
        :: row[i] == ABORTED && requester(i) == s && sq_highest[s] >= gen[i] && sq_open[s] != i -> forget(i)
        :: row[i] == COMMITTED && requester(i) == s && sq_highest[s] >= gen[i] && sq_open[s] != i &&
           (sq_current[s] == NONE || gen[sq_current[s]] < gen[i]) -> void_row(i)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    i = 0;
    sa_no[s] = sq_no[s];
    sa_birth[s] = sq_open[s];
    sa_lost[s] = sq_open[s] != NONE && (row[sq_open[s]] == GONE || row[sq_open[s]] == ABORTED)
}
#endif

#define KS_TAKES(k) \
    :: atomic { (net[k] & ADV_ANS) -> TAKE(k, ADV_ANS); on_adv_ans(k); send_out(2) } \
    :: atomic { (net[k] & CONF_ANS) -> TAKE(k, CONF_ANS); on_conf_ans(k); send_out(2) } \
    :: atomic { (net[k] & NACK_C) -> \
           TAKE(k, NACK_C); \
           heard(requester(k), req_of[k] + 1); \
           if :: row[k] == COMMITTED -> void_row(k) :: else -> skip fi } \
    :: atomic { (net[k] & NACK_G) -> \
           TAKE(k, NACK_G); \
           \
           if :: row[k] == ADVERTISED -> abort(k); SAY(k, NACK_R) :: else -> skip fi; send_out(2) } \
    :: atomic { job == k && row[k] == BIRTH -> /* born: the duplicates are on disk */ \
           job = NONE; \
           row[k] = ADVERTISED; \
           \
           SAY(k, KEY_ANS | ADV_REQ); send_out(2) } \
    :: atomic { (row[k] == BIRTH || row[k] == ADVERTISED) && aborts > 0 -> /* advert_keep, or the AC */ \
           aborts--; \
           abort(k); \
           \
           SAY(k, NACK_R); send_out(2) } \
    :: atomic { job != NONE && job == k && crashes > 0 -> crashes--; job = NONE } \
    :: atomic { TIMER(2) && row[k] == BIRTH && job == NONE && births < K -> \
           FIRED(2); \
           forget(k); \
           birth(req_of[k]) } \
    :: atomic { TIMER(2) && row[k] == ADVERTISED -> FIRED(2); SAY(k, ADV_REQ); send_out(2) } \
    :: atomic { TIMER(2) && row[k] == COMMITTED -> FIRED(2); SAY(k, CONF_REQ); send_out(2) }

#define KS_TAKES_REQ(x) \
    :: atomic { key_req[x] -> TAKE_REQ(x); on_key_req(x); send_out(2) }

proctype ks()
{
    byte local_k, local_k2, local_req, local_super, i, found, open;
    short local_f, local_f2;

    d_step { OUT; found = NONE; open = NONE };
end:
    do
    KS_TAKES(0)
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
    KS_TAKES_REQ(0)
    KS_TAKES_REQ(1)
#if X > 2
    KS_TAKES_REQ(2)
#endif
#if X > 3
    KS_TAKES_REQ(3)
#endif
#if X > 4
    KS_TAKES_REQ(4)
#endif
#ifdef LIVE
    :: atomic { due[2] && !ks_open -> due[2] = false }
    :: atomic { due[2] && job != NONE -> due[2] = false }
#endif
#if SYNCS > 0
    :: atomic { sq_no[0] != 0 -> on_sync(0) }
    :: atomic { sq_no[1] != 0 -> on_sync(1) }
#endif
    od
}

#ifdef LIVE
#if K > 2
#define NET_2 || net[2] != 0
#else
#define NET_2
#endif
#if K > 3
#define NET_3 || net[3] != 0
#else
#define NET_3
#endif
#if K > 4
#define NET_4 || net[4] != 0
#else
#define NET_4
#endif
#if X > 2
#define REQ_2 || key_req[2] || superseded[2]
#else
#define REQ_2
#endif
#if X > 3
#define REQ_3 || key_req[3] || superseded[3]
#else
#define REQ_3
#endif
#if X > 4
#define REQ_4 || key_req[4] || superseded[4]
#else
#define REQ_4
#endif
#define in_flight (net[0] != 0 || net[1] != 0 NET_2 NET_3 NET_4 || \
                   key_req[0] || superseded[0] || key_req[1] || superseded[1] REQ_2 REQ_3 REQ_4)
#define wishing(n) (wishes[n] > 0 && phase[n] == IDLE)
#define at_work (wishing(0) || wishing(1) || due[0] || due[1] || due[2] || job != NONE)

/* Both ends send under one generation, nothing is under way, and the KS holds no duplicate. */
#define agreed (current[0] != NONE && current[0] == current[1] && phase[0] == IDLE && phase[1] == IDLE && \
                wishes[0] == 0 && wishes[1] == 0 && !ks_open)

/* Time passes when nothing else is under way. */
proctype clock()
{
end:
    do
    :: d_step { !in_flight && !at_work && !agreed -> due[0] = true; due[1] = true; due[2] = true }
    od
}

#define LOSE(k) \
    :: d_step { losses > 0 && (net[k] & KEY_ANS) -> losses--; net[k] = net[k] & ~KEY_ANS } \
    :: d_step { losses > 0 && (net[k] & ADV_REQ) -> losses--; net[k] = net[k] & ~ADV_REQ } \
    :: d_step { losses > 0 && (net[k] & ADV_ANS) -> losses--; net[k] = net[k] & ~ADV_ANS } \
    :: d_step { losses > 0 && (net[k] & CONF_REQ) -> losses--; net[k] = net[k] & ~CONF_REQ } \
    :: d_step { losses > 0 && (net[k] & CONF_ANS) -> losses--; net[k] = net[k] & ~CONF_ANS } \
    :: d_step { losses > 0 && (net[k] & DONE) -> losses--; net[k] = net[k] & ~DONE } \
    :: d_step { losses > 0 && (net[k] & NACK_R) -> losses--; net[k] = net[k] & ~NACK_R } \
    :: d_step { losses > 0 && (net[k] & NACK_D) -> losses--; net[k] = net[k] & ~NACK_D }

proctype broker()
{
end:
    do
    LOSE(0)
    LOSE(1)
#if K > 2
    LOSE(2)
#endif
#if K > 3
    LOSE(3)
#endif
    :: d_step { losses > 0 && key_req[0] -> losses--; key_req[0] = false }
    :: d_step { losses > 0 && key_req[1] -> losses--; key_req[1] = false }
    :: d_step { losses > 0 && superseded[0] -> losses--; superseded[0] = false }
    :: d_step { losses > 0 && superseded[1] -> losses--; superseded[1] = false }
    od
}

ltl live { <> [] agreed }
#endif

init
{
    atomic {
#ifdef ONE_WISH
        wishes[1] = 0;
#endif
        run node(0);
        run node(1);
        run ks();
#ifdef LIVE
        run clock();
        run broker()
#endif
    }
}
