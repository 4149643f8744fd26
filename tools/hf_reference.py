#!/usr/bin/env python3
"""Writes what Hugging Face transformers computes for a model, as a reference for Glint.

    pip install torch transformers
    python3 hf_reference.py MODEL -p "The color of the sky is" -o reference.safetensors
    glint trace -m MODEL.gguf -p "The color of the sky is" -o trace.safetensors
    glint diff trace.safetensors reference.safetensors -m MODEL.gguf

`glint check --against reference.safetensors` takes the same file, and feeds a device with it value by value.

The file holds, for each prompt i (T tokens, in float32 with eager attention, one forward pass without a cache):

    p{i}.input_ids                the ids, special tokens included
    p{i}.embed                    [T, width]  what the first block gets
    p{i}.layers.{l}               [T, width]  what block l makes
    p{i}.norm                     [T, width]  after the last norm
    p{i}.logits, .logits_from     [K, vocabulary]  the last K positions, and the first of them
    p{i}.module.{path}            [T, width]  what a leaf module of a chosen block makes, heads side by side

docs/trace-format.md says which of Glint's values these are.
"""

import argparse
import json
import os
import struct
import sys

FORMAT = "glint-reference-1"


def parse_arguments(arguments):
    p = argparse.ArgumentParser(description="Writes a reference for 'glint diff' and 'glint check --against'.")
    p.add_argument("model", help="a model directory, or a name on the Hugging Face hub")
    p.add_argument("-o", "--output", required=True, help="the safetensors file to write")
    p.add_argument("-p", "--prompt", action="append", default=[], help="a prompt; may be repeated")
    p.add_argument("-f", "--file", action="append", default=[], help="a file that holds a prompt; may be repeated")
    p.add_argument("--ids", action="append", default=[], help="token ids, separated by commas; may be repeated")
    p.add_argument("--modules", default="", help="layers whose modules are written too: 'all', or '0,12'")
    p.add_argument("--logits", type=int, default=0, help="how many of the last positions have logits (default: all)")
    p.add_argument("--revision", help="of a model on the hub")
    p.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the model")
    a = p.parse_args(arguments)
    if not a.prompt and not a.file and not a.ids:
        p.error("a prompt is needed: --prompt, --file or --ids")
    try:
        a.id_lists = [[int(x) for x in text.replace(",", " ").split()] for text in a.ids]
        a.layers = "all" if a.modules == "all" else {int(x) for x in a.modules.replace(",", " ").split()}
    except ValueError as e:
        p.error(str(e))
    return a


# ---- Names -------------------------------------------------------------------------------------------------------


def layer_of(path):
    """The number after 'layers.' or 'h.' in a module's path, and the path from there: (3, 'self_attn.q_proj')."""
    parts = path.split(".")
    for i, part in enumerate(parts[:-1]):
        if part in ("layers", "h", "blocks") and parts[i + 1].isdigit():
            return int(parts[i + 1]), ".".join(parts[i + 2 :])
    return None, path


def wanted_modules(names_and_children, layers):
    """Paths of the leaf modules of the chosen blocks. names_and_children: pairs (path, number of children)."""
    out = []
    for path, children in names_and_children:
        layer, rest = layer_of(path)
        if layer is not None and rest and not children and (layers == "all" or layer in layers):
            out.append(path)
    return out


def blocks_of(names):
    """Paths of the decoder's blocks in order: the longest list of paths that end with 'layers.N' or 'h.N'."""
    lists = {}
    for path in names:
        layer, rest = layer_of(path)
        if layer is not None and not rest:
            lists.setdefault(path.rsplit(".", 1)[0], {})[layer] = path
    # Models that see or hear have towers with layers of their own.
    towers = ("vision", "audio", "encoder")
    best = max(lists, key=lambda k: (not any(t in k for t in towers), len(lists[k])), default=None)
    return [lists[best][i] for i in sorted(lists[best])] if best else []


# ---- The file ----------------------------------------------------------------------------------------------------


def write_safetensors(path, tensors, metadata):
    """tensors: name -> (dtype, shape, bytes), in their order. The file appears when it is complete."""
    header, at = {"__metadata__": metadata}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for _, _, data in tensors.values():
            f.write(data)
    os.replace(path + ".part", path)


def pack_ids(ids):
    return ("I32", (len(ids),), struct.pack(f"<{len(ids)}i", *ids))


# ---- Running -----------------------------------------------------------------------------------------------------


