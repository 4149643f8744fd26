// Joins the pieces of attend_one.comp: out = sum_p e^(m_p - m) v_p / sum_p e^(m_p - m) l_p, m the largest of m_p.
// A work group a head. post_out: how many pieces.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 3) buffer Act { float a[]; };

void main() {
    uint h = gl_WorkGroupID.x, pieces = uint(a[post_out]), each = head_dim + 2u, at = sum_out + h * pieces * each;
    float m = -3.0e38;
    for (uint p = 0u; p < pieces; p++) m = max(m, a[at + p * each + head_dim]);
    float total = 0.0;
    for (uint p = 0u; p < pieces; p++) total += exp(a[at + p * each + head_dim] - m) * a[at + p * each + head_dim + 1u];
    for (uint d = gl_LocalInvocationIndex; d < head_dim; d += uint(THREADS)) {
        float v = 0.0;
        for (uint p = 0u; p < pieces; p++) v += exp(a[at + p * each + head_dim] - m) * a[at + p * each + d];
        a[out0 + h * head_dim + d] = v / total;
    }
}
