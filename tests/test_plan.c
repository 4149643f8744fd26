/* The planner: the cut that it takes is the best of all there are, memory is kept, and what cannot fit is refused with
 * what would. */
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/placement/place.h"

enum { DEVICES = 3 };

static glint_model *open_model(const char *name) {
    char path[1024];
    glint_error err;
    glint_model *m = NULL;
    SUPPORT_OK(glint_model_open(support_data(path, name), &m, &err), &err);
    return m;
}

static void open_plan(plan *p, const glint_model *m) {
    glint_error err;
    plan_sizes sizes;
    SUPPORT_OK(plan_sizes_of(m, &(glint_session_options){.context = 128, .batch = 16}, &sizes, &err), &err);
    SUPPORT_OK(plan_open(p, m, &sizes, &err), &err);
}

static plan_device device_named(const char *name) {
    plan_device d;
    glint_error err;
    SUPPORT_OK(plan_find_device(name, NULL, &d, &err), &err);
    return d;
}

/* ---- Sizes ---- */

static void test_sizes(void) {
    static const struct {
        glint_session_options o;
        const char *words;
    } cases[] = {{{.context = 100000000}, "context 100000000: 0 to 16777216 are possible"},
                 {{.batch = -1}, "batch -1: 0 to 16777216 are possible"},
                 {{.outputs = 1 << 25}, "outputs 33554432: 0 to 16777216 are possible"},
                 {{.sequences = 4097}, "sequences 4097: 0 to 4096 are possible"},
                 {{.context = 1 << 24, .threads = 4097}, "threads 4097: 0 to 4096 are possible"}};
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plan_sizes sizes;
        glint_error err = {""};
        CU_ASSERT_EQUAL(plan_sizes_of(m, &cases[i].o, &sizes, &err), GLINT_USAGE);
        CU_ASSERT_STRING_EQUAL(err.message, cases[i].words);
    }
    glint_model_close(&m);
}

/* ---- Needs ---- */

static void test_needs(void) {
    plan p;
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    const glint_tensor_info *tensors;
    open_plan(&p, m);
    plan_device d = device_named("null");
    int pieces = glint_model_layers(m) + 2, n = glint_model_tensors(m, &tensors);
    double bytes = 0, cache = 0, alone = 0;
    for (int i = 0; i < n; i++) bytes += (double)tensors[i].bytes;
    plan_bytes all = plan_needs(&p, &d, 0, pieces);
    CU_ASSERT_EQUAL(all.weights, bytes); /* the tied table once */
    for (int piece = 0; piece < pieces; piece++) {
        plan_bytes b = plan_needs(&p, &d, piece, piece + 1);
        alone += b.weights;
        cache += b.cache;
    }
    plan_bytes embed = plan_needs(&p, &d, 0, 1);
    CU_ASSERT_EQUAL(alone, bytes + embed.weights); /* cut, it is needed on both sides */
    CU_ASSERT_EQUAL(cache, all.cache);
    CU_ASSERT(all.cache > 0 && all.scratch > 0 && embed.cache == 0);
    CU_ASSERT(plan_needs(&p, &d, 3, 6).weights > plan_needs(&p, &d, 3, 5).weights);
    plan_close(&p);
    glint_model_close(&m);
}

/* ---- Choosing ---- */

typedef struct search {
    const plan *p;
    const plan_device *devices;
    bool used[DEVICES];
    placement where;         /* up to here */
    plan_device on[DEVICES]; /* by part */
    double best;
} search;

/* Every way to give the pieces from `first` on to devices that are not used yet. */
static void try_all(search *x, int first, double seconds) {
    int pieces = x->p->model->tape.layers + 2;
    if (first == pieces && seconds < x->best && !plan_check(x->p, &x->where, x->on, NULL)) x->best = seconds;
    for (int d = 0; d < DEVICES; d++) {
        if (x->used[d]) continue;
        x->used[d] = true;
        x->on[x->where.n] = x->devices[d];
        for (int end = first + 1; end <= pieces && plan_fits(x->p, &x->devices[d], first, end); end++) {
            x->where.parts[x->where.n++] = (placement_part){.first = first, .end = end};
            try_all(x, end, seconds + plan_seconds(x->p, &x->devices[d], first, end, 1));
            x->where.n--;
        }
        x->used[d] = false;
    }
}

