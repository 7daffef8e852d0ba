#include "crew.h"

#include <stdlib.h>

#if !defined(_WIN32) && (defined(__GNUC__) || defined(__clang__))
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define MOST 63          /* helpers; more than a byte could count would spill into the turn */
#define BRISK 20000      /* nanoseconds of waiting without giving way to other programs, */
#define PATIENCE 400000 /* and of waiting at all before going to sleep */
#define INSIDE 0xff      /* the part of the gate that counts the helpers inside */
#define TURN 0x100       /* odd turns: the gate is open */

static struct {
    atomic_ullong gate;
    atomic_int busy, hired, asleep, wanted;
    void (*work)(void *);
    void *of;
    pthread_mutex_t lock;
    pthread_cond_t called;
} crew = {.lock = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER};

static void
breathe(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t
nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int
open_after(unsigned long long gate, unsigned long long last)
{
    return (gate / TURN) % 2 == 1 && gate / TURN != last;
}

static void
sleep_until_called(unsigned long long last)
{
    pthread_mutex_lock(&crew.lock);
    atomic_fetch_add(&crew.asleep, 1);
    while (!open_after(atomic_load(&crew.gate), last)) /* closed again since: the next call wakes us */
        pthread_cond_wait(&crew.called, &crew.lock);
    atomic_fetch_sub(&crew.asleep, 1);
    pthread_mutex_unlock(&crew.lock);
}

/* Wait for the gate to open on a turn other than `last`. */
static void
await(unsigned long long last)
{
    int64_t since = nanoseconds();
    for (;;) {
        for (int i = 0; i < 50; i++) {
            if (open_after(atomic_load(&crew.gate), last))
                return;
            breathe();
        }
        int64_t waited = nanoseconds() - since;
        if (waited > PATIENCE)
            sleep_until_called(last);
        else if (waited > BRISK)
            sched_yield();
    }
}

static void *
help(void *number)
{
    for (unsigned long long last = 0;;) {
        await(last);
        unsigned long long gate = atomic_load(&crew.gate), turn = gate / TURN;
        last = turn;
        if (turn % 2 == 0 || (intptr_t)number >= atomic_load(&crew.wanted))
            continue;
        int inside = 0; /* the gate lets in on the turn seen only */
        while (!inside && gate / TURN == turn)
            inside = atomic_compare_exchange_weak(&crew.gate, &gate, gate + 1);
        if (inside) {
            crew.work(crew.of);
            atomic_fetch_sub(&crew.gate, 1);
        }
    }
    return NULL;
}

/* A forked child has none of its parent's threads. */
static void
forget(void)
{
    atomic_store(&crew.gate, 0);
    atomic_store(&crew.busy, 0);
    atomic_store(&crew.hired, 0);
    atomic_store(&crew.asleep, 0);
    pthread_mutex_init(&crew.lock, NULL);
    pthread_cond_init(&crew.called, NULL);
}

static void
hire(int helpers)
{
    static int prepared;
    if (!prepared)
        prepared = !pthread_atfork(NULL, NULL, forget);
    while (atomic_load(&crew.hired) < helpers) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, (void *)(intptr_t)atomic_load(&crew.hired)))
            return; /* a thread that cannot be had is done without */
        pthread_detach(thread);
        atomic_fetch_add(&crew.hired, 1);
    }
}

void
crew_share(void (*work)(void *), void *of, int threads)
{
    int idle = 0;
    if (threads < 2 || !atomic_compare_exchange_strong(&crew.busy, &idle, 1)) {
        work(of); /* the crew helps another run */
        return;
    }
    int helpers = threads - 1 < MOST ? threads - 1 : MOST;
    hire(helpers);
    crew.work = work;
    crew.of = of;
    atomic_store(&crew.wanted, helpers);
    atomic_fetch_add(&crew.gate, TURN);
    if (atomic_load(&crew.asleep)) {
        pthread_mutex_lock(&crew.lock);
        pthread_cond_broadcast(&crew.called);
        pthread_mutex_unlock(&crew.lock);
    }
    work(of);
    atomic_fetch_add(&crew.gate, TURN);
    for (int i = 1; atomic_load(&crew.gate) & INSIDE; i++)
        i % 1000 ? breathe() : (void)sched_yield(); /* one that has lost its processor needs it back to finish */
    atomic_store(&crew.busy, 0);
}

/* A room is preceded by its size, in as many bytes as keep it aligned. */
#define BEFORE 64
static pthread_key_t rooms;
static pthread_once_t rooms_once = PTHREAD_ONCE_INIT;
static int rooms_failed;

static void
make_rooms(void)
{
    rooms_failed = pthread_key_create(&rooms, free);
}

void *
crew_room(size_t bytes)
{
    if (pthread_once(&rooms_once, make_rooms) || rooms_failed)
        return NULL;
    char *room = pthread_getspecific(rooms);
    if (!room || *(size_t *)room < bytes) {
        free(room);
        room = malloc(bytes + BEFORE);
        if (room)
            *(size_t *)room = bytes;
        if (pthread_setspecific(rooms, room)) {
            free(room);
            return NULL;
        }
    }
    return room ? room + BEFORE : NULL;
}

#else

void
crew_share(void (*work)(void *), void *of, int threads)
{
    work(of);
}

#endif
