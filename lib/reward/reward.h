/* Inside linear rewards: rows of features, models, passes over the data, the Newton core. */
#ifndef ALIGN__REWARD_H
#define ALIGN__REWARD_H

#include "../base/exec.h"
#include "../kernels/f64.h"
#include "../kernels/kernels.h"
#include "../base/tensor.h"

#include <libalign/reward.h>

#define REWARD_ARGS "align_reward_args"

/* A unit is a pair, or a list of answers. Parameters are D coefficients, the position bias if there is one,
 * and the thresholds of the model: `order` numbers in this order. */
struct align__reward_data {
    const align_reward_args *args;
    const struct align__reward_model *model;
    const struct align__f64 *f64;
    const struct align__kernels *kernels;
    int64_t count;        /* M units */
    int64_t group;        /* most rows of a unit: 1 for pairs, K for lists */
    int64_t width, order; /* D; all parameters */
    int64_t levels;       /* grades of the model, 0 where there are none */
    int64_t thresholds;   /* learned: the last of the parameters */
    int32_t position;     /* 1: a bias of the first place, parameter D */
    double *scores;       /* [M, group]: what the last evaluation gave to each row of features */
    double *curves; /* [M]: and the weighted curvature in z, of pairs without thresholds; or NULL */
    double *areas;  /* of tasks, area_size numbers each */
    size_t area_size;
    int64_t chunks; /* tasks of a pass */
};

/* What a task works in. */
struct align__reward_area {
    double *sum;            /* [order] */
    double *wide;           /* [D] */
    float *narrow[2];       /* [D] */
    double *u, *t, *matrix; /* [group], [group], [group, group] */
};

size_t align__reward_area_size(const struct align__reward_data *data);
struct align__reward_area align__reward_area_of(const struct align__reward_data *data,
                                                int64_t task);

/* ---- rows.c -------------------------------------------------------------------------------- */

/* Part of a sparse row. */
struct align__reward_slice {
    const void *values, *columns;
    align_dtype dtype, column_dtype;
    int64_t value_stride, column_stride, count;
};

/* Features of one row: numbers in the area, or a difference of sparse rows. */
struct align__reward_row {
    const double *wide;
    struct align__reward_slice slices[2];
    int sparse; /* how many slices */
};

struct align__reward_row align__reward_fetch(const struct align__reward_data *data,
                                             const struct align__reward_area *area, int64_t unit,
                                             int64_t k);
struct align__reward_slice align__reward_slice_of(const align_tensor *values,
                                                  const align_tensor *columns,
                                                  const align_tensor *offsets, int64_t row);

/* Values of a part of a slice, and their columns, as f64 in which they are exact. Returns how many. */
enum { ALIGN__REWARD_PART = 64 };
int64_t align__reward_slice_load(const struct align__reward_slice *slice, int64_t begin,
                                 double *values, double *columns);
double align__reward_dot(const struct align__reward_data *data, const struct align__reward_row *row,
                         const double *x);
void align__reward_add(const struct align__reward_data *data, const struct align__reward_row *row,
                       double factor, double *out);

/* How many rows a unit has, 0 for one without weight; its weight. */
int64_t align__reward_rows(const struct align__reward_data *data, int64_t unit);
double align__reward_weight(const struct align__reward_data *data, int64_t unit);
double align__reward_number(const align_tensor *t, int64_t i, double otherwise);

/* Where a feature of the unit is not finite: RANGE with its place. */
align_status align__reward_find_bad(const align_exec *exec, const struct align__reward_data *data,
                                    int64_t unit);

/* ---- fields.c ------------------------------------------------------------------------------ */

/* What a tensor of a call must be, and whether it is written or must be there. */
struct align__reward_field {
    const char *name;
    const align_tensor *tensor;
    int set;
    int32_t ndim;
    int64_t shape[2];
    bool output, needed;
};

enum { ALIGN__REWARD_FIELDS = 16 };

align_status align__reward_check_fields(const align_exec *exec, const char *owner,
                                        const char *reader, const struct align__reward_field *rows,
                                        int count);

