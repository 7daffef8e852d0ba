"""Which floating-point type a model computes in, chosen for the device it is on."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from spice_select.errors import InputError, fault_words, nearest

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""The types that can be asked for by name."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A choice and its reason.

    Attributes:
        dtype: what weights and activations are held in; contractions and sketches are float32 always.
        reason: one sentence for the person.
    """

    dtype: torch.dtype
    reason: str


def choose_precision(dtype: str, device: torch.device) -> Precision:
    """Resolve ``auto`` for a device; any other name is taken as asked.

    On a CPU that is float32, whatever its units, so that the same corpus gives the same choice on every processor:
    bfloat16 moves a row's feature by hundredths of its length, and picks with it (docs/limits.md), though it is faster
    where AVX512-BF16 or AMX multiply it. Elsewhere on CPUs it is emulated: 37 times slower than float32 on an AVX2
    processor (matrix product of order 256, one thread). On a GPU that multiplies bfloat16 it is that: half the memory,
    and several times the speed.

    Raises:
        InputError: unknown name.
    """
    if dtype != "auto":
        if dtype not in DTYPES:
            known = ["auto", *DTYPES]
            raise InputError(f"dtype {dtype!r}: known are {', '.join(known)}.{nearest(dtype, known)}")
        return Precision(DTYPES[dtype], f"{dtype}, as asked")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Precision(torch.bfloat16, "bfloat16: this GPU multiplies it natively")
        return Precision(torch.float32, "float32: this GPU has no bfloat16 units")
    if device.type == "cpu":
        faster = "; --dtype bfloat16 would be faster on this one" if cpu_multiplies_bfloat16() else ""
        return Precision(torch.float32, f"float32: the same choice on every CPU{faster}")
    return Precision(torch.float32, f"float32: bfloat16 is not known to be fast on this {device.type.upper()}")


def choose_device(device: str) -> torch.device:
    """``auto`` is the first CUDA GPU (under torchrun: that of LOCAL_RANK), else MPS, else the CPU; else torch's names.

    Raises:
        InputError: torch does not know the device, cannot compute on it here, or it is not there.
    """
    if device == "auto":
        if torch.cuda.is_available():
            rank = os.environ.get("LOCAL_RANK", "")
            return (
                torch.device("cuda", int(rank) % torch.cuda.device_count()) if rank.isdigit() else torch.device("cuda")
            )
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device {device!r}: torch knows no such device; try auto, cpu or cuda") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r}: torch finds no CUDA GPU here; use cpu or auto")
    if chosen.type == "cuda":
        _refuse_absent_gpu(chosen)
    else:
        _try(chosen)
    return chosen


def _refuse_absent_gpu(device: torch.device) -> None:
    """By its number: to try it would begin with CUDA, which processes made later by a fork then cannot."""
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise InputError(f"device {str(device)!r}: torch finds {there} here; use one of these, cpu or auto")


def _try(device: torch.device) -> None:
    """Have a number computed on it; on `meta` there are none."""
    try:
        torch.ones(1, device=device).add_(1).item()
    except Exception as error:  # each kind of device says in its own way that it is not there
        cause = fault_words(error)[:200]
        raise InputError(
            f"device {str(device)!r}: torch cannot compute on it here ({cause}); use cpu, cuda or auto"
        ) from error


def cpu_multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether bfloat16 products are fast: the processor's flags name AVX512-BF16 or AMX-BF16, and oneDNN uses them.

    False where the flags cannot be read, and where ``ONEDNN_MAX_CPU_ISA`` forbids what they promise.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    return ("avx512_bf16" in flags or "amx_bf16" in flags) and _onednn_allows_bfloat16()


def _onednn_allows_bfloat16() -> bool:
    """As oneDNN says of the instructions it may use; True where this build of PyTorch cannot be asked."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return True
