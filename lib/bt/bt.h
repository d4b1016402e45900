/* Inside Bradley-Terry: the table of counts, the graph of comparisons, the Newton core. */
#ifndef ALIGN__BT_H
#define ALIGN__BT_H

#include "../base/exec.h"
#include "../base/tensor.h"

#include "../kernels/f64.h"

#include <libalign/bt.h>

/* ---- table.c: rows summed by ordered pair and outcome ------------------------------------- */

/* An unsigned number with 96 bits before and 96 after the point, so that sums of rounded rows are
 * exact and do not depend on order. */
struct align__wide {
    uint64_t part[3];
};

enum { ALIGN__BT_WIN, ALIGN__BT_TIE, ALIGN__BT_LOSS, ALIGN__BT_OUTCOMES };
enum { ALIGN__BT_CROSS = ALIGN__BT_OUTCOMES, ALIGN__BT_SQUARES }; /* win times loss of soft rows */

/* What rows other than "weight 1, outcome 1, 0.5 or 0" add up to in one cell. */
struct align__bt_sums {
    struct align__wide sum[ALIGN__BT_OUTCOMES], square[ALIGN__BT_SQUARES];
};

/* Cells by (first, second): all n * n of them in order, or open addressing when that is smaller. */
struct align__bt_table {
    int64_t n_items, cells, used, most, rows;
    uint64_t *key; /* NULL when dense; else 1 + first * n_items + second, 0 in a free cell */
    uint64_t *unit[ALIGN__BT_OUTCOMES]; /* only wins where there are no sums */
    struct align__bt_sums *sums;        /* NULL: every row has weight 1 and outcome 1 */
};

size_t align__bt_table_bytes(int64_t n_items, int64_t pairs, bool weighted);

/* The table that lies in this memory; `clear` makes it an empty one. */
void align__bt_table_lay(struct align__bt_table *table, void *memory, size_t bytes, int64_t n_items,
                         bool weighted, bool clear);

/* Both read the rows in blocks. The first finds what is wrong with them; the second adds all that a table has
 * room for, writes how many those are, and takes them back when a row is wrong. */
align_status align__bt_check_rows(const align_exec *exec, const align_bt_rows *rows,
                                  int64_t n_items);
align_status align__bt_add_rows(const align_exec *exec, struct align__bt_table *table,
                                const align_bt_rows *rows, int64_t *taken);

/* Fills an empty table, which has room for all, in tasks of exec->parallel, as many as find room in the arena
 * for a table of their own. With a wrong row the table is lost. */
int64_t align__bt_most_shares(const align_exec *exec, int64_t rows);
align_status align__bt_share_rows(const align_exec *exec, struct align__bt_table *table,
                                  const align_bt_rows *rows, struct align__arena arena);

/* Adds all of another table of the same kind. False when there is no room: what the table says is the same. */
bool align__bt_add_table(struct align__bt_table *table, const struct align__bt_table *other);

/* 1 more than the largest item that the table has met. */
int64_t align__bt_table_items(const struct align__bt_table *table);

/* What a cell holds, by outcome; without squares for NULL. */
void align__bt_read_cell(const struct align__bt_table *table, int64_t cell, double *sum,
                         double *square);

/* ---- edges.c ------------------------------------------------------------------------------ */

/* Everything between i and j, seen from i. */
struct align__bt_edge {
    int32_t i, j;
    double sum[ALIGN__BT_OUTCOMES];
};

/* What align__bt_edges works with: `order` holds two numbers for each pair and `begin` n_items + 1,
 * both unused by a dense table. */
struct align__bt_edge_list {
    int64_t n_items; /* those of the fit, of which the table may know more */
    bool ordered;    /* (i, j) and (j, i) are two edges; else i < j */
    struct align__bt_edge *edges;
    double (*squares)[ALIGN__BT_SQUARES]; /* of each edge, like sum; or NULL */
    uint32_t *order;
    int64_t *begin;
    int64_t count;
};

/* Fills the list from a table in order of i and j, without edges of weight 0. */
void align__bt_list_edges(struct align__bt_edge_list *list, const struct align__bt_table *table);

/* ---- counts.c: structure of rows and counts ------------------------------------------------ */

/* A copy of the caller's rows with all checked that can be without reading them. */
align_status align__bt_import_rows(const align_exec *exec, align_bt_rows *rows,
                                   const align_bt_rows *user, const char *reader);

/* Counts as init wrote them, and the table that they point to. */
align_status align__bt_import_counts(const align_exec *exec, struct align__bt_table *table,
                                     const align_bt_counts *counts);

/* Writes what the table now holds to the caller's struct. */
void align__bt_publish(align_bt_counts *counts, const struct align__bt_table *table);

/* ---- graph.c ------------------------------------------------------------------------------ */