/* An option that must be in a range, as a word says. */
struct align__reward_option {
    const char *name;
    double value;
    bool good;
    const char *word;
};

align_status align__reward_check_options(const align_exec *exec, const char *owner,
                                         const struct align__reward_option *rows, int count);

/* Writes one number to a tensor that may be absent. */
void align__reward_put(const align_tensor *t, int64_t i, int64_t j, double x);

/* Row offsets from 0 to the number of values, and columns below width. */
align_status align__reward_check_sparse(const align_exec *exec, const char *owner,
                                        const char *column_field, const char *offset_field,
                                        const align_tensor *values, const align_tensor *columns,
                                        const align_tensor *offsets, int64_t width);

/* ---- check.c ------------------------------------------------------------------------------- */

struct align__reward_call {
    align_exec exec;
    align_reward_args args;
    struct align__reward_data data;
};

/* Takes in the structs and checks shapes and options; and what the tensors hold, features apart; units
 * one by one, without asking for every grade. */
align_status align__reward_open(struct align__reward_call *call, const align_exec *exec,
                                const align_reward_args *args);
align_status align__reward_check(const align_exec *exec, const struct align__reward_data *data);
align_status align__reward_check_units(const align_exec *exec,
                                       const struct align__reward_data *data);

/* ---- model.c ------------------------------------------------------------------------------- */

/* What a pair adds to the objective: a value and derivatives in z and in up to two thresholds, numbers 1 and
 * 2 here. slot: which parameter each is, -1 for none; sign: threshold = sign * parameter. */
struct align__reward_bend {
    double value, d[3], h[3][3];
    int64_t slot[3];
    double sign[3];
};

/* Rates at which no factor of the likelihood may fall along a direction: smallest and largest. */
struct align__reward_growth {
    double worst, best;
};

enum {
    ALIGN__REWARD_PROB = 1,
    ALIGN__REWARD_GRADE = 2,
    ALIGN__REWARD_LIST = 4,
    ALIGN__REWARD_SOFT = 8, /* any prob, margins of two sides, smoothing */
    ALIGN__REWARD_SYMMETRY = 16
};

/* A row of the table of models. Lists have functions of their own. */
struct align__reward_model {
    const char *name; /* as the error texts name it */
    int reads;
    int64_t levels; /* grades; 0: as args->levels says, where GRADE is read */
    void (*bend)(const struct align__reward_data *data, int64_t unit, double z,
                 const double *thresholds, struct align__reward_bend *out);
    void (*grow)(const struct align__reward_data *data, int64_t unit, double rate,
                 const double *thresholds, struct align__reward_growth *growth);
};

const struct align__reward_model *align__reward_find_model(int32_t id); /* NULL: no such */

/* Thresholds that the args ask for, where they start, and the grade of a unit. */
int64_t align__reward_thresholds(const struct align__reward_data *data);
int64_t align__reward_grade(const struct align__reward_data *data, int64_t unit);
void align__reward_start(const struct align__reward_data *data, double *thresholds);

/* The k-th of levels - 1 thresholds from the learned ones, and which of them it is; -1: always 0. */
int64_t align__reward_parameter(const struct align__reward_data *data, int64_t k);
double align__reward_threshold(const struct align__reward_data *data, const double *learned,
                               int64_t k);

/* Which way the grade or prob of a pair points: 1, -1, or 0. */
double align__reward_side(const struct align__reward_data *data, int64_t unit);

/* ---- list.c -------------------------------------------------------------------------------- */

/* A list of n scores, best first, of which the first `stages` places count. Value and slopes; curvature
 * times u; curvature as a matrix [n, n], which is then factored to L, L L' = matrix. */
double align__reward_list_value(const double *scores, int64_t n, int64_t stages, double *slope);
void align__reward_list_multiply(const double *scores, int64_t n, int64_t stages, const double *u,
                                 double *out);
void align__reward_list_factor(const double *scores, int64_t n, int64_t stages, double *matrix);
void align__reward_list_grow(const double *rates, int64_t n, int64_t stages,
                             struct align__reward_growth *growth);
