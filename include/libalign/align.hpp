/* libalign/align.hpp - the library for C++17: views with element types, structs that initialise themselves, exceptions.
 *
 * Header only, over the C headers, which stay the reference: a struct here is the C struct of the same name
 * (libalign::loss_args is an align_loss_args with a constructor), so fields, meanings and defaults are theirs, and
 * fields of later versions appear by themselves. Nothing here owns memory, allocates for a call or starts threads.
 *
 *     libalign::loss_args loss;
 *     loss.loss = ALIGN_LOSS_DPO;
 *     loss.score = libalign::in(score.data(), pairs, 2);     // const or not; dtype from the element type
 *     loss.ref = libalign::in(ref.data(), pairs, 2);
 *     loss.dscore = libalign::out(dscore.data(), pairs, 2);  // does not compile for const elements
 *     loss.value = libalign::out(value);                     // a single number
 *     libalign::eval(loss);                                  // throws libalign::error
 *
 * Errors. A call that fails throws libalign::error, which carries what align_error says: status, field, index, value,
 * text. Three answers of fits are no faults of the caller and are returned: NOT_CONVERGED, NO_SOLUTION and CANCELLED.
 * Whoever must not throw calls the C function instead.
 *
 * Threads. All functions may run at the same time on different outputs. One libalign::exec may serve them all, as long
 * as it holds no scratch: each call keeps its error to itself.
 */
#ifndef LIBALIGN_ALIGN_HPP
#define LIBALIGN_ALIGN_HPP

#include <libalign/align.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace libalign
{

/* ---- elements and views -------------------------------------------------------------------- */

/* 16-bit storage. Point at what a framework holds with reinterpret_cast<libalign::bf16 *>(data). */
enum class bf16 : std::uint16_t {};
enum class f16 : std::uint16_t {};

/* The ALIGN_ dtype of an element type. Integers go by size and sign, so long is as good as long long. */
template <class T> constexpr align_dtype dtype_of()
{
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, float>)
        return ALIGN_F32;
    else if constexpr (std::is_same_v<U, double>)
        return ALIGN_F64;
    else if constexpr (std::is_same_v<U, bf16>)
        return ALIGN_BF16;
    else if constexpr (std::is_same_v<U, f16>)
        return ALIGN_F16;
    else if constexpr (std::is_same_v<U, bool>)
        return ALIGN_BOOL;
    else if constexpr (std::is_integral_v<U> && std::is_unsigned_v<U> && sizeof(U) == 1)
        return ALIGN_U8;
    else if constexpr (std::is_integral_v<U> && std::is_signed_v<U> && sizeof(U) == 4)
        return ALIGN_I32;
    else if constexpr (std::is_integral_v<U> && std::is_signed_v<U> && sizeof(U) == 8)
        return ALIGN_I64;
    else
        static_assert(!std::is_same_v<U, U>, "libalign has no dtype for this element type");
}

/* A borrowed strided view of 1 to 3 dimensions, as std::span is one of a single dimension. Strides count elements and
 * may be 0 or negative. Element access is not checked. */
template <class T> class view
{
  public:
    view() = default;
    view(T *data, std::int64_t n0) : view(data, {n0, 0, 0}, {1, 0, 0}, 1)
    {
    }
    view(T *data, std::int64_t n0, std::int64_t n1) : view(data, {n0, n1, 0}, {n1, 1, 0}, 2)
    {
    }
    view(T *data, std::int64_t n0, std::int64_t n1, std::int64_t n2)
        : view(data, {n0, n1, n2}, {n1 * n2, n2, 1}, 3)
    {
    }
    view(T *data, std::array<std::int64_t, 3> shape, std::array<std::int64_t, 3> stride, int rank)
        : data_(data), shape_(shape), stride_(stride), rank_(rank)
    {
    }
    /* A view of T is one of const T. */
    operator view<const T>() const
    {
        return {data_, shape_, stride_, rank_};
    }

    T *data() const
    {
        return data_;
    }
    int rank() const
    {
        return rank_;
    }
    std::int64_t size(int axis) const
    {
        return shape_[static_cast<std::size_t>(axis)];
    }
    std::int64_t stride(int axis) const
    {
        return stride_[static_cast<std::size_t>(axis)];
    }
    T &operator()(std::int64_t i, std::int64_t j = 0, std::int64_t k = 0) const
    {
        return data_[i * stride_[0] + j * stride_[1] + k * stride_[2]];
    }

    /* The same elements with other strides, such as rows that are padded, or all chosen before all rejected: (1, G). */
    view strided(std::int64_t s0, std::int64_t s1 = 0, std::int64_t s2 = 0) const
    {
        return {data_, shape_, {s0, s1, s2}, rank_};
    }
    /* Elements begin .. end-1 along one axis. */
    view slice(int axis, std::int64_t begin, std::int64_t end) const
    {
        view part = *this;
        part.data_ += begin * stride(axis);
        part.shape_[static_cast<std::size_t>(axis)] = end - begin;
        return part;
    }

  private:
    T *data_ = nullptr;
    std::array<std::int64_t, 3> shape_{}, stride_{};
    int rank_ = 0;
};