/* Items by component and by strongly connected part, as align_bt_args describes them. */
struct align__bt_graph {
    int64_t n, components, parts;
    int32_t *component, *part; /* [n] */
    int32_t *size;             /* [parts] */
    int32_t *loose;            /* [parts]: 1 where nothing gives the strengths a level */
    int64_t *begin;            /* [n + 1], inside */
    int32_t *target;           /* [2 * edges], inside */
    int64_t *next;             /* [n], inside */
    int32_t *work[4];          /* [n], inside */
};

size_t align__bt_graph_bytes(int64_t n, int64_t edges);
void align__bt_graph_take(struct align__bt_graph *graph, struct align__arena *arena, int64_t n,
                          int64_t edges);

/* With `both`, each edge counts as points in both directions. */
void align__bt_graph_find(struct align__bt_graph *graph, const struct align__bt_edge *edges,
                          int64_t count, bool both);

/* ---- exist.c ------------------------------------------------------------------------------ */

struct align__bt_exist {
    int64_t n, count;
    const struct align__bt_edge *edges;
    bool both, pinned; /* points in both directions on each edge; strengths that cannot move */
    bool home, tie;    /* which parameters there are */
    int32_t fixed;     /* one of the items whose strength is given; -1: none is */
    const bool *frozen;
    int64_t *height, *parent, *seen; /* [n], inside */
};

size_t align__bt_exist_bytes(int64_t n);
void align__bt_exist_take(struct align__bt_exist *exist, struct align__arena *arena, int64_t n);
bool align__bt_is_bounded(const struct align__bt_exist *exist);

/* ---- model.c ------------------------------------------------------------------------------ */

struct align__bt_terms {
    double value, d, u, dd, du, uu;
};
typedef struct align__bt_terms (*align__bt_kernel)(double d, double u, const double *sum);

/* A kernel on n edges at once, with all its results in arrays. */
enum { ALIGN__BT_BLOCK = 128 };
struct align__bt_batch {
    int64_t n; /* up to ALIGN__BT_BLOCK */
    double u;
    const double *d, *sum[ALIGN__BT_OUTCOMES];
    double *value, *slope, *by_tie, *curvature[3];
};

struct align__bt_model {
    align__bt_kernel kernel;
    void (*batch)(const struct align__f64 *f64, int32_t ties, const struct align__bt_batch *batch);
    double (*start)(double share); /* of the tie parameter; NULL: there is none */
};
extern const struct align__bt_model align__bt_models[]; /* by ALIGN_BT_TIES_... */

struct align__bt_prior {
    int32_t kind;
    double mean, precision, shape, rate, games;
    double coefficient, bias, reliability; /* precisions of those parameters */
};
typedef struct align__bt_terms (*align__bt_prior_fn)(const struct align__bt_prior *prior,
                                                     double theta);
extern const align__bt_prior_fn align__bt_priors[]; /* by ALIGN_BT_PRIOR_...; NULL: not on items */

/* ---- newton.c ----------------------------------------------------------------------------- */

/* Parameters: strengths [n], ties [tie_count], home, bias and reliability [judges each], and last
 * coefficients [coefs]. The places of those that are absent are -1. */
struct align__bt_fit {
    int64_t n, size;
    int64_t tie, tie_count, home, bias, reliability, judges, coef, coefs;
    int32_t ties;
    struct align__bt_prior prior;
    int64_t edge_count;
    const struct align__bt_edge *edges;      /* both ends in one part */
    const int32_t *judge;                    /* [edges]; NULL: one */
    const double *z;                         /* [edges, coefs] */
    const struct align__bt_rankings *ranked; /* NULL: none */
    const struct align__bt_graph *graph;
    const bool *frozen; /* [size]: parameters that stay where they start; NULL: none */
    bool dense, exact;  /* exact: the Hessian, not only its part that is never negative */
    const struct align__f64 *f64;
    const align_exec *exec; /* of tasks */
    bool bare;              /* no certificate: a refit */
    bool watched;           /* look for directions in which the likelihood has no maximum */
    double tolerance;
    int64_t max_iterations;

    double *x, *trial, *score, *step; /* [size] */
    /* [edges]: by d twice, by d and u, by u twice; the slope by d, for reliability. Without ties the first alone. */
    double *curvature[4];
    double *won, *lost; /* [edges], without ties: points of i and of j, with those of the prior */
    int32_t *side[2];   /* [edges], without ties: i and j */
    double *slope;      /* [edges]: by d; NULL where there is one task and no reliability */
    struct align__bt_partial {
        double value, by_tie;
    } * partial;              /* [tasks] */
    int64_t shares;           /* of rankings, for tasks */
    size_t stage;             /* doubles that a stage of a ranking works with */
    double *share;            /* [shares]: score, value, stage */
    double *matrix;           /* [size, size], dense */
    double *work[4], *triple; /* [size], [3 * size] */

