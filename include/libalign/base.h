/* libalign/base.h - the vocabulary of every other header: status codes, dtypes, tensors, errors, exec.
 *
 * Rules that hold for every call of the library, said once:
 *  - Tensors are borrowed for the length of the call. Nothing is kept, nothing is freed.
 *  - The library does not allocate, print, abort, start threads or read the environment.
 *  - A struct begins with `size`, written by its align_x_init function. An older program with a
 *    shorter struct works with a newer library; a newer program with a longer struct works as long
 *    as the part that the library does not know is zero, and is refused otherwise.
 *  - What is optional is absent when zero: a tensor with ndim 0, a NULL pointer, a 0 number.
 *  - Arguments are checked before the first write. When a call fails with anything other than
 *    NOT_CONVERGED, NO_SOLUTION, CANCELLED, PARALLEL or COMM, its outputs are as they were.
 *  - All functions may run at the same time in several threads on different outputs and scratch.
 *
 * Sizes in comments: N tokens, V vocabulary, D width, S sequences, G groups, K items of a group,
 * B batch, T time. C99 and C++11.
 */
#ifndef LIBALIGN_BASE_H
#define LIBALIGN_BASE_H

#include <stddef.h>
#include <stdint.h>

/* Version of the headers; align_version() is that of the library. ALIGN_ABI is the SONAME: it changes
 * only when a program built against an older header would break. */
#define ALIGN_VERSION_MAJOR 0
#define ALIGN_VERSION_MINOR 1
#define ALIGN_VERSION_PATCH 0
#define ALIGN_ABI           0

#ifdef __cplusplus
#    define ALIGN_EXTERN extern "C"
#else
#    define ALIGN_EXTERN extern
#endif
#if defined(__GNUC__)
#    define ALIGN_API        ALIGN_EXTERN __attribute__((visibility("default")))
#    define ALIGN_MUST_CHECK __attribute__((warn_unused_result))
#else
#    define ALIGN_API ALIGN_EXTERN
#    define ALIGN_MUST_CHECK
#endif

/* The function keeps or forwards the pointer and does not look behind it, so that a compiler does not
 * warn about buffers that are still to be written. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#    define ALIGN_NOT_ACCESSED(argument) __attribute__((access(none, argument)))
#else
#    define ALIGN_NOT_ACCESSED(argument)
#endif

/* ---- status ------------------------------------------------------------------------------- */

typedef int32_t align_status;

/* A code says what to fix. Values are never renumbered. */
enum {
    ALIGN_E_NONE = 0,
    ALIGN_E_ARG = -1,     /* a field is missing, contradicts another, or is not read by this call */
    ALIGN_E_SHAPE = -2,   /* number of dimensions or a size */
    ALIGN_E_DTYPE = -3,   /* element type not accepted in this place */
    ALIGN_E_LAYOUT = -4,  /* stride, alignment, or outputs that share elements with other tensors */
    ALIGN_E_RANGE = -5,   /* a number outside its range: parameter, index, label, mask, NaN */
    ALIGN_E_SCRATCH = -6, /* scratch missing or smaller than `least` */
    ALIGN_E_VERSION = -7, /* struct size unknown to this library, or bytes of another format */
    ALIGN_E_PARALLEL = -8,       /* the parallel hook did not run every task */
    ALIGN_E_COMM = -9,           /* the all-reduce hook failed */
    ALIGN_E_NOT_CONVERGED = -10, /* best answer written, with how far off it is */
    ALIGN_E_NO_SOLUTION = -11,   /* no finite answer exists; the result says which items are why */
    ALIGN_E_CANCELLED = -12      /* the cancel hook asked to stop */
};

/* The name of a code without its prefix ("RANGE"), or "?" for a number that is no code. Static storage. */
ALIGN_API const char *align_status_name(align_status status);

/* ---- dtypes ------------------------------------------------------------------------------- */

/* DLPack's type code << 8 | bits, so that a DLPack dtype converts without a table. bf16 and f16 are
 * storage only: arithmetic on them is f32 or wider. BOOL is one byte that holds 0 or 1. */
typedef int32_t align_dtype;

enum {
    ALIGN_I32 = 0x020,
    ALIGN_I64 = 0x040,
    ALIGN_U8 = 0x108,
    ALIGN_F16 = 0x210,
    ALIGN_F32 = 0x220,
    ALIGN_F64 = 0x240,
    ALIGN_BF16 = 0x410,
    ALIGN_BOOL = 0x608
};

/* Bytes of one element, or 0 for a dtype that the library does not know. */
ALIGN_API int32_t align_dtype_bytes(align_dtype dtype);

/* ---- tensors ------------------------------------------------------------------------------ */

/* A borrowed strided view. Owns nothing, passed and embedded by value, frozen for ever (64 bytes, or 60 on i386).
 * Strides count elements, may be 0 on inputs (one value for all) and negative anywhere. Element
 * (i,j,k) is at data + (i*stride[0] + j*stride[1] + k*stride[2]) * bytes. The data of inputs is only
 * read. Absent when ndim is 0; entries of shape and stride from ndim on are not read. */
typedef struct align_tensor {
    void *data;
    int64_t shape[3];
    int64_t stride[3];
    int32_t ndim; /* 1, 2 or 3; 0: absent */
    align_dtype dtype;
} align_tensor;

