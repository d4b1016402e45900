#include "print.h"

#include <jansson.h>
#include <string.h>

/* Columns that a terminal shows for UTF-8, near enough: bytes that begin a character. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_board(const struct board *board, int digits, bool ranks,
                        const char *const *covariates)
{
    int widest = 4;
    for (int64_t i = 0; i < board->count; i++) {
        int width = width_of(board->lines[i].item);
        widest = width > widest ? width : widest;
    }
    printf("rank  item%*s  %12s  %12s  %12s%s\n", widest - 4, "", "score", "lower", "upper",
           ranks ? "  rank of 95 %   first" : "");
    for (int64_t i = 0; i < board->count; i++) {
        const struct line *line = &board->lines[i];
        printf("%4lld  %s%*s  %12.*g  %12.*g  %12.*g", (long long)line->rank, line->item,
               widest - width_of(line->item), "", digits, line->score, digits, line->lower, digits,
               line->upper);
        if (ranks)
            printf("  %5lld .. %-5lld %5.1f %%", (long long)line->rank_low,
                   (long long)line->rank_high, 100 * line->first);
        putchar('\n');
    }
    printf("\n%lld votes counted; intervals of 95 %%; log-likelihood %.*g after %lld Newton steps, "
           "largest score %.2g\n",
           (long long)board->votes, digits, board->fit.log_likelihood,
           (long long)board->fit.iterations, board->fit.score_norm);
    if (board->fit.ties != ALIGN_BT_TIES_HALF)
        printf("tie parameter %.*g\n", digits, board->fit.tie);
    if ((board->fit.flags & ALIGN_BT_HOME) != 0)
        printf("advantage of the left item %.*g (standard error %.*g), natural log units\n", digits,
               board->fit.home, digits, board->fit.home_se);
    for (int c = 0; c < board->n_covariates; c++)
        printf("coefficient of %s %.*g (standard error %.*g), natural log units\n", covariates[c],
               digits, board->coefficient[c], digits, board->coefficient_se[c]);
}

bool print_text(const struct boards *boards)
{
    const struct votes *votes = boards->votes;
    for (int32_t k = 0; k < boards->count; k++) {
        const struct board *board = &boards->board[k];
        if (boards->by_category)
            printf("%s== %s ==\n\n", k == 0 ? "" : "\n",
                   board->category == NULL ? "overall" : board->category);
        if (board->lines != NULL)
            print_board(board, boards->digits, boards->ranks, boards->covariates);
        else if (boards->by_category)
            printf("no board: %s\n", board->why);
    }
    if (boards->board[0].lines != NULL || boards->by_category)
        printf("%lld votes read, %lld filtered out, %lld duplicates, %lld dropped as ties\n",
               (long long)votes->rows, (long long)votes->filtered, (long long)votes->duplicates,
               (long long)votes->dropped);
    return fflush(stdout) == 0;
}

static void print_cell(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

bool print_csv(const struct boards *boards)
{
    bool any = false;
    for (int32_t k = 0; k < boards->count; k++)
        any = any || boards->board[k].lines != NULL;
    if (any)
        printf("%sitem,score,se,lower,upper,wins,losses,ties,rank%s\n",
               boards->by_category ? "category," : "",
               boards->ranks ? ",rank_low,rank_high,first" : "");
    for (int32_t k = 0; k < boards->count; k++)
        for (int64_t i = 0; i < boards->board[k].count; i++) {
            const struct board *board = &boards->board[k];
            const struct line *line = &board->lines[i];
            const struct record *r = line->record;
            const double numbers[] = {line->score, line->se,  line->lower, line->upper,
                                      r->wins,     r->losses, r->ties};
            if (boards->by_category) {
                print_cell(board->category == NULL ? "" : board->category);
                putchar(',');
            }
            print_cell(line->item);
            for (size_t j = 0; j < sizeof numbers / sizeof numbers[0]; j++)
                printf(",%.*g", boards->digits, numbers[j]);
            printf(",%lld", (long long)line->rank);
            if (boards->ranks)
                printf(",%lld,%lld,%.*g", (long long)line->rank_low, (long long)line->rank_high,
                       boards->digits, line->first);
            putchar('\n');
        }
    return fflush(stdout) == 0;
}

static json_t *json_of_line(const struct line *line, bool ranks)
{
    json_t *item = json_pack(
        "{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "item", line->item, "score", line->score,
        "se", line->se, "lower", line->lower, "upper", line->upper, "wins", line->record->wins,
        "losses", line->record->losses, "ties", line->record->ties, "rank", (json_int_t)line->rank);
    if (!ranks)
        return item;
    json_object_set_new(item, "rank_low", json_integer(line->rank_low));
    json_object_set_new(item, "rank_high", json_integer(line->rank_high));
    json_object_set_new(item, "first", json_real(line->first));
    return item;
}

static json_t *json_of_number(bool known, double value, double se)
{
    return known ? json_pack("{s:f, s:o}", "value", value, "se",
                             se == se ? json_real(se) : json_null())
                 : json_null();
}

static json_t *json_of_board(const struct board *board, bool ranks, const char *const *covariates)
{
    const align_bt_args *fit = &board->fit;
    json_t *items = json_array();
    if (board->lines == NULL) {
        json_decref(items);
        return json_pack("{s:s?, s:I, s:s}", "category", board->category, "votes",
                         (json_int_t)board->votes, "error", board->why);
    }
    for (int64_t i = 0; i < board->count; i++)
        json_array_append_new(items, json_of_line(&board->lines[i], ranks));
    json_t *tie = fit->ties == ALIGN_BT_TIES_HALF ? json_null() : json_real(fit->tie);
    json_t *home = json_of_number((fit->flags & ALIGN_BT_HOME) != 0, fit->home, fit->home_se);
    json_t *coefficients = json_object();
    for (int c = 0; c < board->n_covariates; c++)
        json_object_set_new(coefficients, covariates[c],
                            json_of_number(true, board->coefficient[c], board->coefficient_se[c]));
    return json_pack("{s:s?, s:I, s:o, s:f, s:f, s:o, s:o, s:o, s:I, s:f, s:f}", "category",
                     board->category, "votes", (json_int_t)board->votes, "items", items,
                     "log_likelihood", fit->log_likelihood, "deviance", fit->deviance, "tie", tie,
                     "home", home, "coefficients", coefficients, "iterations",
                     (json_int_t)fit->iterations, "score_norm", fit->score_norm, "decrement",
                     fit->decrement);
}

bool print_json(const struct boards *boards)
{
    const struct votes *votes = boards->votes;
    json_t *list = json_array();
    bool any = false;
    for (int32_t k = 0; k < boards->count; k++) {
        any = any || boards->board[k].lines != NULL;
        json_array_append_new(list,
                              json_of_board(&boards->board[k], boards->ranks, boards->covariates));
    }
    json_t *root = json_pack("{s:i, s:I, s:I, s:I, s:I, s:o}", "version", 1, "rows",
                             (json_int_t)votes->rows, "filtered", (json_int_t)votes->filtered,
                             "duplicates", (json_int_t)votes->duplicates, "dropped",
                             (json_int_t)votes->dropped, "boards", list);
    size_t precision = (size_t)boards->digits;
    bool done = root != NULL;
    if (any && done) {
        done = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(precision)) == 0;
        putchar('\n');
    }
    json_decref(root);
    return done && fflush(stdout) == 0;
}
