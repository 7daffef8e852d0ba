/* The selector's innermost loop: for each row x of a matrix, the sum of (x.u_j)^2 over the picks j it has not seen.
 *
 * One pass does what numpy needs four for: gather the rows, multiply them with the picks, blank what was seen, square
 * and sum. No product is ever written to memory. Float32 throughout; inner products are summed in stretches of DEPTH
 * terms, whose results are added: the error bound in docs/selection.md counts on exactly that.
 *
 * Picks come in panels of COLS, column by column: packed[j / COLS][c][j % COLS] is coordinate c of pick j. Built only
 * where GCC or Clang compile for x86-64; `supported()` says whether this processor can run it.
 * spice_select.selection.compiled is the one caller and checks types and shapes.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 6           /* 6 rows by 2 vectors: 12 of the 16 AVX registers hold sums */
#define COLS 16          /* picks in a panel: two vectors of 8 */
#define DEPTH 256        /* terms summed before the sum is added to the others of its row */
#define MOST_GROUPS 16   /* groups of ROWS rows that meet a panel while it is in the cache */
#define CACHE (192 * 1024)

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(_WIN32)
#include <pthread.h>
#include <stdatomic.h>

#define HAVE_KERNEL 1
#define MOST_THREADS 64
#define FAST __attribute__((target("avx2,fma")))
typedef float vec __attribute__((vector_size(32), aligned(4)));

typedef struct {
    const char *matrix;     /* [n, d] float32 or float64 */
    int wide;               /* float64 */
    double scale;           /* what float64 entries are multiplied by on their way to float32 */
    Py_ssize_t d;
    const int64_t *rows;    /* the rows asked for */
    const int64_t *starts;  /* the first pick each has not seen */
    int64_t end;            /* picks from here on do not count */
    const float *packed;
    const float *mean;      /* [d], or NULL */
    double *taken;          /* per row asked for */
    double *dots;           /* x.mean, where there is a mean */
    int64_t many;           /* rows asked for */
    int64_t most;           /* rows taken at a time */
    atomic_llong next;      /* the first row that no thread has taken */
    atomic_int failed;
} Sweep;

/* w[6][16] += 6 rows times a panel over `depth` coordinates. */
FAST static inline __attribute__((always_inline)) void
multiply(const float *const *x, int64_t from, const float *panel, int64_t depth, float *w)
{
    vec sum[ROWS][2];
    const float *row[ROWS];
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] = sum[i][1] = (vec){0};
        row[i] = x[i] + from;
    }
    for (int64_t c = 0; c < depth; c++) {
        vec left = *(const vec *)(panel + c * COLS), right = *(const vec *)(panel + c * COLS + 8);
        for (int i = 0; i < ROWS; i++) {
            sum[i][0] += row[i][c] * left;
            sum[i][1] += row[i][c] * right;
        }
    }
    for (int i = 0; i < ROWS; i++) {
        *(vec *)(w + i * COLS) += sum[i][0];
        *(vec *)(w + i * COLS + 8) += sum[i][1];
    }
}

