/* Prints the loss table for docs/losses.md, or the points of a row's picture.
 *
 *     losses page           the page between its marks
 *     losses names          name of every row, a line each
 *     losses plot NAME      margin, value and gradient by the first score, with beta 1 */
#include "loss/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const arities[] = {
    [ALIGN_LOSS_LIST] = "list", [ALIGN_LOSS_SINGLE] = "single", [ALIGN_LOSS_PAIR] = "pair"};

static const struct {
    uint32_t bit;
    const char *name;
} fields[] = {
    {ALIGN_LOSS_READS_REF, "ref"},        {ALIGN_LOSS_READS_OLD, "old"},
    {ALIGN_LOSS_READS_COUNT, "count"},    {ALIGN_LOSS_READS_AUX, "aux"},
    {ALIGN_LOSS_READS_LABEL, "label"},    {ALIGN_LOSS_READS_PROB, "prob"},
    {ALIGN_LOSS_READS_OFFSET, "offset"},  {ALIGN_LOSS_READS_RANK, "rank"},
    {ALIGN_LOSS_WRITES_DAUX, "daux"},     {ALIGN_LOSS_WRITES_DPARAM, "dparam"},
    {ALIGN_LOSS_WRITES_HSCORE, "hscore"},
};

static void print_fields(uint32_t bits, const char *none)
{
    const char *comma = "";
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if ((bits & fields[i].bit) != 0) {
            printf("%s`%s`", comma, fields[i].name);
            comma = ", ";
        }
    printf("%s", *comma == '\0' ? none : "");
}

/* A number of a range, in the words that the range means. */
static void print_end(double x, bool least)
{
    if (least && x == ALIGN__ABOVE_0)
        printf("above 0");
    else if (!least && x == ALIGN__BELOW_HALF)
        printf("below 0.5");
    else if (x == ALIGN__ANY || x == INT32_MAX)
        printf("any");
    else if (x == -ALIGN__ANY)
        printf("any");
    else
        printf("%.10g", x);
}

static void print_param(const align_param_info *p)
{
    printf("| `%s` | ", p->name);
    if (p->n_choices > 0) {
        printf("%s | ", p->choices[(int)p->standard]);
        for (int i = (int)p->least; i <= (int)p->most; i++)
            printf("%s%s", i > (int)p->least ? ", " : "", p->choices[i]);
    } else {
        printf("%.10g | ", p->standard);
        print_end(p->least, true);
        printf(" .. ");
        print_end(p->most, false);
    }
    printf(" | %s |\n", p->brief);
}

static void print_value(enum align__param param, double value)
{
    const struct align__param_use use = {.param = param};
    align_param_info info = {0};
    align__param_describe(&use, &info);
    if (info.choices != NULL)
        printf("%s %s", info.name, info.choices[(int)value]);
    else
        printf("%s %.10g", info.name, value);
}

static void print_presets(const struct align__loss_row *row)
{
    if (row->presets == NULL)
        return;
    printf("\nPresets beside `paper`: ");
    for (const struct align__preset *p = row->presets; p->name != NULL; p++) {
        printf("%s`%s` (", p == row->presets ? "" : ", ", p->name);
        for (int i = 0; i < 8 && p->set[i].param != ALIGN__PARAM_END; i++) {
            printf("%s", i > 0 ? ", " : "");
            print_value(p->set[i].param, p->set[i].value);
        }
        printf(")");
    }
    printf(".\n");
}

/* One | of a formula would end a cell of a table; formulas stand in code blocks instead. */
static void print_row(align_loss_id id)
{
    const struct align__loss_row *row = align__loss_row(id);
    align_param_info param = {0};
    printf("\n### %s\n\n![%s](losses/%s.svg)\n\n%s.\n\n", row->name, row->name, row->name,
           row->brief);
    printf("    %s\n    %s\n\n", row->formula, row->gradient);
    printf("A %s. Needs ", arities[row->arity]);
    print_fields(row->needs, "`score` only");
    printf("; may read or write ");
    print_fields(align__loss_reads(row) & ~row->needs, "nothing else");
    printf(". Source: %s.\n", row->source);
    printf("Checked against: %s.\n",
           row->golden != NULL ? row->golden : "our own reading of the source");
    for (uint32_t i = 0; align_loss_get_param(id, i, &param) == 0; i++) {
        printf("%s",
               i == 0 ? "\n| parameter | default | range | meaning |\n|---|---|---|---|\n" : "");
        print_param(&param);
        param = (align_param_info){0};
    }
    print_presets(row);
    if (row->unless[ALIGN__PROP_WORTH] != NULL)
        printf("\nNo `divergence`: %s.\n", row->unless[ALIGN__PROP_WORTH]);
}

