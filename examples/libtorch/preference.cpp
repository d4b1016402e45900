/* Losses of libalign as a function of libtorch's autograd: scores are tensors, and backward() goes through.
 *
 *     torch::Tensor loss = PreferenceLoss::apply(logp, ref, "dpo", 0.1);      // logp [G, 2] of a model, ref [G, 2]
 *     loss.backward();
 *
 * The same model is trained twice, with this and with DPO written in libtorch's own operations: losses and parameters
 * must stay equal. Prints both and returns 0 when they do. */
#include <libalign/align.hpp>
#include <torch/torch.h>

#include <cmath>
#include <cstdio>

namespace la = libalign;

/* Scores and their gradient stay where they are: libalign sees the memory of CPU tensors, whatever their strides. */
static align_tensor view_of(const torch::Tensor &t)
{
    align_tensor view = align_2d(t.data_ptr(),
                                 t.scalar_type() == torch::kDouble ? ALIGN_F64 : ALIGN_F32,
                                 t.size(0), t.size(1));
    view.stride[0] = t.stride(0);
    view.stride[1] = t.stride(1);
    return view;
}

struct PreferenceLoss : torch::autograd::Function<PreferenceLoss> {
    static torch::Tensor forward(torch::autograd::AutogradContext *context,
                                 const torch::Tensor &score, const torch::Tensor &ref,
                                 const char *name, double beta)
    {
        double value = 0;
        torch::Tensor gradient = torch::empty_like(score);
        la::loss_params params(la::find_loss(name));
        params.beta = beta;
        la::loss_args loss;
        loss.loss = params.loss;
        loss.params = &params;
        loss.score = view_of(score);
        loss.ref = view_of(ref);
        loss.value = la::out(value);
        loss.dscore = view_of(gradient);
        la::eval(loss);
        context->save_for_backward({gradient});
        return torch::full({}, value, score.options());
    }

    static torch::autograd::tensor_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::tensor_list incoming)
    {
        return {context->get_saved_variables()[0] * incoming[0], {}, {}, {}};
    }
};

/* ---- a model, and the log-probabilities of its answers ---- */

enum { PAIRS = 16, LENGTH = 8, VOCABULARY = 40, WIDTH = 12, STEPS = 30 };

struct Model : torch::nn::Module {
    torch::nn::Embedding embedding{nullptr};
    torch::nn::Linear head{nullptr};

    Model()
    {
        torch::manual_seed(7);
        embedding = register_module("embedding", torch::nn::Embedding(VOCABULARY, WIDTH));
        head = register_module("head", torch::nn::Linear(WIDTH, VOCABULARY));
        to(torch::kDouble);
    }

    /* tokens [G, 2, LENGTH] to the log-probability of all but the first token: [G, 2] */
    torch::Tensor logp(const torch::Tensor &tokens)
    {
        torch::Tensor from = tokens.slice(2, 0, LENGTH - 1), to = tokens.slice(2, 1);
        torch::Tensor each = torch::log_softmax(head(embedding(from)), -1);
        return each.gather(3, to.unsqueeze(3)).squeeze(3).sum(2);
    }
};

static torch::Tensor written_out(const torch::Tensor &score, const torch::Tensor &ref, double beta)
{
    torch::Tensor gap = score - ref;
    return -torch::log_sigmoid(beta * (gap.select(1, 0) - gap.select(1, 1))).mean();
}

static std::vector<double> train(Model &model, const torch::Tensor &tokens, bool with_libalign)
{
    torch::Tensor ref = model.logp(tokens).detach();
    torch::optim::Adam optimiser(model.parameters(), 0.02);
    std::vector<double> losses;
    for (int i = 0; i < STEPS; i++) {
        torch::Tensor score = model.logp(tokens);
        torch::Tensor loss = with_libalign ? PreferenceLoss::apply(score, ref, "dpo", 0.1)
                                           : written_out(score, ref, 0.1);
        optimiser.zero_grad();
        (3 * loss).backward();
        optimiser.step();
        losses.push_back(loss.item<double>());
    }
    return losses;
}

/* A refusal of libalign arrives as libtorch's exceptions do. */
static bool refuses()
{
    torch::Tensor score = torch::zeros({4, 2}, torch::kDouble),
                  ref = torch::zeros({4, 1}, torch::kDouble);
    try {
        PreferenceLoss::apply(score, ref, "dpo", 0.1);
    } catch (const la::error &e) {
        std::printf("%s\n", e.what());
        return e.status() == ALIGN_E_SHAPE;
    }
    return false;
}

int main()
{
    torch::manual_seed(1);
    torch::Tensor tokens = torch::randint(VOCABULARY, {PAIRS, 2, LENGTH}, torch::kLong);
    Model one, two;
    std::vector<double> ours = train(one, tokens, true), theirs = train(two, tokens, false);
    double worst = 0;
    for (int i = 0; i < STEPS; i++)
        worst = std::fmax(worst, std::fabs(ours[i] - theirs[i]));
    double apart = (one.head->weight - two.head->weight).abs().max().item<double>();
    std::printf("loss %.6f -> %.6f; at most %.1e from libtorch's own, weights %.1e apart\n",
                ours.front(), ours.back(), worst, apart);
    return !(ours.back() < 0.2 && worst < 1e-9 && apart < 1e-6 && refuses());
}
