/* The C++17 layer: each family once, against the C calls or a known answer, and a bad call that is caught. */
#include <libalign/align.hpp>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

namespace la = libalign;

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static bool near(double a, double b, double tolerance = 1e-12)
{
    return std::fabs(a - b) <= tolerance * std::fmax(1, std::fabs(b));
}

/* ---- views ---- */

static void test_views()
{
    static_assert(la::dtype_of<const float>() == ALIGN_F32, "");
    static_assert(la::dtype_of<long>() == (sizeof(long) == 8 ? ALIGN_I64 : ALIGN_I32), "");
    static_assert(la::dtype_of<la::bf16>() == ALIGN_BF16, "");
    static_assert(std::is_convertible_v<la::view<float>, la::view<const float>>, "");
    static_assert(!std::is_convertible_v<la::view<const float>, la::view<float>>, "");

    std::vector<double> x{0, 1, 2, 3, 4, 5};
    la::view<double> rows(x.data(), 2, 3);
    CHECK(rows(1, 2) == 5);
    CHECK(rows.slice(1, 1, 3)(1, 0) == 4);
    CHECK(rows.strided(1, 2)(1, 2) == 5);
    align_tensor t = la::in(rows.slice(0, 1, 2));
    CHECK(t.data == x.data() + 3 && t.ndim == 2 && t.shape[0] == 1 && t.stride[0] == 3);
    const std::vector<double> &constant = x;
    t = la::in(constant);
    CHECK(t.ndim == 1 && t.shape[0] == 6 && t.dtype == ALIGN_F64);
    float number = 0;
    CHECK(la::out(number).data == &number && la::out(x).shape[0] == 6);
}

/* ---- losses ---- */

static const double score[3][2] = {{-12.0, -15.5}, {-30.2, -29.1}, {-8.4, -9.0}};
static const double reference[3][2] = {{-12.5, -14.0}, {-30.0, -30.0}, {-9.1, -8.8}};

static void test_loss()
{
    double value = 0, dscore[3][2] = {}, expected = 0;
    la::loss_params params(la::find_loss("dpo"));
    params.beta = 0.5;
    la::loss_args loss;
    loss.loss = ALIGN_LOSS_DPO;
    loss.params = &params;
    loss.score = la::in(&score[0][0], 3, 2);
    loss.ref = la::in(&reference[0][0], 3, 2);
    loss.value = la::out(value);
    loss.dscore = la::out(&dscore[0][0], 3, 2);
    la::eval(loss);
    for (int g = 0; g < 3; g++) {
        double z = 0.5 * (score[g][0] - reference[g][0] - score[g][1] + reference[g][1]);
        expected += std::log1p(std::exp(-z)) / 3;
        CHECK(near(dscore[g][0], -0.5 / (1 + std::exp(z)) / 3));
    }
    CHECK(near(value, expected));
    CHECK(la::scratch(loss).least == 0);

    la::loss_state state(ALIGN_LOSS_BETA_DPO);
    la::loss_args batch;
    batch.loss = ALIGN_LOSS_BETA_DPO;
    batch.score = la::in(&score[0][0], 3, 2);
    batch.ref = la::in(&reference[0][0], 3, 2);
    state.update(batch);
    CHECK(state.count[0] + state.count[1] > 0);

    bool thrown = false;
    try {
        la::find_loss("no such loss");
    } catch (const std::invalid_argument &) {
        thrown = true;
    }
    CHECK(thrown);
}

/* ---- heads and steps ---- */

enum { V = 7, N = 4 };

static void test_step()
{
    std::vector<float> logits(N * V), reference_logits(N * V), dlogits(N * V);
    for (int i = 0; i < N * V; i++) {
        logits[static_cast<std::size_t>(i)] = static_cast<float>(i * 5 % 11) / 4;
        reference_logits[static_cast<std::size_t>(i)] = static_cast<float>(i * 3 % 7) / 4;
    }
    const std::vector<int> target{1, 6, 0, 3};
    la::tokens tokens;
    tokens.target = la::in(target.data(), 2, 2);

    std::vector<double> logp(2), ref_logp(2), lse(N), token_logp(N), dlogp(2), lse_ref(N);
    la::head policy, ref;
    policy.tokens = ref.tokens = &tokens;
    policy.logits = la::in(logits.data(), 2, 2, V);
    policy.logp = la::out(logp);
    policy.lse = la::out(lse);
    policy.token_logp = la::out(token_logp);
    policy.dlogp = la::in(dlogp);
    policy.dlogits = la::out(dlogits.data(), 2, 2, V);
    ref.logits = la::in(reference_logits.data(), 2, 2, V);
    ref.logp = la::out(ref_logp);

    double value = 0;
    la::loss_args losses[1];
    losses[0].loss = ALIGN_LOSS_DPO;
    losses[0].score = la::in(logp.data(), 1, 2);
    losses[0].ref = la::in(ref_logp.data(), 1, 2);
    losses[0].dscore = la::out(dlogp.data(), 1, 2);
    losses[0].value = la::out(value);
    la::step_args step;
    step.policy = &policy;
    step.ref = &ref;
    step.losses = losses;
    step.n_losses = 1;
    CHECK(la::scratch(step).least == 0);
    CHECK(la::run(step) == ALIGN_E_NONE);

    double total = 0;
    for (float d : dlogits)
        total += std::fabs(static_cast<double>(d));
    CHECK(value > 0 && total > 0);

    std::vector<float> by_hand(N * V);
    policy.dlogits = la::out(by_hand.data(), 2, 2, V);
    la::forward(ref);
    la::forward(policy);
    la::eval(losses[0]);
    la::backward(policy);
    CHECK(std::memcmp(by_hand.data(), dlogits.data(), by_hand.size() * sizeof(float)) == 0);
}

