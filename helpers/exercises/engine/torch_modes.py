"""`TorchModes`: closes the modes of torch that an answer left open, so that they do not change what runs after it."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch._C import _functorch
from torch.autograd import forward_ad
from torch.overrides import _get_current_function_mode_stack
from torch.utils import _device
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

DEVICES = ("cpu", "cuda", "mps")


class TorchModes:
    """The modes of torch that are open now, for the thread that asks.

    They are: function modes (a default device is one), dispatch modes (FakeTensorMode is one), torch.func transforms and the older vmap,
    forward-mode AD, autocast, and hooks on saved tensors. Gradient and inference mode are restored by `preserved_global_state`.
    """

    def __init__(self) -> None:
        self.function_modes = _get_current_function_mode_stack()
        self.dispatch_modes = _get_current_dispatch_mode_stack()
        self.device = _device.CURRENT_DEVICE, _default_device_context()
        self.transforms = _functorch.get_dynamic_layer_stack_depth()
        self.vmap_levels = _vmap_levels()
        self.dual_level = forward_ad._current_level
        self.autocast = _autocast()
        self.hooks = _top_hooks()
        self.no_hooks = torch._C._autograd._saved_tensors_hooks_get_disabled_error_message()
        self.lifted = torch._C._only_lift_cpu_tensors()

    def restore(self) -> list[str]:
        """Close what has been opened since, and open again what has been closed.

        Returns:
            Names of what was left open, as ["FakeTensorMode"]; usually [].
        """
        left: list[str] = []
        if _functorch.get_dynamic_layer_stack_depth() > self.transforms:
            _functorch.pop_dynamic_layer_stack_and_undo_to_depth(self.transforms)
            left.append("a transform of `torch.func`")
        while _vmap_levels() > self.vmap_levels:
            torch._C._vmapmode_decrement_nesting()
            left.append("a `vmap`")
        while forward_ad._current_level > max(self.dual_level, -1):
            forward_ad.exit_dual_level()
            left.append("a dual level of forward-mode AD")
        left += self._restore_dispatch_modes() + self._restore_function_modes() + self._restore_autocast()
        while (hooks := _top_hooks()) is not None and hooks != self.hooks:
            torch._C._autograd._pop_saved_tensors_default_hooks()
            left.append("hooks on saved tensors")
        if torch._C._autograd._saved_tensors_hooks_get_disabled_error_message() != self.no_hooks:
            if self.no_hooks is None:
                torch._C._autograd._saved_tensors_hooks_enable()
            else:
                torch._C._autograd._saved_tensors_hooks_disable(self.no_hooks)
            left.append("`disable_saved_tensors_hooks`")
        torch._C._set_only_lift_cpu_tensors(self.lifted)
        return left

    def _restore_dispatch_modes(self) -> list[str]:
        left = []
        for _ in range(100):
            now = _get_current_dispatch_mode_stack()
            extra = [mode for mode in now if not any(mode is one for one in self.dispatch_modes)]
            if not extra:
                break
            with contextlib.suppress(Exception):  # it undoes more than its place on the stack
                extra[-1].__exit__(None, None, None)
            if len(_get_current_dispatch_mode_stack()) == len(now):
                torch._C._pop_torch_dispatch_stack(getattr(extra[-1], "_mode_key", None))
            left.append(type(extra[-1]).__name__)
        for mode in self.dispatch_modes[len(_get_current_dispatch_mode_stack()) :]:
            mode.__enter__()
        return left

    def _restore_function_modes(self) -> list[str]:
        now = _get_current_function_mode_stack()
        extra = [mode for mode in now if not any(mode is one for one in self.function_modes)]
        if extra or len(now) != len(self.function_modes):
            for _ in now:
                torch._C._pop_torch_function_stack()
            for mode in self.function_modes:
                torch._C._push_on_torch_function_stack(mode)
        _device.CURRENT_DEVICE = self.device[0]
        if _default_device_context() is not self.device[1]:  # `set_default_device`
            torch._GLOBAL_DEVICE_CONTEXT.device_context = self.device[1]
        names = {"DeviceContext": "a default device"}
        return [names.get(type(mode).__name__, type(mode).__name__) for mode in extra]

    def _restore_autocast(self) -> list[str]:
        if _autocast() == self.autocast:
            return []
        nesting, cache, modes = self.autocast
        for device, (enabled, dtype) in zip(DEVICES, modes, strict=True):
            torch.set_autocast_enabled(device, enabled)
            torch.set_autocast_dtype(device, dtype)
        torch.set_autocast_cache_enabled(cache)
        while _autocast()[0] > nesting:
            torch.autocast_decrement_nesting()
        if nesting == 0:
            torch.clear_autocast_cache()
        return ["`autocast`"]


def _default_device_context() -> Any:
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)


def _vmap_levels() -> int:
    """Read by going one up and one down: torch has no other way."""
    torch._C._vmapmode_increment_nesting()
    return torch._C._vmapmode_decrement_nesting()


def _autocast() -> tuple[int, bool, tuple[tuple[bool, torch.dtype], ...]]:
    torch.autocast_increment_nesting()
    nesting = torch.autocast_decrement_nesting()
    modes = tuple((torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)) for device in DEVICES)
    return nesting, torch.is_autocast_cache_enabled(), modes


def _top_hooks() -> Any:
    return torch._C._autograd._top_saved_tensors_default_hooks(True)