static double seconds_of(const plan *p, const placement *w, const plan_device *devices) {
    double seconds = 0;
    for (int i = 0; i < w->n; i++)
        for (int d = 0; d < DEVICES; d++) {
            const placement_part *q = &w->parts[i];
            if (strcmp(devices[d].name, q->device) != 0) continue;
            CU_ASSERT(plan_fits(p, &devices[d], q->first, q->end));
            seconds += plan_seconds(p, &devices[d], q->first, q->end, 1);
            break; /* it may be there twice */
        }
    return seconds;
}

static plan_device random_device(support_random *r, char name, const plan_bytes *all, float most) {
    plan_device d = device_named("null");
    d.name[0] = name;
    d.step = support_uniform(r, 0, 1e-4f);
    d.launch = support_uniform(r, 0, 1e-5f);
    d.layer = (plan_pace){8, support_uniform(r, 1e8f, 1e10f)};
    d.head = (plan_pace){2, support_uniform(r, 1e8f, 1e10f)};
    d.memory_bytes = all->scratch + support_uniform(r, 0, most) * (all->weights + all->cache);
    return d;
}

static void test_choice_is_best(void) {
    plan p;
    int refused = 0, split = 0;
    support_random r = support_seed(13);
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    open_plan(&p, m);
    plan_bytes all = plan_needs(&p, &(plan_device){.backend = backend_of_device("null")}, 0, glint_model_layers(m) + 2);
    for (int round = 0; round < 200; round++) {
        plan_device devices[DEVICES];
        for (int d = 0; d < DEVICES; d++) devices[d] = random_device(&r, (char)('a' + d), &all, 1.2f);
        search x = {.p = &p, .devices = devices, .best = INFINITY};
        placement w = {.n = -1};
        glint_error err;
        try_all(&x, 0, 0);
        glint_status s = plan_choose(&p, devices, DEVICES, &w, &err);
        CU_ASSERT_EQUAL(s, isinf(x.best) ? GLINT_DEVICE : GLINT_OK);
        if (!s) CU_ASSERT_DOUBLE_EQUAL(seconds_of(&p, &w, devices), x.best, 1e-12);
        refused += s != GLINT_OK;
        split += !s && w.n > 1;
    }
    CU_ASSERT(refused > 5 && split > 50); /* the rounds were worth running */
    plan_close(&p);
    glint_model_close(&m);
}

static glint_status check_on(const plan *p, const placement *w, const plan_device *devices, glint_error *err) {
    plan_device on[PLACEMENT_MOST];
    for (int i = 0; i < w->n; i++)
        for (int d = DEVICES - 1; d >= 0; d--)
            if (!strcmp(devices[d].name, w->parts[i].device)) on[i] = devices[d];
    return plan_check(p, w, on, err);
}

/* One device before and behind another, as a CPU and a GPU: both stretches together keep within its memory, are no
 * neighbours, and are never slower than one stretch; mostly they are the best two there are. */