/* What a tensor field takes: `in` for what a call reads, `out` for what it writes, each of
 *   a view, the arguments of one, a container with data() and size(), or (out) a single number. */
template <class T> align_tensor in(const view<T> &v)
{
    align_tensor t = align_1d(v.data(), dtype_of<T>(), v.size(0));
    t.ndim = v.rank();
    for (int axis = 0; axis < 3; axis++) {
        t.shape[axis] = v.size(axis);
        t.stride[axis] = v.stride(axis);
    }
    return t;
}
template <class T, class... Sizes, std::enable_if_t<(sizeof...(Sizes) > 0), int> = 0>
align_tensor in(T *data, Sizes... sizes)
{
    return in(view<T>(data, static_cast<std::int64_t>(sizes)...));
}
template <class Container, class = decltype(std::declval<const Container &>().data()),
          class = decltype(std::declval<const Container &>().size()),
          std::enable_if_t<!std::is_const_v<Container>, int> = 0>
align_tensor in(const Container &values)
{
    return in(values.data(), values.size());
}

template <class T> align_tensor out(const view<T> &v)
{
    static_assert(!std::is_const_v<T>, "an output cannot be const");
    return in(v);
}
template <class T, class... Sizes, std::enable_if_t<(sizeof...(Sizes) > 0), int> = 0>
align_tensor out(T *data, Sizes... sizes)
{
    return out(view<T>(data, static_cast<std::int64_t>(sizes)...));
}
template <class Container, class = decltype(std::declval<Container &>().data()),
          class = decltype(std::declval<Container &>().size())>
align_tensor out(Container &values)
{
    return out(values.data(), values.size());
}
template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0> align_tensor out(T &number)
{
    return out(&number, 1);
}

/* ---- errors -------------------------------------------------------------------------------- */

/* What a failed call says. what() is "RANGE: align_tokens.target[17] = 50257, expected ..." */
class error : public std::runtime_error
{
  public:
    error(align_status status, const align_error &details)
        : std::runtime_error(std::string(align_status_name(status)) +
                             (details.text[0] ? std::string(": ") + details.text : std::string())),
          status_(status), details_(details)
    {
    }
    align_status status() const noexcept
    {
        return status_;
    }
    /* "align_tokens.target"; empty where the call has no struct to point at. */
    const char *field() const noexcept
    {
        return details_.field;
    }
    /* How many of index(0..2) count. */
    int axes() const noexcept
    {
        return static_cast<int>(details_.axes);
    }
    std::int64_t index(int axis) const noexcept
    {
        return details_.index[axis];
    }
    double value() const noexcept
    {
        return details_.value;
    }

  private:
    align_status status_;
    align_error details_;
};

/* ---- structs ------------------------------------------------------------------------------- */

/* A C struct that has its defaults from the start. No member of its own, so an array of these is one of those. */
template <class Base, void (*Init)(Base *, std::size_t)> struct initialised : Base {
    initialised() : Base()
    {
        Init(this, sizeof(Base));
    }
};

