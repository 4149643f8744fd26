// Bits of a float to a number that is ordered as floats are, and back. The two zeros are equal; NaN counts as -infinity.
// Whatever lies beside numbers and is less than all of them has key 0.
uint order_key(uint bits) {
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) bits = 0xFF800000u;
    if (bits == 0x80000000u) bits = 0u;
    return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

uint order_bits(uint key) { return (key & 0x80000000u) != 0u ? key & 0x7FFFFFFFu : ~key; }