static void test_named_twice(void) {
    plan p;
    int twice = 0, best = 0, found = 0;
    support_random r = support_seed(16);
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    open_plan(&p, m);
    plan_bytes all = plan_needs(&p, &(plan_device){.backend = backend_of_device("null")}, 0, glint_model_layers(m) + 2);
    for (int round = 0; round < 300; round++) {
        plan_device devices[DEVICES] = {random_device(&r, 'a', &all, 1.2f)};
        devices[1] = random_device(&r, 'b', &all, 1.2f);
        devices[0].step = devices[1].step *= 0.05;
        devices[0].head.bandwidth *= 0.1;
        devices[0].layer.bandwidth *= 10;
        devices[2] = devices[1];
        search x = {.p = &p, .devices = devices, .best = INFINITY}, once = x;
        placement w = {.n = 0};
        glint_error err;
        once.used[2] = true;
        try_all(&x, 0, 0);
        try_all(&once, 0, 0);
        glint_status s = plan_choose(&p, devices, DEVICES, &w, &err);
        CU_ASSERT(s == GLINT_DEVICE ? isinf(once.best) : s == GLINT_OK);
        if (s) continue;
        double seconds = seconds_of(&p, &w, devices);
        SUPPORT_OK(check_on(&p, &w, devices, &err), &err);
        for (int i = 1; i < w.n; i++) CU_ASSERT_STRING_NOT_EQUAL(w.parts[i].device, w.parts[i - 1].device);
        CU_ASSERT(seconds > x.best - 1e-12 && seconds < once.best + 1e-12);
        found++;
        best += seconds < x.best + 1e-12;
        twice += w.n > 2;
    }
    CU_ASSERT(found > 100 && twice > 20 && best > found * 9 / 10);
    plan_close(&p);
    glint_model_close(&m);
}

/* Of as many devices as a plan takes, in any order: the one for embed and layers is the last, that for the head the
 * first. */
static void test_every_order(void) {
    plan p;
    plan_device devices[PLAN_DEVICES];
    placement w = {.n = 0};
    glint_error err;
    char text[PLACEMENT_TEXT];
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    open_plan(&p, m);
    for (int d = 0; d < PLAN_DEVICES; d++) {
        devices[d] = device_named("null");
        devices[d].name[0] = (char)('a' + d);
        devices[d].layer.bandwidth = d == PLAN_DEVICES - 1 ? 1e12 : 1e6;
        devices[d].head.bandwidth = d ? 1e6 : 1e12;
    }
    devices[PLAN_DEVICES - 2] = devices[PLAN_DEVICES - 3]; /* as a CPU is */
    SUPPORT_OK(plan_choose(&p, devices, PLAN_DEVICES, &w, &err), &err);
    placement_text(&m->tape, &w, text);
    CU_ASSERT_STRING_EQUAL(text, "hull=embed,0-4,aull=head");
    plan_close(&p);
    glint_model_close(&m);
}

/* ---- What was asked for ---- */

static glint_status place(const glint_model *m, glint_session_options o, char text[PLACEMENT_TEXT], glint_error *err) {
    plan p;
    placed at = {.where = {.n = 0}};
    o.context = 128;
    o.batch = 16;
    plan_sizes sizes;
    SUPPORT_OK(plan_sizes_of(m, &o, &sizes, err), err);
    SUPPORT_OK(plan_open(&p, m, &sizes, err), err);
    glint_status s = place_session(&p, &o, &at, err);
    placement_text(&m->tape, &at.where, text);
    plan_close(&p);
    return s;
}

static void test_placements(void) {
    static const struct {
        glint_session_options o;
        const char *where;
    } cases[] = {
        {{.device = "cpu"}, "cpu"},
        {{.device = "null"}, "null"},
        {{.device = "null", .gpu_layers = 3}, "cpu=embed,0-4,null=5-7,cpu=head"},
        {{.device = "null", .gpu_layers = 8}, "cpu=embed,null=0-7,cpu=head"},
        {{.device = "null", .gpu_layers = 9}, "null"},
        {{.device = "null", .gpu_layers = 99}, "null"},
        {{.split = "null=0-7,cpu=head"}, "null=embed,0-7,cpu=head"},
        {{.split = "null=0-7", .memory = "null=1G"}, "null"},
        {{.split = "null=0-7", .memory = "cpu=1,null=4.5MiB,null:7=7TB"}, "null"},
    };
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[PLACEMENT_TEXT];
        glint_error err;
        SUPPORT_OK(place(m, cases[i].o, text, &err), &err);
        CU_ASSERT_STRING_EQUAL(text, cases[i].where);
    }
    glint_model_close(&m);
}