using tokens = initialised<align_tokens, align_tokens_init>;
using head = initialised<align_head, align_head_init>;
using token_weights = initialised<align_token_weights, align_token_weights_init>;
using wpo = initialised<align_wpo, align_wpo_init>;
using loss_args = initialised<align_loss_args, align_loss_args_init>;
using loss_labels = initialised<align_loss_labels, align_loss_labels_init>;
using step_args = initialised<align_step_args, align_step_args_init>;
using bt_rows = initialised<align_bt_rows, align_bt_rows_init>;
using bt_args = initialised<align_bt_args, align_bt_args_init>;
using bt_rankings = initialised<align_bt_rankings, align_bt_rankings_init>;
using bt_elo_args = initialised<align_bt_elo_args, align_bt_elo_args_init>;
using bt_ranks_args = initialised<align_bt_ranks_args, align_bt_ranks_args_init>;
using reward_args = initialised<align_reward_args, align_reward_args_init>;
using reward_query = initialised<align_reward_query, align_reward_query_init>;
using reward_calibration_args =
    initialised<align_reward_calibration_args, align_reward_calibration_args_init>;
using reward_path_args = initialised<align_reward_path_args, align_reward_path_args_init>;
using reward_pool_args = initialised<align_reward_pool_args, align_reward_pool_args_init>;
using reward_slopes_args = initialised<align_reward_slopes_args, align_reward_slopes_args_init>;
using reward_strength_args =
    initialised<align_reward_strength_args, align_reward_strength_args_init>;
using reward_ensemble_args =
    initialised<align_reward_ensemble_args, align_reward_ensemble_args_init>;
using norm_args = initialised<align_norm_args, align_norm_args_init>;
using norm_ring = initialised<align_norm_ring, align_norm_ring_init>;
using norm_groups_args = initialised<align_norm_groups_args, align_norm_groups_args_init>;
using popart_args = initialised<align_popart_args, align_popart_args_init>;
using advantage_args = initialised<align_advantage_args, align_advantage_args_init>;
using dense_source = initialised<align_dense_source, align_dense_source_init>;
using dense_args = initialised<align_dense_args, align_dense_args_init>;
using kl_controller = initialised<align_kl_controller, align_kl_controller_init>;
using lagrange = initialised<align_lagrange, align_lagrange_init>;
using pipeline = initialised<align_pipeline, align_pipeline_init>;
using pipeline_args = initialised<align_pipeline_args, align_pipeline_args_init>;
using renorm_args = initialised<align_renorm_args, align_renorm_args_init>;
using progress_args = initialised<align_progress_args, align_progress_args_init>;
using followup_args = initialised<align_followup_args, align_followup_args_init>;
using claims_args = initialised<align_claims_args, align_claims_args_init>;
using aspects_args = initialised<align_aspects_args, align_aspects_args_init>;

/* How to run a call. `error` is set by each call for itself. */
struct exec : initialised<align_exec, align_exec_init> {
    exec() = default;

    /* Memory of the caller's for the calls that follow, as much as scratch() said. */
    exec &use_scratch(void *memory, std::size_t bytes)
    {
        scratch = memory;
        scratch_size = bytes;
        return *this;
    }

    /* Runs tasks by run(n, task), which calls task(0) .. task(n - 1) on any threads and returns when all have
     * finished. The callable is borrowed and must outlive the calls. What it throws becomes PARALLEL. */
    template <class Run> exec &use_parallel(Run &run, std::uint32_t n_workers)
    {
        parallel = [](void *user, std::int64_t tasks, align_task_fn fn, void *ctx) -> std::int32_t {
            try {
                (*static_cast<Run *>(user))(tasks, [fn, ctx](std::int64_t task) { fn(ctx, task); });
                return 0;
            } catch (...) {
                return 1;
            }
        };
        parallel_user = &run;
        workers = n_workers;
        return *this;
    }
};

/* ---- calls --------------------------------------------------------------------------------- */

/* Calls any function of the library that takes an exec first, and throws what it says, but for the answers of fits. */
template <class Function, class... Arguments>
align_status call(const align_exec &how, Function function, Arguments... arguments)
{
    align_error said;
    align_error_init(&said, sizeof said);
    align_exec mine = how;
    mine.error = &said;
    const align_status status = function(&mine, arguments...);
    if (status != ALIGN_E_NONE && status != ALIGN_E_NOT_CONVERGED &&
        status != ALIGN_E_NO_SOLUTION && status != ALIGN_E_CANCELLED)
        throw error(status, said);
    return status;
}

