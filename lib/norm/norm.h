/* What the files of the normaliser share. */
#ifndef ALIGN__NORM_H
#define ALIGN__NORM_H

#include "../base/exec.h"
#include "wide.h"
#include "../base/tensor.h"

#include <libalign/norm.h>

enum {
    ALIGN__NORM_W = 12,
    ALIGN__NORM_WX = 20,
    ALIGN__NORM_WXX = 28,
    ALIGN__NORM_CHUNK = 256, /* values that are handled together */
    ALIGN__NORM_TASKS = 16   /* most pieces of one batch; the grid depends on its shape alone */
};

/* Where a kind can be used. */
enum { ALIGN__NORM_IN_STATE = 1, ALIGN__NORM_IN_BATCH = 2, ALIGN__NORM_IN_GROUP = 4 };

/* Center and spread of a set of values; center is high + rest, so that x - center keeps its bits
 * under a large offset. */
struct align__moments {
    int64_t count;
    double weight, mean, mean_rest, variance;
    double least, most;
};

void align__norm_moments(const align_norm *state, struct align__moments *moments);

/* The caller's structs, taken in and checked; for args: shapes, dtypes, and reward present. */
align_status align__norm_check(const align_exec *exec, const char *owner,
                               const align_norm_params *p, int32_t where);
align_status align__norm_state(const align_exec *exec, const char *owner, align_norm *local,
                               const align_norm *state);
align_norm_params align__norm_params_of(const align_norm *state);
align_status align__norm_params(const align_exec *exec, align_norm_params *local,
                                const align_norm_params *params, int32_t where);
align_status align__norm_args(const align_exec *exec, align_norm_args *local,
                              const align_norm_args *args);
void align__norm_start(align_norm *state, const align_norm_params *params);

/* The sums of `other` into those of `state`. */
void align__norm_add(align_norm *state, const align_norm *other);

/* One finite value below 2^128 with a weight above 0. */
void align__norm_add_one(align_norm *state, double x, double w);

/* Takes a value of weight 1 out again; least and most stay. */
void align__norm_take_one(align_norm *state, double x);

/* Both have the same parameters, or NORM_OTHER. */
align_status align__norm_check_same(const align_exec *exec, const char *owner, const align_norm *a,
                                    const align_norm *b);

/* Update and apply with a state for each key; args are checked but for the keys and the states. */
align_status align__norm_update_keys(const align_exec *exec, align_norm *states,
                                     const align_norm_args *args);
align_status align__norm_apply_keys(const align_exec *exec, const align_norm *states,
                                    const align_norm_params *params, const align_norm_args *args);

/* Adds all values of a checked batch to *state, or leaves it and says which value is wrong. */
align_status align__norm_collect(const align_exec *exec, align_norm *state,
                                 const align_norm_args *args);

/* The kinds that need no moments: curves of x - reference, ranks, quantiles. */
struct align__ranked {
    double x;
    int64_t index;
};

bool align__norm_is_rank(int32_t kind);

/* A curve at u = x - reference and its derivative. */
double align__norm_curve_at(int32_t kind, double k, double u, double *slope);

/* Sorts and replaces each x by what `kind` makes of its rank; ties share the mean of their ranks. */
void align__norm_rank(struct align__ranked *ranked, int64_t n, int32_t kind);
size_t align__norm_curve_scratch(const align_norm_params *p, int64_t n);
align_status align__norm_check_reference(const align_exec *exec, const align_norm_params *p,
                                         const align_norm_args *args);
align_status align__norm_curve(const align_exec *exec, const align_norm_params *p,
                               const align_norm_args *args);

/* D of a spread s, and its derivative. */
double align__norm_divisor(const align_norm_params *p, double s, double *slope);

/* gain, bias and clip; *dy, the derivative so far, follows. */
double align__norm_finish(const align_norm_params *p, double y, double *dy);

/* Checks the values of a batch and says what is wrong; with `moments`, computes them in f64. */
align_status align__norm_survey(const align_exec *exec, const align_norm_params *p,
                                const align_norm_args *args, bool moments, struct align__moments *m,
                                bool *all_finite);

/* A tensor as one run of elements in row-major order, with axes that allow it joined. */
struct align__run {
    align_tensor view;
    int64_t length;
};

struct align__run align__run_of(const align_tensor *t);

/* The elements where they lie one behind the other in that dtype, else NULL; and those of a mask of bytes. */
void *align__run_plain(const struct align__run *run, align_dtype dtype);
const uint8_t *align__run_live(const struct align__run *run);
void align__run_read(const struct align__run *run, int64_t first, int64_t n, double *out);
void align__run_write(const struct align__run *run, int64_t first, int64_t n, const double *x);
/* Weights of a mask: BOOL and U8 give 0 or 1, an absent mask 1. */
void align__run_weights(const struct align__run *run, int64_t first, int64_t n, double *out);

/* The very same elements in the same order. */
bool align__same_view(const align_tensor *a, const align_tensor *b);

/* Where element `at` of a run stands in its tensor, for an error. */
void align__run_index(const align_tensor *t, int64_t at, struct align__fault *fault);

/* NOT_FINITE under ALIGN_FLAG_FINITE; an absent tensor passes. */
align_status align__check_finite(const align_exec *exec, struct align__named named);

/* [count + 1] I64 that rise from 0 to `total`. */
align_status align__check_offsets(const align_exec *exec, struct align__named named, int64_t total,
                                  int64_t *count, int64_t *largest);

/* F32 masks hold 0 or 1. */
align_status align__check_mask(const align_exec *exec, struct align__named named);

/* Piece `task` of `length` elements: [*first, *last). */
int64_t align__pieces(int64_t length);
void align__piece(int64_t length, int64_t task, int64_t *first, int64_t *last);

#endif
