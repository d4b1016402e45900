/* How two rankers compare on the same lists, each trained with several seeds. */
#ifndef BOOST_COMPARE_H
#define BOOST_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

/* Means over the lists: over all seeds, of the worst and of the best. */
struct spread {
    double mean, least, most;
};

/* NDCG of each list, summed over seeds, and of each seed, summed over lists. */
struct tally {
    int64_t lists, seeds;
    double *list; /* [lists] */
    double *seed; /* [seeds] */
};

bool tally_make(struct tally *tally, int64_t lists, int64_t seeds);
void tally_free(struct tally *tally);

/* Adds what a seed gave to n lists from `first` on. */
void tally_add(struct tally *tally, int64_t seed, int64_t first, int64_t n, const double *ndcg);

struct spread tally_spread(const struct tally *tally);

/* The middle 95 % of the difference of means, a less b, over 10,000 draws of as many lists with replacement. */
bool tally_interval(const struct tally *a, const struct tally *b, double interval[2]);

#endif