/* The same for calls that only work or fail. */
template <class Function, class... Arguments>
void must(const align_exec &how, Function function, Arguments... arguments)
{
    const align_status status = call(how, function, arguments...);
    if (status != ALIGN_E_NONE) {
        align_error nothing;
        align_error_init(&nothing, sizeof nothing);
        throw error(status, nothing);
    }
}

/* For functions without an exec. */
inline void check(align_status status)
{
    if (status != ALIGN_E_NONE) {
        align_error nothing;
        align_error_init(&nothing, sizeof nothing);
        throw error(status, nothing);
    }
}

/* Bytes of scratch: what a call needs at least, and what it can make use of. */
struct scratch_bytes {
    std::size_t least = 0, best = 0;
};

#define LIBALIGN_SCRATCH(function, type)                                                           \
    inline scratch_bytes scratch(const type &args, const align_exec &how = exec())                 \
    {                                                                                              \
        scratch_bytes bytes;                                                                       \
        must(how, function, &args, &bytes.least, &bytes.best);                                     \
        return bytes;                                                                              \
    }
LIBALIGN_SCRATCH(align_head_scratch, align_head)
LIBALIGN_SCRATCH(align_loss_scratch, align_loss_args)
LIBALIGN_SCRATCH(align_step_scratch, align_step_args)
LIBALIGN_SCRATCH(align_bt_scratch, align_bt_args)
LIBALIGN_SCRATCH(align_bt_ranks_scratch, align_bt_ranks_args)
LIBALIGN_SCRATCH(align_reward_scratch, align_reward_args)
LIBALIGN_SCRATCH(align_reward_path_scratch, align_reward_path_args)
LIBALIGN_SCRATCH(align_reward_slopes_scratch, align_reward_slopes_args)
LIBALIGN_SCRATCH(align_reward_strength_scratch, align_reward_strength_args)
LIBALIGN_SCRATCH(align_norm_groups_scratch, align_norm_groups_args)
#undef LIBALIGN_SCRATCH

#define LIBALIGN_CALL(name, function, type)                                                        \
    inline void name(const type &args, const align_exec &how = exec())                             \
    {                                                                                              \
        must(how, function, &args);                                                                \
    }
LIBALIGN_CALL(forward, align_head_forward, align_head)
LIBALIGN_CALL(backward, align_head_backward, align_head)
LIBALIGN_CALL(apply, align_token_weights_apply, align_token_weights)
LIBALIGN_CALL(apply, align_wpo_apply, align_wpo)
LIBALIGN_CALL(eval, align_loss_eval, align_loss_args)
LIBALIGN_CALL(apply, align_loss_labels_apply, align_loss_labels)
LIBALIGN_CALL(update, align_bt_elo_update, align_bt_elo_args)
LIBALIGN_CALL(update, align_reward_calibration_update, align_reward_calibration_args)
LIBALIGN_CALL(eval, align_reward_strength_eval, align_reward_strength_args)
LIBALIGN_CALL(eval, align_reward_ensemble_eval, align_reward_ensemble_args)
LIBALIGN_CALL(predict, align_reward_predict, align_reward_query)
LIBALIGN_CALL(apply, align_norm_groups, align_norm_groups_args)
LIBALIGN_CALL(apply, align_popart_apply, align_popart_args)
LIBALIGN_CALL(eval, align_advantage_eval, align_advantage_args)
LIBALIGN_CALL(eval, align_dense_eval, align_dense_args)
LIBALIGN_CALL(eval, align_pipeline_eval, align_pipeline_args)
LIBALIGN_CALL(eval, align_renorm_eval, align_renorm_args)
LIBALIGN_CALL(eval, align_progress_eval, align_progress_args)
LIBALIGN_CALL(eval, align_followup_eval, align_followup_args)
LIBALIGN_CALL(eval, align_claims_eval, align_claims_args)
LIBALIGN_CALL(eval, align_aspects_eval, align_aspects_args)
#undef LIBALIGN_CALL

