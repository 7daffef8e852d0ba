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

#define ROWS 6     /* 6 rows by 2 vectors: 12 of the 16 AVX registers hold sums */
#define COLS 8     /* two vectors of 4 */
#define DEPTH 256  /* terms summed before the sum is added to the others */
#define HEIGHT 96  /* rows of a tile, */
#define WIDTH 96   /* and the most columns: what both hold of A and B fits into a core's own cache */
#define LEAST 32   /* columns of a tile when there are few */
#define PARTS 4    /* tiles for each thread, where there are enough columns, so that all end together */

typedef double vec __attribute__((vector_size(32), aligned(8)));

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
    int add;
    atomic_llong next; /* the first tile that no thread has taken */
    atomic_int failed;
} Job;

/* `lines` lines of `depth` entries side by side, `wide` at a time: to[line / wide][c][line % wide], filled up with zeros. */
FAST static INLINE void
pack(const double *from, int64_t next_line, int64_t next_entry, int64_t lines, int64_t depth, const int64_t wide, double *to)
{
    for (int64_t i = 0; i < lines; i += wide, from += wide * next_line, to += wide * depth) {
        int64_t here = lines - i < wide ? lines - i : wide;
        if (here < wide)
            memset(to, 0, sizeof(double) * wide * depth);
        for (int64_t c = 0; c < depth; c++)
            for (int64_t j = 0; j < (here < wide ? here : wide); j++)
                to[c * wide + j] = from[j * next_line + c * next_entry];
    }
}

/* The same for lines that lie side by side already: as whole columns of a row-major matrix do. */
FAST static void
pack_columns(const double *from, int64_t next_entry, int64_t lines, int64_t depth, double *to)
{
    int64_t whole = lines / COLS * COLS;
    for (int64_t c = 0; c < depth; c++, from += next_entry, to += COLS) {
        double *panel = to;
        for (int64_t j = 0; j < whole; j += COLS, panel += COLS * depth) {
            *(vec *)panel = *(const vec *)(from + j);
            *(vec *)(panel + 4) = *(const vec *)(from + j + 4);
        }
        for (int64_t j = whole; j < lines || (j % COLS && j < whole + COLS); j++)
            panel[j - whole] = j < lines ? from[j] : 0;
    }
}

/* Take entry c of 6 rows, whose entries lie `apart`, and of 8 packed columns into the sums of their products. */
FAST static INLINE void
step(const double *const *row, const int64_t apart, const double *columns, int64_t c, vec (*sum)[2])
{
    vec left = *(const vec *)(columns + c * COLS), right = *(const vec *)(columns + c * COLS + 4);
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] += row[i][c * apart] * left;
        sum[i][1] += row[i][c * apart] * right;
    }
}

/* sums[6][8] = 6 rows times 8 packed columns. */
FAST static INLINE void
multiply(const double *const *rows, const int64_t apart, const double *columns, int64_t depth, double (*sums)[COLS])
{
    vec sum[ROWS][2];
    const double *row[ROWS];
    int64_t c = 0;
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] = sum[i][1] = (vec){0};
        row[i] = rows[i];
    }
    for (; c + 4 <= depth; c += 4) { /* as in sweep.c */
        step(row, apart, columns, c, sum);
        step(row, apart, columns, c + 1, sum);
        step(row, apart, columns, c + 2, sum);
        step(row, apart, columns, c + 3, sum);
    }
    for (; c < depth; c++)
        step(row, apart, columns, c, sum);
    for (int i = 0; i < ROWS; i++) {
        *(vec *)sums[i] = sum[i][0];
        *(vec *)(sums[i] + 4) = sum[i][1];
    }
}

/* Write sums[6][8] to row i and column j of `out`, as far as it goes. */
FAST static INLINE void
put(const Job *job, double (*sums)[COLS], int64_t i, int64_t j, int add)
{
    double *to = job->out + i * job->below + j;
    int64_t rows = job->m - i < ROWS ? job->m - i : ROWS, columns = job->n - j < COLS ? job->n - j : COLS;
    for (int64_t y = 0; y < rows; y++, to += job->below)
        if (columns == COLS)
            for (int x = 0; x < COLS; x += 4) {
                vec sum = *(const vec *)(sums[y] + x) * job->factor;
                *(vec *)(to + x) = add ? *(vec *)(to + x) + sum : sum;
            }
        else
            for (int64_t x = 0; x < columns; x++)
                to[x] = job->factor * sums[y][x] + (add ? to[x] : 0);
}

/* The tile of `out` whose upper left corner is (top, left). */
FAST static void
tile(const Job *job, double *room, int64_t top, int64_t left)
{
    const Matrix *a = &job->a, *b = &job->b;
    int64_t height = job->m - top < HEIGHT ? job->m - top : HEIGHT, width = job->n - left < job->width ? job->n - left : job->width;
    double *columns = room + (HEIGHT + ROWS) * DEPTH, sums[ROWS][COLS];
    for (int64_t from = 0; from < job->depth; from += DEPTH) {
        int64_t depth = job->depth - from < DEPTH ? job->depth - from : DEPTH;
        const double *rows = a->at + top * a->down + from * a->right, *x[ROWS];
        if (a->right != 1)
            pack(rows, a->down, a->right, height, depth, ROWS, room);
        if (b->right == 1)
            pack_columns(b->at + left + from * b->down, b->down, width, depth, columns);
        else
            pack(b->at + left * b->right + from * b->down, b->right, b->down, width, depth, COLS, columns);
        for (int64_t j = 0; j < width; j += COLS)
            for (int64_t i = 0; i < height; i += ROWS) {
                for (int64_t y = 0; y < ROWS; y++) /* a row beyond the last is the last again, and not kept */
                    x[y] = a->right != 1 ? room + i * depth + y : rows + (i + y < height ? i + y : height - 1) * a->down;
                if (a->right != 1)
                    multiply(x, ROWS, columns + j * depth, depth, sums);
                else
                    multiply(x, 1, columns + j * depth, depth, sums);
                put(job, sums, top + i, left + j, job->add || from > 0);
            }
    }
}

static void
tiles(void *job_)
{
    Job *job = job_;
    int64_t down = (job->m + HEIGHT - 1) / HEIGHT, across = (job->n + job->width - 1) / job->width;
    double *room = crew_room(sizeof(double) * DEPTH * (HEIGHT + ROWS + WIDTH + COLS));
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
        int64_t down = (job.m + HEIGHT - 1) / HEIGHT, across = (PARTS * threads + down - 1) / down;
        job.width = (job.n + across - 1) / across;
        job.width = (job.width + COLS - 1) / COLS * COLS;
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