/* Contiguous (C order) views of n0, n0 x n1 and n0 x n1 x n2 elements. To take a column, a causal
 * shift or an interleaved field, change shape, stride and data of what they return. Some compilers
 * take the const for a promise that nothing is written there: initialise single numbers that a call
 * is to write. */
ALIGN_API ALIGN_NOT_ACCESSED(1) align_tensor
    align_1d(const void *data, align_dtype dtype, int64_t n0);
ALIGN_API ALIGN_NOT_ACCESSED(1) align_tensor
    align_2d(const void *data, align_dtype dtype, int64_t n0, int64_t n1);
ALIGN_API ALIGN_NOT_ACCESSED(1) align_tensor
    align_3d(const void *data, align_dtype dtype, int64_t n0, int64_t n1, int64_t n2);

/* ---- errors ------------------------------------------------------------------------------- */

/* What went wrong, for programs and for people. The caller's own; not touched by calls that succeed.
 * `text` is one English sentence such as
 *     align_tokens.target[17] = 50257, expected 0..50256 or ignore -100
 * made without locale. Fields that do not apply are 0 or empty. */
typedef struct align_error {
    size_t size;
    align_status status;
    uint32_t axes;    /* how many of index[] count: 0 for a whole field */
    int64_t index[3]; /* where: position along each axis of the field */
    double value;     /* what stood there, when it was a number; else 0 */
    uint32_t site;    /* which check it was: a row of docs/errors.md */
    uint32_t reserved;
    char field[64]; /* "align_tokens.target" */
    char text[256];
} align_error;

ALIGN_API void align_error_init(align_error *error, size_t size);

/* ---- exec --------------------------------------------------------------------------------- */

/* Runs fn(ctx, 0) .. fn(ctx, tasks - 1), each exactly once, in any order and on any threads, and
 * returns 0 when all have finished; anything else means that some did not run and fails the call
 * with PARALLEL. The same as: for (int64_t i = 0; i < tasks; i++) fn(ctx, i); return 0; */
typedef void (*align_task_fn)(void *ctx, int64_t task);
typedef int32_t (*align_parallel_fn)(void *user, int64_t tasks, align_task_fn fn, void *ctx);

/* Replaces buffer[0..count) on every rank by its reduction over all ranks; returns 0, or another
 * number to fail the call with COMM. Called from the calling thread only, in the same order on all
 * ranks, with (F64, MAX), (F64, SUM) and (I64, SUM). */
typedef int32_t (*align_allreduce_fn)(void *user, void *buffer, int64_t count, align_dtype dtype,
                                      int32_t op);
enum { ALIGN_REDUCE_SUM = 0, ALIGN_REDUCE_MAX = 1 };

/* align_exec.flags */
enum {
    ALIGN_FLAG_FINITE = 1, /* a NaN or infinity in an input is RANGE with its index, not a result */
    ALIGN_FLAG_FAST = 2    /* allow what saves time and changes bits (stated where it does) */
};

/* How KL(policy || reference) is estimated from one sample of the policy, q = log policy - log reference
 * (Schulman 2020, Approximating KL divergence; ABS as verl has it). */
enum {
    ALIGN_KL_NONE = 0,
    ALIGN_KL_K1 = 1, /* q */
    ALIGN_KL_K2 = 2, /* q^2 / 2 */
    ALIGN_KL_K3 = 3, /* exp(-q) - 1 + q, as expm1(-q) + q */
    ALIGN_KL_ABS = 4 /* |q| */
};

/* Bits of align_cpu() and align_exec.cpu_forbidden. */
#define ALIGN_CPU_AVX2   UINT64_C(1) /* AVX2, FMA and F16C */
#define ALIGN_CPU_AVX512 UINT64_C(2) /* AVX-512 F, BW, DQ and VL */
#define ALIGN_CPU_NEON   UINT64_C(4)

/* How to run a call. Read during the call only; one struct may serve many threads at once as long as
 * scratch and error are not shared. A NULL exec is valid wherever `least` scratch is 0. Worker count,
 * scratch size, task order and instruction set change no bit of any result. */
typedef struct align_exec {
    size_t size;
    void *scratch;              /* any alignment; contents are lost */
    size_t scratch_size;        /* bytes; at least what align_x_scratch reports */
    align_parallel_fn parallel; /* NULL: everything on the calling thread */
    void *parallel_user;
    uint32_t workers;             /* how many tasks can run at once; a hint for scratch; 0 is 1 */
    align_allreduce_fn allreduce; /* NULL: one process */
    void *allreduce_user;
    int32_t (*cancel)(void *user); /* polled by long calls; nonzero stops them with CANCELLED */
    void *cancel_user;
    align_error *error;     /* where to say what went wrong; NULL: codes only */
    uint64_t cpu_forbidden; /* instruction sets not to use; 0: none */
    uint32_t flags;         /* ALIGN_FLAG_FINITE | ALIGN_FLAG_FAST */
} align_exec;

ALIGN_API void align_exec_init(align_exec *exec, size_t size);

/* ---- the library -------------------------------------------------------------------------- */

/* Version and ABI number of the library that is running: major << 16 | minor << 8 | patch, and ALIGN_ABI. */
ALIGN_API uint32_t align_version(void);
ALIGN_API uint32_t align_abi(void);

/* Instruction sets that this machine has and this library was built for (ALIGN_CPU_*). */
ALIGN_API uint64_t align_cpu(void);

#endif
