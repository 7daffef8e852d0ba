/* Threads that share one piece of work after another, and stay awake for a moment in between.
 *
 * A selection calls for help thousands of times, for a tenth of a millisecond each: starting threads, or waking sleeping
 * ones, would cost as much again. Where there are no POSIX threads the caller does all the work. */
#ifndef SPICE_SELECT_CREW_H
#define SPICE_SELECT_CREW_H

#include <stddef.h>

/* Call work(of) on this thread and on up to `threads` - 1 others; returns when all calls have. `work` must take its pieces
 * from a shared counter: how many of the others come, and when, is open. */
void crew_share(void (*work)(void *), void *of, int threads);

/* Working memory of the calling thread, kept for its next call: at least `bytes`; NULL if there is none to be had. */
void *crew_room(size_t bytes);

#endif
