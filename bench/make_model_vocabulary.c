/* Tokenizers of any size: all bytes, then words over a..z, shorter ones first, each with and without a space before it.
 * So every text can be tokenised, and every prefix of a word is a token, as merging needs. */
#include <string.h>

#include "bench/make_model.h"

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 }; /* token types of GGUF */

/* Word n of: a, b, ... z, aa, ab, ...; `text` has room for 16 bytes. */
static void word(uint32_t n, char *text) {
    char reversed[16];
    int length = 0;
    for (uint64_t rest = (uint64_t)n + 1; rest; rest = (rest - 1) / 26)
        reversed[length++] = (char)('a' + (rest - 1) % 26);
    for (int i = 0; i < length; i++) text[i] = reversed[length - 1 - i];
    text[length] = 0;
}

/* Piece i: a word, every other one with a space before it. Words without one begin with number `first`. */
static void piece(uint32_t i, uint32_t first, const char *space, char text[32]) {
    strcpy(text, i % 2 ? space : "");
    word(i / 2 + (i % 2 ? 0 : first), text + strlen(text));
}

static void types(make_keys *k, uint32_t n, int (*type)(uint32_t id, uint32_t n)) {
    make_key_array(k, "tokenizer.ggml.token_type", MAKE_I32, n);
    for (uint32_t id = 0; id < n; id++) make_u32(k->stream, (uint32_t)type(id, n));
}

/* SentencePiece: unknown, begin, end, 256 bytes, the space, pieces. */
enum { SPM_FIRST_BYTE = 3, SPM_SPACE = SPM_FIRST_BYTE + 256, SPM_FIRST_PIECE };

static int spm_type(uint32_t id, uint32_t n) {
    (void)n;
    if (id >= SPM_SPACE) return NORMAL;
    return id >= SPM_FIRST_BYTE ? BYTE : id ? CONTROL : UNKNOWN;
}

static void spm_token(uint32_t id, char text[32]) {
    static const char *const special[] = {"<unk>", "<bos>", "<eos>"};
    if (id < SPM_FIRST_BYTE)
        strcpy(text, special[id]);
    else if (id < SPM_SPACE)
        snprintf(text, 32, "<0x%02X>", id - SPM_FIRST_BYTE);
    else if (id == SPM_SPACE)
        strcpy(text, "\u2581");
    else
        piece(id - SPM_FIRST_PIECE, 0, "\u2581", text);
}

static void spm(make_keys *k, uint32_t n) {
    char text[32];
    make_key_text(k, "tokenizer.ggml.model", "llama");
    make_key_text(k, "tokenizer.ggml.pre", "default");
    make_key_array(k, "tokenizer.ggml.tokens", MAKE_TEXT, n);
    for (uint32_t id = 0; id < n; id++) {
        spm_token(id, text);
        make_text(k->stream, text);
    }
    make_key_array(k, "tokenizer.ggml.scores", MAKE_F32, n);
    for (uint32_t id = 0; id < n; id++) make_f32(k->stream, id < SPM_FIRST_PIECE ? 0 : -(float)(id - SPM_FIRST_PIECE));
    types(k, n, spm_type);
    make_key_u32(k, "tokenizer.ggml.bos_token_id", 1);
    make_key_u32(k, "tokenizer.ggml.eos_token_id", 2);
    make_key_u32(k, "tokenizer.ggml.unknown_token_id", 0);
    make_key_bool(k, "tokenizer.ggml.add_bos_token", true);
    make_key_bool(k, "tokenizer.ggml.add_space_prefix", false);
}

/* Byte-level BPE: 256 bytes, pieces of two characters and more, the end of text. */
enum { BPE_FIRST_PIECE = 256 };

static int bpe_type(uint32_t id, uint32_t n) {
    return id == n - 1 ? CONTROL : NORMAL;
}

/* GPT-2 writes bytes that print as themselves and the k-th other byte as character 256 + k. */
static void bpe_byte(uint32_t byte, char text[32]) {
    uint32_t character = 256;
    for (uint32_t b = 0; b <= byte; b++) {
        bool prints = (b >= '!' && b <= '~') || (b >= 0xA1 && b != 0xAD);
        if (b == byte && prints) character = b;
        if (b < byte && !prints) character++;
    }
    if (character < 0x80)
        snprintf(text, 32, "%c", (int)character);
    else
        snprintf(text, 32, "%c%c", (int)(0xC0 | character >> 6), (int)(0x80 | (character & 63)));
}

static void bpe_piece(uint32_t i, char text[32]) {
    piece(i, 26, "\u0120", text); /* the 26 words of one letter are bytes; U+0120 is the space */
}

static void bpe_token(uint32_t id, uint32_t n, char text[32]) {
    if (id < BPE_FIRST_PIECE)
        bpe_byte(id, text);
    else if (id < n - 1)
        bpe_piece(id - BPE_FIRST_PIECE, text);
    else
        strcpy(text, "<|endoftext|>");
}

static void bpe(make_keys *k, uint32_t n) {
    char text[32], merge[64];
    make_key_text(k, "tokenizer.ggml.model", "gpt2");
    make_key_text(k, "tokenizer.ggml.pre", "qwen2");
    make_key_array(k, "tokenizer.ggml.tokens", MAKE_TEXT, n);
    for (uint32_t id = 0; id < n; id++) {
        bpe_token(id, n, text);
        make_text(k->stream, text);
    }
    types(k, n, bpe_type);
    make_key_array(k, "tokenizer.ggml.merges", MAKE_TEXT, n - 1 - BPE_FIRST_PIECE);
    for (uint32_t i = 0; i < n - 1 - BPE_FIRST_PIECE; i++) { /* all but the last letter, the last letter */
        bpe_piece(i, text);
        size_t most = strlen(text) - 1;
        snprintf(merge, sizeof merge, "%.*s %s", (int)most, text, text + most);
        make_text(k->stream, merge);
    }
    make_key_u32(k, "tokenizer.ggml.eos_token_id", n - 1);
    make_key_u32(k, "tokenizer.ggml.padding_token_id", n - 1);
    make_key_bool(k, "tokenizer.ggml.add_bos_token", false);
}

void make_vocabulary(make_keys *k, const make_shape *s) {
    (s->family == FAMILY_QWEN2 ? bpe : spm)(k, s->vocabulary);
}