/* A runner of tasks that is a plain lambda with threads, and one that throws. */
static void test_parallel()
{
    enum { PAIRS = 5000 };
    std::vector<float> scores(2 * PAIRS), one(2 * PAIRS), two(2 * PAIRS);
    for (std::size_t i = 0; i < scores.size(); i++)
        scores[i] = static_cast<float>(i % 97) / 10;
    la::loss_args loss;
    loss.loss = ALIGN_LOSS_DPO;
    loss.score = la::in(scores.data(), PAIRS, 2);
    loss.dscore = la::out(one.data(), PAIRS, 2);
    la::eval(loss);
    auto threads = [](std::int64_t tasks, auto task) {
        std::thread half([&] {
            for (std::int64_t i = 1; i < tasks; i += 2)
                task(i);
        });
        for (std::int64_t i = 0; i < tasks; i += 2)
            task(i);
        half.join();
    };
    loss.dscore = la::out(two.data(), PAIRS, 2);
    la::eval(loss, la::exec().use_parallel(threads, 2));
    CHECK(one == two);

    auto broken = [](std::int64_t, auto) { throw std::runtime_error("no threads today"); };
    align_status status = ALIGN_E_NONE;
    try {
        la::eval(loss, la::exec().use_parallel(broken, 2));
    } catch (const la::error &e) {
        status = e.status();
    }
    CHECK(status == ALIGN_E_PARALLEL);
}

/* ---- fits ---- */

static void test_fits()
{
    const std::vector<int> first{0, 0, 0, 1, 1, 2, 2}, second{1, 1, 2, 0, 2, 0, 1};
    std::vector<double> strength(3), se(3);
    la::bt_rows rows;
    rows.first = la::in(first);
    rows.second = la::in(second);
    la::bt_args bt;
    bt.n_items = 3;
    bt.rows = &rows;
    bt.strength = la::out(strength);
    bt.se = la::out(se);
    std::vector<unsigned char> memory(la::scratch(bt).best);
    la::exec exec;
    exec.use_scratch(memory.data(), memory.size());
    CHECK(la::fit(bt, exec) == ALIGN_E_NONE);
    CHECK(bt.existence == ALIGN_BT_FINITE && near(strength[0] + strength[1] + strength[2], 0));
    CHECK(strength[0] > strength[2] && se[0] > 0);

    std::vector<unsigned char> room(la::bt_counts::bytes_for(3, 6));
    la::bt_counts counts(room.data(), room.size(), 3);
    CHECK(counts.update(rows) && counts.rows == 7);
    std::vector<unsigned char> saved(counts.saved_bytes()), other(room.size());
    counts.save(saved.data(), saved.size());
    la::bt_counts loaded(other.data(), other.size(), 3);
    loaded.load(saved.data(), saved.size());
    CHECK(loaded.rows == 7 && loaded.pairs == counts.pairs);
    std::vector<double> again(3);
    bt.rows = nullptr;
    bt.counts = &counts;
    bt.strength = la::out(again);
    memory.resize(la::scratch(bt).best);
    CHECK(la::fit(bt, exec.use_scratch(memory.data(), memory.size())) == ALIGN_E_NONE);
    CHECK(again == strength);

    const std::vector<std::int64_t> ends{0, 3, 5, 7};
    const std::vector<int> ranked{0, 1, 2, 2, 0, 1, 0};
    la::bt_rankings rankings;
    rankings.offsets = la::in(ends);
    rankings.item = la::in(ranked);
    room.resize(la::bt_ballots::bytes_for(3, 3, 7));
    la::bt_ballots ballots(room.data(), room.size(), 3);
    CHECK(ballots.update(rankings) && ballots.rankings == 3 && ballots.longest == 3);
    saved.resize(ballots.saved_bytes());
    ballots.save(saved.data(), saved.size());
    ballots.load(saved.data(), saved.size());
    CHECK(ballots.rows == 6 && ballots.rankings == 3);
    bt.counts = nullptr;
    bt.ballots = &ballots;
    memory.resize(la::scratch(bt).best);
    CHECK(la::fit(bt, exec.use_scratch(memory.data(), memory.size())) == ALIGN_E_NONE);
    CHECK(near(again[0] + again[1] + again[2], 0));
    bt.ballots = nullptr;

    /* Without the last three rows item 0 never lost: an answer, not an exception. */
    rows.first = la::in(first.data(), 3);
    rows.second = la::in(second.data(), 3);
    bt.counts = nullptr;
    bt.rows = &rows;
    memory.resize(la::scratch(bt).best);
    CHECK(la::fit(bt, exec.use_scratch(memory.data(), memory.size())) == ALIGN_E_NO_SOLUTION);

    /* With one feature an item, linear rewards are the same fit. */
    const std::vector<double> features{1, 0, 0, 0, 1, 0, 0, 0, 1};
    std::vector<int> index;
    for (std::size_t i = 0; i < first.size(); i++)
        index.insert(index.end(), {first[i], second[i]});
    std::vector<double> coef(3), rewards(3);
    la::reward_args reward;
    reward.features = la::in(features.data(), 3, 3);
    reward.index = la::in(index.data(), first.size(), 2);
    reward.coef = la::out(coef);
    memory.resize(la::scratch(reward).best);
    CHECK(la::fit(reward, exec.use_scratch(memory.data(), memory.size())) == ALIGN_E_NONE);
    la::reward_query query;
    query.features = la::in(features.data(), 3, 3);
    query.coef = la::in(coef);
    query.reward = la::out(rewards);
    la::predict(query);
    for (std::size_t i = 0; i < 3; i++)
        CHECK(near(rewards[i], strength[i], 1e-8));
}

