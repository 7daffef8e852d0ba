/* The selector's innermost loops over rows x of a matrix and picks u_j.
 *
 * taken:   the sum of (x.u_j)^2 over the picks j that a row has not seen.
 * refresh: the same, picks in stages, each sum taken off the row's bound, until the row has seen all picks or its bound has
 *          fallen below what it must reach to matter.
 *
 * One pass does what numpy needs many for: gather the rows, multiply them with the picks, blank what was seen, square,
 * sum, bound the rounding error. No product is ever written to memory. Products are float32; they are summed in
 * stretches of SUM_TERMS terms, whose results are added: the error bound in docs/selection.md counts on exactly that.
 *
 * Picks come in panels of P = PANEL_PICKS, column by column: packed[j / P][c][j % P] is coordinate c of pick j.
 * spice_select.selection.paths.blocked.bounds_compiled is the one caller and checks types and shapes.
 */
#include "kernel.h"

#ifdef HAVE_KERNEL
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "crew.h"

#define MOST_GROUP 8   /* rows multiplied at a time, at the most */
#define MOST_ROWS 96   /* rows taken at a time, */
#define CACHE 393216   /* or as many as fit into so many bytes, */
#define LEAST_PARTS 16 /* or so few that threads which take one after another end together */
#define MOST_PANELS 12 /* panels multiplied at a time */

/* What one thread works with: some rows, and their products with some panels. */
typedef struct {
    float w[MOST_PANELS][MOST_ROWS][PANEL_PICKS];
    const float *x[MOST_ROWS + MOST_GROUP]; /* where each row can be read; the last group is filled up with the last row */
    float *room;                      /* rows converted from float64, or NULL */
} Bench;

typedef struct Sweep {
    const char *matrix;   /* [n, d] float32 or float64 */
    int wide;             /* float64 */
    double factor;        /* what float64 entries are multiplied by on their way to float32 */
    int64_t d;
    const int64_t *rows;  /* the rows asked for */
    int64_t many;         /* how many */
    int64_t group;        /* how many are multiplied at a time, */
    int64_t batch;        /* and taken at a time */
    const float *packed;
    int64_t end;          /* picks from here on do not count */
    const float *mean;    /* [d], or NULL */
    double *dots;         /* x.mean of each row asked for, where there is a mean */
    int64_t *starts;      /* the first pick each has not seen; `refresh` moves it on */
    double *taken;        /* `taken`: the sums */
    double *bounds;       /* `refresh`: the bounds, lowered */
    const double *floors; /* below this a bound no longer matters */
    const double *lengths;
    const double *mass;   /* [end + 1], the sum of |u|^2 over the first picks */
    double gamma, tiny, scale; /* of the error bound: see `Bounds` */
    int64_t stage, grain;
    void (*work)(struct Sweep *, Bench *, int64_t, int64_t);
    atomic_llong next;    /* the first row that no thread has taken */
    atomic_llong steps, visits; /* products of a row with a pick; stages of a row */
    atomic_int failed;
} Sweep;

#define LANES 8
#define ROWS 6 /* 6 rows by 2 vectors: 12 of the 16 AVX registers hold sums (24 of NEON's 32) */
#define TARGET FAST
#define NAME(name) name##_8
#include "sweep_multiply.h"

#ifdef WIDE
#define LANES 16
#define ROWS 8 /* by 2 vectors, 16 of the 32 registers of AVX-512, and 3 for factors: with 12 rows GCC spills */
#define TARGET WIDE
#define NAME(name) name##_16
#include "sweep_multiply.h"
#endif

/* The products of `many` rows with `panels` panels from `panel` on, in b->w. */
static void
multiply_all(const Sweep *s, Bench *b, int64_t many, int64_t panel, int64_t panels)
{
#ifdef WIDE
    if (s->group == MOST_GROUP) {
        multiply_all_16(s, b, many, panel, panels);
        return;
    }
#endif
    multiply_all_8(s, b, many, panel, panels);
}

/* The sum of squares of row i's products with the picks start ... end, of `panels` panels from `panel` on. */
static double
squares(const Bench *b, int64_t i, int64_t panel, int64_t panels, int64_t start, int64_t end)
{
    double total = 0;
    for (int64_t p = 0; p < panels; p++) {
        /* Picks seen already would be taken off twice, those past the end have not been made: neither may count. */
        int64_t first = (panel + p) * PANEL_PICKS, seen = start - first, last = end - first;
        last = last < PANEL_PICKS ? last : PANEL_PICKS;
        float sum = 0;
        for (int64_t j = seen > 0 ? seen : 0; j < last; j++)
            sum += b->w[p][i][j] * b->w[p][i][j]; /* at most PANEL_PICKS float32 terms: the proof allows for m + 2 */
        total += sum;
    }
    return total;
}

typedef float vec __attribute__((vector_size(32), aligned(4)));