/* Those whose answer may be something else than success: look at it. */
[[nodiscard]] inline align_status run(const align_step_args &args, const align_exec &how = exec())
{
    return call(how, align_step_run, &args);
}
[[nodiscard]] inline align_status fit(align_bt_args &args, const align_exec &how = exec())
{
    return call(how, align_bt_fit, &args);
}
[[nodiscard]] inline align_status eval(align_bt_ranks_args &args, const align_exec &how = exec())
{
    return call(how, align_bt_ranks_eval, &args);
}
[[nodiscard]] inline align_status fit(align_reward_args &args, const align_exec &how = exec())
{
    return call(how, align_reward_fit, &args);
}
[[nodiscard]] inline align_status fit(align_reward_path_args &args, const align_exec &how = exec())
{
    return call(how, align_reward_path_fit, &args);
}
[[nodiscard]] inline align_status fit(const align_reward_pool_args &args,
                                      const align_exec &how = exec())
{
    return call(how, align_reward_pool_fit, &args);
}
[[nodiscard]] inline align_status fit(const align_reward_slopes_args &args,
                                      const align_exec &how = exec())
{
    return call(how, align_reward_slopes_fit, &args);
}

/* ---- losses -------------------------------------------------------------------------------- */

/* The parameters of a row: those of its paper, or of a preset that docs/losses.md names. */
struct loss_params : align_loss_params {
    explicit loss_params(align_loss_id row, const char *preset = nullptr) : align_loss_params()
    {
        check(align_loss_params_init(this, sizeof(align_loss_params), row, preset));
    }
};

/* The id of a row by its name; throws std::invalid_argument when there is none. */
inline align_loss_id find_loss(const char *name)
{
    const align_loss_id id = align_loss_find(name);
    if (id == 0)
        throw std::invalid_argument(std::string("libalign has no loss '") + (name ? name : "") +
                                    "'");
    return id;
}

/* Numbers of a batch that some rows need (loss.h). */
struct loss_state : align_loss_state {
    explicit loss_state(align_loss_id row) : align_loss_state()
    {
        check(align_loss_state_init(this, sizeof(align_loss_state), row));
    }
    void update(const align_loss_args &args, const align_exec &how = exec())
    {
        must(how, align_loss_state_update, this, &args);
    }
    void merge(const align_loss_state &other, const align_exec &how = exec())
    {
        must(how, align_loss_state_merge, this, &other);
    }
    void apply(const align_loss_args &args, const align_exec &how = exec())
    {
        must(how, align_loss_state_apply, this, &args);
    }
};

/* ---- Bradley-Terry counts and ballots ------------------------------------------------------- */

/* Sums in the caller's memory (bt.h). update() says whether all rows went in: false means that the memory is full
 * and that the first `taken` rows are in. */
template <class Sums, class Rows, auto Update, auto Merge, auto Grow, auto Save, auto Load>
struct bt_sums : Sums {
    [[nodiscard]] bool update(const Rows &more, const align_exec &how = exec())
    {
        try {
            must(how, Update, this, &more);
        } catch (const error &e) {
            if (e.status() != ALIGN_E_SCRATCH)
                throw;
            return false;
        }
        return true;
    }
    void merge(const Sums &other, const align_exec &how = exec())
    {
        must(how, Merge, this, &other);
    }
    void grow(void *bytes_at, std::size_t n_bytes, const align_exec &how = exec())
    {
        must(how, Grow, this, bytes_at, n_bytes);
    }
    /* How many bytes save() writes. */
    std::size_t saved_bytes(const align_exec &how = exec()) const
    {
        std::size_t n = 0;
        align_exec quiet = how;
        quiet.error = nullptr;
        const align_status status = Save(&quiet, this, nullptr, 0, &n);
        if (status != ALIGN_E_SCRATCH)
            check(status);
        return n;
    }
    void save(void *to, std::size_t n_bytes, const align_exec &how = exec()) const
    {
        std::size_t n = 0;
        must(how, Save, static_cast<const Sums *>(this), to, n_bytes, &n);
    }
    void load(const void *from, std::size_t n_bytes, const align_exec &how = exec())
    {
        must(how, Load, this, from, n_bytes);
    }
};