/* ---- rewards ---- */

static void test_norm()
{
    const std::vector<double> x{1, 2, 3, 6};
    std::vector<double> y(4), z(4);
    la::norm_params params(ALIGN_NORM_ZSCORE);
    params.eps = 0;
    la::norm state(params), other(params);
    la::norm_args args;
    args.reward = la::in(x.data(), 2);
    state.update(args);
    args.reward = la::in(x.data() + 2, 2);
    other.update(args);
    state.merge(other);
    CHECK(state.moments().mean == 3 && state.moments().count == 4);
    args.reward = la::in(x);
    args.out = la::out(y);
    state.apply(args);
    CHECK(near(y[3], 3 / std::sqrt(14.0 / 3)));
    auto bytes = state.save();
    la::norm loaded;
    loaded.load(bytes.data(), bytes.size());
    CHECK(loaded.moments().mean == 3);
    args.params = &params;
    args.out = la::out(z);
    la::apply(args);
    CHECK(near(z[3], y[3]));

    la::norm_groups_args groups;
    groups.reward = la::in(x.data(), 2, 2);
    groups.out = la::out(z.data(), 2, 2);
    la::apply(groups);
    CHECK(near(z[0], -std::sqrt(0.5), 1e-6) && near(z[3], std::sqrt(0.5), 1e-6));
}

static void test_advantage()
{
    const std::vector<double> reward{0, 0, 1}, value{.5, .25, .5};
    std::vector<double> advantage(3);
    la::advantage_args args;
    args.reward = la::in(reward.data(), 1, 3);
    args.value = la::in(value.data(), 1, 3);
    args.advantage = la::out(advantage.data(), 1, 3);
    la::eval(args);
    double a = 1 - .5;
    CHECK(near(advantage[2], a));
    a = .5 - .25 + .95 * a;
    CHECK(near(advantage[1], a));
    CHECK(near(advantage[0], .25 - .5 + .95 * a));

    la::kl_controller controller;
    double before = controller.beta;
    la::update(controller, 60, 100);
    CHECK(controller.beta > before);
}

/* ---- a bad call ---- */

static void test_error()
{
    std::vector<float> logits(N * V);
    std::vector<double> logp(2, 7);
    const std::vector<int> target{1, 6, 50257, 3};
    la::tokens tokens;
    tokens.target = la::in(target.data(), 2, 2);
    la::head head;
    head.tokens = &tokens;
    head.logits = la::in(logits.data(), 2, 2, V);
    head.logp = la::out(logp);
    bool thrown = false;
    try {
        la::forward(head);
    } catch (const la::error &e) {
        thrown = true;
        CHECK(e.status() == ALIGN_E_RANGE);
        CHECK(std::strcmp(e.field(), "align_tokens.target") == 0);
        CHECK(e.axes() == 2 && e.index(0) == 1 && e.index(1) == 0);
        CHECK(e.value() == 50257);
        CHECK(std::strncmp(e.what(), "RANGE: align_tokens.target[1,0] = 50257", 38) == 0);
    }
    CHECK(thrown && logp[0] == 7);
}

int main()
{
    test_views();
    test_loss();
    test_step();
    test_parallel();
    test_fits();
    test_norm();
    test_advantage();
    test_error();
    std::printf("%d failures\n", failures);
    return failures != 0;
}
