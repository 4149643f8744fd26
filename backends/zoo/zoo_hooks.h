/* The hooks that the rows of zoo_faults name, by file. What each does is said where it is written. */
#ifndef BACKENDS_ZOO_ZOO_HOOKS_H
#define BACKENDS_ZOO_ZOO_HOOKS_H

#include "backends/zoo/zoo.h"

/* zoo_weights.c */
zoo_view_hook zoo_columns, zoo_minus_one, zoo_transpose, zoo_nibbles, zoo_scale_bits, zoo_minimum_sign, zoo_other_half,
    zoo_wrap_rows;
zoo_view_test zoo_has_rows_of_blocks, zoo_has_nibbles, zoo_has_k_scales, zoo_has_minimum, zoo_is_half;

/* zoo_positions.c */
zoo_hook zoo_later, zoo_restart, zoo_sees_next, zoo_wrong_slot, zoo_sees_page;

/* zoo_values.c */
zoo_hook zoo_adjacent, zoo_heads, zoo_centre, zoo_stale;
zoo_late_hook zoo_adjacent_back, zoo_heads_back, zoo_one_row, zoo_tail, zoo_snapshot, zoo_identity, zoo_last_number,
    zoo_shift, zoo_second, zoo_unscaled;
zoo_late_hook zoo_half_sums;
zoo_late_hook zoo_no_maximum; /* zoo_attend.c */

/* zoo_tape.c */
zoo_tape_hook zoo_edit_scale_one, zoo_edit_rope, zoo_edit_plain_rope, zoo_edit_window_other, zoo_edit_window_longer,
    zoo_edit_norm_late, zoo_edit_attend_scale, zoo_edit_no_bias, zoo_edit_act, zoo_edit_swap, zoo_edit_eps;
zoo_tape_hook zoo_tape_minus_one, zoo_tape_rotary, zoo_tape_group_other, zoo_tape_bypass, zoo_tape_bypass_add;
bool zoo_fits_logits(const tape *t, int op), zoo_fits_local_rope(const tape *t, int op),
    zoo_fits_stretched_rope(const tape *t, int op), zoo_fits_other_window(const tape *t, int op),
    zoo_fits_window(const tape *t, int op), zoo_fits_before_add(const tape *t, int op),
    zoo_fits_bias(const tape *t, int op), zoo_fits_grouped(const tape *t, int op),
    zoo_fits_q_or_k(const tape *t, int op);

#endif
