/* glint_make_model SHAPE MIX OUT.gguf [--layers N] [--vocab N] [--ffn N]: see make_model.h.
 *
 * MIX is the choice of number formats: f16, q8_0, or q4_k_m as llama-quantize makes it, where rows that are no whole
 * number of blocks fall back to a format of smaller blocks. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/make_model.h"
#include "core/base/file_map.h"
#include "core/base/size.h"

static const make_shape shapes[] = {
    {.name = "gemma3-1b",
     .architecture = "gemma3",
     .family = FAMILY_GEMMA3,
     .vocabulary = 262144,
     .context = 32768,
     .width = 1152,
     .ffn = 6912,
     .layers = 26,
     .heads = 4,
     .kv_heads = 1,
     .head_dim = 256,
     .window = 512,
     .rms_eps = 1e-6f,
     .rope_base = 1e6f},
    {.name = "qwen2.5-0.5b",
     .architecture = "qwen2",
     .family = FAMILY_QWEN2,
     .vocabulary = 151936,
     .context = 32768,
     .width = 896,
     .ffn = 4864,
     .layers = 24,
     .heads = 14,
     .kv_heads = 2,
     .head_dim = 64,
     .rms_eps = 1e-6f,
     .rope_base = 1e6f},
    {.name = "llama3.2-1b",
     .architecture = "llama",
     .family = FAMILY_LLAMA,
     .vocabulary = 128256,
     .context = 131072,
     .width = 2048,
     .ffn = 8192,
     .layers = 16,
     .heads = 32,
     .kv_heads = 8,
     .head_dim = 64,
     .rms_eps = 1e-5f,
     .rope_base = 5e5f},
};

typedef struct mix_row {
    const char *name;
    format_id most, more, embed; /* most matrices; those that get more bits; the embedding, which is the head too */
    uint32_t file_type;          /* general.file_type */
} mix_row;

static const mix_row mixes[] = {
    {"f16", FORMAT_F16, FORMAT_F16, FORMAT_F16, 1},
    {"q8_0", FORMAT_Q8_0, FORMAT_Q8_0, FORMAT_Q8_0, 7},
    {"q4_k_m", FORMAT_Q4_K, FORMAT_Q6_K, FORMAT_Q6_K, 15},
};

typedef enum dim { ONE, WIDTH, FFN, QUERY, KV, HEAD, HALF_HEAD, VOCABULARY, DIMS } dim;
typedef enum kind { NORM, BIAS, MATRIX, MORE_BITS, EMBED, ROPE_FREQS } kind;

typedef struct tensor_row {
    const char *name;
    kind kind;
    dim cols, rows;
    unsigned families;
} tensor_row;

static const tensor_row model_tensors[] = {
    {"token_embd.weight", EMBED, WIDTH, VOCABULARY, FAMILY_ALL},
    {"output_norm.weight", NORM, WIDTH, ONE, FAMILY_ALL},
    {"rope_freqs.weight", ROPE_FREQS, HALF_HEAD, ONE, FAMILY_LLAMA},
};

