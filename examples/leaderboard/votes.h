/* From rows of a table to the tallies of all boards: overall and one for each category. */
#ifndef LEADERBOARD_VOTES_H
#define LEADERBOARD_VOTES_H

#include "names.h"
#include "seen.h"
#include "table.h"
#include "tally.h"

enum { VOTES_CONDITIONS = 16, VOTES_UNIQUE = 16 };

/* --where COLUMN=VALUE or COLUMN!=VALUE */
struct condition {
    const char *column, *value;
    bool differs;
};

struct votes_options {
    const char *left, *right, *winner;   /* columns */
    const char *weight, *by, *annotator; /* columns, or NULL for none */
    const char *covariate[TALLY_COVARIATES];
    int n_covariates;
    struct condition where[VOTES_CONDITIONS];
    const char *unique[VOTES_UNIQUE]; /* votes that are equal in all of these count once */
    int n_where, n_unique;
    bool drop_ties, drop_both_bad;
    bool progress; /* told on stderr */
};

struct votes {
    struct names items, categories, annotators;
    struct tally *overall, **category; /* one for each of categories */
    int64_t rows;                      /* read, and of these: */
    int64_t filtered, duplicates, dropped;
    struct seen seen;
};

struct votes *votes_new(void);

/* Reads a whole stream. False after a message on stderr. */
bool votes_read(struct votes *votes, FILE *file, const char *name, enum table_format format,
                const struct votes_options *options);

/* The tally of a category, made where there is none. */
struct tally *votes_category(struct votes *votes, const char *name);

void votes_free(struct votes *votes);

#endif
