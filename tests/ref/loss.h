/* Losses written a second time, straight from their formulas: one group, one value, in 113 bits, so that
 * nothing needs a stable form and differences of 1e-12 still give 18 digits of a derivative. */
#ifndef TESTS_REF_LOSS_H
#define TESTS_REF_LOSS_H

#include <libalign/align.h>

#include <stdbool.h>

#if defined(__x86_64__) || defined(__i386__)
typedef __float128 real;
real expq(real), logq(real), fabsq(real), sqrtq(real), powq(real, real), floorq(real);
#    define r_exp  expq
#    define r_log  logq
#    define r_abs  fabsq
#    define r_sqrt sqrtq
#    define r_pow  powq
#else
#    include <math.h>
typedef long double real;
#    define r_exp  expl
#    define r_log  logl
#    define r_abs  fabsl
#    define r_sqrt sqrtl
#    define r_pow  powl
#endif

enum { REF_ITEMS = 128 };

struct ref_group {
    int n;
    const align_loss_params *p;
    real score[REF_ITEMS], ref[REF_ITEMS], old[REF_ITEMS], count[REF_ITEMS], aux[REF_ITEMS];
    real label[REF_ITEMS];
    real prob, offset;
    real worth[REF_ITEMS]; /* the scores of log-ratios under the divergence; made by ref_value */
    const struct ref_group *still; /* the group itself, where formulas stop gradients */
    real largest;                  /* out: the largest term that was added up */
    real steepest;                 /* out: the largest term of a derivative, where terms cancel */
};

typedef real (*ref_loss_fn)(struct ref_group *g);

/* The reference of a row, or NULL; and what it says of a group. */
ref_loss_fn ref_loss_find(const char *name);
real ref_value(ref_loss_fn fn, struct ref_group *g);

/* By how much the worth of item i moves with its score. */
real ref_worth_slope(const struct ref_group *g, int i);

/* For the files of the references. */
struct ref_row {
    const char *name;
    ref_loss_fn fn;
};
extern const struct ref_row ref_pairs[], ref_singles[], ref_lists[];

static inline real ref_note(struct ref_group *g, real term)
{
    if (r_abs(term) > g->largest)
        g->largest = r_abs(term);
    return term;
}

static inline real ref_sigmoid(real x)
{
    return 1 / (1 + r_exp(-x));
}

/* log(1 + x), also where x is lost beside 1: the rounding of 1 + x is taken back (Kahan). */
static inline real ref_log1p(real x)
{
    const real y = 1 + x;
    return y == 1 ? x : r_log(y) * x / (y - 1);
}

/* log(1 + sum of e^x). */
static inline real ref_log1p_sum(const real *x, int n)
{
    real top = 0, sum = 0;
    for (int i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (int i = 0; i < n; i++)
        sum += r_exp(x[i] - top);
    return top == 0 ? ref_log1p(sum) : top + r_log(r_exp(-top) + sum);
}

/* -log sigmoid(x), where the exponential still fits 113 bits' exponents. */
static inline real ref_nls(real x)
{
    return x < -80 ? -x + r_exp(x) : ref_log1p(r_exp(-x));
}

static inline real ref_max(real x, real y)
{
    return x > y ? x : y;
}

/* Log-ratio of item i. */
static inline real ref_ratio(const struct ref_group *g, int i)
{
    return g->score[i] - g->ref[i];
}

/* What the row makes of it: f'(e^u) - f'(1). */
static inline real ref_worth(const struct ref_group *g, int i)
{
    return g->worth[i];
}

#endif