static const tensor_row layer_tensors[] = {
    {"attn_norm.weight", NORM, WIDTH, ONE, FAMILY_ALL},
    {"attn_q.weight", MATRIX, WIDTH, QUERY, FAMILY_ALL},
    {"attn_k.weight", MATRIX, WIDTH, KV, FAMILY_ALL},
    {"attn_v.weight", MORE_BITS, WIDTH, KV, FAMILY_ALL},
    {"attn_q.bias", BIAS, QUERY, ONE, FAMILY_QWEN2},
    {"attn_k.bias", BIAS, KV, ONE, FAMILY_QWEN2},
    {"attn_v.bias", BIAS, KV, ONE, FAMILY_QWEN2},
    {"attn_q_norm.weight", NORM, HEAD, ONE, FAMILY_GEMMA3},
    {"attn_k_norm.weight", NORM, HEAD, ONE, FAMILY_GEMMA3},
    {"attn_output.weight", MATRIX, QUERY, WIDTH, FAMILY_ALL},
    {"post_attention_norm.weight", NORM, WIDTH, ONE, FAMILY_GEMMA3},
    {"ffn_norm.weight", NORM, WIDTH, ONE, FAMILY_ALL},
    {"ffn_gate.weight", MATRIX, WIDTH, FFN, FAMILY_ALL},
    {"ffn_up.weight", MATRIX, WIDTH, FFN, FAMILY_ALL},
    {"ffn_down.weight", MORE_BITS, FFN, WIDTH, FAMILY_ALL},
    {"post_ffw_norm.weight", NORM, WIDTH, ONE, FAMILY_GEMMA3},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A tensor of the file. */
typedef struct plan_entry {
    const tensor_row *row;
    int layer; /* -1: of none */
    uint64_t cols, rows;
    format_id format;
    size_t bytes;
} plan_entry;

typedef struct plan {
    make_shape shape;
    const mix_row *mix;
    plan_entry *entries;
    size_t n;
} plan;

/* llama-quantize gives attn_v and ffn_down more bits in the first and last eighth of the layers and in every third
 * between. */
static bool more_bits(int layer, int layers) {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

static format_id choose_format(const plan *p, const tensor_row *row, int layer, uint64_t cols) {
    format_id f = p->mix->most;
    if (row->kind == NORM || row->kind == BIAS || row->kind == ROPE_FREQS) return FORMAT_F32;
    if (row->kind == EMBED) f = p->mix->embed;
    if (row->kind == MORE_BITS && more_bits(layer, (int)p->shape.layers)) f = p->mix->more;
    if (cols % format_table[f].block_values == 0) return f;
    return f == FORMAT_Q6_K ? FORMAT_Q8_0 : FORMAT_Q5_0;
}

static bool plan_add(plan *p, const tensor_row *row, int layer) {
    const make_shape *s = &p->shape;
    const uint64_t dims[DIMS] = {
        1,           s->width,        s->ffn,       s->heads * s->head_dim, s->kv_heads * s->head_dim,
        s->head_dim, s->head_dim / 2, s->vocabulary};
    plan_entry e = {.row = row, .layer = layer, .cols = dims[row->cols], .rows = dims[row->rows]};
    size_t row_bytes;
    if (!(row->families & s->family)) return true;
    e.format = choose_format(p, row, layer, e.cols);
    if (!format_row_bytes(e.format, e.cols, &row_bytes) || !size_mul(row_bytes, e.rows, &e.bytes)) return false;
    p->entries[p->n++] = e;
    return true;
}

static bool plan_make(plan *p) {
    bool ok = true;
    p->entries = calloc(COUNT(model_tensors) + p->shape.layers * COUNT(layer_tensors), sizeof *p->entries);
    if (!p->entries) return false;
    for (size_t i = 0; i < COUNT(model_tensors); i++) ok = ok && plan_add(p, &model_tensors[i], -1);
    for (uint32_t l = 0; l < p->shape.layers; l++)
        for (size_t i = 0; i < COUNT(layer_tensors); i++) ok = ok && plan_add(p, &layer_tensors[i], (int)l);
    return ok;
}

static void write_keys(make_keys *k, const make_shape *s, const mix_row *mix) {
    const char *a = s->architecture;
    char key[96];
#define KEY(suffix) (snprintf(key, sizeof key, "%s." suffix, a), key)
    make_key_text(k, "general.architecture", a);
    make_key_text(k, "general.type", "model");
    make_key_text(k, "general.name", s->name);
    make_key_u32(k, "general.file_type", mix->file_type);
    make_key_u32(k, "general.quantization_version", 2);
    make_key_u32(k, KEY("context_length"), s->context);
    make_key_u32(k, KEY("embedding_length"), s->width);
    make_key_u32(k, KEY("block_count"), s->layers);
    make_key_u32(k, KEY("feed_forward_length"), s->ffn);
    make_key_u32(k, KEY("attention.head_count"), s->heads);
    make_key_u32(k, KEY("attention.head_count_kv"), s->kv_heads);
    make_key_f32(k, KEY("attention.layer_norm_rms_epsilon"), s->rms_eps);
    make_key_f32(k, KEY("rope.freq_base"), s->rope_base);
    if (s->family == FAMILY_LLAMA) {
        make_key_u32(k, KEY("vocab_size"), s->vocabulary);
        make_key_u32(k, KEY("rope.dimension_count"), s->head_dim);
    }
    if (s->family == FAMILY_GEMMA3) {
        make_key_u32(k, KEY("attention.key_length"), s->head_dim);
        make_key_u32(k, KEY("attention.value_length"), s->head_dim);
        make_key_u32(k, KEY("attention.sliding_window"), s->window);
        make_key_f32(k, KEY("rope.freq_base_swa"), 10000);
    }
#undef KEY
    make_vocabulary(k, s);
}

enum { ALIGNMENT = 32 }; /* of tensor data, GGUF's default */

static void pad(FILE *f) {
    for (long at = ftell(f); at > 0 && at % ALIGNMENT; at++) fputc(0, f);
}

static bool write_header(FILE *f, const plan *p) {
    char *keys_text = NULL, name[64];
    size_t keys_bytes = 0, offset = 0;
    make_keys keys = {.stream = open_memstream(&keys_text, &keys_bytes)};
    if (!keys.stream) return false;
    write_keys(&keys, &p->shape, p->mix);
    bool ok = fclose(keys.stream) == 0;
    fputs("GGUF", f);
    make_u32(f, 3);
    make_u64(f, p->n);
    make_u64(f, keys.count);
    if (ok) fwrite(keys_text, 1, keys_bytes, f);
    for (size_t i = 0; ok && i < p->n; i++) {
        const plan_entry *e = &p->entries[i];
        bool matrix = e->rows > 1;
        snprintf(name, sizeof name, "blk.%d.%s", e->layer, e->row->name);
        make_text(f, e->layer < 0 ? e->row->name : name);
        make_u32(f, matrix ? 2 : 1);
        make_u64(f, e->cols);
        if (matrix) make_u64(f, e->rows);
        make_u32(f, format_table[e->format].gguf_id);
        make_u64(f, offset);
        ok = size_add(offset, e->bytes, &offset) && size_align(offset, ALIGNMENT, &offset);
    }
    pad(f);
    free(keys_text);
    return ok;
}

/* What Llama 3.2 divides rotary frequencies by: 32 for waves longer than 8192 positions, 1 for those shorter than a
 * quarter of that, between them a blend that is linear in the frequency. */
static void write_rope_freqs(FILE *f, const make_shape *s) {
    const double factor = 32, original = 8192, low = 1, high = 4;
    for (uint32_t i = 0; i < s->head_dim / 2; i++) {
        double turns = original * pow((double)s->rope_base, -2.0 * i / s->head_dim) / 6.283185307179586;
        double share = fmin(fmax((turns - low) / (high - low), 0), 1);
        make_f32(f, (float)(1 / ((1 - share) / factor + share)));
    }
}

/* Matrices keep the size of what they multiply: deviation 1 / sqrt(cols). Norm weights are near 1. */
static void write_tensor(FILE *f, const plan *p, size_t index) {
    const plan_entry *e = &p->entries[index];
    const format_row *format = &format_table[e->format];
    make_random random = {index};
    if (e->row->kind == ROPE_FREQS) {
        write_rope_freqs(f, &p->shape);
    } else if (e->row->kind == NORM) {
        for (uint64_t i = 0; i < e->cols; i++) make_f32(f, 1 + 0.05f * make_normal(&random));
    } else {
        static unsigned char piece[1 << 18];
        float sigma = e->row->kind == BIAS ? 0.1f : 1 / sqrtf((float)e->cols);
        size_t blocks = e->bytes / format->block_bytes, most = sizeof piece / format->block_bytes;
        for (size_t done = 0, n; done < blocks; done += n) {
            n = blocks - done < most ? blocks - done : most;
            make_blocks(&random, e->format, sigma, piece, n);
            fwrite(piece, format->block_bytes, n, f);
        }
    }
    pad(f);
}

static glint_status write_model(const char *path, const plan *p, glint_error *err) {
    file_out out;
    glint_status status = file_out_open(path, &out, err);
    if (status) return status;
    if (!write_header(out.stream, p)) {
        file_out_abort(&out);
        return base_fail(err, GLINT_INTERNAL, "%s: out of memory", path);
    }
    for (size_t i = 0; i < p->n; i++) write_tensor(out.stream, p, i);
    return file_out_commit(&out, err);
}

static int usage(void) {
    fprintf(stderr, "usage: glint_make_model SHAPE MIX OUT.gguf [--layers N] [--vocab N] [--ffn N]\n"
                    "  N: 1 to 1000 layers, 512 to 1000000 tokens, a feed-forward width of 256 to 65536\n  SHAPE:");
    for (size_t i = 0; i < COUNT(shapes); i++) fprintf(stderr, " %s", shapes[i].name);
    fprintf(stderr, "\n  MIX:");
    for (size_t i = 0; i < COUNT(mixes); i++) fprintf(stderr, " %s", mixes[i].name);
    fprintf(stderr, "\n");
    return GLINT_USAGE;
}

static bool parse_count(const char *text, unsigned long least, unsigned long most, uint32_t *out) {
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (*end || v < least || v > most) return false;
    *out = (uint32_t)v;
    return true;
}

static bool parse(int argc, char **argv, plan *p, const char **path) {
    static const struct option options[] = {{"layers", required_argument, NULL, 'l'},
                                            {"vocab", required_argument, NULL, 'v'},
                                            {"ffn", required_argument, NULL, 'f'},
                                            {0}};
    uint32_t layers = 0, vocabulary = 0, ffn = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'l' && parse_count(optarg, 1, 1000, &layers)) continue;
        if (c == 'v' && parse_count(optarg, MAKE_LEAST_TOKENS, 1000000, &vocabulary)) continue;
        if (c == 'f' && parse_count(optarg, 256, 65536, &ffn)) continue;
        return false;
    }
    if (argc - optind != 3) return false;
    for (size_t i = 0; i < COUNT(shapes); i++)
        if (!strcmp(shapes[i].name, argv[optind])) p->shape = shapes[i];
    for (size_t i = 0; i < COUNT(mixes); i++)
        if (!strcmp(mixes[i].name, argv[optind + 1])) p->mix = &mixes[i];
    if (layers) p->shape.layers = layers;
    if (vocabulary) p->shape.vocabulary = vocabulary;
    if (ffn) p->shape.ffn = ffn;
    *path = argv[optind + 2];
    return p->shape.name && p->mix;
}

int main(int argc, char **argv) {
    plan p = {0};
    const char *path;
    glint_error err;
    if (!parse(argc, argv, &p, &path)) return usage();
    glint_status status =
        plan_make(&p) ? write_model(path, &p, &err) : base_fail(&err, GLINT_INTERNAL, "out of memory");
    if (status) fprintf(stderr, "glint_make_model: %s\n", err.message);
    free(p.entries);
    return status;
}