static void test_refusals(void) {
    static const struct {
        glint_session_options o;
        glint_status status;
        const char *words;
    } cases[] = {
        {{.split = "null=0-7", .memory = "null=2M"}, GLINT_DEVICE, "2.1 MB may be used; embed, layers 0 to "},
        {{.split = "cpu=0-3,null=4-7", .memory = "null=1K"}, GLINT_DEVICE, "null: layers 4 to 7, head: "},
        {{.split = "cpu=0-3,null=4-7", .memory = "null=1K"}, GLINT_DEVICE, "not even the first of them would"},
        {{.split = "null=0-3,cpu=4-5,null=6-7", .memory = "null=1.8M"}, GLINT_DEVICE, "null: layers 6 to 7, head: "},
        {{.device = "null", .gpu_layers = 5, .memory = "null=800K"}, GLINT_DEVICE, "null: layers 3 to 7: "},
        {{.device = "null", .memory = "null=1M"}, GLINT_DEVICE, "1.0 MB may be used"},
        {{.split = "gpu7=0-7"}, GLINT_USAGE, "gpu7: no such device"},
        {{.device = "null", .memory = "null"}, GLINT_USAGE, "\"null\" is not DEVICE=SIZE"},
        {{.device = "null", .memory = "null=8G,cpu=x"}, GLINT_USAGE, "\"cpu=x\" is not DEVICE=SIZE"},
        {{.device = "null", .memory = "null=8GG"}, GLINT_USAGE, "is not DEVICE=SIZE"},
        {{.device = "null", .memory = "null=8 "}, GLINT_USAGE, "\"null=8 \" is not DEVICE=SIZE"},
        {{.device = "null", .memory = "null=8\t,cpu=1"}, GLINT_USAGE, "is not DEVICE=SIZE"},
        {{.device = "null", .memory = "null=8G "}, GLINT_USAGE, "is not DEVICE=SIZE"},
        {{.device = "null", .memory = "other=16G"}, GLINT_USAGE, "other: no such device"},
        {{.memory = "null=1G,other:0=16G"}, GLINT_USAGE, "other:0: no such device"},
        {{.device = "null", .memory = "null =16G"}, GLINT_USAGE, "null : no such device"},
        {{.device = "null", .memory = "null=1G,cpu=1G, null=2G"}, GLINT_USAGE, "null is named twice"},
        {{.memory = "cpu=1G,cpu=1G"}, GLINT_USAGE, "cpu is named twice"},
        {{.device = "null", .memory = ""}, GLINT_USAGE, "\"\" is not DEVICE=SIZE"},
        {{.device = "cpu", .memory = "cpu=1K"}, GLINT_DEVICE, "1.0 kB may be used"},
        {{.device = "null", .memory = "null=0"}, GLINT_USAGE, "is not DEVICE=SIZE"},
        {{.device = "null", .memory = "null=-8G"}, GLINT_USAGE, "is not DEVICE=SIZE"},
        {{.device = "null", .memory = "null=1.2.3"}, GLINT_USAGE, "is not DEVICE=SIZE"},
    };
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[PLACEMENT_TEXT];
        glint_error err = {""};
        CU_ASSERT_EQUAL(place(m, cases[i].o, text, &err), cases[i].status);
        bool said = strstr(err.message, cases[i].words) != NULL;
        if (!said) printf("\n    case %zu: %s", i, err.message);
        CU_ASSERT(said);
    }
    glint_model_close(&m);
}