/* Of comparisons. */
struct bt_counts
    : bt_sums<align_bt_counts, align_bt_rows, align_bt_counts_update, align_bt_counts_merge,
              align_bt_counts_grow, align_bt_counts_save, align_bt_counts_load> {
    bt_counts(void *bytes_at, std::size_t n_bytes, std::int64_t items)
    {
        align_bt_counts_init(this, bytes_at, n_bytes, items);
    }
    static std::size_t bytes_for(std::int64_t items, std::int64_t pairs)
    {
        return align_bt_counts_get_bytes(items, pairs);
    }
};

/* Of rankings. */
struct bt_ballots
    : bt_sums<align_bt_ballots, align_bt_rankings, align_bt_ballots_update, align_bt_ballots_merge,
              align_bt_ballots_grow, align_bt_ballots_save, align_bt_ballots_load> {
    bt_ballots(void *bytes_at, std::size_t n_bytes, std::int64_t items)
    {
        align_bt_ballots_init(this, bytes_at, n_bytes, items);
    }
    static std::size_t bytes_for(std::int64_t items, std::int64_t rankings, std::int64_t entries)
    {
        return align_bt_ballots_get_bytes(items, rankings, entries);
    }
};

/* ---- normalisers --------------------------------------------------------------------------- */

struct norm_params : align_norm_params {
    explicit norm_params(std::int32_t which = ALIGN_NORM_ZSCORE) : align_norm_params()
    {
        check(align_norm_params_init(this, sizeof(align_norm_params), which));
    }
};

/* A running normaliser: a plain value, to be copied, merged and saved. */
struct norm : align_norm {
    norm() : align_norm()
    {
        check(align_norm_init(this, sizeof(align_norm), nullptr));
    }
    explicit norm(const align_norm_params &params) : align_norm()
    {
        check(align_norm_init(this, sizeof(align_norm), &params));
    }
    void update(const align_norm_args &args, const align_exec &how = exec())
    {
        must(how, align_norm_update, this, &args);
    }
    void update(align_norm_ring &ring, const align_norm_args &args, const align_exec &how = exec())
    {
        must(how, align_norm_ring_update, this, &ring, &args);
    }
    void merge(const align_norm &other, const align_exec &how = exec())
    {
        must(how, align_norm_merge, this, &other);
    }
    void apply(const align_norm_args &args, const align_exec &how = exec()) const
    {
        must(how, align_norm_apply, static_cast<const align_norm *>(this), &args);
    }
    align_norm_moments moments(const align_exec &how = exec()) const
    {
        align_norm_moments m{};
        m.size = sizeof m;
        must(how, align_norm_get, static_cast<const align_norm *>(this), &m);
        return m;
    }
    std::array<unsigned char, ALIGN_NORM_BYTES> save(const align_exec &how = exec()) const
    {
        std::array<unsigned char, ALIGN_NORM_BYTES> bytes{};
        must(how, align_norm_save, static_cast<const align_norm *>(this),
             static_cast<void *>(bytes.data()), bytes.size());
        return bytes;
    }
    void load(const void *bytes, std::size_t n_bytes, const align_exec &how = exec())
    {
        must(how, align_norm_load, static_cast<align_norm *>(this), sizeof(align_norm), bytes,
             n_bytes);
    }
};

/* A batch by its own statistics, without a state. Ranks need scratch. */
inline void apply(const align_norm_args &args, const align_exec &how = exec())
{
    must(how, align_norm_apply, static_cast<const align_norm *>(nullptr), &args);
}
inline scratch_bytes scratch(const align_norm_args &args, const align_exec &how = exec())
{
    scratch_bytes bytes;
    must(how, align_norm_scratch, static_cast<const align_norm *>(nullptr), &args, &bytes.least,
         &bytes.best);
    return bytes;
}

/* ---- controllers --------------------------------------------------------------------------- */

inline void update(align_kl_controller &controller, double kl, std::int64_t n,
                   const align_exec &how = exec())
{
    must(how, align_kl_controller_update, &controller, kl, n);
}
inline void update(align_lagrange &multiplier, double cost, const align_exec &how = exec())
{
    must(how, align_lagrange_update, &multiplier, cost);
}

} // namespace libalign

#endif
