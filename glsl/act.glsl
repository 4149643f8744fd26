// Activations of the gate, with nothing that OpenGL ES makes no promise about: no tanh, no erf.
float silu(float x) { return x / (1.0 + exp(-x)); }

// tanh(u) = 1 - 2 / (e^2u + 1); e^2u may overflow to infinity, which gives 1.
float gelu_tanh(float x) {
    float u = 0.7978845608028654 * (x + 0.044715 * x * x * x);
    float e = exp(min(2.0 * u, 80.0));
    return x * (e / (e + 1.0));
}

// erfc with a relative error below 1.2e-7 everywhere (Numerical Recipes, 2nd edition, 6.2: erfcc).
float erfc(float x) {
    float z = abs(x), t = 1.0 / (1.0 + 0.5 * z);
    float p = -z * z - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
        + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
    float r = t * exp(p);
    return x >= 0.0 ? r : 2.0 - r;
}

float gelu(float x) { return 0.5 * x * erfc(-0.7071067811865476 * x); }

float act(float x) {
#if ACT == 0
    return silu(x);
#elif ACT == 1
    return gelu_tanh(x);
#else
    return gelu(x);
#endif
}