/* On every processor with 8 lanes, which its bits depend on. */
FAST static double
dot(const float *x, const float *y, int64_t d)
{
    double total = 0;
    for (int64_t from = 0; from < d; from += SUM_TERMS) {
        int64_t end = from + SUM_TERMS < d ? from + SUM_TERMS : d, c = from;
        vec sum = {0};
        float part = 0;
        for (; c + 8 <= end; c += 8)
            sum += *(const vec *)(x + c) * *(const vec *)(y + c);
        for (; c < end; c++)
            part += x[c] * y[c];
        for (int i = 0; i < 8; i++)
            part += sum[i];
        total += part;
    }
    return total;
}

/* Make `many` rows asked for, from `r` on, readable as float32, and take their products with the mean. */
FAST static void
fetch(const Sweep *s, Bench *b, int64_t r, int64_t many)
{
    for (int64_t i = 0; i < many; i++) {
        int64_t from = s->rows[r + i] * s->d;
        b->x[i] = (const float *)s->matrix + from;
        if (s->wide) {
            float *to = b->room + i * s->d;
            for (int64_t c = 0; c < s->d; c++)
                to[c] = (float)(((const double *)s->matrix)[from + c] * s->factor); /* a power of two: one rounding */
            b->x[i] = to;
        }
        if (s->mean)
            s->dots[r + i] = dot(b->x[i], s->mean, s->d);
    }
}

static int64_t
earliest(const int64_t *starts, int64_t many, int64_t end)
{
    for (int64_t i = 0; i < many; i++)
        if (starts[i] < end)
            end = starts[i];
    return end;
}

/* `taken` for `many` rows from `r` on. */
static void
sum_rows(Sweep *s, Bench *b, int64_t r, int64_t many)
{
    fetch(s, b, r, many);
    memset(s->taken + r, 0, sizeof(double) * many);
    int64_t panel = earliest(s->starts + r, many, s->end) / PANEL_PICKS, panels;
    for (; panel * PANEL_PICKS < s->end; panel += panels) {
        panels = (s->end + PANEL_PICKS - 1) / PANEL_PICKS - panel;
        panels = panels < MOST_PANELS ? panels : MOST_PANELS;
        multiply_all(s, b, many, panel, panels);
        for (int64_t i = 0; i < many; i++)
            s->taken[r + i] += squares(b, i, panel, panels, s->starts[r + i], s->end);
    }
}

/* What a bound falls to when float32 found `taken` in `terms` picks whose squared lengths come to `mass`. */
static double
lowered(const Sweep *s, double bound, double length, double taken, double mass, double terms)
{
    /* As in Bounds._lower: |w~ - w| <= reach by Minkowski, the sum of w~^2 - w^2 <= 2 |w~| reach by Cauchy-Schwarz, and
     * what summing the squares in float32 may have added. */
    double reach = s->gamma * length / s->scale * sqrt(mass) + sqrt(terms) * s->tiny;
    double rounding = (terms + 2) * UNIT / (1 - (terms + 2) * UNIT) * taken;
    double slack = 2 * reach * sqrt(taken) + rounding + terms * UNDERFLOW_LOSS;
    double left = (bound - (taken - slack) * s->scale * s->scale) * (1 + ULP);
    return left < bound ? left : bound;
}

/* Up to which pick to bring rows of which one has seen `oldest`; the last stage may be half as long again. */
static int64_t
stage_end(const Sweep *s, int64_t oldest)
{
    int64_t end = oldest + s->stage;
    if (s->end <= end + s->stage / 2)
        end = s->end;
    int64_t whole = end - end % s->grain;
    return whole > oldest ? whole : end;
}

/* `refresh` for `many` rows from `r` on. at[] numbers the rows that still matter and have picks to see. */
static void
refresh_rows(Sweep *s, Bench *b, int64_t r, int64_t many)
{
    int64_t at[MOST_ROWS], steps = 0, visits = 0;
    const float *x[MOST_ROWS];
    double found[MOST_ROWS];
    fetch(s, b, r, many);
    memcpy(x, b->x, sizeof(x[0]) * many);
    for (int64_t i = 0; i < many; i++)
        at[i] = i;
    while (many > 0) {
        int64_t oldest = s->end, end, in = 0, left = 0, panels;
        for (int64_t i = 0; i < many; i++)
            oldest = s->starts[r + at[i]] < oldest ? s->starts[r + at[i]] : oldest;
        end = stage_end(s, oldest);
        for (int64_t i = 0; i < many; i++) { /* those that this stage is for come first */
            int64_t row = at[i];
            if (s->starts[r + row] < end) {
                at[i] = at[in];
                at[in] = row;
                found[in] = 0;
                b->x[in++] = x[row];
            }
        }
        for (int64_t panel = oldest / PANEL_PICKS; panel * PANEL_PICKS < end; panel += panels) {
            panels = (end + PANEL_PICKS - 1) / PANEL_PICKS - panel;
            panels = panels < MOST_PANELS ? panels : MOST_PANELS;
            multiply_all(s, b, in, panel, panels);
            for (int64_t i = 0; i < in; i++)
                found[i] += squares(b, i, panel, panels, s->starts[r + at[i]], end);
        }
        for (int64_t i = 0; i < many; i++) {
            int64_t row = r + at[i], start = s->starts[row];
            if (i < in) {
                s->bounds[row] = lowered(s, s->bounds[row], s->lengths[row], found[i], s->mass[end] - s->mass[start],
                                         (double)(end - start));
                s->starts[row] = end;
                steps += end - start;
                visits++;
            }
            /* A row left behind keeps a bound that is true for the picks it has seen, and so for all: r never grows. */
            if (s->starts[row] < s->end && s->bounds[row] >= s->floors[row])
                at[left++] = at[i];
        }
        many = left;
    }
    atomic_fetch_add(&s->steps, steps);
    atomic_fetch_add(&s->visits, visits);
}

