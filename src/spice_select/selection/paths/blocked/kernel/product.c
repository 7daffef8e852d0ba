/* Float64 matrix products on all threads of the crew: out = factor * AB, or out += factor * AB.
 *
 * A BLAS would do, were it not for its threads: they take longer to wake than most of these products take, or spin on the
 * processors that the next step wants. Any strides will do, so transposes are free. Sums run over stretches of DEPTH
 * terms, whose results are added. spice_select.selection.paths.blocked.products is the one caller and checks types and shapes.
 */
#include "kernel.h"

#ifdef HAVE_KERNEL
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"

#define MOST_ROWS 8  /* multiplied at a time, at the most, */
#define MOST_COLS 16 /* with so many columns */
#define DEPTH 256    /* terms summed before the sum is added to the others */
#define HEIGHT 96    /* rows of a tile, */
#define WIDTH 96     /* and the most columns: what both hold of A and B fits into a core's own cache */
#define LEAST 32     /* columns of a tile when there are few */
#define PARTS 4      /* tiles for each thread, where there are enough columns, so that all end together */

typedef struct {
    const double *at;
    int64_t down, right; /* from one row, or column, to the next */
} Matrix;

typedef struct {
    Matrix a, b;
    double *out;
    int64_t below; /* from one row of `out` to the next */
    int64_t m, n, depth, width;
    double factor;
    int add, wide;
    atomic_llong next; /* the first tile that no thread has taken */
    atomic_int failed;
} Job;

#define LANES 4
#define ROWS 6 /* 6 rows by 2 vectors: 12 of the 16 AVX registers hold sums */
#define TARGET FAST
#define NAME(name) name##_4
#include "product_tile.h"

#ifdef WIDE
#define LANES 8
#define ROWS 8 /* as in sweep.c */
#define TARGET WIDE
#define NAME(name) name##_8
#include "product_tile.h"
#endif

/* The tile of `out` whose upper left corner is (top, left). */
static void
tile(const Job *job, double *room, int64_t top, int64_t left)
{
#ifdef WIDE
    if (job->wide) {
        tile_8(job, room, top, left);
        return;
    }
#endif
    tile_4(job, room, top, left);
}

static void
tiles(void *job_)
{
    Job *job = job_;
    int64_t down = (job->m + HEIGHT - 1) / HEIGHT, across = (job->n + job->width - 1) / job->width;
    double *room = crew_room(sizeof(double) * DEPTH * (HEIGHT + MOST_ROWS + WIDTH + MOST_COLS));
    if (!room)
        atomic_store(&job->failed, 1);
    else
        /* A tile is one thread's, and its sums run in one order: no bit depends on how many threads there are. */
        for (int64_t t; (t = atomic_fetch_add(&job->next, 1)) < down * across;)
            tile(job, room, t / across * HEIGHT, t % across * job->width);
}

static Matrix
matrix(const Py_buffer *b)
{
    const Py_ssize_t size = sizeof(double);
    return (Matrix){b->buf, b->strides[0] / size, b->strides[1] / size};
}

PyObject *
product_into(PyObject *self, PyObject *args)
{
    PyObject *a_, *b_, *out_;
    Py_buffer a = {0}, b = {0}, out = {0};
    Job job = {0};
    int threads, done = 0;
    if (!PyArg_ParseTuple(args, "OOOdpi", &a_, &b_, &out_, &job.factor, &job.add, &threads))
        return NULL;
    if (!PyObject_GetBuffer(a_, &a, PyBUF_STRIDES) && !PyObject_GetBuffer(b_, &b, PyBUF_STRIDES) &&
        !PyObject_GetBuffer(out_, &out, PyBUF_STRIDES | PyBUF_WRITABLE)) {
        job.a = matrix(&a);
        job.b = matrix(&b);
        job.out = out.buf;
        job.below = matrix(&out).down;
        job.m = out.shape[0];
        job.n = out.shape[1];
        job.depth = a.shape[1];
        job.wide = kernel_wide;
        int64_t down = (job.m + HEIGHT - 1) / HEIGHT, across = (PARTS * threads + down - 1) / down;
        job.width = (job.n + across - 1) / across;
        job.width = (job.width + MOST_COLS - 1) / MOST_COLS * MOST_COLS;
        job.width = job.width < LEAST ? LEAST : job.width > WIDTH ? WIDTH : job.width;
        atomic_init(&job.next, 0);
        atomic_init(&job.failed, 0);
        Py_BEGIN_ALLOW_THREADS
        crew_share(tiles, &job, threads);
        Py_END_ALLOW_THREADS
        done = !atomic_load(&job.failed);
        if (!done)
            PyErr_NoMemory();
    }
    if (a.obj)
        PyBuffer_Release(&a);
    if (b.obj)
        PyBuffer_Release(&b);
    if (out.obj)
        PyBuffer_Release(&out);
    if (!done)
        return NULL;
    Py_RETURN_NONE;
}
#endif