def load(a):
    import torch
    import transformers

    torch.manual_seed(0)
    options = {"revision": a.revision, "trust_remote_code": a.trust_remote_code}
    options = {k: v for k, v in options.items() if v}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            a.model, dtype=torch.float32, attn_implementation="eager", **options
        )
    except TypeError:  # transformers 4 calls it torch_dtype
        model = transformers.AutoModelForCausalLM.from_pretrained(
            a.model, torch_dtype=torch.float32, attn_implementation="eager", **options
        )
    model.eval()
    tokenizer = None
    if a.prompt or a.file:
        tokenizer = transformers.AutoTokenizer.from_pretrained(a.model, **options)
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    return model, tokenizer, versions


def prompts_of(a, tokenizer):
    texts = list(a.prompt)
    for path in a.file:
        with open(path, encoding="utf-8") as f:
            texts.append(f.read())
    return [tokenizer(t)["input_ids"] for t in texts] + a.id_lists


def observe(model, ids, paths, first_block):
    """Runs the ids once. What the modules at `paths` make and what the first block gets, by name, and the result."""
    import torch

    named, handles, seen = dict(model.named_modules()), [], {}

    def keep_output(path):
        def hook(_module, _inputs, output):
            t = output[0] if isinstance(output, (tuple, list)) else output
            if torch.is_tensor(t) and t.is_floating_point():
                seen[path] = t.detach()

        return hook

    def keep_input(_module, inputs, keywords):
        seen["embed"] = (inputs[0] if inputs else keywords["hidden_states"]).detach()

    handles.append(named[first_block].register_forward_pre_hook(keep_input, with_kwargs=True))
    handles += [named[path].register_forward_hook(keep_output(path)) for path in paths]
    try:
        with torch.no_grad():
            result = model(input_ids=torch.tensor([ids]), use_cache=False, output_hidden_states=True)
    finally:
        for h in handles:
            h.remove()
    return seen, result


def rows_of(t, n, longer):
    """[1, T, width], [T, width], [1, T, heads, size] or [1, heads, T, size] to [T, width], heads side by side.
    longer: the same of one token more, which tells the last two apart; None where that is not needed."""
    if t.dim() == 4 and (t.shape[1] != n or (longer is not None and longer.shape[1] == n)):
        t = t.transpose(1, 2)
    return t.reshape(n, -1)


def pack(t):
    import torch

    t = t.to(torch.float32).contiguous().cpu()
    return ("F32", tuple(t.shape), t.numpy().tobytes())


def run_prompt(model, ids, layers, n_logits):
    """What the model makes of the ids: name without 'p{i}.' -> (dtype, shape, bytes)."""
    names = [name for name, _ in model.named_modules()]
    blocks, n = blocks_of(names), len(ids)
    if not blocks:
        sys.exit("hf_reference: this model has no blocks named layers.N")
    children = [(name, len(list(m.children()))) for name, m in model.named_modules()]
    inside = [p for p in wanted_modules(children, layers) if any(p.startswith(b + ".") for b in blocks)]
    seen, result = observe(model, ids, blocks + inside, blocks[0])
    unclear = any(t.dim() == 4 and t.shape[1] == t.shape[2] == n for t in seen.values())
    longer = observe(model, ids + ids[-1:], inside, blocks[0])[0] if unclear else {}

    out = {"input_ids": pack_ids(ids), "embed": pack(rows_of(seen["embed"], n, None))}
    for l, path in enumerate(blocks):
        out[f"layers.{l}"] = pack(rows_of(seen[path], n, None))
    out["norm"] = pack(rows_of(result.hidden_states[-1], n, None))  # transformers has the last norm's result there
    k = min(n_logits, n) if n_logits > 0 else n
    out["logits"] = pack(result.logits[0, n - k :])
    out["logits_from"] = pack_ids([n - k])
    for path in inside:
        if path in seen and seen[path].numel() % n == 0:
            out[f"module.{path}"] = pack(rows_of(seen[path], n, longer.get(path)))
    return out


def main(arguments):
    a = parse_arguments(arguments)
    try:
        model, tokenizer, versions = load(a)
    except ImportError as e:
        sys.exit(f"hf_reference: {e}: pip install torch transformers")
    tensors = {}
    for i, ids in enumerate(prompts_of(a, tokenizer)):
        if not ids:
            sys.exit(f"hf_reference: prompt {i} has no tokens")
        for name, tensor in run_prompt(model, list(ids), a.layers, a.logits).items():
            tensors[f"p{i}.{name}"] = tensor
        print(f"prompt {i}: {len(ids)} tokens", file=sys.stderr)
    metadata = {"format": FORMAT, "model": str(a.model), "architecture": model.config.model_type, **versions}
    write_safetensors(a.output, tensors, metadata)
    print(f"{a.output}: {len(tensors)} tensors", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