static void print_own_readings(void)
{
    const char *comma = "";
    printf("\nEvery row agrees with a second, slow implementation and with finite differences, and "
           "all but these "
           "with a number\nthat other people's code or paper made (`tests/golden/loss*.c`); these "
           "are our own reading "
           "of their sources:\n");
    for (align_loss_id id = 1; id <= align_loss_count(); id++)
        if (align__loss_row(id)->golden == NULL) {
            printf("%s`%s`", comma, align__loss_row(id)->name);
            comma = ", ";
        }
    printf(".\n");
}

/* Rows of one arity have the same metrics: those of the first such row. */
static void print_metrics(void)
{
    static const align_loss_id first[] = {ALIGN_LOSS_SFT, ALIGN_LOSS_DPO, ALIGN_LOSS_PAIR_LOGISTIC};
    printf("\n## Metrics\n\nEach is a sum and a count over the live groups of a call, so that "
           "batches and "
           "workers merge by addition;\nthe mean is sum / count. Infinite numbers stay out of "
           "means.\n");
    for (int k = 0; k < 3; k++) {
        align_metric_info metric = {0};
        printf("\n| metric of a %s | what it is |\n|---|---|\n",
               arities[align__loss_row(first[k])->arity]);
        for (uint32_t i = 0; align_loss_get_metric(first[k], i, &metric) == 0; i++) {
            printf("| `%s` | %s |\n", metric.name, metric.brief);
            metric = (align_metric_info){0};
        }
    }
}

static void print_page(void)
{
    printf("| row | groups | what it is |\n|---|---|---|\n");
    for (align_loss_id id = 1; id <= align_loss_count(); id++) {
        const struct align__loss_row *row = align__loss_row(id);
        printf("| [`%s`](#%s) | %s | %s |\n", row->name, row->name, arities[row->arity],
               row->brief);
    }
    print_own_readings();
    print_metrics();
    printf("\n## Rows\n");
    for (align_loss_id id = 1; id <= align_loss_count(); id++)
        print_row(id);
}

enum { STEPS = 50, MOST_ITEMS = 3 };

struct picture {
    align_loss_args args;
    align_loss_params params;
    double score[MOST_ITEMS], ref[MOST_ITEMS], label[MOST_ITEMS], d[MOST_ITEMS], value;
    double count[MOST_ITEMS], aux[MOST_ITEMS], old[MOST_ITEMS];
};

static void open_picture(struct picture *p, const struct align__loss_row *row, align_loss_id id)
{
    const int items = row->arity == ALIGN_LOSS_LIST ? MOST_ITEMS : row->arity;
    const uint32_t reads = align__loss_reads(row);
    *p = (struct picture){.label = {1, row->label_least < 0.5 && items == 3 ? 0.5 : 0, 0},
                          .count = {1, 1, 1}};
    align_loss_args_init(&p->args, sizeof p->args);
    if (align_loss_params_init(&p->params, sizeof p->params, id, NULL) != 0)
        exit(EXIT_FAILURE);
    if (align__loss_has(row, ALIGN__PARAM_BETA))
        p->params.beta = 1;
    p->args.loss = id;
    p->args.params = &p->params;
    p->args.score = align_2d(p->score, ALIGN_F64, 1, items);
    p->args.dscore = align_2d(p->d, ALIGN_F64, 1, items);
    p->args.value = align_1d(&p->value, ALIGN_F64, 1);
    if ((reads & ALIGN_LOSS_READS_LABEL) != 0)
        p->args.label = align_2d(p->label, ALIGN_F64, 1, items);
    if ((row->needs & ALIGN_LOSS_READS_COUNT) != 0)
        p->args.count = align_2d(p->count, ALIGN_F64, 1, items);
    if ((row->needs & ALIGN_LOSS_READS_AUX) != 0)
        p->args.aux = align_2d(p->aux, ALIGN_F64, 1, items);
    if ((row->needs & ALIGN_LOSS_READS_OLD) != 0)
        p->args.old = align_2d(p->old, ALIGN_F64, 1, items);
}

static void print_plot(align_loss_id id)
{
    const struct align__loss_row *row = align__loss_row(id);
    struct picture p;
    open_picture(&p, row, id);
    for (int i = 0; i <= STEPS; i++) {
        const double x = (i - STEPS / 2) * 0.16, low = row->log_probs ? -4.25 : 0;
        p.score[0] = x + low;
        p.score[1] = low;
        p.score[2] = low - 0.5;
        if (align_loss_eval(NULL, &p.args) != 0)
            exit(EXIT_FAILURE);
        printf("%.6g %.6g %.6g\n", x, p.value, p.d[0]);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    align_loss_id id = argc > 2 ? align_loss_find(argv[2]) : 0;
    if (strcmp(what, "page") == 0)
        print_page();
    else if (strcmp(what, "plot") == 0 && id != 0)
        print_plot(id);
    else if (strcmp(what, "names") == 0)
        for (id = 1; id <= align_loss_count(); id++)
            printf("%s\n", align__loss_row(id)->name);
    else {
        fprintf(stderr, "usage: losses page | losses names | losses plot NAME\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
