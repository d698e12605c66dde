"""The part of graphviz 0.21 that convgraph uses; the package brings no types."""

from graphviz import backend as backend
from graphviz import exceptions as exceptions
