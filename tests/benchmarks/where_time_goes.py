"""Where a training step's time goes, by profile, in a few groups of operators."""

from __future__ import annotations

from collections.abc import Callable

from torch.autograd.profiler import profile

GROUPS = {
    "matrix products": ("aten::addmm", "aten::mm"),
    "softplus, sigmoid and their gradients": ("aten::softplus", "aten::log_sigmoid", "aten::sigmoid"),
    "Adam": ("aten::_fused_adam",),
    "norm of the gradients (NaN guard)": ("aten::linalg_vector_norm",),
    "batches and their check": ("aten::index_select", "aten::randperm", "aten::aminmax"),
    "other operators": ("aten::",),
}


def where_time_goes(epoch: Callable[[], object], steps: int, step_seconds: float, peak_seconds: float) -> list[str]:
    """One line a group: milliseconds a step, and share.

    step_seconds: a step unprofiled; what no operator took of it is the last line.
    Of three profiled epochs the least disturbed counts: the one whose operators took least.
    peak_seconds: what the step's matrix products would take at the machine's peak.
    """
    milliseconds = min((_by_group(epoch, steps) for _ in range(3)), key=lambda groups: sum(groups.values()))
    whole = 1000 * step_seconds
    milliseconds["Python, autograd's bookkeeping"] = whole - sum(milliseconds.values())
    at_peak = f"matrix products ({1000 * peak_seconds:.2f} ms at the peak)"
    milliseconds = {at_peak: milliseconds.pop("matrix products"), **milliseconds}
    return [f"   {name:75} {value:7.2f} ms {100 * value / whole:5.0f} %" for name, value in milliseconds.items()]


def _by_group(epoch: Callable[[], object], steps: int) -> dict[str, float]:
    """Profile one epoch: milliseconds a step, by group."""
    with profile(use_kineto=False) as profiled:
        epoch()
    milliseconds = dict.fromkeys(GROUPS, 0.0)
    for event in profiled.key_averages():
        group = next((name for name, keys in GROUPS.items() if event.key.startswith(keys)), None)
        if group is not None:
            milliseconds[group] += event.self_cpu_time_total / 1000 / steps
    return milliseconds