/* One thread's work: some rows after others until none is left. Each row is one thread's from its first product to its
 * last, so no bit depends on how many threads there are. */
static void
sweep(void *sweep_)
{
    Sweep *s = sweep_;
    Bench *b = crew_room(sizeof(Bench) + (s->wide ? sizeof(float) * s->batch * s->d : 0));
    if (!b) {
        atomic_store(&s->failed, 1);
        return;
    }
    b->room = (float *)(b + 1);
    for (int64_t r; (r = atomic_fetch_add(&s->next, s->batch)) < s->many;)
        s->work(s, b, r, s->many - r < s->batch ? s->many - r : s->batch);
}

/* All rows; -1 if memory ran out. */
static int
sweep_all(Sweep *s, int threads)
{
    s->group = kernel_wide ? MOST_GROUP : 6;
    int64_t fit = CACHE / (int64_t)(s->group * s->d * sizeof(float)), few = s->many / (LEAST_PARTS * s->group);
    int64_t groups = MOST_ROWS / s->group;
    groups = fit < groups ? fit : groups;
    groups = few < groups ? few : groups;
    s->batch = s->group * (groups < 1 ? 1 : groups);
    atomic_init(&s->next, 0);
    atomic_init(&s->steps, 0);
    atomic_init(&s->visits, 0);
    atomic_init(&s->failed, 0);
    crew_share(sweep, s, threads);
    return atomic_load(&s->failed) ? -1 : 0;
}

/* Run it without the interpreter's lock and give the buffers back; -1 with an error set if memory ran out. The first five
 * buffers are the same for all: matrix, rows, starts, packed, mean. */
static int
run(Sweep *s, int threads, Py_buffer *buffers, int count)
{
    int failed;
    s->matrix = buffers[0].buf;
    s->wide = buffers[0].itemsize == sizeof(double);
    s->rows = buffers[1].buf;
    s->starts = buffers[2].buf;
    s->packed = buffers[3].buf;
    s->mean = buffers[4].buf;
    s->many = buffers[1].len / (Py_ssize_t)sizeof(int64_t);
    Py_BEGIN_ALLOW_THREADS
    failed = sweep_all(s, threads);
    Py_END_ALLOW_THREADS
    for (int i = 0; i < count; i++)
        if (buffers[i].buf)
            PyBuffer_Release(&buffers[i]);
    if (failed)
        PyErr_NoMemory();
    return failed;
}

PyObject *
sweep_taken(PyObject *self, PyObject *args)
{
    Py_buffer b[7] = {{0}};
    Sweep s = {.work = sum_rows};
    int threads;
    if (!PyArg_ParseTuple(args, "y*dLy*y*Ly*z*w*w*i", &b[0], &s.factor, &s.d, &b[1], &b[2], &s.end, &b[3], &b[4], &b[5],
                          &b[6], &threads))
        return NULL;
    s.taken = b[5].buf;
    s.dots = b[6].buf;
    if (run(&s, threads, b, 7))
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
sweep_refresh(PyObject *self, PyObject *args)
{
    Py_buffer b[10] = {{0}};
    Sweep s = {.work = refresh_rows};
    int threads;
    if (!PyArg_ParseTuple(args, "y*dLy*w*Ly*z*w*w*y*y*y*dddLLi", &b[0], &s.factor, &s.d, &b[1], &b[2], &s.end, &b[3], &b[4],
                          &b[5], &b[6], &b[7], &b[8], &b[9], &s.gamma, &s.tiny, &s.scale, &s.stage, &s.grain, &threads))
        return NULL;
    s.dots = b[5].buf;
    s.bounds = b[6].buf;
    s.floors = b[7].buf;
    s.lengths = b[8].buf;
    s.mass = b[9].buf;
    if (run(&s, threads, b, 10))
        return NULL;
    return Py_BuildValue("LL", (long long)atomic_load(&s.steps), (long long)atomic_load(&s.visits));
}
#endif
