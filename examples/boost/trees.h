/* Trees boosted by XGBoost's C API, with its own rank:ndcg or with a loss of libalign. */
#ifndef BOOST_TREES_H
#define BOOST_TREES_H

#include "lists.h"

struct trees_options {
    const char *loss; /* a row over lists that writes hscore; NULL: XGBoost's rank:ndcg */
    const char
        *preset;   /* of the row, or NULL: LambdaRank for lipo_lambda, the paper's for others */
    double factor; /* on what the loss gives */
    int64_t rounds, seed;
    const char *rate, *depth, *sample; /* sample: the share of rows and columns that a tree sees */
};

/* Trains on one set of lists and scores another. Prints what is wrong. */
bool trees_boost(const struct trees_options *options, const struct lists *train,
                 const struct lists *test, float *score);

#endif
