/* The two steps of a block's inner loop that are repeated for every pick: find the best row, condition the others on it.
 *
 * Float64 throughout, and the same arithmetic as the numpy versions in paths/blocked/inner.py, which is the one
 * caller and checks types and shapes. A pick costs a few microseconds here and some sixty in numpy, where each of a
 * dozen small arrays is a call of its own.
 */
#include "kernel.h"

#include <math.h>
#include <stdint.h>

#define WIDTH 32 /* columns whose sums stay in registers */

typedef struct {
    const double *r;       /* [p]; below 0: the row is not open */
    const int64_t *rows;   /* [p], their numbers */
    const double *dots;    /* [p], products with the sum of the picks; NULL without a conflict penalty */
    const double *lengths; /* [p] */
    const double *costs;   /* [p], or NULL */
    Py_ssize_t p;
    double alpha, tie, out, weight, length, count, eta;
} Scores;

static double
penalty_of(const Scores *s, Py_ssize_t i)
{
    if (!s->dots || s->count == 0)
        return 0;
    double value = s->dots[i] / (-s->count * (s->lengths[i] * (s->length / s->count) + s->eta));
    return value > 0 ? value : 0;
}

/* The position of the best score, or -1 if none is open; `least` is what ties with it. */
static Py_ssize_t
best_score(const Scores *s, double *scores, double *least)
{
    Py_ssize_t best = -1;
    double size = 0;
    for (Py_ssize_t i = 0; i < s->p; i++) {
        if (s->r[i] < 0)
            continue;
        double gain = log1p(s->alpha * s->r[i]), weighted = s->weight * penalty_of(s, i);
        double cost = s->costs ? s->costs[i] : 1;
        scores[i] = (gain - weighted) / cost;
        if (best < 0 || scores[i] > scores[best]) {
            best = i;
            size = (gain + weighted) / cost;
        }
    }
    if (best >= 0)
        *least = scores[best] - s->tie * size;
    return best;
}

/* The same where the score is the gain: only rows near the best need a logarithm. */
static Py_ssize_t
best_gain(const Scores *s, double *scores, double *least)
{
    Py_ssize_t best = -1;
    for (Py_ssize_t i = 0; i < s->p; i++)
        if (s->r[i] >= 0 && (best < 0 || s->r[i] > s->r[best]))
            best = i;
    if (best < 0)
        return best;
    /* What ties has a gain above (1 - tie) times the best. log1p grows, so a row whose r is below that of a gain of
     * (1 - 2 tie) cannot: the second tie is far more than log1p and expm1 round. */
    double gain = log1p(s->alpha * s->r[best]), near = s->r[best];
    if (gain < OVERFLOW_GAIN)
        near = expm1(gain - 2 * s->tie * gain) / s->alpha;
    *least = gain - s->tie * gain;
    for (Py_ssize_t i = 0; i < s->p; i++)
        scores[i] = s->r[i] >= near ? log1p(s->alpha * s->r[i]) : -INFINITY;
    scores[best] = gain;
    return best;
}

PyObject *
block_best(PyObject *self, PyObject *args)
{
    Py_buffer r, rows, wear, dots, lengths, costs, room;
    Scores s;
    if (!PyArg_ParseTuple(args, "y*y*y*dddz*z*ddddz*w*", &r, &rows, &wear, &s.alpha, &s.tie, &s.out, &dots, &lengths,
                          &s.weight, &s.length, &s.count, &s.eta, &costs, &room))
        return NULL;
    s.r = r.buf;
    s.rows = rows.buf;
    s.dots = dots.buf;
    s.lengths = lengths.buf;
    s.costs = costs.buf;
    s.p = r.len / (Py_ssize_t)sizeof(double);
    double *scores = room.buf, least = 0, worn = 0;
    Py_ssize_t at = s.dots || s.costs ? best_score(&s, scores, &least) : best_gain(&s, scores, &least);
    if (at >= 0 && least <= s.out) /* a row outside may tie with the best, and have a lower number */
        at = -1;
    for (Py_ssize_t i = 0; at >= 0 && i < s.p; i++)
        if (s.r[i] >= 0 && scores[i] >= least) {
            if (s.rows[i] < s.rows[at])
                at = i;
            if (((const double *)wear.buf)[i] > worn)
                worn = ((const double *)wear.buf)[i];
        }
    PyObject *found = Py_None;
    if (at >= 0)
        found = Py_BuildValue("nddd", at, log1p(s.alpha * s.r[at]), penalty_of(&s, at), worn);
    else
        Py_INCREF(found);
    PyBuffer_Release(&r);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&wear);
    if (dots.buf)
        PyBuffer_Release(&dots);
    if (lengths.buf)
        PyBuffer_Release(&lengths);
    if (costs.buf)
        PyBuffer_Release(&costs);
    PyBuffer_Release(&room);
    return found;
}

/* to[first..] = factor * (from - sum over l < j of C[l][at] * C[l]) for `width` columns; r falls by its square, to 0. */
static INLINE void
take_columns(const double *from, double *C, Py_ssize_t p, Py_ssize_t at, Py_ssize_t j, double factor, double *r,
             Py_ssize_t first, Py_ssize_t width)
{
    double sum[WIDTH] = {0}, *to = C + j * p;
    for (Py_ssize_t l = 0; l < j; l++) {
        const double *row = C + l * p + first, own = C[l * p + at];
        if (width == WIDTH)
            for (int i = 0; i < WIDTH; i++)
                sum[i] += own * row[i];
        else
            for (Py_ssize_t i = 0; i < width; i++)
                sum[i] += own * row[i];
    }
    for (Py_ssize_t i = first; i < first + width; i++) {
        /* The exact r is never negative, so 0 is nearer to it than what rounding left below. A row with r < 0 is closed. */
        double e = (from[i] - sum[i - first]) * factor, left = r[i] - e * e;
        to[i] = e;
        if (r[i] >= 0)
            r[i] = left > 0 ? left : 0;
    }
}

static INLINE void
take(const double *from, double *C, Py_ssize_t p, Py_ssize_t at, Py_ssize_t j, double factor, double *r)
{
    for (Py_ssize_t first = 0; first < p; first += WIDTH)
        take_columns(from, C, p, at, j, factor, r, first, p - first < WIDTH ? p - first : WIDTH);
}

#ifdef HAVE_KERNEL
FAST static void
take_fast(const double *from, double *C, Py_ssize_t p, Py_ssize_t at, Py_ssize_t j, double factor, double *r)
{
    take(from, C, p, at, j, factor, r);
}
#endif

static void
take_any(const double *from, double *C, Py_ssize_t p, Py_ssize_t at, Py_ssize_t j, double factor, double *r)
{
#ifdef HAVE_KERNEL
    if (kernel_runs()) {
        take_fast(from, C, p, at, j, factor, r);
        return;
    }
#endif
    take(from, C, p, at, j, factor, r);
}

PyObject *
block_condition(PyObject *self, PyObject *args)
{
    Py_buffer K, C, r;
    Py_ssize_t at, j;
    double factor;
    if (!PyArg_ParseTuple(args, "y*w*w*nnd", &K, &C, &r, &at, &j, &factor))
        return NULL;
    Py_ssize_t p = r.len / (Py_ssize_t)sizeof(double);
    take_any((const double *)K.buf + at * p, C.buf, p, at, j, factor, r.buf);
    PyBuffer_Release(&K);
    PyBuffer_Release(&C);
    PyBuffer_Release(&r);
    Py_RETURN_NONE;
}