FAST static double
dot(const float *x, const float *y, int64_t d)
{
    double total = 0;
    for (int64_t from = 0; from < d; from += DEPTH) {
        int64_t end = from + DEPTH < d ? from + DEPTH : d, c = from;
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

/* Where row `number` can be read as float32: in the matrix, or in `room` after conversion. */
FAST static const float *
single(const Sweep *s, int64_t number, float *room)
{
    if (!s->wide)
        return (const float *)s->matrix + number * s->d;
    const double *from = (const double *)s->matrix + number * s->d;
    for (Py_ssize_t c = 0; c < s->d; c++)
        room[c] = (float)(from[c] * s->scale);
    return room;
}

/* The rows asked for from `r` on, at most `groups` * ROWS of them, against all panels they have not seen. */
FAST static void
sweep_groups(const Sweep *s, int64_t r, int64_t many, float *room)
{
    float w[MOST_GROUPS * ROWS * COLS];
    const float *x[MOST_GROUPS * ROWS];
    int64_t groups = (many + ROWS - 1) / ROWS, first = s->end;
    for (int64_t i = 0; i < many; i++) {
        x[i] = single(s, s->rows[r + i], room + i * s->d);
        s->taken[r + i] = 0;
        if (s->starts[r + i] < first)
            first = s->starts[r + i];
        if (s->mean)
            s->dots[r + i] = dot(x[i], s->mean, s->d);
    }
    for (int64_t i = many; i < groups * ROWS; i++)
        x[i] = x[many - 1]; /* the last group is filled up; what comes of these is not read */
    for (int64_t panel = first / COLS; panel * COLS < s->end; panel++) {
        memset(w, 0, sizeof(float) * groups * ROWS * COLS);
        for (int64_t c = 0; c < s->d; c += DEPTH) {
            int64_t depth = s->d - c < DEPTH ? s->d - c : DEPTH;
            const float *part = s->packed + (panel * s->d + c) * COLS;
            for (int64_t g = 0; g < groups; g++)
                multiply(x + g * ROWS, c, part, depth, w + g * ROWS * COLS);
        }
        int64_t last = s->end - panel * COLS < COLS ? s->end - panel * COLS : COLS;
        for (int64_t i = 0; i < many; i++) {
            int64_t seen = s->starts[r + i] - panel * COLS;
            float sum = 0;
            for (int64_t j = seen > 0 ? seen : 0; j < last; j++)
                sum += w[i * COLS + j] * w[i * COLS + j];
            s->taken[r + i] += sum;
        }
    }
}

/* One thread's work: groups of rows until none is left. */
static void *
sweep(void *sweep_)
{
    Sweep *s = sweep_;
    float *room = NULL;
    if (s->wide && !(room = malloc(sizeof(float) * s->most * s->d))) {
        atomic_store(&s->failed, 1);
        return NULL;
    }
    for (int64_t r; (r = atomic_fetch_add(&s->next, s->most)) < s->many;)
        sweep_groups(s, r, s->many - r < s->most ? s->many - r : s->most, room);
    free(room);
    return NULL;
}

/* All rows on `threads` threads, this one among them; -1 if memory ran out. A thread that cannot be had is done without. */
static int
sweep_all(Sweep *s, int threads)
{
    pthread_t others[MOST_THREADS];
    int started = 0;
    int64_t groups = CACHE / (int64_t)(ROWS * s->d * sizeof(float));
    s->most = ROWS * (groups < 1 ? 1 : groups > MOST_GROUPS ? MOST_GROUPS : groups);
    atomic_init(&s->next, 0);
    atomic_init(&s->failed, 0);
    while (started < threads - 1 && started < MOST_THREADS && !pthread_create(&others[started], NULL, sweep, s))
        started++;
    sweep(s);
    while (started > 0)
        pthread_join(others[--started], NULL);
    return atomic_load(&s->failed) ? -1 : 0;
}
#endif

static PyObject *
supported(PyObject *self, PyObject *none)
{
#ifdef HAVE_KERNEL
    __builtin_cpu_init();
    return PyBool_FromLong(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
#else
    Py_RETURN_FALSE;
#endif
}

static PyObject *
taken(PyObject *self, PyObject *args)
{
#ifdef HAVE_KERNEL
    Py_buffer matrix, rows, starts, packed, mean, out, dots;
    Sweep s;
    int threads;
    Py_ssize_t end;
    if (!PyArg_ParseTuple(args, "y*dny*y*ny*z*w*w*i", &matrix, &s.scale, &s.d, &rows, &starts, &end, &packed, &mean, &out,
                          &dots, &threads))
        return NULL;
    s.matrix = matrix.buf;
    s.wide = matrix.itemsize == sizeof(double);
    s.rows = rows.buf;
    s.starts = starts.buf;
    s.end = end;
    s.packed = packed.buf;
    s.mean = mean.buf;
    s.taken = out.buf;
    s.dots = dots.buf;
    s.many = rows.len / (Py_ssize_t)sizeof(int64_t);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = sweep_all(&s, threads);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&matrix);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&packed);
    if (mean.buf)
        PyBuffer_Release(&mean);
    PyBuffer_Release(&out);
    PyBuffer_Release(&dots);
    if (failed)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
#else
    PyErr_SetString(PyExc_RuntimeError, "this build has no kernel for this processor");
    return NULL;
#endif
}

static PyMethodDef methods[] = {
    {"supported", supported, METH_NOARGS, "Whether this processor can run `taken`."},
    {"taken", taken, METH_VARARGS,
     "taken(matrix, scale, d, rows, starts, end, packed, mean, taken, dots, threads): fill `taken` and `dots`."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_sweep", "The selector's innermost loop.", 0, methods};

PyMODINIT_FUNC
PyInit__sweep(void)
{
    return PyModule_Create(&module);
}
