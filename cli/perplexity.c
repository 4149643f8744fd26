/* glint perplexity: the mean negative log-likelihood of a text. */
#include "cli/command.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/setup.h"

static const char *const scores[] = {[GLINT_SCORE_HALF] = "half", [GLINT_SCORE_ALL] = "all"};

static glint_status print_result(const cli_options *o, const glint_session *session, const glint_perplexity *p,
                                 int window, glint_error *err) {
    if (o->json)
        return print_json(json_pack("{s:o, s:o, s:o, s:I, s:I, s:i, s:s, s:s, s:s}", "mean_nll",
                                    print_json_number(p->mean_nll), "perplexity", print_json_number(p->perplexity),
                                    "standard_error", print_json_number(p->standard_error), "scored_tokens",
                                    (json_int_t)p->scored, "windows", (json_int_t)p->windows, "window", window, "score",
                                    scores[o->score], "device", glint_session_device(session), "precision",
                                    cli_precisions[o->precision]),
                          false, err);
    printf("mean NLL    %.6f +/- %.6f\n", p->mean_nll, p->standard_error);
    printf("perplexity  %.4f\n", p->perplexity);
    printf("scored      %zu tokens in %zu windows of %d (%s)\n", p->scored, p->windows, window, scores[o->score]);
    return GLINT_OK;
}

static glint_status score(const cli_options *o, glint_session *session, const cli_ids *ids, int window,
                          glint_error *err) {
    glint_perplexity p = {0};
    progress bar;
    double begin = cli_seconds();
    progress_open(&bar, "perplexity", o->quiet);
    glint_status s =
        glint_perplexity_run(session, ids->ids, ids->n, window, (glint_score)o->score, progress_update, &bar, &p, err);
    progress_close(&bar);
    if (!s) s = print_result(o, session, &p, window, err);
    if (!s && !o->quiet)
        fprintf(stderr, "glint: %zu tokens in %.2f s; device %s (%s)\n", ids->n, cli_seconds() - begin,
                glint_session_device(session), glint_session_reason(session));
    return s;
}

glint_status cli_perplexity(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    glint_session *session = NULL;
    cli_ids ids = {0};
    int window = o->context ? o->context : 256;
    glint_session_options options = cli_session_options(o);
    options.context = window;
    options.outputs = CLI_OUTPUTS;
    glint_status s = cli_open_model(o, &model, err);
    if (!s) s = cli_read_prompt(o, model, &ids, err);
    if (!s) s = cli_open_session(o, model, &options, &session, err);
    if (!s) s = score(o, session, &ids, window, err);
    cli_free_ids(&ids);
    glint_session_close(&session);
    glint_model_close(&model);
    return s;
}
