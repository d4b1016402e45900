#include "bt.h"

#include <string.h>

/* Adds a cell to the last edge of the list; a cell (j, i) is seen from the other side. */
static void add_cell(struct align__bt_edge_list *list, const struct align__bt_table *table,
                     int64_t cell, bool turned)
{
    double sum[ALIGN__BT_OUTCOMES], square[ALIGN__BT_SQUARES];
    align__bt_read_cell(table, cell, sum, list->squares == NULL ? NULL : square);
    for (int k = 0; k < ALIGN__BT_OUTCOMES; k++)
        list->edges[list->count].sum[turned ? ALIGN__BT_LOSS - k : k] += sum[k];
    for (int k = 0; list->squares != NULL && k < ALIGN__BT_SQUARES; k++) {
        int to = turned && k < ALIGN__BT_OUTCOMES ? ALIGN__BT_LOSS - k : k;
        list->squares[list->count][to] += square[k];
    }
}

static void open_edge(struct align__bt_edge_list *list, int64_t i, int64_t j)
{
    list->edges[list->count] = (struct align__bt_edge){.i = (int32_t)i, .j = (int32_t)j};
    if (list->squares != NULL)
        memset(list->squares[list->count], 0, sizeof *list->squares);
}

static void close_edge(struct align__bt_edge_list *list)
{
    const double *sum = list->edges[list->count].sum;
    if (sum[ALIGN__BT_WIN] + sum[ALIGN__BT_TIE] + sum[ALIGN__BT_LOSS] > 0)
        list->count++;
}

/* Rows of weight 1 that the first won are counts, and so are their squares. */
static void list_wins(struct align__bt_edge_list *list, const struct align__bt_table *table)
{
    const uint64_t *const unit = table->unit[ALIGN__BT_WIN];
    int64_t n = table->n_items, items = list->n_items, count = 0;
    for (int64_t i = 0; i < items; i++)
        for (int64_t j = list->ordered ? 0 : i + 1; j < items; j++) {
            double won = (double)unit[i * n + j];
            double lost = list->ordered ? 0 : (double)unit[j * n + i];
            if (!(won + lost > 0))
                continue;
            if (list->squares != NULL) {
                memset(list->squares[count], 0, sizeof *list->squares);
                list->squares[count][ALIGN__BT_WIN] = won;
                list->squares[count][ALIGN__BT_LOSS] = lost;
            }
            list->edges[count++] = (struct align__bt_edge){
                .i = (int32_t)i, .j = (int32_t)j, .sum = {won, 0, lost}};
        }
    list->count = count;
}

static void list_dense(struct align__bt_edge_list *list, const struct align__bt_table *table)
{
    int64_t n = table->n_items, items = list->n_items;
    for (int64_t i = 0; i < items; i++)
        for (int64_t j = list->ordered ? 0 : i + 1; j < items; j++) {
            if (i == j)
                continue;
            open_edge(list, i, j);
            add_cell(list, table, i * n + j, false);
            if (!list->ordered)
                add_cell(list, table, j * n + i, true);
            close_edge(list);
        }
}

/* The ends of a hashed cell, the smaller first unless order matters. */
struct ends {
    int64_t low, high;
    bool turned;
};

static struct ends ends_of(const struct align__bt_table *table, bool ordered, int64_t cell)
{
    int64_t place = (int64_t)(table->key[cell] - 1);
    int64_t first = place / table->n_items, second = place % table->n_items;
    if (ordered || first < second)
        return (struct ends){first, second, false};
    return (struct ends){second, first, true};
}

/* A counting sort of cells by one end, which keeps the order of equal ones. */
static void sort_by(const struct align__bt_edge_list *list, const struct align__bt_table *table,
                    bool by_high, const uint32_t *in, uint32_t *out)
{
    int64_t count = table->used, *begin = list->begin;
    memset(begin, 0, sizeof *begin * (size_t)(list->n_items + 1));
    for (int64_t k = 0; k < count; k++) {
        struct ends ends = ends_of(table, list->ordered, in[k]);
        begin[(by_high ? ends.high : ends.low) + 1]++;
    }
    for (int64_t i = 0; i < list->n_items; i++)
        begin[i + 1] += begin[i];
    for (int64_t k = 0; k < count; k++) {
        struct ends ends = ends_of(table, list->ordered, in[k]);
        out[begin[by_high ? ends.high : ends.low]++] = in[k];
    }
}

static void list_hashed(struct align__bt_edge_list *list, const struct align__bt_table *table)
{
    uint32_t *cells = list->order, *other = list->order + table->used;
    int64_t used = 0;
    for (int64_t cell = 0; cell < table->cells; cell++)
        if (table->key[cell] != 0)
            cells[used++] = (uint32_t)cell;
    sort_by(list, table, true, cells, other);
    sort_by(list, table, false, other, cells);
    for (int64_t k = 0; k < used;) {
        struct ends ends = ends_of(table, list->ordered, cells[k]), next = ends;
        open_edge(list, ends.low, ends.high);
        do {
            add_cell(list, table, cells[k], next.turned);
            if (++k < used)
                next = ends_of(table, list->ordered, cells[k]);
        } while (k < used && next.low == ends.low && next.high == ends.high);
        close_edge(list);
    }
}

void align__bt_list_edges(struct align__bt_edge_list *list, const struct align__bt_table *table)
{
    list->count = 0;
    if (table->key == NULL && table->cells > 0 && table->sums == NULL)
        list_wins(list, table);
    else if (table->key == NULL && table->cells > 0)
        list_dense(list, table);
    else if (table->key != NULL)
        list_hashed(list, table);
}
