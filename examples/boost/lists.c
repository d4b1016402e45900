#include "lists.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLACES = 10, COLUMNS = 10, NAME = 4096 };

/* ---- room ---- */

/* Makes room for one more than `used` elements. */
static bool grow(void *array, int64_t used, size_t bytes)
{
    void **at = array;
    if (used > 0 && (used & (used - 1)) != 0)
        return true;
    void *larger = realloc(*at, (size_t)(used > 0 ? 2 * used : 1) * bytes);
    if (larger == NULL)
        return false;
    *at = larger;
    return true;
}

static bool add_value(struct lists *l, int64_t *values, int32_t index, float value)
{
    if (!grow(&l->index, *values, sizeof *l->index) || !grow(&l->value, *values, sizeof *l->value))
        return false;
    l->index[*values] = index;
    l->value[(*values)++] = value;
    if (index >= l->columns)
        l->columns = index + 1;
    return true;
}

/* Ends a row: label and the number of values so far. */
static bool end_row(struct lists *l, int64_t values, float label)
{
    if (!grow(&l->label, l->rows, sizeof *l->label) ||
        !grow(&l->begin, l->rows + 1, sizeof *l->begin))
        return false;
    l->label[l->rows++] = label;
    l->begin[l->rows] = values;
    return true;
}

static bool end_list(struct lists *l, int64_t rows)
{
    if (!grow(&l->offsets, l->count + 1, sizeof *l->offsets))
        return false;
    l->offsets[++l->count] = rows;
    return true;
}

static bool begin(struct lists *l)
{
    if (l->begin != NULL)
        return true;
    l->offsets = calloc(1, sizeof *l->offsets);
    l->begin = calloc(1, sizeof *l->begin);
    return l->offsets != NULL && l->begin != NULL;
}

void lists_free(struct lists *l)
{
    free(l->offsets);
    free(l->label);
    free(l->begin);
    free(l->index);
    free(l->value);
    *l = (struct lists){0};
}

/* ---- files ---- */

static bool read_row(struct lists *l, const char *line, int64_t *values)
{
    char *at;
    float label = strtof(line, &at);
    bool good = at != line;
    while (good && *at != '\0' && *at != '\n') {
        char *next;
        long index = strtol(at, &next, 10);
        good = next != at && *next == ':' && index >= 0 && index < INT32_MAX;
        if (!good)
            break;
        float value = strtof(next + 1, &at);
        good = at != next + 1 && add_value(l, values, (int32_t)index, value);
        while (*at == ' ')
            at++;
    }
    return good && end_row(l, *values, label);
}

static bool read_rows(struct lists *l, FILE *file, const char *name)
{
    static char line[1 << 16];
    int64_t values = l->begin[l->rows];
    for (int64_t number = 1; fgets(line, sizeof line, file) != NULL; number++)
        if (!read_row(l, line, &values)) {
            fprintf(stderr, "%s:%lld: not 'label index:value ...'\n", name, (long long)number);
            return false;
        }
    return true;
}

static bool read_lengths(struct lists *l, FILE *file, const char *name)
{
    long long length;
    while (fscanf(file, "%lld", &length) == 1) {
        if (length < 1 || length > l->rows - l->offsets[l->count])
            break;
        if (!end_list(l, l->offsets[l->count] + length))
            return false;
    }
    if (l->offsets[l->count] == l->rows)
        return true;
    fprintf(stderr, "%s: lengths of lists do not add up to %lld rows\n", name, (long long)l->rows);
    return false;
}

static bool read_with(struct lists *l, const char *name,
                      bool (*reader)(struct lists *, FILE *, const char *))
{
    FILE *file = fopen(name, "r");
    if (file == NULL) {
        perror(name);
        return false;
    }
    bool good = reader(l, file, name);
    fclose(file);
    return good;
}

bool lists_read(struct lists *l, const char *file)
{
    char query[NAME];
    snprintf(query, sizeof query, "%s.query", file);
    return begin(l) && read_with(l, file, read_rows) && read_with(l, query, read_lengths);
}

/* ---- parts ---- */

bool lists_pick(struct lists *picked, const struct lists *from, int64_t folds, int64_t fold,
                bool others)
{
    int64_t values = 0;
    bool good = begin(picked);
    for (int64_t g = 0; good && g < from->count; g++) {
        if ((g % folds == fold) == others)
            continue;
        for (int64_t i = from->offsets[g]; good && i < from->offsets[g + 1]; i++) {
            for (int64_t k = from->begin[i]; good && k < from->begin[i + 1]; k++)
                good = add_value(picked, &values, from->index[k], from->value[k]);
            good = good && end_row(picked, values, from->label[i]);
        }
        good = good && end_list(picked, picked->rows);
    }
    return good;
}

/* ---- made up ---- */

static double uniform(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-53;
}

bool lists_make_up(struct lists *l, int64_t count, uint64_t seed)
{
    int64_t values = 0;
    bool good = begin(l);
    for (int64_t g = 0; good && g < count; g++) {
        int length = 5 + (int)(uniform(&seed) * 20);
        for (int i = 0; good && i < length; i++) {
            double x[COLUMNS], worth = 1.2 * (uniform(&seed) - 0.5);
            for (int k = 0; good && k < COLUMNS; k++) {
                x[k] = uniform(&seed);
                good = add_value(l, &values, k, (float)x[k]);
            }
            worth += 2 * x[0] + (x[1] > 0.5 ? x[2] : -x[2]) + sin(6 * x[3]);
            good = good && end_row(l, values, (float)fmax(0, fmin(4, floor(worth + 0.5))));
        }
        good = good && end_list(l, l->rows);
    }
    return good;
}

/* ---- NDCG ---- */

struct item {
    float score, label;
};

static int by_score(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

static int by_label(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return (x->label < y->label) - (x->label > y->label);
}

static double dcg(const struct item *items, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n && i < PLACES; i++)
        sum += (exp2((double)items[i].label) - 1) / log2((double)i + 2);
    return sum;
}

bool lists_ndcg(const struct lists *l, const float *score, double *ndcg)
{
    for (int64_t g = 0; g < l->count; g++) {
        int64_t first = l->offsets[g], n = l->offsets[g + 1] - first;
        struct item *items = calloc((size_t)n, sizeof *items);
        if (items == NULL)
            return false;
        for (int64_t i = 0; i < n; i++)
            items[i] = (struct item){score[first + i], l->label[first + i]};
        qsort(items, (size_t)n, sizeof *items, by_score);
        double got = dcg(items, n);
        qsort(items, (size_t)n, sizeof *items, by_label);
        double best = dcg(items, n);
        ndcg[g] = best > 0 ? got / best : 1;
        free(items);
    }
    return true;
}
