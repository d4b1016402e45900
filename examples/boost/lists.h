/* Ranked lists with sparse features: from files in the layout of LightGBM's ranking example, or made up. */
#ifndef BOOST_LISTS_H
#define BOOST_LISTS_H

#include <stdbool.h>
#include <stdint.h>

/* Rows of all lists one after another, in compressed rows; list g has rows offsets[g] .. offsets[g + 1] - 1. */
struct lists {
    int64_t count, rows, columns;
    int64_t *offsets; /* [count + 1] */
    float *label;     /* [rows] */
    int64_t *begin;   /* [rows + 1], into index and value */
    int32_t *index;
    float *value;
};

/* Adds FILE (libsvm lines, "label index:value ...") and FILE.query (the length of a list a line) to what there is, at
 * first nothing: {0}. Prints what is wrong. */
bool lists_read(struct lists *lists, const char *file);

/* Lists whose labels 0..4 depend on features 0..3 of 10, with noise. */
bool lists_make_up(struct lists *lists, int64_t count, uint64_t seed);

/* Every list whose number leaves `fold` when divided by `folds`, or all others. */
bool lists_pick(struct lists *picked, const struct lists *from, int64_t folds, int64_t fold,
                bool others);

/* NDCG at 10 of each list, [count], with gain 2^label - 1; a list without gains counts 1, as with XGBoost. */
bool lists_ndcg(const struct lists *lists, const float *score, double *ndcg);

void lists_free(struct lists *lists);

#endif
