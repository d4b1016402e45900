#include "loss.h"

#include <string.h>

ref_loss_fn ref_loss_find(const char *name)
{
    const struct ref_row *const tables[] = {ref_pairs, ref_singles, ref_lists};
    for (int t = 0; t < 3; t++)
        for (const struct ref_row *row = tables[t]; row->name != NULL; row++)
            if (strcmp(row->name, name) == 0)
                return row->fn;
    return NULL;
}