/* Limits hold also where Glint chooses itself: for a CPU that takes everything, for the first GPU by either name. */
static void test_limits_of_chosen(void) {
    plan p;
    placed at;
    plan_device gpu;
    int n = 0;
    char text[PLACEMENT_TEXT], limit[64];
    glint_error err = {""};
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    open_plan(&p, m);
    at.tried = 99;
    CU_ASSERT_EQUAL(place_instead(&p, &(glint_session_options){.memory = "cpu=1K"}, "a test", &at, &err), GLINT_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "1.0 kB may be used"));
    SUPPORT_OK(plan_find_hardware(NULL, &gpu, 1, &n, NULL, &err), &err);
    if (n) {
        snprintf(limit, sizeof limit, "%s=1G", gpu.backend->name);
        SUPPORT_OK(plan_find_device(gpu.name, limit, &gpu, &err), &err);
        CU_ASSERT_EQUAL(gpu.memory_bytes, 1 << 30);
        snprintf(limit, sizeof limit, "%s=1G,%.40s=2G", gpu.backend->name, gpu.name);
        CU_ASSERT_EQUAL(plan_find_device(gpu.name, limit, &gpu, &err), GLINT_USAGE);
    } else {
        glint_session *s = NULL;
        glint_session_options o = {.memory = "cpu=1K"};
        CU_ASSERT_EQUAL(place(m, o, text, &err), GLINT_DEVICE);
        CU_ASSERT_EQUAL(glint_session_open(m, &o, &s, &err), GLINT_DEVICE);
        o.gpu_layers = 3;
        CU_ASSERT_EQUAL(place(m, o, text, &err), GLINT_DEVICE);
        SUPPORT_OK(place(m, (glint_session_options){.memory = "null:9=16G,cpu=1G"}, text, &err), &err);
    }
    plan_close(&p);
    glint_model_close(&m);
}

/* GPUs that nobody named and that do not work: the next one takes the model, in the end the CPU, and everybody hears
 * why. A session finds out while it loads, a plan while it measures. */
static void test_next_one(void) {
    static const char first[] = "failing:adopt1@cpu: the device was lost on purpose";
    const struct {
        const char *gpus, *device, *reason;
    } cases[] = {{"failing:adopt1@cpu failing:step99999999@cpu", "failing:step99999999@cpu", first},
                 {"failing:step99999999@cpu failing:adopt1@cpu", "failing:step99999999@cpu", "a hardware GPU"},
                 {"failing:adopt1@cpu failing:adopt2@cpu", "cpu", "failing:adopt2@cpu: the device was lost on purpose"},
                 {"failing:adopt1@cpu", "cpu", first}};
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    plan_device gpu;
    int n = 0;
    glint_error err = {""};
    SUPPORT_OK(plan_find_hardware(NULL, &gpu, 1, &n, NULL, &err), &err);
    for (size_t i = 0; i < (n ? 2 : sizeof cases / sizeof *cases); i++) {
        glint_session *s = NULL;
        glint_plan *found = NULL;
        glint_session_options o = {.context = 64, .batch = 8, .threads = 1};
        setenv("GLINT_FAILING", cases[i].gpus, 1);
        SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
        SUPPORT_OK(glint_plan_open(m, &o, &found, &err), &err);
        unsetenv("GLINT_FAILING");
        CU_ASSERT_STRING_EQUAL(glint_session_device(s), cases[i].device);
        CU_ASSERT_STRING_EQUAL(glint_session_reason(s), cases[i].reason);
        CU_ASSERT_STRING_EQUAL(glint_plan_split(found), cases[i].device);
        CU_ASSERT_STRING_EQUAL(glint_plan_reason(found), cases[i].reason);
        glint_session_close(&s);
        glint_plan_close(&found);
    }
    glint_model_close(&m);
    if (n) support_skip("a machine whose CPU is what is left");
}

/* What does not hold the model is shared; one that fails while it is measured is left out, and named. */
static void test_left_out(void) {
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    glint_session *s = NULL;
    glint_error err = {""};
    glint_session_options o = {.context = 64, .batch = 8, .threads = 1, .memory = "failing:adopt1@cpu=1M,gles:0=1M"};
    setenv("GLINT_FAILING", "failing:adopt1@cpu", 1);
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    unsetenv("GLINT_FAILING");
    CU_ASSERT_PTR_NULL(strstr(glint_session_device(s), "failing"));
    CU_ASSERT_PTR_NOT_NULL(strstr(glint_session_reason(s), "measured; failing:adopt1@cpu: the device was lost"));
    glint_session_close(&s);
    glint_model_close(&m);
}

