/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often the KS looks at the rows that no timer of a pair wakes. */
#define SWEEP_MS 600000u

/* Chance, the splitmix64 sequence: the same everywhere. */

static uint64_t next_random(struct sim *sim)
{
    uint64_t z = sim->rng += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t sim_below(struct sim *sim, uint32_t n)
{
    return n == 0 ? 0 : (uint32_t)(next_random(sim) % n);
}

bool sim_chance(struct sim *sim, uint32_t thousandths)
{
    return thousandths != 0 && sim_below(sim, 1000) < thousandths;
}

void sim_random(struct sim *sim, void *out, size_t len)
{
    uint8_t *p = out;

    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)next_random(sim);
}

uint64_t sim_now_s(const struct sim *sim)
{
    return sim->ks.offset_s + sim->now_ms / 1000;
}

void sim_trace(const struct sim *sim, const char *format, ...)
{
    va_list args;

    if (!sim->trace)
        return;
    va_start(args, format);
    fprintf(stderr, "%10.3f ", (double)sim->now_ms / 1000);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;

    if (sim->failed)
        return;
    sim->failed = true;
    va_start(args, format);
    vsnprintf(sim->why, sizeof(sim->why), format, args);
    va_end(args);
    sim_trace(sim, "FAILED: %s", sim->why);
}

/* Crashes */

void sim_crash(struct sim *sim, uint8_t e)
{
    struct sim_end *end = &sim->ends[e];

    sim_trace(sim, "end %u crashes", e);
    end->up = false;
    end->num_jobs = 0;
    end->start_ms = sim->now_ms + 100 + sim_below(sim, 20000);
}

bool sim_crash_point(struct sim *sim, uint8_t e)
{
    struct sim_end *end = &sim->ends[e];

    if (!end->up)
        return true;
    end->points++;
    if (!(sim->faults.crash_end == e && sim->faults.crash_point == end->points) &&
        !sim_chance(sim, sim->faults.crash))
        return false;
    sim_crash(sim, e);
    return true;
}

static void connected(struct sim *sim, uint8_t e)
{
    sim->ends[e].online = true;
    if (e == SIM_KS)
        sim_ks_event(sim, KGR_COORDINATOR_RESUME);
    else
        sim_node_connected(sim, e);
}

static void start(struct sim *sim, uint8_t e)
{
    struct sim_end *end = &sim->ends[e];

    sim_trace(sim, "end %u starts", e);
    end->up = true;
    end->epoch++;
    memset(end->counter, 0, sizeof(end->counter));
    if (e == SIM_KS)
        sim_ks_start(sim);
    else
        sim_node_start(sim, e);
    if (end->online)
        connected(sim, e);
}

/* Jobs */

struct sim_job *sim_job_add(struct sim *sim, uint8_t e, enum sim_work work)
{
    struct sim_end *end = &sim->ends[e];
    struct sim_job *job = &end->jobs[end->num_jobs < SIM_JOBS ? end->num_jobs++ : SIM_JOBS - 1];
    uint64_t after = end->num_jobs > 1 ? end->jobs[end->num_jobs - 2].due_ms : sim->now_ms;

    *job = (struct sim_job){.work = work, .due_ms = after + sim_below(sim, sim->faults.job_ms)};
    return job;
}

static void finish_job(struct sim *sim, uint8_t e)
{
    struct sim_end *end = &sim->ends[e];
    struct sim_job job = end->jobs[0];

    end->num_jobs--;
    memmove(end->jobs, end->jobs + 1, end->num_jobs * sizeof(end->jobs[0]));
    sim_trace(sim, "end %u finishes job %d of generation %llu", e, job.work,
              (unsigned long long)job.key.generation);
    if (e == SIM_KS)
        sim_ks_job(sim, &job);
    else
        sim_node_job(sim, e, &job);
}

/* The broker */

static void fly(struct sim *sim, const struct sim_frame *frame, uint64_t delay_ms)
{
    for (size_t i = 0; i < SIM_FLIGHTS; i++) {
        if (sim->flights[i].due_ms != UINT64_MAX)
            continue;
        sim->flights[i].frame = *frame;
        sim->flights[i].due_ms = sim->now_ms + 1 + delay_ms;
        if (i >= sim->num_flights)
            sim->num_flights = i + 1;
        return;
    }
}

