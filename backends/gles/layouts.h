/* How weights lie in the memory of a GPU. A row of a matrix is cut into blocks of 32 numbers (the last one padded with
 * zeros); a slice of `rows` rows has n = rows * gles_blocks(cols) blocks, block b = row * blocks + column block. A
 * layout stores a slice as planes, one after the other, each beginning at a multiple of 16 bytes; plane p holds
 * words[p] 32-bit words of every block, in units of `unit` words (1, 2 or 4) so that neighbouring threads, which take
 * neighbouring blocks, read neighbouring memory: unit i of block b of plane p is at  start(p) + (i * n + b) * unit[p].
 *
 * Numbers are q * scale (+ minimum): integers q of `bits` bits less `offset`, float32 scales (1 or 2 a block: for 32 or
 * for 16 numbers each) and float32 minimums where the format has them. Every file format maps to a layout without loss:
 * one without a layout of its own is re-coded to the narrowest that holds its integers and scales. glsl/layouts/ holds
 * the same meaning in GLSL; the op suite compares both with format_table. Numerics: q * scale is exact in float32; with
 * a minimum one rounding more.
 *
 * Inside a block's words, lowest bits first (j = 0..3, k = 0..7):
 *     F32, F16, BF16   the numbers in order
 *     8 bits           plane 0: byte k % 4 of word 2 j + k / 4 is number 8 j + k
 *     4, 5, 6 bits     plane 0: nibble k of word j holds the low four bits of number 8 j + k
 *     5 bits           plane 1: bit 4 k + j is the fifth bit of number 8 j + k
 *     6 bits           plane 1: bits 4 k + 2 (j % 2) and one up of word j / 2 are bits 4 and 5 of number 8 j + k
 *     then             a plane of scales, and one of minimums, where there are any
 * Integers are stored as q + offset, the offset being 8, 16, 32, 128 for 4, 5, 6, 8 bits; none for Q4M and Q5M. */
#ifndef BACKENDS_GLES_LAYOUTS_H
#define BACKENDS_GLES_LAYOUTS_H

#include "backends/backend.h"

enum { GLES_BLOCK = 32, GLES_MAX_PLANES = 4 };

typedef enum gles_layout_id {
    GLES_F32,
    GLES_F16,
    GLES_BF16,
    GLES_Q4,    /* Q4_0; TQ1_0 TQ2_0 Q1_0 Q2_0 */
    GLES_Q4M,   /* Q4_1 Q4_K: with minimums */
    GLES_Q5,    /* Q5_0; IQ1_S IQ3_S MXFP4 */
    GLES_Q5M,   /* Q5_1 Q5_K */
    GLES_Q6,    /* Q6_K: two scales a block; Q3_K NVFP4 IQ1_M */
    GLES_Q8,    /* Q8_0; IQ4_NL IQ4_XS IQ2_XXS IQ3_XXS */
    GLES_Q8X2,  /* IQ2_XS IQ2_S: two scales a block */
    GLES_Q8X2M, /* Q2_K: two scales and two minimums a block */
    GLES_LAYOUTS
} gles_layout_id;

typedef struct gles_layout {
    const char *name; /* of the snippet: glsl/layouts/NAME.glsl */
    int n_planes;
    uint8_t words[GLES_MAX_PLANES]; /* of a block */
    uint8_t unit[GLES_MAX_PLANES];
} gles_layout;

extern const gles_layout gles_layouts[GLES_LAYOUTS];

gles_layout_id gles_layout_of(format_id f);

static inline uint32_t gles_blocks(int cols) {
    return ((uint32_t)cols + GLES_BLOCK - 1) / GLES_BLOCK;
}
/* Bytes of a slice, every plane padded to 16; SIZE_MAX where that does not fit. */
size_t gles_slice_bytes(gles_layout_id id, int rows, int cols);
/* First word of plane p of a slice of n blocks. */
size_t gles_plane_start(gles_layout_id id, int plane, size_t n);

/* Re-codes canonical rows [first, first + n_rows) of a view into planes[p], laid out as a slice of n_rows rows of its
 * own; the padding behind a plane is left alone. `id` is gles_layout_of the view's format, or GLES_F32, which any view
 * may become and which a view that is stored as w - 1, or a vector in rotary order, must become.
 * Safe to call from several threads on disjoint destinations; allocates nothing. */
void gles_layout_pack(gles_layout_id id, const backend_view *view, int first, int n_rows, uint32_t *const *planes);

#endif