int64_t align__reward_stages(const struct align__reward_data *data, int64_t n);

/* ---- pass.c -------------------------------------------------------------------------------- */

/* What a pass at some parameters finds out. */
struct align__reward_pass {
    double value;                       /* sum of weighted losses */
    struct align__reward_growth growth; /* of the parameters as a direction */
    double right, judged; /* weights of pairs whose order is right, and of all with an order */
    int64_t bad;          /* first unit whose z is not finite, or -1 */
};

void align__reward_plan(struct align__reward_data *data);
size_t align__reward_data_bytes(const struct align__reward_data *data);
void align__reward_data_take(struct align__reward_data *data, struct align__arena *arena);

/* Value, slope [order] and scores, at x [order]. */
align_status align__reward_evaluate(const align_exec *exec, struct align__reward_data *data,
                                    const double *x, double *slope,
                                    struct align__reward_pass *pass);

/* Growth along x alone. */
align_status align__reward_grow(const align_exec *exec, struct align__reward_data *data,
                                const double *x, struct align__reward_pass *pass);

/* out = H x, H the curvature at the point `at` of the last evaluation. */
align_status align__reward_multiply(const align_exec *exec, struct align__reward_data *data,
                                    const double *at, const double *x, double *out);

/* ---- gram.c -------------------------------------------------------------------------------- */

/* Curvature as a matrix [order, order], the part with column >= row, from `sample` units spread evenly; in
 * f32 where it only guides. */
struct align__reward_gram {
    struct align__reward_data *data;
    int64_t sample;
    bool narrow;
    int64_t chunks;
    char *areas;
    size_t area_bytes;
};

void align__reward_gram_plan(struct align__reward_gram *gram, struct align__reward_data *data,
                             bool narrow);
size_t align__reward_gram_bytes(const struct align__reward_gram *gram);
align_status align__reward_gram_fill(const align_exec *exec, const struct align__reward_gram *gram,
                                     const double *at, double *matrix);

/* ---- newton.c, solve.c --------------------------------------------------------------------- */

struct align__reward_fit {
    struct align__reward_data *data;
    struct align__reward_gram gram;
    int64_t order;
    bool dense, guided; /* matrix exact; or a guide to conjugate gradients */
    double tolerance;
    int64_t max_iterations;
    double *l2, *center, *start;         /* [order] */
    double *coef, *trial, *slope, *step; /* [order] */
    double *work[5];                     /* [order] */
    double *matrix, *empty; /* [order, order]; rows of empty: directions without curvature */

    struct align__reward_pass pass; /* at coef */
    int64_t iterations, null_dimension, inner;
    double value, penalty, score_norm, decrement, last_step;
    bool converged, separated, stale;
};

double align__reward_product(const double *a, const double *b, int64_t n);
double align__reward_largest(const double *a, int64_t n);

bool align__reward_find_empty(const align_exec *exec, struct align__reward_fit *fit,
                              align_status *status);
bool align__reward_solve_dense(const align_exec *exec, struct align__reward_fit *fit,
                               align_status *status);
double align__reward_guess(struct align__reward_fit *fit);
align_status align__reward_solve_cg(const align_exec *exec, struct align__reward_fit *fit,
                                    double finest);

/* The inverse of the Hessian at the answer, in fit->matrix, symmetric. False when it has none. */
bool align__reward_covariance(const align_exec *exec, struct align__reward_fit *fit,
                              align_status *status);

size_t align__reward_fit_bytes(const struct align__reward_fit *fit);
void align__reward_fit_take(struct align__reward_fit *fit, struct align__arena *arena);
align_status align__reward_fit_run(const align_exec *exec, struct align__reward_fit *fit);

/* ---- reward.c ------------------------------------------------------------------------------ */

/* align_reward_fit, which also writes all parameters [order], but for NULL. */
align_status align__reward_fit_to(const align_exec *user_exec, align_reward_args *user_args,
                                  double *parameters);

#endif