void sim_post(struct sim *sim, struct sim_frame *frame)
{
    const struct sim_faults *f = &sim->faults;
    uint32_t copies = 1;
    uint32_t late = 0;

    sim->frames++;
    sim_trace(sim, "frame %u: %u -> %u type %u generation %llu key %u reason %u", sim->frames,
              frame->from, frame->to, frame->type, (unsigned long long)frame->generation,
              frame->key, frame->reason);
    if (frame->type != SIM_RECORD)
        sim->archive[sim->frames % SIM_ARCHIVE] = *frame;
    if (!sim->ends[frame->from].online || sim->frames == f->lose_nth || sim_chance(sim, f->lose))
        return;
    if (sim->frames == f->twice_nth || sim_chance(sim, f->twice))
        copies = 2;
    if (sim->frames == f->late_nth)
        late = 100000;
    for (uint32_t i = 0; i < copies; i++)
        fly(sim, frame, late + sim_below(sim, f->delay_ms));
}

static void deliver(struct sim *sim, struct sim_flight *flight)
{
    struct sim_frame frame = flight->frame;

    flight->due_ms = UINT64_MAX;
    while (sim->num_flights > 0 && sim->flights[sim->num_flights - 1].due_ms == UINT64_MAX)
        sim->num_flights--;
    if (!sim->ends[frame.to].up || !sim->ends[frame.to].online)
        return;
    sim_trace(sim, "end %u hears type %u of generation %llu", frame.to, frame.type,
              (unsigned long long)frame.generation);
    if (frame.to == SIM_KS)
        sim_ks_receive(sim, &frame);
    else
        sim_node_receive(sim, frame.to, &frame);
}

/* Time */

enum thing { NOTHING, FLIGHT, START, ONLINE, JOB, TIMER, SYNC, RENEWAL, SWEEP };

struct next {
    enum thing thing;
    size_t index;
    uint64_t due_ms;
};

static void consider(struct next *next, enum thing thing, size_t index, uint64_t due_ms)
{
    if (due_ms < next->due_ms)
        *next = (struct next){thing, index, due_ms};
}

static struct next find_next(const struct sim *sim)
{
    struct next next = {NOTHING, 0, UINT64_MAX};

    for (size_t i = 0; i < sim->num_flights; i++)
        consider(&next, FLIGHT, i, sim->flights[i].due_ms);
    for (size_t e = 0; e < SIM_ENDS; e++) {
        const struct sim_end *end = &sim->ends[e];

        if (!end->up) {
            consider(&next, START, e, end->start_ms);
            continue;
        }
        if (!end->online)
            consider(&next, ONLINE, e, end->online_ms);
        if (end->num_jobs > 0)
            consider(&next, JOB, e, end->jobs[0].due_ms);
        if (e == SIM_KS) {
            if (sim->ks.loaded)
                consider(&next, TIMER, e, sim->ks.co.deadline_ms);
            consider(&next, SWEEP, e, sim->ks.sweep_ms);
        } else {
            consider(&next, TIMER, e, sim->nodes[e].ex.deadline_ms);
            if (end->online)
                consider(&next, SYNC, e, sim->nodes[e].sync.deadline_ms);
            if (sim->renews && sim->nodes[e].synced)
                consider(&next, RENEWAL, e, sim->nodes[e].renewal.deadline_ms);
        }
    }
    return next;
}

bool sim_step(struct sim *sim)
{
    struct next next = find_next(sim);

    if (next.thing == NOTHING)
        return false;
    if (next.due_ms > sim->now_ms)
        sim->now_ms = next.due_ms;
    switch (next.thing) {
    case FLIGHT:
        deliver(sim, &sim->flights[next.index]);
        break;
    case START:
        start(sim, (uint8_t)next.index);
        break;
    case ONLINE:
        connected(sim, (uint8_t)next.index);
        break;
    case JOB:
        finish_job(sim, (uint8_t)next.index);
        break;
    case TIMER:
        if (next.index == SIM_KS)
            sim_ks_event(sim, KGR_COORDINATOR_TIMER);
        else
            sim_node_timer(sim, next.index);
        break;
    case SYNC:
        sim_node_sync_timer(sim, next.index);
        break;
    case RENEWAL:
        sim_node_renewal(sim, next.index);
        break;
    case SWEEP:
        sim->ks.sweep_ms = sim->now_ms + SWEEP_MS;
        sim_ks_event(sim, KGR_COORDINATOR_TIMER);
        break;
    case NOTHING:
        break;
    }
    sim_check(sim);
    return true;
}

/* Chaos and calm */

static void go_offline(struct sim *sim, uint8_t e, uint32_t longest_ms)
{
    struct sim_end *end = &sim->ends[e];

    sim_trace(sim, "end %u is offline", e);
    end->online = false;
    end->online_ms = sim->now_ms + 1 + sim_below(sim, longest_ms);
    if (e != SIM_KS)
        (void)kgr_sync_step(&sim->nodes[e].sync, &(struct kgr_sync_event){.type = KGR_SYNC_LOST});
}

