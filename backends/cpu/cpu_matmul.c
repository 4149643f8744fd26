/* Matrix products, three ways: float32 dot products of decoded rows (`exact`, and all that has no other way), 8-bit dot
 * products, and OpenBLAS over decoded panels for large batches that have no fast 8-bit kernel. Each thread has a
 * stretch of weight rows, which are columns of the result; weights are read in place. */
#include "backends/cpu/cpu.h"

#ifdef GLINT_BLAS
#include <cblas.h>
#endif

enum {
    BLOCK_ROWS = 16,         /* weight rows decoded at a time for dot products */
    BLOCK_BYTES = 192 << 10, /* of activations that meet a block: they stay in a core's cache */
    PANEL_ROWS = 128,        /* weight rows decoded at a time for OpenBLAS */
    FEW_ROWS = 4,            /* up to here every thread makes 8-bit activations for itself */
    BLAS_ROWS = 24           /* above, OpenBLAS is faster than dot products */
};

/* ---- Weight rows ---- */

/* Rows that lie evenly spaced in the file. */
typedef struct rows_piece {
    const char *data;
    size_t row_bytes;
    int n;
} rows_piece;

/* The longest piece that begins at canonical row r and ends before `end`. In rotary order each half of a head is every
 * second row of the file. */
static rows_piece piece_at(const backend_view *v, int r, int end) {
    rows_piece p = {(const char *)v->data + (size_t)host_file_row(v, r) * v->row_bytes, v->row_bytes, end - r};
    if (v->rotary_adjacent && v->rows > 1) {
        int half = v->head_dim / 2, left = half - r % half;
        p.row_bytes *= 2;
        if (left < p.n) p.n = left;
    }
    return p;
}

static void decode_rows(const cpu_kernels *k, const backend_view *v, rows_piece p, float *out) {
    size_t blocks = (size_t)(v->cols / format_table[v->format].block_values);
    if (p.row_bytes == v->row_bytes)
        k->decode[v->format](p.data, out, blocks * (size_t)p.n);
    else
        for (int i = 0; i < p.n; i++)
            k->decode[v->format](p.data + (size_t)i * p.row_bytes, out + (size_t)i * (size_t)v->cols, blocks);
}

/* ---- float32 dot products ---- */

/* Rows of the batch in stretches that stay in the cache while the rows of a piece go by. */
static void dot_piece(const cpu_call *c, format_id f, const void *w, size_t row_bytes, int n, int at) {
    int cols = c->weight[0]->view.cols, step = BLOCK_BYTES / (cols * (int)sizeof(float)) + 1;
    for (int i = 0; i < c->rows; i += step) {
        int xs = c->rows - i < step ? c->rows - i : step;
        c->k->dot_f32[f](w, row_bytes, n, cols, c->in[0] + (size_t)i * (size_t)cols, (size_t)cols, xs,
                         c->out + (size_t)i * (size_t)c->width + (size_t)at, (size_t)c->width);
    }
}

static void multiply_f32(const cpu_call *c, int begin, int end) {
    const backend_view *v = &c->weight[0]->view;
    for (int r = begin, n; r < end; r += n) {
        rows_piece p = piece_at(v, r, end);
        if (p.n > BLOCK_ROWS) p.n = BLOCK_ROWS;
        n = p.n;
        if (c->k->dot_f32[v->format]) {
            dot_piece(c, v->format, p.data, p.row_bytes, n, r);
        } else {
            decode_rows(c->k, v, p, c->scratch->panel);
            dot_piece(c, FORMAT_F32, c->scratch->panel, (size_t)v->cols * sizeof(float), n, r);
        }
    }
}

/* ---- 8-bit dot products ---- */

static void quantize(const cpu_call *c, const cpu_quants *to, int begin, int end) {
    int cols = c->weight[0]->view.cols;
    for (int r = begin; r < end; r++) {
        size_t at = (size_t)r * (size_t)cols, block = at / 32;
        c->k->quantize_q8(c->in[0] + at, cols, to->q + at, to->d + block, to->sum + block);
        to->rows[r] = (cpu_act){to->q + at, to->d + block, to->sum + block};
    }
}

/* The input in 8 bits. The first op of a group makes it: each thread all of it where it is small, else together. */
static const cpu_act *quants_of(const cpu_call *c) {
    bool first = c->program->quantises[c->op - c->tape->ops - c->program->host.request.first_op];
    if (c->rows <= FEW_ROWS) {
        if (first) quantize(c, &c->scratch->quants, 0, c->rows);
        return c->scratch->quants.rows;
    }
    if (first) {
        int begin, end;
        cpu_my_rows(c, &begin, &end);
        quantize(c, &c->program->quants, begin, end);
        team_barrier(c->me);
    }
    return c->program->quants.rows;
}

