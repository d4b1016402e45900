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

bool print_text(const struct board *board, const struct votes *votes, int digits)
{
    int widest = 4;
    for (int64_t i = 0; i < board->count; i++) {
        int width = width_of(board->lines[i].item->name);
        widest = width > widest ? width : widest;
    }
    printf("rank  item%*s  %12s  %12s  %12s\n", widest - 4, "", "score", "lower", "upper");
    for (int64_t i = 0; i < board->count; i++) {
        const struct line *line = &board->lines[i];
        printf("%4lld  %s%*s  %12.*g  %12.*g  %12.*g\n", (long long)line->rank, line->item->name,
               widest - width_of(line->item->name), "", digits, line->score, digits, line->lower,
               digits, line->upper);
    }
    printf("\n%lld votes, %lld dropped as ties; intervals of 95 %%; log-likelihood %.*g after %lld "
           "Newton steps, largest score %.2g\n",
           (long long)votes->rows, (long long)votes->dropped, digits, board->fit.log_likelihood,
           (long long)board->fit.iterations, board->fit.score_norm);
    if (board->fit.ties != ALIGN_BT_TIES_HALF)
        printf("tie parameter %.*g\n", digits, board->fit.tie);
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

bool print_csv(const struct board *board, const struct votes *votes, int digits)
{
    (void)votes;
    printf("item,score,se,lower,upper,wins,losses,ties,rank\n");
    for (int64_t i = 0; i < board->count; i++) {
        const struct line *line = &board->lines[i];
        const double numbers[] = {line->score,     line->se,         line->lower,
                                  line->upper,     line->item->wins, line->item->losses,
                                  line->item->ties};
        print_cell(line->item->name);
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
            printf(",%.*g", digits, numbers[k]);
        printf(",%lld\n", (long long)line->rank);
    }
    return fflush(stdout) == 0;
}

bool print_json(const struct board *board, const struct votes *votes, int digits)
{
    json_t *items = json_array();
    for (int64_t i = 0; i < board->count; i++) {
        const struct line *line = &board->lines[i];
        json_t *row = json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "item",
                                line->item->name, "score", line->score, "se", line->se, "lower",
                                line->lower, "upper", line->upper, "wins", line->item->wins,
                                "losses", line->item->losses, "ties", line->item->ties, "rank",
                                (json_int_t)line->rank);
        if (row == NULL) {
            fprintf(stderr, "libalign-leaderboard: the name '%s' is not UTF-8\n", line->item->name);
            json_decref(items);
            return false;
        }
        json_array_append_new(items, row);
    }
    const align_bt_args *fit = &board->fit;
    json_t *root = json_pack("{s:o, s:I, s:I, s:f, s:f, s:I, s:f, s:f}", "items", items, "votes",
                             (json_int_t)votes->rows, "dropped", (json_int_t)votes->dropped,
                             "log_likelihood", fit->log_likelihood, "tie", fit->tie, "iterations",
                             (json_int_t)fit->iterations, "score_norm", fit->score_norm,
                             "decrement", fit->decrement);
    bool done = root != NULL &&
                json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION((size_t)digits)) == 0;
    putchar('\n');
    json_decref(root);
    return done && fflush(stdout) == 0;
}