void sim_deny(struct sim *sim, bool denied)
{
    sim_trace(sim, "the pair is %s", denied ? "denied" : "allowed");
    sim->ks.denied = denied;
    if (denied)
        sim_ks_event(sim, KGR_COORDINATOR_DENIED);
}

void sim_chaos(struct sim *sim)
{
    const struct sim_faults *f = &sim->faults;

    if (sim_chance(sim, f->request))
        sim_request(sim, sim_below(sim, SIM_NODES), sim_below(sim, 4) != 0);
    if (sim_chance(sim, f->record))
        sim_node_record(sim, sim_below(sim, SIM_NODES));
    if (sim->frames > 0 && sim_chance(sim, f->replay)) {
        uint32_t last = sim->frames < SIM_ARCHIVE ? sim->frames : SIM_ARCHIVE;

        sim->replays++;
        fly(sim, &sim->archive[(sim->frames - sim_below(sim, last)) % SIM_ARCHIVE],
            sim_below(sim, f->delay_ms));
    }
    if (sim_chance(sim, f->offline)) {
        uint8_t e = (uint8_t)sim_below(sim, SIM_ENDS);

        if (sim->ends[e].up && sim->ends[e].online)
            go_offline(sim, e, sim_below(sim, 2) == 0 ? 5000 : 1000000);
    }
    if (sim_chance(sim, f->refuse))
        sim->nodes[sim_below(sim, SIM_NODES)].refuses = sim_below(sim, 2) == 0;
    if (sim_chance(sim, f->deny))
        sim_deny(sim, !sim->ks.denied);
    sim_check(sim);
}

void sim_calm(struct sim *sim)
{
    sim_trace(sim, "calm");
    sim->faults = (struct sim_faults){.delay_ms = 50, .job_ms = 50};
    for (size_t i = 0; i < SIM_NODES; i++)
        sim->nodes[i].refuses = false;
    for (size_t e = 0; e < SIM_ENDS; e++)
        if (!sim->ends[e].online)
            sim->ends[e].online_ms = sim->now_ms;
}

static bool at_rest(const struct sim *sim)
{
    for (size_t e = 0; e < SIM_ENDS; e++)
        if (!sim->ends[e].up || !sim->ends[e].online || sim->ends[e].num_jobs > 0)
            return false;
    for (size_t i = 0; i < SIM_NODES; i++)
        if (sim->nodes[i].ex.deadline_ms != UINT64_MAX || sim->nodes[i].sync.active)
            return false;
    return sim->num_flights == 0;
}

void sim_settle(struct sim *sim, uint64_t limit_ms)
{
    uint64_t end_ms = sim->now_ms + limit_ms;

    while (!sim->failed && sim->now_ms < end_ms && !(at_rest(sim) && sim_agreed(sim)))
        if (!sim_step(sim))
            break;
    if (!sim->failed && !(at_rest(sim) && sim_agreed(sim)))
        sim_fail(sim, "no agreement: phases %d %d, generations %llu %llu of %llu",
                 sim->nodes[0].ex.s.phase, sim->nodes[1].ex.s.phase,
                 (unsigned long long)sim->nodes[0].ex.s.current.generation,
                 (unsigned long long)sim->nodes[1].ex.s.current.generation,
                 (unsigned long long)sim->ks.co.s.generation);
}

struct sim *sim_new(uint64_t seed, const struct sim_faults *faults)
{
    static const char *const names[SIM_NODES] = {"gateway", "gateway-b"};
    struct sim *sim = calloc(1, sizeof(*sim));

    if (sim == NULL)
        abort();
    sim->rng = seed;
    sim->now_ms = 1000;
    sim->faults = *faults;
    sim->faults.crash = 0;
    sim->lifetime_s = 100000000;
    sim->advert_keep_s = 86400;
    sim->rules = (struct kgr_renewal_rules){.renew_at = 75, .overlap_s = 10, .budget = UINT64_MAX};
    sim->lease_s = 3600000; /* what comes before the next synchronisation must do without */
    sim->ks.offset_s = 1700000000;
    sim->ks.sweep_ms = SWEEP_MS;
    for (size_t i = 0; i < SIM_FLIGHTS; i++)
        sim->flights[i].due_ms = UINT64_MAX;
    for (size_t i = 0; i < SIM_NODES; i++)
        if (kgr_nid_set(&sim->nids[i], names[i], strlen(names[i])) != KGR_OK)
            abort();
    for (size_t e = 0; e < SIM_ENDS; e++) {
        sim->ends[e] = (struct sim_end){.up = true, .epoch = 1};
        if (e < SIM_NODES)
            sim_node_init(sim, e);
    }
    sim_ks_init(sim);
    for (uint8_t e = 0; e < SIM_ENDS; e++)
        connected(sim, e);
    sim->faults.crash = faults->crash;
    return sim;
}
