"""A real llama.cpp server with a model that was never trained: run by the tests in the servers' own environment.

`python tiny_llama_server.py DIRECTORY` writes a llama model into the directory, serves it, and prints its address.
The model is a table: each token has one that it likes to be followed by. Its layers are zero, so what comes out of
the embedding (the token itself) goes straight to the output, which holds the table.
"""

# pyright: reportMissingImports=false
# (its libraries are in an environment of their own: see scripts/setup-model-servers)

import sys
import threading
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

SPECIAL = ["<unk>", "<s>", "</s>", "<|answer|>"]
WORDS = ["\u2581tiny", "\u2581models", "\u2581talk"]
"""What the model says after the template's `<|answer|>`, before it ends."""
BYTES = [f"<0x{value:02X}>" for value in range(256)]
TOKENS = SPECIAL + BYTES + WORDS
WIDTH = 288  # at least one dimension for each token, and a multiple of 32
TEMPLATE = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}<|answer|>"


def write_model(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(9)
    writer.add_head_count_kv(9)
    writer.add_rope_dimension_count(32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * len(TOKENS))
    kinds = gguf.TokenType
    writer.add_token_types(
        [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, kinds.CONTROL] + [kinds.BYTE] * len(BYTES) + [kinds.NORMAL] * len(WORDS)
    )
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in tensors().items():
        writer.add_tensor(name, tensor.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensors() -> dict[str, np.ndarray]:
    embedding = np.zeros((len(TOKENS), WIDTH))
    embedding[np.arange(len(TOKENS)), np.arange(len(TOKENS))] = 1
    zero, one = np.zeros((WIDTH, WIDTH)), np.ones(WIDTH)
    return {
        "token_embd.weight": embedding,
        "output_norm.weight": one,
        "output.weight": successors(),
        "blk.0.attn_norm.weight": one,
        "blk.0.attn_q.weight": zero,
        "blk.0.attn_k.weight": zero,
        "blk.0.attn_v.weight": zero,
        "blk.0.attn_output.weight": zero,
        "blk.0.ffn_norm.weight": one,
        "blk.0.ffn_gate.weight": np.zeros((32, WIDTH)),
        "blk.0.ffn_up.weight": np.zeros((32, WIDTH)),
        "blk.0.ffn_down.weight": np.zeros((WIDTH, 32)),
    }


def successors() -> np.ndarray:
    table = np.zeros((len(TOKENS), WIDTH))
    path = ["<|answer|>", *WORDS, "</s>"]
    for current, following in pairwise(path):
        table[TOKENS.index(following), TOKENS.index(current)] = 2
    return table


def serve(model: Path) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = 8192
    params.n_parallel = 2
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.fit_params = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    model = Path(sys.argv[1]) / "tiny.gguf"
    write_model(model)
    serve(model)
