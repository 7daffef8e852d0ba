/* The selector's compiled loops, as Python sees them. Each has a twin in numpy. */
#include "kernel.h"

#include <string.h>

#ifdef __x86_64__
#define FAST_NAME "avx2"
#else
#define FAST_NAME "neon"
#endif

int kernel_wide;

/* Whether this processor can run what is marked WIDE too. */
static int
runs_wide(void)
{
#ifdef WIDE
    return kernel_runs() && __builtin_cpu_supports("avx512f");
#else
    return 0;
#endif
}

static PyObject *
paths(PyObject *self, PyObject *none)
{
    if (runs_wide())
        return Py_BuildValue("(ss)", FAST_NAME, "avx512");
    return kernel_runs() ? Py_BuildValue("(s)", FAST_NAME) : Py_BuildValue("()");
}

static PyObject *
use(PyObject *self, PyObject *args)
{
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    int wide = runs_wide() && !strcmp(name, "avx512");
    if (!wide && !(kernel_runs() && !strcmp(name, FAST_NAME))) {
        PyErr_Format(PyExc_ValueError, "not one of paths(): %s", name);
        return NULL;
    }
    kernel_wide = wide;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"paths", paths, METH_NOARGS,
     "The instruction sets that `taken`, `refresh` and `product` can run on here, the widest last; none: they cannot."},
    {"use", use, METH_VARARGS, "use(path): run on this one of paths() from now on; at first it is the widest."},
    {"best", block_best, METH_VARARGS,
     "best(r, rows, wear, alpha, tie, out, dots, lengths, weight, length, count, eta, costs, room): the position of the next "
     "pick, its gain, its penalty and the wear of the rows that tie with it; None if `out` or nothing is better."},
    {"condition", block_condition, METH_VARARGS,
     "condition(K, C, r, at, j, factor): fill row j of C with what pick `at` takes, and lower r by it."},
#ifdef HAVE_KERNEL
    {"taken", sweep_taken, METH_VARARGS,
     "taken(matrix, factor, d, rows, starts, end, packed, mean, taken, dots, threads): fill `taken` and `dots`."},
    {"refresh", sweep_refresh, METH_VARARGS,
     "refresh(matrix, factor, d, rows, starts, end, packed, mean, dots, bounds, floors, lengths, mass, gamma, tiny, scale, "
     "stage, grain, threads): lower `bounds`, move `starts` on, fill `dots`; the products taken and the stages of rows."},
    {"product", product_into, METH_VARARGS,
     "product(A, B, out, factor, add, threads): out = factor * AB, or out += factor * AB. Float64, any strides."},
#endif
    {NULL, NULL, 0, NULL},
};

static int
show_double(PyObject *m, const char *name, double value)
{
    PyObject *number = PyFloat_FromDouble(value);
    int failed = !number || PyModule_AddObjectRef(m, name, number);
    Py_XDECREF(number);
    return failed;
}

static int
show_constants(PyObject *m)
{
    return show_double(m, "UNIT", UNIT) || show_double(m, "UNDERFLOW_LOSS", UNDERFLOW_LOSS) || show_double(m, "ULP", ULP) ||
           PyModule_AddIntConstant(m, "SUM_TERMS", SUM_TERMS) || PyModule_AddIntConstant(m, "PANEL_PICKS", PANEL_PICKS) ||
           PyModule_AddIntConstant(m, "OVERFLOW_GAIN", OVERFLOW_GAIN);
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", "The selector's compiled loops.", 0, methods};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    PyObject *m = PyModule_Create(&module);
    kernel_wide = runs_wide();
    if (m && show_constants(m)) {
        Py_DECREF(m);
        return NULL;
    }
    return m;
}
