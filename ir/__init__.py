"""The SSA program as data: types, sizes, values, nodes, graphs, their text form and their rules."""

from . import printer as printer  # gives graphs their text form