static void multiply_q8(const cpu_call *c, int begin, int end) {
    const backend_view *v = &c->weight[0]->view;
    const cpu_act *x = quants_of(c);
    for (int r = begin, n; r < end; r += n) {
        rows_piece p = piece_at(v, r, end);
        n = p.n;
        c->k->dot_q8[v->format](p.data, p.row_bytes, n, v->cols, x, c->rows, c->out + r, (size_t)c->width);
    }
}

/* ---- OpenBLAS ---- */

#ifdef GLINT_BLAS
static void multiply_blas(const cpu_call *c, int begin, int end) {
    const backend_view *v = &c->weight[0]->view;
    for (int r = begin, n; r < end; r += n) {
        rows_piece p = piece_at(v, r, end);
        if (p.n > PANEL_ROWS) p.n = PANEL_ROWS;
        n = p.n;
        decode_rows(c->k, v, p, c->scratch->panel);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, c->rows, n, v->cols, 1, c->in[0], v->cols,
                    c->scratch->panel, v->cols, 0, c->out + r, c->width);
    }
}
#else
#define multiply_blas multiply_f32 /* never called: blas_is_faster is false */
#endif

/* ---- The op ---- */

/* Rows of a batch from which OpenBLAS is used, where it may be. With VNNI the 8-bit kernels are about twice as fast. */
static bool blas_is_faster(const backend_device *d, const backend_weight *w, int rows) {
#ifdef GLINT_BLAS
    return rows > BLAS_ROWS && !(d->k.level == CPU_AVX512 && cpu_matmul_wants_quants(d, w));
#else
    (void)d, (void)w, (void)rows;
    return false;
#endif
}

bool cpu_matmul_wants_quants(const backend_device *d, const backend_weight *w) {
    return d->precision == GLINT_FAST && d->k.dot_q8[w->view.format] != NULL && w->view.cols % 32 == 0;
}

static void add_bias(const cpu_call *c, int begin, int end) {
    const float *bias = c->weight[1]->vector;
    for (int r = 0; r < c->rows; r++) {
        float *out = c->out + (size_t)r * (size_t)c->width;
        for (int i = begin; i < end; i++) out[i] += bias[i];
    }
}

void cpu_matmul(const cpu_call *c) {
    int begin, end;
    cpu_my_columns(c, &begin, &end);
    const backend_device *d = c->program->device;
    if (d->precision == GLINT_FAST && blas_is_faster(d, c->weight[0], c->rows))
        multiply_blas(c, begin, end);
    else if (cpu_matmul_wants_quants(d, c->weight[0]))
        multiply_q8(c, begin, end);
    else
        multiply_f32(c, begin, end);
    if (c->weight[1]) add_bias(c, begin, end);
}

/* ---- Room ---- */

static bool open_quants(cpu_quants *q, arena *a, size_t rows, size_t cols) {
    size_t blocks = (cols + 31) / 32;
    q->rows = arena_array(a, rows, sizeof *q->rows);
    q->q = arena_array(a, rows * blocks, 32);
    q->d = arena_array(a, rows * blocks, sizeof *q->d);
    q->sum = arena_array(a, rows * blocks, sizeof *q->sum);
    return q->rows && q->q && q->d && q->sum;
}

glint_status cpu_matmul_prepare(backend_program *p, glint_error *err) {
    const backend_compile_request *r = &p->host.request;
    arena *a = &p->host.memory;
    bool fast = p->device->precision == GLINT_FAST;
    size_t cols = 0, rows = (size_t)r->max_rows, few = rows < FEW_ROWS ? rows : FEW_ROWS, panel_rows = BLOCK_ROWS;
    for (int i = r->first_op; i < r->first_op + r->n_ops; i++) {
        const tape_op *op = &r->tape->ops[i];
        if (op->kind != TAPE_MATMUL) continue;
        const backend_weight *w = r->weights[op->weight[0]];
        if ((size_t)w->view.cols > cols) cols = (size_t)w->view.cols;
        if (fast && blas_is_faster(p->device, w, r->max_rows)) panel_rows = PANEL_ROWS;
    }
    bool ok = !fast || open_quants(&p->quants, a, rows, cols);
    for (int t = 0; t < p->device->threads && ok; t++) {
        cpu_scratch *s = &p->scratch[t];
        s->panel = arena_array(a, panel_rows * cols, sizeof *s->panel);
        ok = s->panel && (!fast || open_quants(&s->quants, a, few, cols));
    }
    return ok ? GLINT_OK : cpu_no_memory(err);
}
