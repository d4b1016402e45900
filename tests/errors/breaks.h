/* What breaks any tensor, by the general rules that every call holds its tensors to. */
#ifndef TESTS_ERRORS_BREAKS_H
#define TESTS_ERRORS_BREAKS_H

#include "reach.h"

static inline void break_ndim(align_tensor *t)
{
    t->ndim = 4;
}
static inline void break_dtype(align_tensor *t)
{
    t->dtype = ALIGN_U8;
}
static inline void break_negative(align_tensor *t)
{
    t->shape[0] = -1;
}
static inline void break_extent(align_tensor *t)
{
    t->stride[0] = INT64_MAX / 4;
}
static inline void break_data(align_tensor *t)
{
    t->data = NULL;
}
static inline void break_address(align_tensor *t)
{
    t->data = (char *)t->data + 1;
}
static inline void break_self(align_tensor *t)
{
    t->stride[0] = 0;
}

struct tensor_break {
    void (*change)(align_tensor *t);
    enum align__site site;
    bool outputs_only;
};

enum { BREAKS = 7 };
static const struct tensor_break breaks[BREAKS] = {
    {break_ndim, ALIGN__SITE_TENSOR_NDIM, false},
    {break_dtype, ALIGN__SITE_TENSOR_DTYPE, false},
    {break_negative, ALIGN__SITE_TENSOR_NEGATIVE, false},
    {break_extent, ALIGN__SITE_TENSOR_EXTENT, false},
    {break_data, ALIGN__SITE_TENSOR_DATA, false},
    {break_address, ALIGN__SITE_TENSOR_ALIGN, false},
    {break_self, ALIGN__SITE_TENSOR_SELF, true},
};

#endif
