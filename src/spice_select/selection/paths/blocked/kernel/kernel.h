/* What the files of the kernel share: which processors it is built for, and the functions that Python sees. */
#ifndef SPICE_SELECT_KERNEL_H
#define SPICE_SELECT_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if (defined(__x86_64__) || defined(__aarch64__)) && (defined(__GNUC__) || defined(__clang__)) && !defined(_WIN32)
#define HAVE_KERNEL 1
#ifdef __x86_64__
#define FAST __attribute__((target("avx2,fma")))
#define WIDE __attribute__((target("avx512f,avx2,fma"))) /* twice as wide, where the processor has it */
#else
#define FAST /* a vector of 256 bits is two of NEON's, which every 64-bit ARM has */
#endif
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE inline
#endif

/* What the proofs in Python rest on. The module shows these numbers (see module.c) and Python reads them from there, so
 * that an error bound and the loop it speaks of cannot come to differ. */
#define SUM_TERMS 256           /* float32 terms summed before the sum is added to the others of its row */
#define PANEL_PICKS 16          /* picks side by side in memory: two vectors of 8 */
#define UNIT 0x1p-24            /* unit roundoff of float32 */
#define UNDERFLOW_LOSS 0x1p-148 /* what gradual underflow may add to a product of float32 numbers */
#define ULP (4 * 0x1p-52)       /* more than the float64 steps that lower a bound can take from it, relatively */
#define OVERFLOW_GAIN 700       /* gains above this are not turned back into r */

/* Whether this processor can run what is marked FAST. */
static inline int
kernel_runs(void)
{
#if !defined(HAVE_KERNEL)
    return 0;
#elif defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}

/* module.c: whether what is marked WIDE runs in place of its FAST twin. */
extern int kernel_wide;

/* sweep.c, product.c: built where HAVE_KERNEL is. */
PyObject *sweep_taken(PyObject *, PyObject *);
PyObject *sweep_refresh(PyObject *, PyObject *);
PyObject *product_into(PyObject *, PyObject *);
/* block.c: built everywhere. */
PyObject *block_best(PyObject *, PyObject *);
PyObject *block_condition(PyObject *, PyObject *);

#endif