    int64_t iterations;
    double value, score_norm, decrement, last_step, norm, condition;
    double drift; /* how far x is from where the factor at hand was made */
    bool valued;  /* `value` is that of x, and not of a point before */
    double gauge; /* what the last factor added to the shift of each part that has no level */
    bool converged, receding;
    align_status status; /* of the tasks of the last evaluation */
};

/* Both look at n, size, tie, reliability, dense, shares and stage; bytes are enough with ties and without. */
size_t align__bt_fit_bytes(const struct align__bt_fit *fit, int64_t edges);
void align__bt_fit_take(struct align__bt_fit *fit, struct align__arena *arena, int64_t edges);

/* Writes x. The run goes from there to convergence, to max_iterations, or until no step helps: NONE.
 * CANCELLED by the hook. */
void align__bt_start(struct align__bt_fit *fit);
align_status align__bt_fit_run(const align_exec *exec, struct align__bt_fit *fit);
double align__bt_log_likelihood(const struct align__bt_fit *fit);

/* The precision of a parameter that is no strength. */
double align__bt_ridge(const struct align__bt_fit *fit, int64_t place);

/* Stops a run between steps. */
align_status align__bt_poll(const align_exec *exec, int64_t iterations);

/* From x, however it was found: score, decrement, condition; strengths are centred. */
void align__bt_certify(struct align__bt_fit *fit);

/* ---- evaluate.c --------------------------------------------------------------------------- */

/* Minus the log-likelihood and the log-prior at x; fills score, curvatures and status. */
double align__bt_evaluate(struct align__bt_fit *fit, const double *x);

/* The same; without `valued` what is returned may be anything. */
double align__bt_differentiate(struct align__bt_fit *fit, const double *x, bool valued);

/* Fills in won, lost and side when edges are new. */
void align__bt_read_edges(struct align__bt_fit *fit);

/* How many tasks edges make; into how many shares rankings with so many entries go; what these need. */
int64_t align__bt_edge_tasks(int64_t edges);
int64_t align__bt_rank_shares(int64_t entries);
size_t align__bt_share_doubles(const struct align__bt_fit *fit);

/* ---- sweeps.c: the fixed-point methods that people compare with ---------------------------- */

size_t align__bt_sweeps_bytes(int64_t n, int64_t edges);
align_status align__bt_sweep(const align_exec *exec, struct align__bt_fit *fit, int32_t solver,
                             struct align__arena *arena);

/* ---- matrix.c ----------------------------------------------------------------------------- */

/* Adds the products of the slopes of every edge, weighed by coefficients like curvature. Of the
 * symmetric matrix the part with column >= row is kept: LAPACK's lower triangle. */
void align__bt_assemble(const struct align__bt_fit *fit, double *const coefficient[4],
                        double *matrix);
bool align__bt_factor(struct align__bt_fit *fit);
void align__bt_solve_dense(struct align__bt_fit *fit);

/* The inverse of the information, whole, without what the gauge added. */
bool align__bt_invert(struct align__bt_fit *fit);

/* The place of a parameter that the others make superfluous, at the point evaluated last; -1: none. */
int64_t align__bt_superfluous(struct align__bt_fit *fit);
double align__bt_condition(const struct align__bt_fit *fit);

/* ---- sparse.c ----------------------------------------------------------------------------- */

void align__bt_solve_sparse(struct align__bt_fit *fit, double relative);

/* Takes the mean of the strengths of each part without a level away. `sum` holds [n]. */
void align__bt_centre(const struct align__bt_fit *fit, double *x, double *sum);

/* ---- firth.c ------------------------------------------------------------------------------ */

/* Adds the slope of Jeffreys' prior to the score; returns its part of the value. */
double align__bt_firth(struct align__bt_fit *fit, const double *x);

/* ---- rankings.c, stage.c ------------------------------------------------------------------- */

/* Rankings as sequences of choices. Items lie in the order of places; group[k] is the number of items
 * that are tied from k on where a group begins, 0 inside it, -1 for items behind all places. */
struct align__bt_rankings {
    int64_t count, total, longest; /* rankings, entries, entries of the longest */
    int64_t orders, most;          /* how many sizes of ties there are; the largest */
    int64_t *begin;                /* [total + 1] */
    int32_t *item, *group;         /* [total] */
    double *weight, *square;       /* [total], by ranking: sums of weights and of their squares */
    int64_t *source;               /* [total], by ranking: its row */
    int32_t *order;                /* [longest + 1]: sizes of ties, rising; order[0] is 1 */
    double *work;                  /* inside */
};

size_t align__bt_rankings_bytes(int64_t total, int64_t longest);
void align__bt_rankings_take(struct align__bt_rankings *ranked, struct align__arena *arena,
                             int64_t total, int64_t longest);