/* A processor that failed is not taken instead of itself, also where others are left that do not hold the model. */
static void test_nothing_instead(void) {
    plan p;
    placement before, after;
    glint_error err = {"what failed"};
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    open_plan(&p, m);
    SUPPORT_OK(placement_parse(&m->tape, "cpu=0-3,null=4-7", &before, &err), &err);
    for (int failed = 0; failed < 2; failed++) {
        glint_status s = place_again(&p, &before, failed, "null=1K", &after, &err);
        CU_ASSERT_EQUAL(s, failed ? GLINT_OK : GLINT_DEVICE);
    }
    CU_ASSERT(after.n == 1 && !strcmp(after.parts[0].device, "cpu"));
    CU_ASSERT_STRING_EQUAL(err.message, "what failed");
    plan_close(&p);
    glint_model_close(&m);
}

/* ---- Measuring ---- */

/* Numbers are of a device that is there: positive, and the whole plan adds up. */
static void test_measured(void) {
    static const char *const places[] = {"cpu=0-7", "cpu=0-3,cpu:ref=4-7", "cpu=embed,null=0-7,cpu=head"};
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        glint_plan *made = NULL;
        const glint_plan_part *parts;
        glint_error err;
        glint_session_options o = {.split = places[i], .context = 128, .batch = 16, .threads = 1};
        double token = 0, first = 0, slowest = 0;
        SUPPORT_OK(glint_plan_open(m, &o, &made, &err), &err);
        int n = glint_plan_parts(made, &parts);
        for (int k = 0; k < n; k++) {
            token += parts[k].token_seconds;
            first += parts[k].prompt_seconds;
            slowest = fmax(slowest, parts[k].prompt_seconds);
            CU_ASSERT(isfinite(parts[k].token_seconds) && parts[k].token_seconds >= 0);
            CU_ASSERT(isfinite(parts[k].prompt_seconds) && parts[k].prompt_seconds >= 0);
            CU_ASSERT(parts[k].weight_bytes > 0 && parts[k].scratch_bytes > 0 && parts[k].pieces[0]);
        }
        CU_ASSERT_DOUBLE_EQUAL(glint_plan_token_seconds(made), token, 1e-12);
        CU_ASSERT(token > 0 && first > 0);
        CU_ASSERT_EQUAL(glint_plan_batch(made), 16);
        /* one chunk goes through all parts; of many, and CPUs work in turns, the slowest counts, or all of them */
        double more = glint_plan_prompt_seconds(made, 96) - glint_plan_prompt_seconds(made, 16);
        CU_ASSERT_DOUBLE_EQUAL(glint_plan_prompt_seconds(made, 16), first, 1e-12);
        CU_ASSERT(more > 5 * slowest - 1e-12 && more < 5 * first + 1e-12);
        glint_plan_close(&made);
        CU_ASSERT_PTR_NULL(made);
    }
    glint_model_close(&m);
}

int main(void) {
    const support_case cases[] = {{"sizes out of range", test_sizes},
                                  {"what pieces need", test_needs},
                                  {"the choice is the best there is", test_choice_is_best},
                                  {"a device named twice", test_named_twice},
                                  {"every order of devices", test_every_order},
                                  {"what was asked for", test_placements},
                                  {"refusals", test_refusals},
                                  {"limits of what was chosen", test_limits_of_chosen},
                                  {"the next one", test_next_one},
                                  {"one that is left out", test_left_out},
                                  {"nothing instead of what failed", test_nothing_instead},
                                  {"measured", test_measured}};
    return support_main("plan", cases, sizeof cases / sizeof *cases);
}
