from graphviz.backend import dot_command as dot_command
from graphviz.backend import execute as execute
