"""The parameters of programs: a module, so that they are trained, saved and moved like any other."""

from __future__ import annotations

from torch import Tensor, nn

from helpers.programs.site import Site
from helpers.programs.stack import Handler


class Parameters(nn.Module):
    """What `param` and `module` name, by name. There is no global store: each objective has its own.

        parameters = Parameters()
        with parameters.new():  program(x)     # makes what is not there yet
        with parameters.used(): program(x)     # a name that is not there raises ValueError

    An optimiser holds the parameters that exist when it is made, so names that come later would never be trained.

    Attributes:
        unconstrained: The stored tensors by name: u, with transform_to(constraint)(u) the value.
        networks: The networks that `module` named.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unconstrained = nn.ParameterDict()
        self.networks = nn.ModuleDict()

    def new(self) -> Handler:
        """A handler that gives parameters to a program, and makes those that it does not have.

        Returns:
            The handler.
        """
        return _Giving(self, create=True)

    def used(self) -> Handler:
        """A handler that gives parameters to a program.

        Returns:
            The handler. A name that is not there raises ValueError.
        """
        return _Giving(self, create=False)

    def hold(self, name: str, network: nn.Module) -> None:
        """Hold a network, so that its parameters are this module's too.

        Args:
            name: Its name.
            network: The network.

        Raises:
            ValueError: If another one of that name is held.
        """
        key = _key(name, self.networks)
        if key in self.networks and self.networks[key] is not network:
            raise ValueError(
                f"Two networks are named {name!r}, or it was made anew in each execution, with new parameters. Make it once, outside of "
                "the program."
            )
        self.networks[key] = network


class _Giving(Handler):
    def __init__(self, parameters: Parameters, create: bool) -> None:
        super().__init__()
        self.parameters, self.create = parameters, create

    def process(self, site: Site) -> None:
        if site.kind != "param":
            return
        stored, transform = self.parameters.unconstrained, site.transform
        key = _key(site.name, stored)
        assert transform is not None
        if key not in stored:
            if not self.create:
                raise ValueError(
                    f"Parameter {site.name!r} ({site.where}) is used for the first time after the parameters were made, so no optimiser "
                    "holds it. Initialise with arguments that reach it, or with more executions: initialise(x, executions=20)."
                )
            assert site.draws is not None
            first: Tensor = site.draws(site)
            stored[key] = nn.Parameter(transform.inv(first.detach()).clone())
        unconstrained = stored[key]
        site.value = transform(unconstrained.view_as(unconstrained))  # a tensor like any other, not an nn.Parameter

    def finish(self, site: Site) -> None:
        if site.kind != "module":
            return
        if not self.create and _key(site.name, self.parameters.networks) not in self.parameters.networks:
            raise ValueError(
                f"module {site.name!r} ({site.where}) is named for the first time after the parameters were made, so no optimiser holds "
                "it. Initialise with arguments that reach it, or with more executions: initialise(x, executions=20)."
            )
        self.parameters.hold(site.name, site.value)


def _key(name: str, container: nn.Module) -> str:
    key = name.replace(".", "\N{MIDDLE DOT}")  # the dot separates a module's own names
    return f"{key}_" if hasattr(type(container), key) else key  # such as "keys" or "values"
