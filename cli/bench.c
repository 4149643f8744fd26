/* glint bench: tokens and bytes a second, beside the read bandwidth of the same minutes. */
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/setup.h"

typedef struct measured {
    glint_bench_row rows[2];
    int n;
    double bandwidth; /* bytes a second; 0: nothing is read, on the device "null" */
} measured;

/* The memory is shared with other programs, so it is measured on both sides of the tests, and the better one counts. */
static glint_status measure(const cli_options *o, glint_session *session, measured *out, glint_error *err) {
    glint_bench_options options = {o->bench_prompt, o->bench_decode, o->repeats};
    bool reads = strcmp(glint_session_device(session), "null") != 0;
    double before = reads ? glint_measure_bandwidth(o->threads) : 0;
    glint_status s = glint_bench(session, &options, out->rows, &out->n, err);
    double after = reads && !s ? glint_measure_bandwidth(o->threads) : 0;
    out->bandwidth = before > after ? before : after;
    return s;
}

static double read_rate(const glint_bench_row *row) {
    return row->median * row->bytes_per_token;
}

static glint_status print_measured(const glint_model *model, const glint_session *session, const measured *m,
                                   glint_error *err) {
    print_table t;
    char rate[32];
    print_table_open(&t, "lllrlrr",
                     (const char *[]){"device", "model", "test", "tokens/s", "[min..max]", "bytes/s", "of bandwidth"});
    for (int i = 0; i < m->n; i++) {
        const glint_bench_row *row = &m->rows[i];
        print_table_cell(&t, "%s", glint_session_device(session));
        print_table_cell(&t, "%s", glint_model_path(model));
        print_table_cell(&t, "%s", row->test);
        print_table_cell(&t, "%.1f", row->median);
        print_table_cell(&t, "[%.1f..%.1f]", row->minimum, row->maximum);
        if (m->bandwidth > 0) {
            print_table_cell(&t, "%s/s", print_bytes(rate, read_rate(row)));
            print_table_cell(&t, "%.1f %%", 100 * read_rate(row) / m->bandwidth);
        } else {
            print_table_cell(&t, "-");
            print_table_cell(&t, "-");
        }
    }
    glint_status s = print_table_end(&t, err);
    if (!s && m->bandwidth > 0) printf("read bandwidth of the host's memory: %s/s\n", print_bytes(rate, m->bandwidth));
    return s;
}

static glint_status print_measured_json(const glint_model *model, const glint_session *session, const measured *m,
                                        glint_error *err) {
    json_t *tests = json_array();
    for (int i = 0; i < m->n; i++) {
        const glint_bench_row *row = &m->rows[i];
        json_array_append_new(tests,
                              json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "test", row->test, "median", row->median,
                                        "minimum", row->minimum, "maximum", row->maximum, "bytes_per_token",
                                        row->bytes_per_token, "bytes_per_second", read_rate(row)));
    }
    return print_json(json_pack("{s:s, s:s, s:o, s:f, s:o}", "device", glint_session_device(session), "reason",
                                glint_session_reason(session), "model", print_json_name(glint_model_path(model)),
                                "read_bandwidth", m->bandwidth, "tests", tests),
                      false, err);
}

glint_status cli_bench(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    glint_session *session = NULL;
    measured m = {.n = 0};
    glint_session_options options = cli_session_options(o);
    if (o->null && (o->device || o->split || o->gpu_layers >= 0))
        return cli_fail(err, GLINT_USAGE, "--null says where: neither --device, --split nor --gpu-layers beside it");
    if (o->bench_prompt == 0 && o->bench_decode == 0) return cli_fail(err, GLINT_USAGE, "nothing to measure");
    if (o->null) options.device = "null";
    if (!o->context) options.context = o->bench_prompt + o->bench_decode;
    if (o->plan) return cli_print_plan(o, &options, err);
    glint_status s = cli_open_model(o, &model, err);
    if (!s) s = cli_open_session(o, model, &options, &session, err);
    if (!s) s = measure(o, session, &m, err);
    if (!s) s = (o->json ? print_measured_json : print_measured)(model, session, &m, err);
    if (!s && !o->quiet) cli_tell_device(session);
    glint_session_close(&session);
    glint_model_close(&model);
    return s;
}
