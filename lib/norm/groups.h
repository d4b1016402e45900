/* Normalisation within groups: the checks, one group's values, and one group's gradient. */
#ifndef ALIGN__NORM_GROUPS_H
#define ALIGN__NORM_GROUPS_H

#include "norm.h"
#include "../kernels/f32.h"

enum { ALIGN__GROUP_ON_STACK = 256 };

/* The args, taken in. */
struct align__groups {
    align_norm_groups_args args;
    align_norm_params params, then;
    struct align__run reward, mask, length, out, dreward;
    int64_t groups, models, largest;
    bool refuses; /* a reward that is not finite */
};

/* Takes the caller's args in, with everything that can be wrong but the rewards themselves. */
align_status align__groups_enter(const align_exec *exec, struct align__groups *g,
                                 const align_norm_groups_args *args);

/* Where group i begins and how many rewards it has. */
void align__groups_range(const struct align__groups *g, int64_t i, int64_t *first, int64_t *n);

/* Weight of a model. */
double align__groups_weight(const struct align__groups *g, int64_t model);

/* Position of a reward, for errors. */
void align__groups_index(const struct align__groups *g, int64_t at, struct align__fault *fault);

/* ---- one group -------------------------------------------------------------------------------- */

/* What a reward of a group is: the marks. */
enum { ALIGN__GROUP_MASKED = 0, ALIGN__GROUP_COUNTS = 1, ALIGN__GROUP_SPOILT = 2 };

/* The rewards of one group, in memory of the call's own. */
struct align__group {
    int64_t index, first, n;
    double *x, *mark, *y;
    double *g, *dx; /* gradient of y, of x */
    struct align__ranked *ranked;
};

/* What is known of a set of rewards; the mean is about `origin`, the first of them. */
struct align__set {
    int64_t count;
    double origin, mean, deviation, least, most;
};

/* What a group needs to know of the whole call. */
struct align__whole {
    struct align__set all; /* BATCH_SCALE */
    double nonzero;        /* NONZERO: rewards for each that is not 0 */
    double widen;          /* BATCH_SCALE: sum of dy/dx (x - mean) / D over all, for the gradient */
};

/* A group's formula: y = (x - origin - center) / divisor * factor; slope is d divisor / d spread. */
struct align__group_formula {
    int32_t answer;
    double origin, center, divisor, factor, spread, slope;
};

struct align__group_wrong {
    enum align__site site; /* NONE: nothing */
    int64_t at;
    double value, weight;
};

void align__group_describe(struct align__set *s, const struct align__group *b, double ddof);

/* The same of the group without its reward i. */
void align__group_describe_others(struct align__set *s, const struct align__group *b, int64_t i,
                                  double ddof);

bool align__group_is_few(const align_norm_params *p, const struct align__set *s,
                         const struct align__whole *whole);

struct align__group_formula align__group_formula(const struct align__groups *g,
                                                 const struct align__whole *whole,
                                                 const struct align__group *b,
                                                 const struct align__set *s);

/* The formula of reward i where each has a D of its own: LEAVE_OUT_ZSCORE. */
struct align__group_formula align__group_formula_of(const align_norm_params *p,
                                                    const struct align__group_formula *group,
                                                    const struct align__set *others);

/* y of a reward that counts, and its derivative with the formula held. */
double align__group_at(const align_norm_params *p, const struct align__group_formula *f, double x,
                       double *dy);

/* The greatest reward that counts and the next to it, the first of equal ones; -1 where there is none. */
void align__group_best(const struct align__group *b, int64_t *best, int64_t *next);

/* The reference of a group, 0 without one. */
double align__group_reference(const struct align__groups *g, int64_t group);

/* What of a group is refused. */
struct align__group_wrong align__group_wrong_of(const struct align__groups *g,
                                                const struct align__whole *whole,
                                                const struct align__group *b);

/* b->y of one group that is not refused. */
void align__group_values(const struct align__groups *g, const struct align__whole *whole,
                         const struct align__group *b);

/* The lines of eight groups of n rewards, all counted, from their sums: the same y as align__group_values. */
void align__group_lines(const struct align__groups *g, const struct align__whole *whole,
                        const struct align__f32_groups *sums, int64_t n,
                        struct align__f32_group_lines *lines);

/* b->dx of one group from b->g. */
void align__group_pull(const struct align__groups *g, const struct align__whole *whole,
                       const struct align__group *b);

#endif