/* A copy of the caller's rankings with all checked that can be without reading them, but for offsets. */
align_status align__bt_import_rankings(const align_exec *exec, align_bt_rankings *rows,
                                       const align_bt_rankings *user, const char *reader,
                                       bool clusters, int64_t *longest);

/* The rest of the checks: what every row and entry holds. */
align_status align__bt_check_rankings(const align_exec *exec, const align_bt_rankings *rows,
                                      int64_t n_items, int64_t n_clusters);

struct align__bt_ranking {
    int64_t begin, end;
    double weight;
};

struct align__bt_ranking align__bt_ranking_of(const align_bt_rankings *rows, int64_t r);

/* The items of a ranking in the order of places, and of numbers where they share one or are behind all; a bit
 * marks each that shares the place of the one before. Returns how many have a place. What says the same is
 * the same. */
#define ALIGN__BT_TIED (UINT32_C(1) << 31)
int64_t align__bt_settle(const align_bt_rankings *rows, struct align__bt_ranking row,
                         uint32_t *out);

/* Rankings, one after another, and all rows of positive weight at once. */
void align__bt_rankings_begin(struct align__bt_rankings *ranked);
void align__bt_rankings_add(struct align__bt_rankings *ranked, const uint32_t *settled,
                            int64_t count, int64_t placed, double weight, double square);
void align__bt_rankings_load(struct align__bt_rankings *ranked, const align_bt_rankings *rows);

/* How many rows of equal weight a ranking is worth: 1 for one row. */
static inline double align__bt_rank_rows(const struct align__bt_rankings *ranked, int64_t r)
{
    double weight = ranked->weight[r], square = ranked->square[r];
    return square > 0 ? weight * weight / square : 1;
}

/* Links that connect what the rankings connect, one fewer than entries at most. */
int64_t align__bt_rankings_links(const struct align__bt_rankings *ranked,
                                 struct align__bt_edge *edges);

/* Breaks rankings up into those inside parts, in memory of its own. */
void align__bt_rankings_split(const struct align__bt_rankings *ranked,
                              struct align__bt_rankings *out, const int32_t *part);

/* Adds value and score (of one ranking), or the Hessian of all. */
double align__bt_rank_value(const struct align__bt_fit *fit, int64_t ranking, const double *x,
                            double *score);
void align__bt_rank_hessian(const struct align__bt_fit *fit, const double *x, double *matrix);
size_t align__bt_stage_doubles(int64_t longest, int64_t most);

/* ---- ballots.c ---------------------------------------------------------------------------- */

/* Ballots as init wrote them; how many items they have met; and all of them, in their own order. */
align_status align__bt_import_ballots(const align_exec *exec, align_bt_ballots *local,
                                      const align_bt_ballots *user);
int64_t align__bt_ballots_items(const align_bt_ballots *ballots);
void align__bt_rankings_take_ballots(struct align__bt_rankings *ranked,
                                     const align_bt_ballots *ballots);

/* ---- recede.c ----------------------------------------------------------------------------- */

/* Whether going along sign * v for ever lowers no factor of the likelihood or prior, and raises some. */
bool align__bt_recedes(const struct align__bt_fit *fit, const double *v, double sign);

/* For rankings: by how much the choice of each stage is worth more than the best other one, along v: the
 * least and the largest of all. */
void align__bt_rank_leads(const struct align__bt_fit *fit, const double *v, double sign,
                          double *least, double *most);

/* ---- variance.c --------------------------------------------------------------------------- */

struct align__bt_variance {
    int32_t kind;
    int64_t rows;                               /* for centring */
    const double (*squares)[ALIGN__BT_SQUARES]; /* of the edges, for SANDWICH */
    double *covariance, *meat;                  /* [size, size]; meat but for FISHER */
};

size_t align__bt_variance_bytes(const struct align__bt_fit *fit, bool sandwich);
void align__bt_variance_take(struct align__bt_variance *variance, struct align__arena *arena,
                             const struct align__bt_fit *fit, bool sandwich);

/* Products of scores summed over rows, or over rankings, and the sum of all scores. */
void align__bt_fill_meat(struct align__bt_variance *variance, struct align__bt_fit *fit,
                         double *total);

/* Adds the outer product of a score, of which most is 0, to the upper half. `places` holds [size]. */
void align__bt_add_outer(const double *score, int64_t size, double *matrix, double *places);

/* Of a dense fit that has run: the whole covariance of the parameters, symmetric; the fit's matrix is lost.
 * The meat is there already but for FISHER. False when the information has no inverse in f64. */
bool align__bt_variance_find(struct align__bt_variance *variance, struct align__bt_fit *fit);

/* Differences from item k: V_ij - V_ik - V_kj + V_kk, over the first n. */
void align__bt_variance_anchor(const struct align__bt_variance *variance,
                               const struct align__bt_fit *fit, int64_t k, double *column);

#endif
